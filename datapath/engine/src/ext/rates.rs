//! How many answers REJECT may send: the kernel's ICMP limits, one for each receiver and one for all.

use libxt::family::Af;

use crate::conntrack::Address;
use crate::host::Now;

/// Token buckets. A receiver has one of a fixed number of slots; one that loses its slot starts with a full bucket.
#[derive(Debug)]
pub struct Rates {
    slots: Vec<Slot>,
    all: Bucket,
    /// Milliseconds an error costs its receiver, by family.
    periods: [u64; 2],
    /// Microseconds an error costs all together, and how many may come at once.
    shared: [u64; 2],
}

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    receiver: Address,
    bucket: Bucket,
}

#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    /// Milliseconds' worth of credit.
    tokens: u64,
    /// When it was last filled, in milliseconds of the monotonic clock; 0 for never.
    filled: u64,
}

impl Default for Rates {
    fn default() -> Self {
        Self { slots: vec![Slot::default(); SLOTS], all: Bucket::default(), periods: [1000, 100], shared: [1000, 50] }
    }
}

impl Rates {
    /// Follows the sysctls, see [`Settings`](crate::conntrack::Settings).
    pub fn configure(&mut self, ratelimit: [u32; 2], [each_second, burst]: [u32; 2]) {
        self.periods = ratelimit.map(u64::from);
        self.shared = [1_000_000 / u64::from(each_second.max(1)), u64::from(burst)];
    }

    /// Whether another ICMP error may be sent to `receiver`. As icmpv4_xrlim_allow() and icmp_global_allow().
    pub fn allow(&mut self, af: Af, receiver: Address, now: Now) -> bool {
        let [cost, burst] = self.shared;
        if !self.all.spend(cost, burst * cost, now.monotonic / 1000 + 1) {
            return false;
        }
        let now = now.monotonic / 1_000_000 + 1;
        let period = match af {
            Af::V4 => self.periods[0],
            // A /64, which most senders are routed by, gets four times as much.
            Af::V6 => self.periods[1] / 4,
        };
        if period == 0 {
            return true;
        }
        let place = receiver.0.iter().fold(0usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(usize::from(*byte)));
        let Some(slot) = self.slots.get_mut(place % SLOTS) else { return false };
        if slot.receiver != receiver {
            *slot = Slot { receiver, bucket: Bucket::default() };
        }
        slot.bucket.spend(period, BURST * period, now)
    }
}

impl Bucket {
    /// As inet_peer_xrlim_allow().
    fn spend(&mut self, cost: u64, most: u64, now: u64) -> bool {
        let passed = if self.filled == 0 { most } else { now.saturating_sub(self.filled) };
        self.tokens = self.tokens.saturating_add(passed).min(most);
        self.filled = now;
        let enough = self.tokens >= cost;
        if enough {
            self.tokens -= cost;
        }
        enough
    }
}

/// `XRLIM_BURST_FACTOR`.
const BURST: u64 = 6;
/// Receivers remembered at once.
const SLOTS: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn six_answers_go_at_once_and_then_one_a_second() {
        let mut rates = Rates::default();
        let receiver = Address([10; 16]);
        let at = |millis: u64| Now { monotonic: millis * 1_000_000, wall: 0 };
        let sent = (0..10).filter(|_| rates.allow(Af::V4, receiver, at(5000))).count();
        assert_eq!(sent, 6);
        assert!(!rates.allow(Af::V4, receiver, at(5999)));
        assert!(rates.allow(Af::V4, receiver, at(6001)));
        assert!(rates.allow(Af::V4, Address([11; 16]), at(6001)));
    }
}
