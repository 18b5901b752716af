//! `-j TPROXY`: the packet for a transparent socket of this machine, handed over to the kernel, which drops it if there is none.

use libxt::ext::Families;
use libxt::ext::targets::tproxy::Tproxy;
use libxt::value::mark::Masked;

use super::{Outcome, Target};
use crate::ext::{Maker, Scene, bit, handover};
use crate::packet::{Hook, Verdict};
use crate::ruleset::Refused;

/// A rule with it.
#[derive(Debug)]
pub struct Rule {
    pub(super) handover: handover::Rule,
    mark: Masked,
}

pub(super) const MAKER: Maker<Target> = Maker::of::<Tproxy>(Families::Both, |revision, info, site| {
    let value: Tproxy = site.decode(revision, info)?;
    // As tproxy_tg4_check() and tproxy_tg6_check().
    if !matches!(site.protocol(), Some(TCP | UDP)) {
        return Err(Refused::invalid("TPROXY: its rule must say -p tcp or -p udp"));
    }
    let mut socket = info.to_vec();
    // Rules that differ in the mark alone look for the same socket.
    socket.iter_mut().take(MARK).for_each(|byte| *byte = 0);
    let handover = handover::Rule::new(handover::PROXY, revision, &socket, socket.len(), true, site);
    Ok(Target::Tproxy(Box::new(Rule { handover, mark: value.mark })))
})
.table("mangle")
.hooks(bit(Hook::Prerouting));

/// As tproxy_tg4() and tproxy_tg6_v1(). The mark is the socket's packet's alone; one without a socket is dropped with it.
pub(super) fn act(rule: &Rule, scene: &mut Scene<'_, '_>) -> Outcome {
    if scene.segment().len() < PORTS {
        return Outcome::Verdict(Verdict::Drop);
    }
    let Masked { value, mask } = rule.mark;
    scene.packet.mark = scene.packet.mark & !mask ^ value;
    handover::act(&rule.handover, scene)
}

/// Bytes of mask and value, with which struct xt_tproxy_target_info begins in every revision.
const MARK: usize = 8;
/// Bytes of the transport header that have to be there: struct udphdr.
const PORTS: usize = 8;
const TCP: u8 = 6;
const UDP: u8 = 17;
