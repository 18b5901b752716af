//! `-m time`: dates, hours and days of the week; days of the month cannot be said.

use crate::ext::Surroundings;
use crate::ext::matches::time::{ALL_MONTH_DAYS, ALL_WEEK_DAYS, Date, Daytime, Time};
use crate::translate::operand::set_of;
use crate::translate::{Outcome, Statement, Translate, Untranslatable};

impl Translate for Time {
    fn translate(&self, to: &mut Statement<'_>, _around: &Surroundings) -> Outcome {
        if self.month_days != ALL_MONTH_DAYS {
            return Err(Untranslatable);
        }
        if (self.date_start, self.date_stop) != (0, LAST_DATE) {
            let (start, stop) = (Date(self.date_start, ' '), Date(self.date_stop, ' '));
            to.add(format_args!("meta time \"{start}\"-\"{stop}\""));
        }
        // These two bring a space of their own, which shows where nothing stands before them in the rule.
        if (self.daytime_start, self.daytime_stop) != (0, LAST_SECOND) {
            let (start, stop) = (Daytime(self.daytime_start), Daytime(self.daytime_stop));
            to.add(format_args!(" meta hour \"{start}\"-\"{stop}\""));
        }
        if self.week_days != ALL_WEEK_DAYS {
            // Sunday is the last day here, and day 0 of nft.
            let days: Vec<u8> = (1..=7).filter(|day| self.week_days >> day & 1 != 0).map(|day| day % 7).collect();
            match days[..] {
                [] => to.add(format_args!(" meta day ")),
                [day] => to.add(format_args!(" meta day {day}")),
                _ => to.add(format_args!(" meta day {}", set_of(&days))),
            }
        }
        Ok(())
    }
}

/// XT_TIME_MAX_DAYTIME.
const LAST_SECOND: u32 = 86_399;
/// The last second that a signed number holds: no end.
const LAST_DATE: u32 = i32::MAX as u32;
