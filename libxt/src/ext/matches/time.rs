//! `-m time`: compares the time at which the packet arrived.

use std::fmt::{self, Write};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::ext::{Extension, Given, Kind, Malformed, Opt, Problem, Revision, Surroundings, option};
use crate::value::number;

/// Conditions that must all hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Time {
    /// From this second since 1970 on.
    pub date_start: u32,
    /// Until this second since 1970.
    pub date_stop: u32,
    /// From this second of the day on.
    pub daytime_start: u32,
    /// Until this second of the day; before `daytime_start` it is one of the next day.
    pub daytime_stop: u32,
    /// Bit *n* for the *n*-th day of a month.
    pub month_days: u32,
    /// Bit *n* for the *n*-th day of a week, which begins with Monday.
    pub week_days: u8,
    /// The kernel's time zone is meant, not UTC.
    pub kernel_zone: bool,
    /// The hours after midnight belong to the day before.
    pub contiguous: bool,
}

impl Default for Time {
    fn default() -> Self {
        Self {
            date_start: 0,
            date_stop: DATE_MAX,
            daytime_start: 0,
            daytime_stop: DAYTIME_MAX,
            month_days: ALL_MONTH_DAYS,
            week_days: ALL_WEEK_DAYS,
            kernel_zone: false,
            contiguous: false,
        }
    }
}

impl Extension for Time {
    const NAME: &'static str = "time";
    const KIND: Kind = Kind::Match;
    const REVISIONS: &'static [Revision] = &[Revision::new(0, size_of::<Info>())];
    const OPTIONS: &'static [Opt<Self>] = &[
        Opt::new("datestart", " date", "from this date on: YYYY[-MM[-DD[Thh[:mm[:ss]]]]]", set_date_start),
        Opt::new("datestop", " date", "until this date", set_date_stop),
        Opt::new("timestart", " time", "from this time of day on: hh:mm[:ss]", set_daytime_start),
        Opt::new("timestop", " time", "until this time of day", set_daytime_stop),
        Opt::flag("contiguous", "the hours after midnight belong to the day before", set_contiguous),
        Opt::new("weekdays", " day[,day...]", "on these days: Mon to Sun, or 1 to 7", set_week_days).invertible(),
        Opt::new("monthdays", " day[,day...]", "on these days of a month, 1 to 31", set_month_days).invertible(),
        Opt::flag("localtz", "the same as --kerneltz", set_local).excludes(&["utc"]),
        Opt::flag("utc", "times are in UTC (default)", set_utc).excludes(&["kerneltz", "localtz"]),
        Opt::flag("kerneltz", "times are in the kernel's time zone", set_kernel_zone).excludes(&["utc"]),
    ];

    fn check(&mut self, _seen: u64, _around: &Surroundings) -> Result<(), Problem> {
        if self.contiguous && self.daytime_start < self.daytime_stop {
            return Err(Problem::new("time: --contiguous only makes sense when stoptime is smaller than starttime"));
        }
        Ok(())
    }

    fn decode(_revision: u8, info: &[u8], _around: &Surroundings) -> Result<Self, Malformed> {
        let (info, _) = Info::read_from_prefix(info).map_err(|_| Malformed("time"))?;
        Ok(Self {
            date_start: info.date_start,
            date_stop: info.date_stop,
            daytime_start: info.daytime_start,
            daytime_stop: info.daytime_stop,
            month_days: info.month_days,
            week_days: info.week_days,
            kernel_zone: info.flags & KERNEL_ZONE != 0,
            contiguous: info.flags & CONTIGUOUS != 0,
        })
    }

    fn encode(&self, _revision: u8, info: &mut [u8], _around: &Surroundings) -> Result<(), Malformed> {
        let bytes = Info {
            date_start: self.date_start,
            date_stop: self.date_stop,
            daytime_start: self.daytime_start,
            daytime_stop: self.daytime_stop,
            month_days: self.month_days,
            week_days: self.week_days,
            flags: if self.kernel_zone { KERNEL_ZONE } else { 0 } | if self.contiguous { CONTIGUOUS } else { 0 },
            pad: [0; 2],
        };
        bytes.write_to_prefix(info).map_err(|_| Malformed("time"))
    }

    fn save(&self, w: &mut dyn Write, _around: &Surroundings) -> fmt::Result {
        if self.has_daytime() {
            let (start, stop) = (Daytime(self.daytime_start), Daytime(self.daytime_stop));
            write!(w, " --timestart {start} --timestop {stop}")?;
        }
        if self.month_days != ALL_MONTH_DAYS {
            w.write_str(" --monthdays ")?;
            self.write_month_days(w, |_| "")?;
        }
        if self.week_days != ALL_WEEK_DAYS {
            w.write_str(" --weekdays ")?;
            self.write_week_days(w)?;
        }
        for (option, date) in [("datestart", self.date_start), ("datestop", self.date_stop)] {
            if date != 0 {
                write!(w, " --{option} {}", Date(date, 'T'))?;
            }
        }
        if self.kernel_zone {
            w.write_str(" --kerneltz")?;
        }
        if self.contiguous { w.write_str(" --contiguous") } else { Ok(()) }
    }

    fn print(&self, w: &mut dyn Write, _around: &Surroundings, _numeric: bool) -> fmt::Result {
        w.write_str(" TIME")?;
        if self.has_daytime() {
            write!(w, " from {} to {}", Daytime(self.daytime_start), Daytime(self.daytime_stop))?;
        }
        if self.week_days != ALL_WEEK_DAYS {
            w.write_str(" on ")?;
            self.write_week_days(w)?;
        }
        if self.month_days != ALL_MONTH_DAYS {
            w.write_str(" on ")?;
            self.write_month_days(w, ordinal)?;
        }
        if self.date_start != 0 {
            write!(w, " starting from {}", Date(self.date_start, ' '))?;
        }
        if self.date_stop != DATE_MAX {
            write!(w, " until date {}", Date(self.date_stop, ' '))?;
        }
        if !self.kernel_zone {
            w.write_str(" UTC")?;
        }
        if self.contiguous { w.write_str(" contiguous") } else { Ok(()) }
    }
}

impl Time {
    fn has_daytime(&self) -> bool {
        self.daytime_start != 0 || self.daytime_stop != DAYTIME_MAX
    }

    fn write_month_days(&self, w: &mut dyn Write, suffix: fn(u32) -> &'static str) -> fmt::Result {
        let mut comma = "";
        for day in (1..=31).filter(|day| self.month_days >> day & 1 != 0) {
            write!(w, "{comma}{day}{}", suffix(day))?;
            comma = ",";
        }
        Ok(())
    }

    fn write_week_days(&self, w: &mut dyn Write) -> fmt::Result {
        let mut comma = "";
        for (number, name) in WEEK_DAYS {
            if self.week_days >> number & 1 != 0 {
                write!(w, "{comma}{name}")?;
                comma = ",";
            }
        }
        Ok(())
    }
}

/// As the tools have it, 11st and 12nd included.
fn ordinal(day: u32) -> &'static str {
    match day % 10 {
        1 => "st",
        2 => "nd",
        3 => "rd",
        _ => "th",
    }
}

/// Seconds of a day, as `hh:mm:ss`.
pub(crate) struct Daytime(pub(crate) u32);

impl fmt::Display for Daytime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}:{:02}", self.0 / 3600, self.0 / 60 % 60, self.0 % 60)
    }
}

/// Seconds since 1970, with what stands between date and time of day.
pub(crate) struct Date(pub(crate) u32, pub(crate) char);

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = civil(i64::from(self.0 / DAY));
        write!(f, "{year:04}-{month:02}-{day:02}{}{}", self.1, Daytime(self.0 % DAY))
    }
}

/// The date of a day since 1970-01-01. Years begin in March here, so that leap days come last.
fn civil(day: i64) -> (i64, i64, i64) {
    let day = day + 719_468;
    let era = day.div_euclid(146_097);
    let of_era = day.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month, of_year - (153 * shifted + 2) / 5 + 1)
}

/// The day since 1970-01-01 of a date; a month or day 0 is the one before the first.
fn day_number(year: i64, month: i64, day: i64) -> i64 {
    let months = year * 12 + month - 1;
    let (year, month) = (months.div_euclid(12), months.rem_euclid(12) + 1);
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let shifted = if month > 2 { month - 3 } else { month + 9 };
    let of_year = (153 * shifted + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year - 719_468
}

fn set_date_start(to: &mut Time, given: &Given<'_>) -> Result<(), Problem> {
    to.date_start = parse_date(given.value)?;
    Ok(())
}

fn set_date_stop(to: &mut Time, given: &Given<'_>) -> Result<(), Problem> {
    to.date_stop = parse_date(given.value)?;
    Ok(())
}

fn parse_date(text: &str) -> Result<u32, Problem> {
    let bad = || Problem::new(format!("Invalid date \"{text}\" specified. Should be YYYY[-MM[-DD[Thh[:mm[:ss]]]]]"));
    // What may follow each number, and the highest it may be.
    let fields = [('-', 2038), ('-', 12), ('T', 31), (':', 23), (':', 59), ('\0', 59)];
    let mut values = [1970, 1, 1, 0, 0, 0];
    let mut rest = text;
    for (value, (separator, max)) in values.iter_mut().zip(fields) {
        let (number, after) = decimal(rest);
        let ends = after.is_empty();
        if !ends && !after.starts_with(separator) || number > max {
            return Err(bad());
        }
        *value = i64::from(number);
        if ends {
            break;
        }
        rest = &after[1..];
    }
    let [year, month, day, hour, minute, second] = values;
    if year < 1970 {
        return Err(bad());
    }
    let seconds = day_number(year, month, day) * i64::from(DAY) + hour * 3600 + minute * 60 + second;
    // The tools keep the low 32 bits.
    Ok(seconds as u32)
}

fn set_daytime_start(to: &mut Time, given: &Given<'_>) -> Result<(), Problem> {
    to.daytime_start = parse_daytime(given.value)?;
    Ok(())
}

fn set_daytime_stop(to: &mut Time, given: &Given<'_>) -> Result<(), Problem> {
    to.daytime_stop = parse_daytime(given.value)?;
    Ok(())
}

fn parse_daytime(text: &str) -> Result<u32, Problem> {
    let bad = |rest: &str| {
        Problem::new(format!(
            "invalid time \"{rest}\" specified, should be hh:mm[:ss] format and within the boundaries"
        ))
    };
    let (hour, after) = decimal(text);
    let minutes = after.strip_prefix(':').filter(|_| hour <= 23).ok_or_else(|| bad(text))?;
    let (minute, after) = decimal(minutes);
    if minute > 59 || !after.is_empty() && !after.starts_with(':') {
        return Err(bad(minutes));
    }
    let seconds = after.strip_prefix(':').unwrap_or("");
    let (second, after) = decimal(seconds);
    if second > 59 || !after.is_empty() {
        return Err(bad(seconds));
    }
    Ok(hour * 3600 + minute * 60 + second)
}

/// `strtoul` in base 10, cut to 32 bits, and what follows; 0 and the whole text if there are no digits.
fn decimal(text: &str) -> (u32, &str) {
    let trimmed = text.trim_start_matches([' ', '\t', '\n', '\x0b', '\x0c', '\r']);
    let (digits, negative) = match trimmed.as_bytes().first() {
        Some(b'-') => (&trimmed[1..], true),
        Some(b'+') => (&trimmed[1..], false),
        _ => (trimmed, false),
    };
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    if end == 0 {
        return (0, text);
    }
    let value = digits[..end].parse().unwrap_or(u64::MAX);
    (if negative && value != u64::MAX { value.wrapping_neg() } else { value } as u32, &digits[end..])
}

/// A whole word as `strtoul` in any base reads it, cut to 32 bits; nothing at all is 0.
fn integer(text: &str) -> Option<u32> {
    let trimmed = text.trim_start_matches([' ', '\t', '\n', '\x0b', '\x0c', '\r']);
    let value = match trimmed.strip_prefix('-') {
        _ if text.is_empty() => 0,
        Some(digits) if digits.starts_with(|c: char| c.is_ascii_digit()) => {
            number::parse(digits, 0, u64::MAX)?.wrapping_neg()
        }
        Some(_) => return None,
        None => number::parse(trimmed, 0, u64::MAX)?,
    };
    Some(value as u32)
}

fn set_contiguous(to: &mut Time, _given: &Given<'_>) -> Result<(), Problem> {
    to.contiguous = true;
    Ok(())
}

fn set_week_days(to: &mut Time, given: &Given<'_>) -> Result<(), Problem> {
    let mut days = 0;
    let mut rest = given.value;
    while !rest.is_empty() {
        let (part, after) = rest.split_once(',').unwrap_or((rest, ""));
        // No more than three characters are looked at, of a number too.
        let end = (0..=3).rev().find(|&end| part.is_char_boundary(end)).unwrap_or(0);
        let start = part.get(..end).unwrap_or(part);
        days |= match integer(start) {
            Some(0) => return Err(Problem::new("No, the week does NOT begin with Sunday.")),
            Some(number) => 1u32.wrapping_shl(number) as u8,
            None => {
                let found = WEEK_DAYS.iter().find(|(_, name)| start.as_bytes().get(..2) == name.as_bytes().get(..2));
                let bad = || Problem::new(format!("{start} is not a valid day specifier"));
                1 << found.ok_or_else(bad)?.0
            }
        };
        rest = after;
    }
    to.week_days = if given.inverted { days ^ ALL_WEEK_DAYS } else { days };
    Ok(())
}

fn set_month_days(to: &mut Time, given: &Given<'_>) -> Result<(), Problem> {
    let mut days = 0;
    let mut rest = given.value;
    while !rest.is_empty() {
        let (part, after) = rest.split_once(',').unwrap_or((rest, ""));
        // As upstream, which looks at two characters.
        let part = part.char_indices().nth(2).map_or(part, |(end, _)| &part[..end]);
        match decimal(part) {
            (day @ 0..=31, "") => days |= 1 << day,
            _ => return Err(Problem::new(format!("{part} is not a valid day for --monthdays"))),
        }
        rest = after;
    }
    to.month_days = if given.inverted { days ^ ALL_MONTH_DAYS } else { days };
    Ok(())
}

fn set_local(to: &mut Time, given: &Given<'_>) -> Result<(), Problem> {
    option::notice(
        "WARNING: --localtz is being replaced by --kerneltz, since \"local\" is ambiguous. Note the kernel timezone \
         has caveats - see manpage for details.",
    );
    set_kernel_zone(to, given)
}

fn set_utc(_to: &mut Time, _given: &Given<'_>) -> Result<(), Problem> {
    Ok(())
}

fn set_kernel_zone(to: &mut Time, _given: &Given<'_>) -> Result<(), Problem> {
    to.kernel_zone = true;
    Ok(())
}

/// Number and name of each day.
const WEEK_DAYS: [(u8, &str); 7] = [(1, "Mon"), (2, "Tue"), (3, "Wed"), (4, "Thu"), (5, "Fri"), (6, "Sat"), (7, "Sun")];

/// Seconds in a day.
const DAY: u32 = 86_400;
/// `INT_MAX`: no end.
const DATE_MAX: u32 = 0x7fff_ffff;
/// XT_TIME_MAX_DAYTIME.
const DAYTIME_MAX: u32 = DAY - 1;
/// XT_TIME_ALL_MONTHDAYS.
pub(crate) const ALL_MONTH_DAYS: u32 = !1;
/// XT_TIME_ALL_WEEKDAYS.
pub(crate) const ALL_WEEK_DAYS: u8 = !1;

const KERNEL_ZONE: u8 = 1;
const CONTIGUOUS: u8 = 2;

/// struct xt_time_info.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Info {
    date_start: u32,
    date_stop: u32,
    daytime_start: u32,
    daytime_stop: u32,
    month_days: u32,
    week_days: u8,
    flags: u8,
    pad: [u8; 2],
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_day_numbers_answer_each_other() {
        for day in (0..40_000).step_by(13) {
            let (year, month, of_month) = civil(day);
            assert_eq!(day_number(year, month, of_month), day);
        }
        assert_eq!(Date(1_709_201_472, 'T').to_string(), "2024-02-29T10:11:12");
    }
}
