//! `-m time`: when the packet is judged: date, time of day, day of the week and of the month.

use libxt::ext::Families;
use libxt::ext::matches::time::Time;

use super::Match;
use crate::ext::{Maker, Scene};
use crate::ruleset::Refused;
use crate::ruleset::refused::errno;

pub(super) const MAKER: Maker<Match> = Maker::of::<Time>(Families::Both, |revision, info, site| {
    let time: Time = site.decode(revision, info)?;
    // As time_mt_check().
    if time.daytime_start >= DAY || time.daytime_stop >= DAY {
        return Err(Refused::new(errno::EDOM, "time: a time of day later than 23:59:59"));
    }
    if info.get(21).is_none_or(|flags| flags & !3 != 0) {
        return Err(Refused::invalid("time: an unknown flag"));
    }
    if time.contiguous && time.daytime_start < time.daytime_stop {
        return Err(Refused::invalid("time: only a span across midnight can be contiguous"));
    }
    Ok(Match::Time(time))
});

/// As time_mt().
pub(super) fn matches(time: &Time, scene: &Scene<'_, '_>) -> bool {
    let zone = if time.kernel_zone { i64::from(scene.host.minutes_west()) * 60 } else { 0 };
    holds(time, (scene.now.wall / 1_000_000_000) as i64 - zone)
}

/// At so many seconds since 1970.
fn holds(time: &Time, mut now: i64) -> bool {
    if now < i64::from(time.date_start) || now > i64::from(time.date_stop) {
        return false;
    }
    let of_day = now.rem_euclid(i64::from(DAY)) as u32;
    let (begun, over) = (of_day >= time.daytime_start, of_day > time.daytime_stop);
    if time.daytime_start < time.daytime_stop {
        if !begun || over {
            return false;
        }
    } else {
        if !begun && over {
            return false;
        }
        // What follows midnight belongs to the day before.
        if time.contiguous && !over {
            now -= i64::from(DAY);
        }
    }
    let day = now.div_euclid(i64::from(DAY));
    // The first day of all was a Thursday, which is day 4.
    let of_week = (day + 3).rem_euclid(7) + 1;
    time.week_days >> of_week & 1 != 0
        && (time.month_days == ALL_MONTH_DAYS || time.month_days >> day_of_month(day) & 1 != 0)
}

/// The day of its month, 1 to 31, of the day so many after 1970-01-01. The year is counted from March, so that a leap day is
/// its last.
fn day_of_month(day: i64) -> u32 {
    let of_era = (day + 719_468).rem_euclid(146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    (of_year - (153 * month + 2) / 5 + 1) as u32
}

/// Seconds of a day.
const DAY: u32 = 86_400;
/// `XT_TIME_ALL_MONTHDAYS`.
const ALL_MONTH_DAYS: u32 = !1;

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-22, a Sunday, at midnight.
    const SUNDAY: i64 = 1_795_305_600;
    const HOUR: i64 = 3_600;

    fn daily(start: u32, stop: u32) -> Time {
        Time { daytime_start: start * 3_600, daytime_stop: stop * 3_600, ..Time::default() }
    }

    #[test]
    fn both_ends_of_a_span_belong_to_it() {
        let span = daily(8, 17);
        let at = |seconds| holds(&span, SUNDAY + seconds);
        assert_eq!([at(8 * HOUR - 1), at(8 * HOUR), at(17 * HOUR), at(17 * HOUR + 1)], [false, true, true, false]);
    }

    #[test]
    fn a_span_across_midnight_holds_at_both_ends_of_the_day() {
        let span = daily(22, 6);
        let at = |hour| holds(&span, SUNDAY + hour * HOUR);
        assert_eq!([at(0), at(6), at(7), at(21), at(22), at(23)], [true, true, false, false, true, true]);
        // Equal ends leave nothing out.
        assert!((0..24).all(|hour| holds(&daily(5, 5), SUNDAY + hour * HOUR)));
    }

    #[test]
    fn the_hours_after_midnight_are_of_the_day_before_only_if_contiguous() {
        let sundays = Time { week_days: 1 << 7, ..daily(22, 6) };
        let at = |time: &Time, hour| holds(time, SUNDAY + hour * HOUR);
        assert_eq!([at(&sundays, 1), at(&sundays, 23), at(&sundays, 25)], [true, true, false]);
        let contiguous = Time { contiguous: true, ..sundays };
        assert_eq!([at(&contiguous, 1), at(&contiguous, 23), at(&contiguous, 25)], [false, true, true]);
    }

    #[test]
    fn days_are_those_of_the_calendar() {
        let days =
            [(0, 1), (58, 28), (59, 1), (789, 29), (790, 1), (11_016, 29), (47_540, 28), (47_541, 1), (24_855, 19)];
        for (day, wanted) in days {
            assert_eq!(day_of_month(day), wanted, "day {day}");
        }
        let on = |mask, day: i64| holds(&Time { month_days: mask, ..Time::default() }, day * 86_400);
        assert!(on(1 << 31, 30) && !on(1 << 31, 31) && on(1 << 1, 31));
    }

    #[test]
    fn dates_hold_from_the_first_second_to_the_last() {
        let start = SUNDAY as u32;
        let one = Time { date_start: start, date_stop: start + 10, ..Time::default() };
        let at = |seconds| holds(&one, SUNDAY + seconds);
        assert_eq!([at(-1), at(0), at(10), at(11)], [false, true, true, false]);
        // Before the first of all days, where a zone can lead.
        assert!(!holds(&Time::default(), -1));
    }
}
