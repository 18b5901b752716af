//! `-m iprange`: compares addresses with ranges that need not be networks.

use std::fmt::{self, Write};
use std::net::IpAddr;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::ext::option::notice;
use crate::ext::{Extension, Given, Kind, Malformed, Opt, Problem, Revision, Surroundings};
use crate::value::address::{self, Text};
use crate::value::condition::Condition;

/// Both conditions that are given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Iprange {
    /// The source address.
    pub source: Option<Condition<Range>>,
    /// The destination address.
    pub destination: Option<Condition<Range>>,
}

/// Addresses from the first to the last, both included; the order is not checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The first.
    pub first: IpAddr,
    /// The last.
    pub last: IpAddr,
}

impl Extension for Iprange {
    const NAME: &'static str = "iprange";
    const KIND: Kind = Kind::Match;
    const REVISIONS: &'static [Revision] = &[Revision::new(1, size_of::<Info1>())];
    const OPTIONS: &'static [Opt<Self>] = &[
        Opt::new("src-range", " address[-address]", "the source address lies in this range", set_source).invertible(),
        Opt::new("dst-range", " address[-address]", "the destination address lies in this range", set_destination)
            .invertible(),
    ];

    fn check(&mut self, seen: u64, _around: &Surroundings) -> Result<(), Problem> {
        if seen == 0 {
            return Err(Problem::new("iprange match: You must specify `--src-range' or `--dst-range'"));
        }
        Ok(())
    }

    fn decode(_revision: u8, info: &[u8], around: &Surroundings) -> Result<Self, Malformed> {
        let (info, _) = Info1::read_from_prefix(info).map_err(|_| Malformed("iprange"))?;
        let range = |[first, last]: &[[u8; 16]; 2], flag, invert| {
            let address = |field| address::to_ip(around.af, field);
            let range = Range { first: address(first), last: address(last) };
            (info.flags & flag != 0).then(|| Condition::new(range, info.flags & invert != 0))
        };
        Ok(Self {
            source: range(&info.source, SOURCE, INVERT_SOURCE),
            destination: range(&info.destination, DESTINATION, INVERT_DESTINATION),
        })
    }

    fn encode(&self, _revision: u8, info: &mut [u8], _around: &Surroundings) -> Result<(), Malformed> {
        let mut flags = 0;
        let mut range = |condition: Option<Condition<Range>>, flag, invert| match condition {
            Some(Condition { value: Range { first, last }, inverted }) => {
                flags |= flag | if inverted { invert } else { 0 };
                [address::to_bytes(first), address::to_bytes(last)]
            }
            None => [[0; 16]; 2],
        };
        let source = range(self.source, SOURCE, INVERT_SOURCE);
        let destination = range(self.destination, DESTINATION, INVERT_DESTINATION);
        let bytes = Info1 { source, destination, flags, pad: [0; 3] };
        bytes.write_to_prefix(info).map_err(|_| Malformed("iprange"))
    }

    fn save(&self, w: &mut dyn Write, _around: &Surroundings) -> fmt::Result {
        for (name, range) in [("src-range", self.source), ("dst-range", self.destination)] {
            if let Some(range) = range {
                write!(w, "{} --{name} {}", range.not(), range.value)?;
            }
        }
        Ok(())
    }

    fn print(&self, w: &mut dyn Write, _around: &Surroundings, _numeric: bool) -> fmt::Result {
        for (name, range) in [("source", self.source), ("destination", self.destination)] {
            if let Some(range) = range {
                write!(w, " {name} IP range{} {}", range.not(), range.value)?;
            }
        }
        Ok(())
    }
}

impl Range {
    /// Whether an address of the same family lies in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.first <= address && address <= self.last
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", Text(self.first), Text(self.last))
    }
}

fn set_source(to: &mut Iprange, given: &Given<'_>) -> Result<(), Problem> {
    to.source = Some(Condition::new(parse(given)?, given.inverted));
    Ok(())
}

fn set_destination(to: &mut Iprange, given: &Given<'_>) -> Result<(), Problem> {
    to.destination = Some(Condition::new(parse(given)?, given.inverted));
    Ok(())
}

fn parse(given: &Given<'_>) -> Result<Range, Problem> {
    let (first, last) = given.value.split_once('-').unwrap_or((given.value, given.value));
    let bound = |text: &str| address::parse_numeric(given.around.af, text).ok_or_else(|| given.bad_param(text));
    let range = Range { first: bound(first)?, last: bound(last)? };
    if range.last < range.first {
        notice(&format!("xt_iprange: range {} is reversed and will never match", given.value));
    }
    Ok(range)
}

const SOURCE: u8 = 1;
const DESTINATION: u8 = 1 << 1;
const INVERT_SOURCE: u8 = 1 << 4;
const INVERT_DESTINATION: u8 = 1 << 5;

/// struct xt_iprange_mtinfo.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Info1 {
    source: [[u8; 16]; 2],
    destination: [[u8; 16]; 2],
    flags: u8,
    pad: [u8; 3],
}
