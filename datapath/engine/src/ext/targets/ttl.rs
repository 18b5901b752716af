//! `-j TTL`: changes the IPv4 time to live.

use libxt::ext::Families;
use libxt::ext::targets::ttl::Ttl;
use libxt::value::hops::Change;

use super::{Outcome, Target};
use crate::ext::{Maker, Scene};
use crate::ruleset::Refused;
use crate::wire::{checksum, ipv4, set_u16, u16_at};

pub(super) const MAKER: Maker<Target> = Maker::of::<Ttl>(Families::V4, |revision, info, site| {
    let value: Ttl = site.decode(revision, info)?;
    if value.change != Change::Set && value.hops == 0 {
        return Err(Refused::invalid("TTL: a change by nothing"));
    }
    Ok(Target::Ttl(value))
})
.table("mangle");

/// As ttl_tg().
pub(super) fn act(value: &Ttl, scene: &mut Scene<'_, '_>) -> Outcome {
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
    let sum = u16_at(bytes, ipv4::CHECKSUM).unwrap_or(0);
    set_u16(bytes, ipv4::CHECKSUM, checksum::update(sum, &[old, 0], &[new, 0]));
    if let Some(hops) = bytes.get_mut(ipv4::TTL) {
        *hops = new;
    }
    scene.headers.ttl = new;
    Outcome::Continue
}
