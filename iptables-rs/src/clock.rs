//! The time of day in the comments of a save.

use std::mem::MaybeUninit;
use std::time::SystemTime;

/// Now, here, as ctime() writes it, without its newline: `Sat Nov 21 20:47:16 2026`.
pub(crate) fn local_now() -> String {
    let seconds = SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs());
    let seconds = libc::time_t::try_from(seconds).unwrap_or_default();
    let mut local = MaybeUninit::<libc::tm>::zeroed();
    // SAFETY: both pointers are to live values of the right types; all zeroes are a valid `tm`, whatever the call does.
    #[allow(unsafe_code)]
    let local = unsafe {
        libc::localtime_r(&raw const seconds, local.as_mut_ptr());
        local.assume_init()
    };
    let name = |names: &[&'static str], index: i32| usize::try_from(index).ok().and_then(|at| names.get(at).copied());
    format!(
        "{} {} {:2} {:02}:{:02}:{:02} {}",
        name(&DAYS, local.tm_wday).unwrap_or("???"),
        name(&MONTHS, local.tm_mon).unwrap_or("???"),
        local.tm_mday,
        local.tm_hour,
        local.tm_min,
        local.tm_sec,
        i64::from(local.tm_year) + 1900
    )
}

const DAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
