//! `-m hl`: compares the IPv6 hop limit.

use libxt::ext::Families;
use libxt::ext::matches::hl::Hl;
use libxt::value::hops::Comparison;

use super::Match;
use crate::ext::{Maker, Scene};

pub(super) const MAKER: Maker<Match> =
    Maker::of::<Hl>(Families::V6, |revision, info, site| Ok(Match::Hl(site.decode(revision, info)?)));

/// As hl_mt6().
pub(super) fn matches(value: &Hl, scene: &Scene<'_, '_>) -> bool {
    let hops = scene.headers.ttl;
    match value.comparison {
        Comparison::Equal => hops == value.hops,
        Comparison::NotEqual => hops != value.hops,
        Comparison::Less => hops < value.hops,
        Comparison::Greater => hops > value.hops,
    }
}
