//! The time, read once a batch.

use engine::Now;
use nix::time::{ClockId, clock_gettime};

/// Both clocks, now.
pub(crate) fn now() -> Now {
    Now { monotonic: nanoseconds(ClockId::CLOCK_MONOTONIC), wall: nanoseconds(ClockId::CLOCK_REALTIME) }
}

fn nanoseconds(clock: ClockId) -> u64 {
    clock_gettime(clock).map_or(0, |time| {
        let seconds = u64::try_from(time.tv_sec()).unwrap_or(0);
        seconds.saturating_mul(1_000_000_000).saturating_add(u64::try_from(time.tv_nsec()).unwrap_or(0))
    })
}
