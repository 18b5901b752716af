//! The time, read once a batch; and the kernel's time zone, looked up now and then.

use std::sync::atomic::{AtomicI32, Ordering};

use engine::Now;
use nix::time::{ClockId, clock_gettime};

/// Minutes west of Greenwich, as of the last look.
static MINUTES_WEST: AtomicI32 = AtomicI32::new(0);

/// Both clocks, now.
pub(crate) fn now() -> Now {
    Now { monotonic: nanoseconds(ClockId::CLOCK_MONOTONIC), wall: nanoseconds(ClockId::CLOCK_REALTIME) }
}

/// Looks the kernel's time zone up (`sys_tz`), which nothing announces. The C library's function hides it.
#[allow(unsafe_code)]
pub(crate) fn follow_zone() {
    let mut zone = [0_i32; 2];
    // SAFETY: the kernel writes a struct timezone, two ints, to `zone`; it is not asked for the time.
    let done =
        unsafe { libc::syscall(libc::SYS_gettimeofday, std::ptr::null_mut::<libc::timeval>(), zone.as_mut_ptr()) };
    if done == 0 {
        MINUTES_WEST.store(zone[0], Ordering::Relaxed);
    }
}

/// Minutes that the kernel's time zone lies west of Greenwich.
pub(crate) fn minutes_west() -> i32 {
    MINUTES_WEST.load(Ordering::Relaxed)
}

fn nanoseconds(clock: ClockId) -> u64 {
    clock_gettime(clock).map_or(0, |time| {
        let seconds = u64::try_from(time.tv_sec()).unwrap_or(0);
        seconds.saturating_mul(1_000_000_000).saturating_add(u64::try_from(time.tv_nsec()).unwrap_or(0))
    })
}
