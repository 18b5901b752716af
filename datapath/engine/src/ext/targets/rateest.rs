//! `-j RATEEST`: measures the rate of the packets under a name, for `-m rateest` to compare.

use libxt::ext::Families;
use libxt::ext::targets;
use libxt::value::text::Text;

use super::{Outcome, Target};
use crate::ext::stores::Stores;
use crate::ext::{Maker, Scene};
use crate::ruleset::Refused;
use crate::ruleset::refused::errno;

pub(super) const MAKER: Maker<Target> =
    Maker::of::<targets::rateest::Rateest>(Families::Both, |revision, info, site| {
        let value: targets::rateest::Rateest = site.decode(revision, info)?;
        if value.name.as_bytes().len() >= value.name.0.len() {
            return Err(Refused::new(errno::ENAMETOOLONG, "RATEEST: the estimator's name does not end"));
        }
        // As gen_new_estimator().
        if !(-2..=3).contains(&value.interval) || !(1..31).contains(&value.ewma_log) {
            return Err(Refused::invalid("RATEEST: the interval or the average's time is out of range"));
        }
        Ok(Target::Rateest(Rule { value, estimator: None }))
    })
    .kept(|_| 24);

/// A rule and its estimator.
#[derive(Debug)]
pub struct Rule {
    value: targets::rateest::Rateest,
    estimator: Option<usize>,
}

/// struct xt_rateest with its struct net_rate_estimator.
#[derive(Debug)]
pub struct Estimator {
    name: [u8; 16],
    /// Quarters of a second between measurements, as a power of two.
    interval: u32,
    ewma_log: u32,
    /// Bytes and packets: counted so far, counted at the last measurement, averages in 256ths a second.
    counted: [u64; 2],
    last: [u64; 2],
    average: [u64; 2],
    /// When it measures next, in jiffies; `None` before the first packet.
    next: Option<u64>,
}

impl Rule {
    /// Finds or makes the estimator that the rule names. As xt_rateest_tg_checkentry().
    pub(crate) fn open(&mut self, stores: &mut Stores) -> Result<(), Refused> {
        if self.estimator.is_some_and(|index| stores.estimators.name(index)) {
            return Ok(());
        }
        let value = &self.value;
        let (interval, ewma_log) = ((i32::from(value.interval) + 2).cast_unsigned(), value.ewma_log.into());
        let index = match stores.estimators.position(|estimator| estimator.is(&value.name)) {
            Some(index) => {
                let same = |it: &Estimator| (it.interval, it.ewma_log) == (interval, ewma_log);
                if !stores.estimators.get(index).is_some_and(same) {
                    return Err(Refused::invalid("RATEEST: the estimator is there with another interval or average"));
                }
                stores.estimators.name(index);
                index
            }
            None => {
                let (counted, last, average) = ([0; 2], [0; 2], [0; 2]);
                let name = value.name.0;
                stores.estimators.put(Estimator { name, interval, ewma_log, counted, last, average, next: None })
            }
        };
        self.estimator = Some(index);
        Ok(())
    }
}

/// As xt_rateest_tg().
pub(super) fn act(rule: &Rule, scene: &mut Scene<'_, '_>) -> Outcome {
    let (bytes, now) = (scene.len() as u64, scene.now.jiffies());
    if let Some(estimator) = rule.estimator.and_then(|index| scene.stores.estimators.get_mut(index)) {
        estimator.count(bytes, now);
    }
    Outcome::Continue
}

impl Estimator {
    pub(crate) fn is(&self, name: &Text<16>) -> bool {
        self.name == name.0
    }

    /// Bytes and packets a second. As gen_estimator_read().
    pub(crate) fn rates(&mut self, now: u64) -> [u64; 2] {
        self.measure(now);
        self.average.map(|average| average >> 8)
    }

    fn count(&mut self, bytes: u64, now: u64) {
        self.measure(now);
        let [all, packets] = &mut self.counted;
        *all = all.wrapping_add(bytes);
        *packets = packets.wrapping_add(1);
    }

    /// Makes all measurements that are due. As est_timer().
    pub(crate) fn measure(&mut self, now: u64) {
        let span = QUARTER << self.interval;
        let next = self.next.get_or_insert(now + span);
        for _ in 0..CATCH_UP {
            if *next > now {
                return;
            }
            *next += span;
            for at in 0..2 {
                let rate = self.counted[at].wrapping_sub(self.last[at]) << (10 - self.interval);
                let change = (rate >> self.ewma_log).wrapping_sub(self.average[at] >> self.ewma_log);
                self.average[at] = self.average[at].wrapping_add(change);
                self.last[at] = self.counted[at];
            }
        }
        *next = (*next).max(now + 1);
    }
}

/// A quarter of a second at HZ=250.
const QUARTER: u64 = 62;
/// Measurements made up for at once.
const CATCH_UP: u32 = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn estimator() -> Estimator {
        let value = |interval| {
            let mut value = targets::rateest::Rateest::default();
            (value.interval, value.ewma_log) = (interval, 1);
            value
        };
        let mut stores = Stores::new([0; 16]);
        let mut rule = Rule { value: value(-2), estimator: None };
        rule.open(&mut stores).unwrap();
        let refused = Rule { value: value(-1), estimator: None }.open(&mut stores).unwrap_err();
        assert_eq!(refused.errno, errno::EINVAL);
        let kept = stores.estimators.get(0).unwrap();
        Estimator { ..*kept }
    }

    #[test]
    fn a_steady_rate_is_approached_and_fades() {
        let mut estimator = estimator();
        // Ten packets of 100 bytes in each quarter of a second.
        let mut now = 1;
        for _ in 0..20 {
            for _ in 0..10 {
                estimator.count(100, now);
            }
            now += QUARTER;
        }
        assert_eq!(estimator.rates(now), [4000, 40]);
        assert_eq!(estimator.rates(now + 4 * QUARTER), [250, 2]);
        assert_eq!(estimator.rates(now + 1_000_000), [0, 0]);
    }
}
