//! `-m icmp6`: ICMPv6 types and codes.

use libxt::ext::Families;
use libxt::ext::matches::icmp6::Icmp6;

use super::Match;
use crate::ext::{Maker, Scene};
use crate::ruleset::Refused;
use crate::wire::icmp::Icmp;

pub(super) const MAKER: Maker<Match> = Maker::of::<Icmp6>(Families::V6, |revision, info, site| {
    // As icmp6_checkentry(): no inversion but the one.
    if info.get(3).is_none_or(|inverted| inverted & !0x01 != 0) {
        return Err(Refused::invalid("icmp6: an unknown inversion"));
    }
    Ok(Match::Icmp6(site.decode(revision, info)?))
})
.protocol(58);

/// As icmp6_match().
pub(super) fn matches(icmp: &Icmp6, scene: &mut Scene<'_, '_>) -> bool {
    if scene.headers.fragment_offset() != 0 {
        return false;
    }
    let Some(header) = Icmp::parse(scene.segment()) else {
        scene.hotdrop = true;
        return false;
    };
    let wanted = icmp.icmp;
    let fits = wanted.kind == header.kind && (wanted.code_min..=wanted.code_max).contains(&header.code);
    fits != icmp.inverted
}
