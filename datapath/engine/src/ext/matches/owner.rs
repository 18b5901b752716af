//! `-m owner`: whose socket a local packet came from.

use libxt::ext::Families;
use libxt::ext::matches::owner::{Ids, Owner};
use libxt::family::Af;
use libxt::value::condition::Condition;

use super::Match;
use crate::ext::{Maker, Scene, bit};
use crate::host::AddressKind;
use crate::notes::Answer;
use crate::packet::Hook;
use crate::ruleset::Refused;

pub(super) const MAKER: Maker<Match> = Maker::of::<Owner>(Families::Both, |revision, info, site| {
    let value: Owner = site.decode(revision, info)?;
    // As owner_check(): no condition but XT_OWNER_MASK.
    if info.get(16).is_none_or(|asked| asked & !0x0f != 0) {
        return Err(Refused::invalid("owner: an unknown condition"));
    }
    let backwards = |ids: &Option<Condition<Ids>>| ids.as_ref().is_some_and(|ids| ids.value.max < ids.value.min);
    if backwards(&value.user) || backwards(&value.group) {
        return Err(Refused::invalid("owner: a range that ends before it starts"));
    }
    Ok(Match::Owner(value))
})
.hooks(bit(Hook::Output) | bit(Hook::Postrouting));

/// As owner_mt(). A packet without a socket matches only what asks for nothing but inverted conditions. What this machine
/// sends without an owner is the kernel's, whose sockets have no file: errors, echo replies, resets. REJECT's resets, those of
/// IPv6, and what [`is_copy`] tells have no socket at all. Supplementary groups are
/// not known of a queued packet: the group is the socket's own.
pub(super) fn matches(owner: &Owner, scene: &Scene<'_, '_>) -> bool {
    let Some(socket) = scene.packet.owner else {
        let inverted = |condition: &Option<Condition<Ids>>| condition.as_ref().is_none_or(|ids| ids.inverted);
        let reset = scene.headers.protocol == TCP && (scene.answer == Some(Answer::Reset) || scene.af() == Af::V6);
        let kernels = scene.packet.in_device.is_none() && !reset && !is_copy(scene);
        return inverted(&owner.user)
            && inverted(&owner.group)
            && owner.socket.as_ref().is_none_or(|socket| socket.inverted != kernels);
    };
    let holds = |condition: &Option<Condition<Ids>>, id: u32| {
        condition.as_ref().is_none_or(|ids| ids.holds((ids.value.min..=ids.value.max).contains(&id)))
    };
    owner.socket.as_ref().is_none_or(|socket| !socket.inverted)
        && holds(&owner.user, socket.uid)
        && holds(&owner.group, socket.gid)
}

/// Whether a packet without an owner goes to many: the copy for the sender's own host (ip_mc_output(), ip6_finish_output2())
/// and IGMP's reports have no socket; ICMPv6 to groups has the kernel's.
fn is_copy(scene: &Scene<'_, '_>) -> bool {
    let to = scene.headers.destination.ip(scene.af());
    let many = to.is_multicast() || scene.host.address_kind(to, None) == AddressKind::Broadcast;
    many && scene.headers.protocol != ICMPV6
}

const TCP: u8 = 6;
const ICMPV6: u8 = 58;
