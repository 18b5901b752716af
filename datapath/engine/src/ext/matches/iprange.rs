//! `-m iprange`: addresses between two others.

use libxt::ext::Families;
use libxt::ext::matches::iprange::{Iprange, Range};
use libxt::value::condition::Condition;

use super::Match;
use crate::conntrack::Address;
use crate::ext::{Maker, Scene};

pub(super) const MAKER: Maker<Match> =
    Maker::of::<Iprange>(Families::Both, |revision, info, site| Ok(Match::Iprange(site.decode(revision, info)?)));

/// As iprange_mt4() and iprange_mt6().
pub(super) fn matches(iprange: &Iprange, scene: &Scene<'_, '_>) -> bool {
    holds(&iprange.source, scene.headers.source) && holds(&iprange.destination, scene.headers.destination)
}

fn holds(range: &Option<Condition<Range>>, address: Address) -> bool {
    range.as_ref().is_none_or(|range| {
        let (first, last) = (Address::from(range.value.first), Address::from(range.value.last));
        range.holds((first..=last).contains(&address))
    })
}
