//! `-m icmp`: ICMP types and codes.

use libxt::ext::Families;
use libxt::ext::matches::icmp::Icmp4;

use super::Match;
use crate::ext::{Maker, Scene};
use crate::ruleset::Refused;
use crate::wire::icmp::Icmp;

pub(super) const MAKER: Maker<Match> = Maker::of::<Icmp4>(Families::V4, |revision, info, site| {
    // As icmp_checkentry(): no inversion but the one.
    if info.get(3).is_none_or(|inverted| inverted & !0x01 != 0) {
        return Err(Refused::invalid("icmp: an unknown inversion"));
    }
    Ok(Match::Icmp(site.decode(revision, info)?))
})
.protocol(1);

/// As icmp_match().
pub(super) fn matches(icmp: &Icmp4, scene: &mut Scene<'_, '_>) -> bool {
    if scene.headers.fragment_offset() != 0 {
        return false;
    }
    let Some(header) = Icmp::parse(scene.segment()) else {
        scene.hotdrop = true;
        return false;
    };
    let wanted = icmp.icmp;
    let fits =
        wanted.kind == ANY || wanted.kind == header.kind && (wanted.code_min..=wanted.code_max).contains(&header.code);
    fits != icmp.inverted
}

/// The type that stands for every type, whatever the codes.
const ANY: u8 = 255;
