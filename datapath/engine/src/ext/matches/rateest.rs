//! `-m rateest`: compares what `-j RATEEST` measured with numbers, or two such rates with each other.

use libxt::ext::Families;
use libxt::ext::matches;
use libxt::ext::matches::rateest::Comparison;

use super::Match;
use crate::ext::stores::Stores;
use crate::ext::{Maker, Scene};
use crate::ruleset::Refused;
use crate::ruleset::refused::errno;

pub(super) const MAKER: Maker<Match> =
    Maker::of::<matches::rateest::Rateest>(Families::Both, |revision, info, site| {
        let value: matches::rateest::Rateest = site.decode(revision, info)?;
        check(&value, info)?;
        Ok(Match::Rateest(Box::new(Rule { value, estimators: [None; 2] })))
    })
    .kept(|_| 56);

/// A rule and the estimators it compares.
#[derive(Debug)]
pub struct Rule {
    value: matches::rateest::Rateest,
    estimators: [Option<usize>; 2],
}

/// As the first half of xt_rateest_mt_checkentry().
fn check(value: &matches::rateest::Rateest, info: &[u8]) -> Result<(), Refused> {
    let flags = info.get(FLAGS).copied().unwrap_or(0);
    if (flags & (ABSOLUTE | RELATIVE)).count_ones() != 1 {
        return Err(Refused::invalid("rateest: one estimator or two"));
    }
    if value.bytes.is_none() && value.packets.is_none() {
        return Err(Refused::invalid("rateest: neither bytes nor packets"));
    }
    if value.comparison.is_none() {
        return Err(Refused::invalid("rateest: an unknown comparison"));
    }
    Ok(())
}

impl Rule {
    /// Finds the estimators that the rule names. As the second half of xt_rateest_mt_checkentry().
    pub(crate) fn open(&mut self, stores: &mut Stores) -> Result<(), Refused> {
        let wanted = if self.value.relative { 2 } else { 1 };
        for (place, name) in self.estimators.iter_mut().zip(&self.value.names).take(wanted) {
            if place.is_some_and(|index| stores.estimators.name(index)) {
                continue;
            }
            let index = stores.estimators.position(|estimator| estimator.is(name));
            let index = index.ok_or(Refused::new(errno::ENOENT, "rateest: no such estimator"))?;
            stores.estimators.name(index);
            *place = Some(index);
        }
        Ok(())
    }
}

/// As xt_rateest_mt().
pub(super) fn matches(rule: &Rule, scene: &mut Scene<'_, '_>) -> bool {
    let (value, now) = (&rule.value, scene.now.jiffies());
    let [mut first, mut second] = rule.estimators.map(|index| {
        let estimator = index.and_then(|index| scene.stores.estimators.get_mut(index));
        estimator.map_or([0; 2], |estimator| estimator.rates(now))
    });
    let given = [value.bytes, value.packets].map(Option::unwrap_or_default);
    if value.delta {
        first = [0, 1].map(|unit: usize| u64::from(given[unit][0]).saturating_sub(first[unit]));
        second = [0, 1].map(|unit: usize| u64::from(given[unit][1]).saturating_sub(second[unit]));
    }
    if !value.relative {
        second = given.map(|[_, limit]| limit.into());
    }
    let holds = |unit: usize| match value.comparison {
        Some(Comparison::Below) => first[unit] < second[unit],
        Some(Comparison::Above) => first[unit] > second[unit],
        Some(Comparison::Equal) => first[unit] == second[unit],
        None => true,
    };
    ((value.bytes.is_none() || holds(0)) && (value.packets.is_none() || holds(1))) != value.inverted
}

/// Where the flags stand in struct xt_rateest_match_info, and two of them.
const FLAGS: usize = 32;
const ABSOLUTE: u8 = 1 << 1;
const RELATIVE: u8 = 1 << 2;
