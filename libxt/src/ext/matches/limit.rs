//! `-m limit`: matches at most so many packets in a time, with a token bucket per rule.

use std::fmt::{self, Write};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::ext::{Extension, Given, Kind, Malformed, Opt, Problem, Revision, Surroundings};
use crate::value::rate::{self, Rate, Refused};

/// A bucket of `burst` packets that gains one every `period`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Ticks of 1/10,000 s between two packets.
    pub period: u32,
    /// How many packets the full bucket holds.
    pub burst: u32,
}

impl Default for Limit {
    fn default() -> Self {
        Self { period: rate::SCALE * 60 * 60 / 3, burst: DEFAULT_BURST }
    }
}

impl Extension for Limit {
    const NAME: &'static str = "limit";
    const KIND: Kind = Kind::Match;
    const REVISIONS: &'static [Revision] = &[Revision::new(0, size_of::<Info>()).user_size(8)];
    const OPTIONS: &'static [Opt<Self>] = &[
        Opt::new("limit", " rate", "packets per second, or with /min, /hour, /day (3/hour)", set_limit),
        Opt::new(
            "limit-burst",
            " number",
            "how many may pass at once before the limit counts, to 10000 (5)",
            set_burst,
        ),
    ];

    fn decode(_revision: u8, info: &[u8], _around: &Surroundings) -> Result<Self, Malformed> {
        let (info, _) = Info::read_from_prefix(info).map_err(|_| Malformed("limit"))?;
        Ok(Self { period: info.average, burst: info.burst })
    }

    fn encode(&self, _revision: u8, info: &mut [u8], _around: &Surroundings) -> Result<(), Malformed> {
        let bytes = Info { average: self.period, burst: self.burst, kernel: [0; 4] };
        bytes.write_to_prefix(info).map_err(|_| Malformed("limit"))
    }

    fn save(&self, w: &mut dyn Write, _around: &Surroundings) -> fmt::Result {
        write!(w, " --limit {}", Rate(self.period))?;
        if self.burst == DEFAULT_BURST { Ok(()) } else { write!(w, " --limit-burst {}", self.burst) }
    }

    fn print(&self, w: &mut dyn Write, _around: &Surroundings, _numeric: bool) -> fmt::Result {
        write!(w, " limit: avg {} burst {}", Rate(self.period), self.burst)
    }
}

fn set_limit(to: &mut Limit, given: &Given<'_>) -> Result<(), Problem> {
    to.period = rate::parse(given.value).map_err(|refused| match refused {
        Refused::Malformed => Problem::new(format!("bad rate \"{}\"'", given.value)),
        Refused::TooFast => Problem::new(format!("Rate too fast \"{}\"", given.value)),
    })?;
    Ok(())
}

fn set_burst(to: &mut Limit, given: &Given<'_>) -> Result<(), Problem> {
    to.burst = given.long(0, 10_000)?;
    Ok(())
}

const DEFAULT_BURST: u32 = 5;

/// struct xt_rateinfo; the kernel keeps the bucket in the words after `burst`.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Info {
    average: u32,
    burst: u32,
    kernel: [u64; 4],
}

const _: () = assert!(size_of::<Info>() == 40);
