//! `-m limit`: a bucket of credit that fills with time, in the kernel's 32-bit arithmetic at HZ=250.

use libxt::ext::Families;
use libxt::ext::matches;

use super::Match;
use crate::ext::{Maker, Scene};
use crate::ruleset::Refused;
use crate::ruleset::refused::errno;

pub(super) const MAKER: Maker<Match> = Maker::of::<matches::limit::Limit>(Families::Both, |revision, info, site| {
    Limit::new(&site.decode(revision, info)?).map(Match::Limit)
})
.kept(|_| 8);

/// struct xt_rateinfo and struct xt_limit_priv.
#[derive(Debug)]
pub struct Limit {
    credit: u32,
    cap: u32,
    cost: u32,
    /// When credit was last given, in jiffies; `None` before the first packet, when the bucket is full anyway.
    last: Option<u64>,
}

impl Limit {
    /// As limit_mt_check().
    fn new(limit: &matches::limit::Limit) -> Result<Self, Refused> {
        let cost = credits(limit.period);
        let cap = credits(limit.period.wrapping_mul(limit.burst));
        if limit.burst == 0 || cap < cost {
            return Err(Refused::new(errno::ERANGE, "limit: rate and burst overflow, try lower ones"));
        }
        Ok(Self { credit: cap, cap, cost, last: None })
    }

    fn spend(&mut self, jiffies: u64) -> bool {
        let passed = jiffies.saturating_sub(self.last.unwrap_or(jiffies));
        self.last = Some(jiffies);
        let credit = self.credit.wrapping_add((passed as u32).wrapping_mul(PER_JIFFY)).min(self.cap);
        let enough = credit >= self.cost;
        self.credit = if enough { credit - self.cost } else { credit };
        enough
    }
}

/// As limit_mt().
pub(super) fn matches(limit: &mut Limit, scene: &Scene<'_, '_>) -> bool {
    limit.spend(scene.now.jiffies())
}

/// As user2credits().
const fn credits(user: u32) -> u32 {
    if user > u32::MAX / (HZ * PER_JIFFY) {
        (user / SCALE).wrapping_mul(HZ).wrapping_mul(PER_JIFFY)
    } else {
        user * HZ * PER_JIFFY / SCALE
    }
}

/// The kernel's ticks a second.
const HZ: u32 = 250;
/// `CREDITS_PER_JIFFY`: the largest power of two of which a day's worth fits 32 bits.
const PER_JIFFY: u32 = 128;
/// `XT_LIMIT_SCALE`.
const SCALE: u32 = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(period: u32, burst: u32) -> Result<Limit, Refused> {
        Limit::new(&matches::limit::Limit { period, burst })
    }

    #[test]
    fn one_a_day_overflows_and_two_a_day_match_once() {
        const DAY: u32 = 86_400 * SCALE;
        assert_eq!(limit(DAY, 5).unwrap_err().errno, errno::ERANGE);
        let mut twice = limit(DAY / 2, 5).unwrap();
        assert!(twice.spend(1000));
        assert!(!twice.spend(1000));
    }

    #[test]
    fn the_burst_is_spent_first_and_comes_back_with_time() {
        let mut limit = limit(SCALE, 3).unwrap();
        let spent: Vec<bool> = [0, 0, 0, 0, 249, 250, 250, 500].into_iter().map(|at| limit.spend(at)).collect();
        assert_eq!(spent, [true, true, true, false, false, true, false, true]);
    }

    #[test]
    fn a_burst_of_nothing_is_refused() {
        assert!(limit(SCALE, 0).is_err());
    }
}
