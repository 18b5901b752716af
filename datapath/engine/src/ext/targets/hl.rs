//! `-j HL`: changes the IPv6 hop limit.

use libxt::ext::Families;
use libxt::ext::targets::hl::Hl;
use libxt::value::hops::Change;

use super::{Outcome, Target};
use crate::ext::{Maker, Scene};
use crate::ruleset::Refused;
use crate::wire::ipv6;

pub(super) const MAKER: Maker<Target> = Maker::of::<Hl>(Families::V6, |revision, info, site| {
    let value: Hl = site.decode(revision, info)?;
    if value.change != Change::Set && value.hops == 0 {
        return Err(Refused::invalid("HL: a change by nothing"));
    }
    Ok(Target::Hl(value))
})
.table("mangle");

/// As hl_tg6().
pub(super) fn act(value: &Hl, scene: &mut Scene<'_, '_>) -> Outcome {
    let old = scene.headers.ttl;
    let new = match value.change {
        Change::Set => value.hops,
        Change::Increment => old.saturating_add(value.hops),
        Change::Decrement => old.saturating_sub(value.hops),
    };
    if new == old {
        return Outcome::Continue;
    }
    let bytes = scene.packet.data.make_mut();
    if let Some(hops) = bytes.get_mut(ipv6::HOP_LIMIT) {
        *hops = new;
    }
    scene.headers.ttl = new;
    Outcome::Continue
}
