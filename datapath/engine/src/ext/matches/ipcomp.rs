//! `-m ipcomp`: the compression parameter index of an IPComp packet (RFC 3173).

use libxt::ext::Families;
use libxt::ext::matches::ipcomp::Ipcomp;

use super::Match;
use crate::ext::{Maker, Scene};
use crate::ruleset::Refused;
use crate::wire::u16_at;

pub(super) const MAKER: Maker<Match> = Maker::of::<Ipcomp>(Families::Both, |revision, info, site| {
    // As comp_mt_check(): no inversion but XT_IPCOMP_INV_MASK.
    if info.get(8).is_none_or(|inverted| inverted & !3 != 0) {
        return Err(Refused::invalid("ipcomp: an unknown inversion"));
    }
    Ok(Match::Ipcomp(site.decode(revision, info)?))
})
.protocol(108);

/// As comp_mt(), which never looks at the reserved field: what is too short for a header is dropped.
pub(super) fn matches(ipcomp: &Ipcomp, scene: &mut Scene<'_, '_>) -> bool {
    if scene.headers.fragment_offset() != 0 {
        return false;
    }
    let Some(index) = u16_at(scene.segment(), 2) else {
        scene.hotdrop = true;
        return false;
    };
    let spis = ipcomp.spi.value;
    ipcomp.spi.holds((spis.min..=spis.max).contains(&index.into()))
}
