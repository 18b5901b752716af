//! Calendar time in the local zone, as ctime() writes it and as XML.
#![allow(unsafe_code, reason = "localtime_r has no safe wrapper here")]

/// Seconds since 1970 as `Sat Nov 21 20:47:16 2026`.
pub(crate) fn calendar(seconds: u64) -> String {
    let Some(parts) = local(seconds) else { return String::new() };
    let name = |names: &'static [&'static str], index: i32| {
        usize::try_from(index).ok().and_then(|index| names.get(index)).copied().unwrap_or("???")
    };
    format!(
        "{} {} {:2} {:02}:{:02}:{:02} {}",
        name(&["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"], parts.tm_wday),
        name(&["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"], parts.tm_mon),
        parts.tm_mday,
        parts.tm_hour,
        parts.tm_min,
        parts.tm_sec,
        i64::from(parts.tm_year) + 1900,
    )
}

/// The same as elements of XML, as the original has them around expectations.
pub(crate) fn elements(seconds: u64) -> String {
    let Some(parts) = local(seconds) else { return String::new() };
    let year = i64::from(parts.tm_year) + 1900;
    [
        ("hour", i64::from(parts.tm_hour)),
        ("min", parts.tm_min.into()),
        ("sec", parts.tm_sec.into()),
        ("wday", i64::from(parts.tm_wday) + 1),
        ("day", parts.tm_mday.into()),
        ("month", i64::from(parts.tm_mon) + 1),
        ("year", year),
    ]
    .map(|(name, value)| format!("<{name}>{value}</{name}>"))
    .concat()
}

fn local(seconds: u64) -> Option<libc::tm> {
    let time = libc::time_t::try_from(seconds).unwrap_or(libc::time_t::MAX);
    // SAFETY: an all-zero tm is a valid value of a struct of integers and a pointer.
    let mut parts: libc::tm = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers are to locals that outlive the call.
    let done = unsafe { libc::localtime_r(&raw const time, &raw mut parts) };
    (!done.is_null()).then_some(parts)
}
