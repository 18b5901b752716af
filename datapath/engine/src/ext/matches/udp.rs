//! `-m udp`: ports.

use libxt::ext::Families;
use libxt::ext::matches::udp::Udp;

use super::Match;
use crate::ext::{Maker, Scene};
use crate::ruleset::Refused;
use crate::wire::udp;

pub(super) const MAKER: Maker<Match> = Maker::of::<Udp>(Families::Both, |revision, info, site| {
    // As udp_mt_check(): no inversion but XT_UDP_INV_MASK.
    if info.get(8).is_none_or(|inverted| inverted & !0x03 != 0) {
        return Err(Refused::invalid("udp: an unknown inversion"));
    }
    Ok(Match::Udp(site.decode(revision, info)?))
})
.protocol(17);

/// As udp_mt().
pub(super) fn matches(udp: &Udp, scene: &mut Scene<'_, '_>) -> bool {
    if scene.headers.fragment_offset() != 0 {
        return false;
    }
    let Some(header) = udp::Udp::parse(scene.segment()) else {
        scene.hotdrop = true;
        return false;
    };
    let (source, destination) = (udp.source.value, udp.destination.value);
    udp.source.holds((source.min..=source.max).contains(&header.source))
        && udp.destination.holds((destination.min..=destination.max).contains(&header.destination))
}
