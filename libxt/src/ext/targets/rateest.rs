//! `-j RATEEST`: measures the rate of the packets for the rateest match.

use std::fmt::{self, Write};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::ext::{Extension, Given, Kind, Malformed, Opt, Problem, Revision, Surroundings};
use crate::value::float;
use crate::value::text::Text;

/// A named estimator.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rateest {
    /// Its name, at most 15 bytes.
    pub name: Text<16>,
    /// It measures every 2^(n-2) seconds.
    pub interval: i8,
    /// Old measurements fade by this power of two.
    pub ewma_log: u8,
    /// Microseconds as typed, until the options are complete.
    typed: Typed,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Typed {
    interval: f64,
    ewma: f64,
}

impl Extension for Rateest {
    const NAME: &'static str = "RATEEST";
    const KIND: Kind = Kind::Target;
    const REVISIONS: &'static [Revision] = &[Revision::new(0, size_of::<Info>()).user_size(24)];
    const OPTIONS: &'static [Opt<Self>] = &[
        Opt::new("rateest-name", " name", "the estimator's name", set_name).mandatory(),
        Opt::new("rateest-interval", " time", "how often it measures: a number with s, ms or us", set_interval)
            .mandatory(),
        Opt::new("rateest-ewmalog", " time", "over what time it averages", set_ewma).mandatory(),
    ];

    fn check(&mut self, _seen: u64, _around: &Surroundings) -> Result<(), Problem> {
        let Typed { interval, ewma } = self.typed;
        let steps = (0..=5).find(|step| interval <= f64::from(1 << step) * SECOND / 4.0);
        let steps = steps.ok_or_else(|| Problem::new("RATEEST: interval value is too large"))?;
        self.interval = steps as i8 - 2;
        let fades = |log: &i32| interval / -(1.0 - 0.5f64.powi(*log)).ln() > ewma;
        self.ewma_log = ((1..32).find(fades).unwrap_or(32) - 1) as u8;
        if !(1..31).contains(&self.ewma_log) {
            return Err(Problem::new("RATEEST: ewmalog value is out of range"));
        }
        Ok(())
    }

    fn decode(_revision: u8, info: &[u8], _around: &Surroundings) -> Result<Self, Malformed> {
        let (info, _) = Info::read_from_prefix(info).map_err(|_| Malformed("RATEEST"))?;
        Ok(Self { name: Text(info.name), interval: info.interval, ewma_log: info.ewma_log, typed: Typed::default() })
    }

    fn encode(&self, _revision: u8, info: &mut [u8], _around: &Surroundings) -> Result<(), Malformed> {
        let bytes =
            Info { name: self.name.0, interval: self.interval, ewma_log: self.ewma_log, pad: [0; 6], kernel: [0; 8] };
        bytes.write_to_prefix(info).map_err(|_| Malformed("RATEEST"))
    }

    fn save(&self, w: &mut dyn Write, _around: &Surroundings) -> fmt::Result {
        self.write(w, "--rateest-")
    }

    fn print(&self, w: &mut dyn Write, _around: &Surroundings, _numeric: bool) -> fmt::Result {
        self.write(w, "")
    }
}

impl Rateest {
    fn write(&self, w: &mut dyn Write, prefix: &str) -> fmt::Result {
        // The tools compute with 32 bits.
        let interval = (SECOND as u32).wrapping_shl((i32::from(self.interval) + 2) as u32) / 4;
        let ewma = interval.wrapping_mul(1u32.wrapping_shl(self.ewma_log.into()));
        write!(w, " {prefix}name {} {prefix}interval {}", self.name, Duration(interval))?;
        write!(w, " {prefix}ewmalog {}", Duration(ewma))
    }
}

/// Microseconds, in the unit that gives at least one.
struct Duration(u32);

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = f64::from(self.0);
        if time >= SECOND {
            write!(f, "{:.1}s", time / SECOND)
        } else if time >= SECOND / 1000.0 {
            write!(f, "{:.1}ms", time / (SECOND / 1000.0))
        } else {
            write!(f, "{}us", self.0)
        }
    }
}

fn set_name(to: &mut Rateest, given: &Given<'_>) -> Result<(), Problem> {
    to.name = given.text(0)?;
    Ok(())
}

fn set_interval(to: &mut Rateest, given: &Given<'_>) -> Result<(), Problem> {
    let bad = || Problem::new(format!("RATEEST: bad interval value \"{}\"", given.value));
    to.typed.interval = parse(given.value).ok_or_else(bad)?;
    Ok(())
}

fn set_ewma(to: &mut Rateest, given: &Given<'_>) -> Result<(), Problem> {
    let bad = || Problem::new(format!("RATEEST: bad ewmalog value \"{}\"", given.value));
    to.typed.ewma = parse(given.value).ok_or_else(bad)?;
    Ok(())
}

/// A number and its unit, in whole microseconds.
fn parse(text: &str) -> Option<f64> {
    let (number, unit) = float::parse_prefix(text)?;
    let unit = match unit.to_ascii_lowercase().as_str() {
        "s" | "sec" | "secs" => SECOND,
        "ms" | "msec" | "msecs" => SECOND / 1000.0,
        "" | "us" | "usec" | "usecs" => 1.0,
        _ => return None,
    };
    Some(float::low_word(number * unit).into())
}

/// TIME_UNITS_PER_SEC.
const SECOND: f64 = 1_000_000.0;

/// struct xt_rateest_target_info.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Info {
    name: [u8; 16],
    interval: i8,
    ewma_log: u8,
    pad: [u8; 6],
    kernel: [u8; 8],
}
