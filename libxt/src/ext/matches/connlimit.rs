//! `-m connlimit`: compares how many connections an address or network has.

use std::fmt::{self, Write};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::ext::{Extension, Given, Kind, Malformed, Opt, Problem, Revision, Surroundings};

/// The number of connections is above a limit, or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connlimit {
    /// Which bits of the address tell one client from another; IPv4 uses the first four bytes.
    pub mask: [u8; 16],
    /// The number.
    pub limit: u32,
    /// Up to the limit matches, instead of above it.
    pub up_to: bool,
    /// The destination is counted, not the source.
    pub destination: bool,
}

impl Default for Connlimit {
    fn default() -> Self {
        Self { mask: [0xff; 16], limit: 0, up_to: false, destination: false }
    }
}

impl Extension for Connlimit {
    const NAME: &'static str = "connlimit";
    const KIND: Kind = Kind::Match;
    const REVISIONS: &'static [Revision] = &[Revision::new(1, size_of::<Info1>()).user_size(24)];
    const OPTIONS: &'static [Opt<Self>] = &[
        Opt::new("connlimit-upto", " n", "at most n connections", set_up_to)
            .invertible()
            .excludes(&["connlimit-above"]),
        Opt::new("connlimit-above", " n", "more than n connections", set_above)
            .invertible()
            .excludes(&["connlimit-upto"]),
        Opt::new("connlimit-mask", " length", "count networks of this prefix length together", set_mask),
        Opt::flag("connlimit-saddr", "count by source address (default)", set_source).excludes(&["connlimit-daddr"]),
        Opt::flag("connlimit-daddr", "count by destination address", set_destination).excludes(&["connlimit-saddr"]),
    ];

    fn check(&mut self, seen: u64, _around: &Surroundings) -> Result<(), Problem> {
        if seen & 0b11 == 0 {
            return Err(Problem::new("You must specify \"--connlimit-above\" or \"--connlimit-upto\"."));
        }
        Ok(())
    }

    fn decode(_revision: u8, info: &[u8], _around: &Surroundings) -> Result<Self, Malformed> {
        let (info, _) = Info1::read_from_prefix(info).map_err(|_| Malformed("connlimit"))?;
        Ok(Self {
            mask: info.mask,
            limit: info.limit,
            up_to: info.flags & INVERT != 0,
            destination: info.flags & DESTINATION != 0,
        })
    }

    fn encode(&self, _revision: u8, info: &mut [u8], _around: &Surroundings) -> Result<(), Malformed> {
        let flags = if self.up_to { INVERT } else { 0 } | if self.destination { DESTINATION } else { 0 };
        let bytes = Info1 { mask: self.mask, limit: self.limit, flags, kernel: 0 };
        bytes.write_to_prefix(info).map_err(|_| Malformed("connlimit"))
    }

    fn save(&self, w: &mut dyn Write, around: &Surroundings) -> fmt::Result {
        let option = if self.up_to { "upto" } else { "above" };
        let side = if self.destination { "daddr" } else { "saddr" };
        write!(w, " --connlimit-{option} {} --connlimit-mask {} --connlimit-{side}", self.limit, self.bits(around))
    }

    fn print(&self, w: &mut dyn Write, around: &Surroundings, _numeric: bool) -> fmt::Result {
        let side = if self.destination { "dst" } else { "src" };
        let sign = if self.up_to { "<=" } else { ">" };
        write!(w, " #conn {side}/{} {sign} {}", self.bits(around), self.limit)
    }
}

impl Connlimit {
    /// How many bits of the mask are set in a row.
    fn bits(&self, around: &Surroundings) -> u32 {
        let ones = self.mask.iter().take_while(|byte| **byte == 0xff).count();
        let rest = self.mask.get(ones).map_or(0, |byte| byte.leading_ones());
        (ones as u32 * 8 + rest).min(around.af.address_len() as u32 * 8)
    }
}

fn set_up_to(to: &mut Connlimit, given: &Given<'_>) -> Result<(), Problem> {
    to.limit = given.long(0, u32::MAX)?;
    to.up_to = !given.inverted;
    Ok(())
}

fn set_above(to: &mut Connlimit, given: &Given<'_>) -> Result<(), Problem> {
    to.limit = given.long(0, u32::MAX)?;
    to.up_to = given.inverted;
    Ok(())
}

fn set_mask(to: &mut Connlimit, given: &Given<'_>) -> Result<(), Problem> {
    to.mask = given.mask()?;
    Ok(())
}

fn set_source(to: &mut Connlimit, _given: &Given<'_>) -> Result<(), Problem> {
    to.destination = false;
    Ok(())
}

fn set_destination(to: &mut Connlimit, _given: &Given<'_>) -> Result<(), Problem> {
    to.destination = true;
    Ok(())
}

const INVERT: u32 = 1;
const DESTINATION: u32 = 1 << 1;

/// struct xt_connlimit_info.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Info1 {
    mask: [u8; 16],
    limit: u32,
    flags: u32,
    kernel: u64,
}
