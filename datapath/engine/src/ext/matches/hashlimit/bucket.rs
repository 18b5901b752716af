//! One group's credit, in the kernel's arithmetic at HZ=250: packets, bytes, or the rate itself.

use super::mode;
use crate::ruleset::Refused;
use crate::ruleset::refused::errno;

/// What a rule says of its rate, in the numbers of its revision.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rate {
    pub(super) revision: u8,
    /// Bits of [`mode`].
    pub(super) mode: u32,
    /// `avg`: parts of a second between packets, or 2^32 by portions of bytes a second.
    pub(super) average: u64,
    pub(super) burst: u64,
    /// Seconds, for comparing the rate itself.
    pub(super) interval: u32,
}

/// The `rateinfo` of struct dsthash_ent. Its numbers mean something else where the rate itself is compared: the seconds and
/// above them whether the last interval was over, the packets or bytes of this interval, and the rate.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    /// When credit was last given, in jiffies.
    last: u64,
    pub(super) credit: u64,
    pub(super) cap: u64,
    pub(super) cost: u64,
    burst: u64,
}

impl Rate {
    fn asks(&self, bit: u32) -> bool {
        self.mode & bit != 0
    }

    /// As the end of hashlimit_mt_check_common().
    pub(super) fn check(&self) -> Result<(), Refused> {
        if self.revision >= 3 && self.asks(mode::RATE_MATCH) {
            if self.average == 0 || self.average > u64::from(u32::MAX) {
                return Err(Refused::new(errno::ERANGE, "hashlimit: the rate is out of range"));
            }
            if self.interval == 0 {
                return Err(Refused::invalid("hashlimit: a rate is measured over at least a second"));
            }
        } else if self.asks(mode::BYTES) {
            if byte_credits(self.average) == 0 {
                return Err(Refused::invalid("hashlimit: the rate is too high"));
            }
        } else if self.burst == 0
            || credits(self.average.wrapping_mul(self.burst), self.revision) < credits(self.average, self.revision)
        {
            return Err(Refused::new(errno::ERANGE, "hashlimit: rate and burst overflow, try lower ones"));
        }
        Ok(())
    }
}

impl Bucket {
    /// A full one. As rateinfo_init().
    pub(super) fn new(rate: &Rate, now: u64) -> Self {
        let mut bucket = Self { last: now, credit: 0, cap: 0, cost: 0, burst: 0 };
        if rate.revision >= 3 && rate.asks(mode::RATE_MATCH) {
            bucket.credit = rate.interval.into();
            if rate.asks(mode::BYTES) {
                bucket.cost = rate_of_bytes(rate.average);
                bucket.burst = if rate.burst == 0 { bucket.cost } else { rate.burst.wrapping_mul(bucket.cost) };
            } else {
                bucket.cost = SCALE_2.checked_div(rate.average).unwrap_or(0);
                bucket.burst = rate.burst.wrapping_add(bucket.cost);
            }
        } else if rate.asks(mode::BYTES) {
            bucket.credit = FULL_BYTES;
            bucket.cost = byte_credits(rate.average).into();
            bucket.cap = rate.burst;
        } else {
            bucket.credit = credits(rate.average.wrapping_mul(rate.burst), rate.revision);
            bucket.cost = credits(rate.average, rate.revision);
            bucket.cap = bucket.credit;
        }
        bucket
    }

    /// Gives the credit of the time that passed. As rateinfo_recalc().
    pub(super) fn refill(&mut self, now: u64, modes: u32, revision: u8) {
        let passed = now.wrapping_sub(self.last);
        if passed == 0 {
            return;
        }
        if revision >= 3 && modes & mode::RATE_MATCH != 0 {
            let interval = u64::from((self.credit as u32).wrapping_mul(HZ as u32));
            if passed < interval {
                return;
            }
            self.last = now;
            let over = self.cap.wrapping_mul(interval) > passed.wrapping_mul(self.cost);
            self.credit = self.credit & u64::from(u32::MAX) | u64::from(over) << 32;
            self.cap = 0;
            return;
        }
        self.last = now;
        if modes & mode::BYTES != 0 {
            let had = self.credit;
            self.credit = had.wrapping_add(PER_JIFFY_BYTES.wrapping_mul(passed));
            self.credit = if had >= self.credit { FULL_BYTES } else { self.credit.min(FULL_BYTES) };
        } else {
            let per_jiffy = if revision == 1 { PER_JIFFY_1 } else { PER_JIFFY };
            self.credit = self.credit.wrapping_add(passed.wrapping_mul(per_jiffy)).min(self.cap);
        }
    }

    /// Whether a packet of so many bytes is below the limit, which it then pays for. As the end of hashlimit_mt_common().
    pub(super) fn spend(&mut self, modes: u32, len: u64) -> bool {
        if modes & mode::RATE_MATCH != 0 {
            self.cap = self.cap.wrapping_add(if modes & mode::BYTES != 0 { len } else { 1 });
            return self.credit >> 32 == 0 && self.cap <= self.burst;
        }
        let cost = if modes & mode::BYTES != 0 { self.byte_cost(len) } else { self.cost };
        let enough = self.credit >= cost;
        if enough {
            self.credit -= cost;
        }
        enough
    }

    /// What so many bytes cost; a burst that is left fills the bucket again. As hashlimit_byte_cost().
    fn byte_cost(&mut self, len: u64) -> u64 {
        let cost = ((len >> PORTION) + 1).saturating_mul(self.cost).min(FULL_BYTES);
        if self.credit < cost && self.cap != 0 {
            self.cap -= 1;
            self.credit = FULL_BYTES;
        }
        cost
    }
}

/// As user2credits().
fn credits(user: u64, revision: u8) -> u64 {
    let (scale, per_second) = if revision == 1 { (SCALE_1, HZ * PER_JIFFY_1) } else { (SCALE_2, HZ * PER_JIFFY) };
    // What is constant is divided first.
    user.wrapping_mul(per_second / scale)
}

/// As user2credits_byte().
fn byte_credits(user: u64) -> u32 {
    (((user & u64::from(u32::MAX)) * (HZ * PER_JIFFY_BYTES)) >> 32) as u32
}

/// Bytes a second. As user2rate_bytes().
fn rate_of_bytes(user: u64) -> u64 {
    let portions = u32::MAX.checked_div(user as u32).unwrap_or(u32::MAX);
    u64::from(portions).wrapping_sub(1) << PORTION
}

/// The kernel's ticks a second.
const HZ: u64 = 250;
/// `CREDITS_PER_JIFFY_v1`: the largest power of two of which a day's worth fits 32 bits.
const PER_JIFFY_1: u64 = 128;
/// `CREDITS_PER_JIFFY_BYTES`: the same of a second's worth.
const PER_JIFFY_BYTES: u64 = 1 << 24;
/// `CREDITS_PER_JIFFY`: the same for 64 bits.
const PER_JIFFY: u64 = 1 << 39;
/// `XT_HASHLIMIT_SCALE`, `XT_HASHLIMIT_SCALE_v2`.
const SCALE_1: u64 = 10_000;
const SCALE_2: u64 = 1_000_000;
/// Credit of a full bucket of bytes.
const FULL_BYTES: u64 = PER_JIFFY_BYTES * HZ;
/// `XT_HASHLIMIT_BYTE_SHIFT`: bytes are paid for in portions of 16.
const PORTION: u32 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(modes: u32, average: u64, burst: u64) -> Rate {
        Rate { revision: 3, mode: modes, average, burst, interval: 1 }
    }

    /// Spends a packet of 100 bytes at each of these times, in jiffies.
    fn spent(rate: &Rate, times: &[u64]) -> Vec<bool> {
        rate.check().unwrap();
        let mut bucket = Bucket::new(rate, times[0]);
        let mut spend = |at: &u64| {
            bucket.refill(*at, rate.mode, rate.revision);
            bucket.spend(rate.mode, 100)
        };
        times.iter().map(&mut spend).collect()
    }

    #[test]
    fn the_burst_is_spent_first_and_comes_back_with_time() {
        let second = rate(0, SCALE_2, 2);
        assert_eq!(spent(&second, &[0, 0, 0, 248, 251, 252]), [true, true, false, false, true, false]);
        let older = Rate { revision: 1, average: SCALE_1, ..second };
        // Three credits for two and a half: the old revision is slower than it says.
        assert_eq!(spent(&older, &[0, 0, 0, 230, 235]), [true, true, false, false, true]);
    }

    #[test]
    fn bytes_are_paid_in_portions_and_a_burst_fills_the_bucket_again() {
        // 160 bytes a second: 2^32 by ten portions.
        let slow = rate(mode::BYTES, (1u64 << 32) / 10, 1);
        assert_eq!(spent(&slow, &[0, 0, 0, 250]), [true, true, false, true]);
    }

    #[test]
    fn a_rate_that_was_over_stays_over_for_an_interval() {
        let two = rate(mode::RATE_MATCH, SCALE_2 / 2, 0);
        let times = [0, 0, 0, 250, 300, 500, 501];
        assert_eq!(spent(&two, &times), [true, true, false, false, false, true, true]);
    }

    #[test]
    fn rates_out_of_range_are_refused_as_the_kernel_refuses_them() {
        let refused = |rate: Rate| rate.check().unwrap_err().errno;
        assert_eq!(refused(rate(0, SCALE_2, 0)), errno::ERANGE);
        assert_eq!(refused(rate(0, u64::MAX / 4, 5)), errno::ERANGE);
        assert_eq!(refused(rate(mode::BYTES, 1, 0)), errno::EINVAL);
        assert_eq!(refused(rate(mode::RATE_MATCH, 1 << 32, 0)), errno::ERANGE);
        assert_eq!(refused(Rate { interval: 0, ..rate(mode::RATE_MATCH, 1, 0) }), errno::EINVAL);
    }
}
