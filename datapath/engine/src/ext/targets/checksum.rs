//! `-j CHECKSUM`: fills in the transport checksum where that was left to the device.

use libxt::ext::Families;
use libxt::ext::targets::checksum::Checksum;

use super::{Outcome, Target};
use crate::ext::{Maker, Scene};
use crate::packet;
use crate::ruleset::Refused;
use crate::wire::partial;

pub(super) const MAKER: Maker<Target> = Maker::of::<Checksum>(Families::Both, |revision, info, site| {
    // As checksum_tg_check(): XT_CHECKSUM_OP_FILL, and nothing else.
    if info.first() != Some(&1) {
        return Err(Refused::invalid("CHECKSUM: there is nothing to do but to fill it in"));
    }
    let _checked: Checksum = site.decode(revision, info)?;
    Ok(Target::Checksum)
})
.table("mangle");

/// As checksum_tg(): the segments of a super-packet get theirs when they are cut.
pub(super) fn act(scene: &mut Scene<'_, '_>) -> Outcome {
    if scene.partial() && !scene.packet.gso {
        partial::complete(scene.af(), scene.packet.data.make_mut());
        scene.packet.checksum = packet::Checksum::Unverified;
    }
    Outcome::Continue
}
