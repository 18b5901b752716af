//! Packet rates as periods: `3/min` is one packet in 200,000 ticks of 1/10,000 s (`XT_LIMIT_SCALE`).

use std::fmt;

/// Ticks in a second.
pub const SCALE: u32 = 10_000;

const UNITS: [(&str, u32); 4] =
    [("day", SCALE * 24 * 60 * 60), ("hour", SCALE * 60 * 60), ("min", SCALE * 60), ("sec", SCALE)];

/// Why a rate was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It is not a positive number with an optional unit.
    Malformed,
    /// It is more than 10,000 in a second.
    TooFast,
}

/// The period of `number[/unit]`, where a unit is any beginning of second, minute, hour or day, in any case.
pub fn parse(text: &str) -> Result<u32, Refused> {
    let (count, unit) = match text.split_once('/') {
        None => (text, SCALE),
        Some((count, unit)) => {
            let starts = |whole: &str| whole.get(..unit.len()).is_some_and(|head| head.eq_ignore_ascii_case(unit));
            let unit = match unit {
                "" => return Err(Refused::Malformed),
                _ if starts("second") => SCALE,
                _ if starts("minute") => SCALE * 60,
                _ if starts("hour") => SCALE * 60 * 60,
                _ if starts("day") => SCALE * 24 * 60 * 60,
                _ => return Err(Refused::Malformed),
            };
            (count, unit)
        }
    };
    // An int is left of it, as upstream's atoi() returns one.
    match i64::from(leading_integer(count) as i32) {
        0 => Err(Refused::Malformed),
        count if count < 0 => Err(Refused::TooFast),
        count => match u64::from(unit) / count.unsigned_abs() {
            0 => Err(Refused::TooFast),
            period => Ok(period as u32),
        },
    }
}

/// A period as the coarsest unit that loses little of it, as `print_rate` chooses.
#[derive(Clone, Copy, Debug)]
pub struct Rate(
    /// The period in ticks.
    pub u32,
);

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let period = self.0;
        if period == 0 {
            return f.write_str("inf");
        }
        let mut shown = UNITS[0];
        for (name, ticks) in UNITS.into_iter().skip(1) {
            if period > ticks || ticks / period < ticks % period {
                break;
            }
            shown = (name, ticks);
        }
        write!(f, "{}/{}", shown.1 / period, shown.0)
    }
}

/// The integer at the start, as `atoll`: white space, a sign, digits; 0 without digits.
pub fn leading_integer(text: &str) -> i64 {
    let text = text.trim_start_matches([' ', '\t', '\n', '\x0b', '\x0c', '\r']);
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let value = digits
        .bytes()
        .take_while(u8::is_ascii_digit)
        .fold(0i64, |value, digit| value.saturating_mul(10).saturating_add((digit - b'0').into()));
    if negative { -value } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_read_as_a_period() {
        assert_eq!(parse("3/hour"), Ok(12_000_000));
        assert_eq!(parse("5"), Ok(2_000));
        assert_eq!(parse("5/d"), Ok(172_800_000));
        assert_eq!(parse("1.5/sec"), Ok(10_000));
        assert_eq!(parse("5/days"), Err(Refused::Malformed));
        assert_eq!(parse("0/sec"), Err(Refused::Malformed));
        assert_eq!(parse("10001"), Err(Refused::TooFast));
        assert_eq!(parse("-1/sec"), Err(Refused::TooFast));
    }

    #[test]
    fn a_period_prints_in_the_unit_that_fits() {
        assert_eq!(Rate(18_000_000).to_string(), "2/hour");
        assert_eq!(Rate(30).to_string(), "333/sec");
        assert_eq!(Rate(0).to_string(), "inf");
        assert_eq!(Rate(u32::MAX).to_string(), "0/day");
    }
}
