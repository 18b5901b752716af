//! `-m mh`: the type of an IPv6 mobility header (RFC 6275).

use libxt::ext::Families;
use libxt::ext::matches::mh::Mh;

use super::Match;
use crate::ext::{Maker, Scene};
use crate::ruleset::Refused;
use crate::wire::ipv6;

pub(super) const MAKER: Maker<Match> = Maker::of::<Mh>(Families::V6, |revision, info, site| {
    // As mh_mt6_check(): no inversion but IP6T_MH_INV_MASK.
    if info.get(2).is_none_or(|inverted| inverted & !1 != 0) {
        return Err(Refused::invalid("mh: an unknown inversion"));
    }
    Ok(Match::Mh(site.decode(revision, info)?))
})
.protocol(135);

/// Bytes of the header before its message.
const HEADER: usize = 6;

/// As mh_mt6(): what is too short for a header is dropped, and so is one that another header follows.
pub(super) fn matches(mh: &Mh, scene: &mut Scene<'_, '_>) -> bool {
    if scene.headers.fragment_offset() != 0 {
        return false;
    }
    let Some(&[ipv6::NONE, _, kind, ..]) = scene.segment().first_chunk::<HEADER>() else {
        scene.hotdrop = true;
        return false;
    };
    let [least, most] = mh.types.value;
    mh.types.holds((least..=most).contains(&kind))
}
