//! `-m ttl`: compares the IPv4 time to live.

use libxt::ext::Families;
use libxt::ext::matches::ttl::Ttl;
use libxt::value::hops::Comparison;

use super::Match;
use crate::ext::{Maker, Scene};

pub(super) const MAKER: Maker<Match> =
    Maker::of::<Ttl>(Families::V4, |revision, info, site| Ok(Match::Ttl(site.decode(revision, info)?)));

/// As ttl_mt().
pub(super) fn matches(value: &Ttl, scene: &Scene<'_, '_>) -> bool {
    let hops = scene.headers.ttl;
    match value.comparison {
        Comparison::Equal => hops == value.hops,
        Comparison::NotEqual => hops != value.hops,
        Comparison::Less => hops < value.hops,
        Comparison::Greater => hops > value.hops,
    }
}
