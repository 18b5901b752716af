//! `-m addrtype`: compares what kind of address the routing table says the packet's are.

use std::fmt::{self, Write};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::ext::{Extension, Given, Kind, Malformed, Opt, Problem, Revision, Surroundings};
use crate::value::condition::Condition;

/// Conditions on the two addresses; an empty set asks for nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Addrtype {
    /// The source address.
    pub source: Condition<Types>,
    /// The destination address.
    pub destination: Condition<Types>,
    /// Which device alone is looked at, or `None` for the whole routing table.
    pub limit: Option<Limit>,
}

/// A set of address types; bit *n* is `RTN_*` number *n*.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Types(
    /// The bits.
    pub u16,
);

/// A device that the question is limited to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// The one the packet came in by.
    In,
    /// The one it goes out by.
    Out,
    /// Both flags are set, which the tools refuse.
    Both,
}

/// By bit.
pub(crate) const NAMES: [&str; 12] = [
    "UNSPEC",
    "UNICAST",
    "LOCAL",
    "BROADCAST",
    "ANYCAST",
    "MULTICAST",
    "BLACKHOLE",
    "UNREACHABLE",
    "PROHIBIT",
    "THROW",
    "NAT",
    "XRESOLVE",
];

impl Extension for Addrtype {
    const NAME: &'static str = "addrtype";
    const KIND: Kind = Kind::Match;
    const REVISIONS: &'static [Revision] =
        &[Revision::new(1, size_of::<Info1>()), Revision::new(0, size_of::<Info0>())];
    const OPTIONS: &'static [Opt<Self>] = &[
        Opt::new(
            "src-type",
            " type[,type...]",
            "the source address is UNSPEC, UNICAST, LOCAL, BROADCAST, ANYCAST, MULTICAST, BLACKHOLE, UNREACHABLE, \
             PROHIBIT, THROW, NAT or XRESOLVE",
            set_source,
        )
        .invertible(),
        Opt::new("dst-type", " type[,type...]", "the same of the destination address", set_destination).invertible(),
        Opt::flag("limit-iface-in", "ask only about the device the packet came in by", set_limit_in)
            .excludes(&["limit-iface-out"]),
        Opt::flag("limit-iface-out", "ask only about the device the packet goes out by", set_limit_out)
            .excludes(&["limit-iface-in"]),
    ];

    fn check(&mut self, seen: u64, _around: &Surroundings) -> Result<(), Problem> {
        if seen & 0b11 == 0 {
            return Err(Problem::new("addrtype: you must specify --src-type or --dst-type"));
        }
        Ok(())
    }

    fn fits(&self, number: u8) -> bool {
        number >= 1 || self.limit.is_none()
    }

    fn decode(revision: u8, info: &[u8], _around: &Surroundings) -> Result<Self, Malformed> {
        let (source, destination, flags) = match revision {
            0 => {
                let (info, _) = Info0::read_from_prefix(info).map_err(|_| Malformed("addrtype"))?;
                let bit = |word, bit| if word != 0 { bit } else { 0 };
                let inverts = bit(info.invert_source, INVERT_SOURCE) | bit(info.invert_destination, INVERT_DESTINATION);
                (info.source, info.destination, inverts)
            }
            _ => {
                let (info, _) = Info1::read_from_prefix(info).map_err(|_| Malformed("addrtype"))?;
                (info.source, info.destination, info.flags)
            }
        };
        Ok(Self {
            source: Condition::new(Types(source), flags & INVERT_SOURCE != 0),
            destination: Condition::new(Types(destination), flags & INVERT_DESTINATION != 0),
            limit: match (flags & LIMIT_IN != 0, flags & LIMIT_OUT != 0) {
                (false, false) => None,
                (true, false) => Some(Limit::In),
                (false, true) => Some(Limit::Out),
                (true, true) => Some(Limit::Both),
            },
        })
    }

    fn encode(&self, revision: u8, info: &mut [u8], _around: &Surroundings) -> Result<(), Malformed> {
        let (source, destination) = (self.source.value.0, self.destination.value.0);
        let written = match revision {
            0 => {
                let (invert_source, invert_destination) =
                    (self.source.inverted.into(), self.destination.inverted.into());
                Info0 { source, destination, invert_source, invert_destination }.write_to_prefix(info).is_ok()
            }
            _ => {
                let bit = |set, bit| if set { bit } else { 0 };
                let flags = bit(self.source.inverted, INVERT_SOURCE)
                    | bit(self.destination.inverted, INVERT_DESTINATION)
                    | bit(matches!(self.limit, Some(Limit::In | Limit::Both)), LIMIT_IN)
                    | bit(matches!(self.limit, Some(Limit::Out | Limit::Both)), LIMIT_OUT);
                Info1 { source, destination, flags }.write_to_prefix(info).is_ok()
            }
        };
        if written { Ok(()) } else { Err(Malformed("addrtype")) }
    }

    fn save(&self, w: &mut dyn Write, _around: &Surroundings) -> fmt::Result {
        for (name, types) in [("src-type", self.source), ("dst-type", self.destination)] {
            if types.value.0 != 0 {
                write!(w, "{} --{name} {}", types.not(), types.value)?;
            }
        }
        self.write_limit(w, "--limit-iface-")
    }

    fn print(&self, w: &mut dyn Write, _around: &Surroundings, _numeric: bool) -> fmt::Result {
        w.write_str(" ADDRTYPE match")?;
        for (name, types) in [("src-type", self.source), ("dst-type", self.destination)] {
            if types.value.0 != 0 {
                write!(w, " {name} {}{}", if types.inverted { "!" } else { "" }, types.value)?;
            }
        }
        self.write_limit(w, "limit-")
    }
}

impl Addrtype {
    fn write_limit(&self, w: &mut dyn Write, prefix: &str) -> fmt::Result {
        if matches!(self.limit, Some(Limit::In | Limit::Both)) {
            write!(w, " {prefix}in")?;
        }
        if matches!(self.limit, Some(Limit::Out | Limit::Both)) {
            write!(w, " {prefix}out")?;
        }
        Ok(())
    }
}

impl Types {
    /// Whether an `RTN_*` number is among them.
    pub const fn contain(self, number: u8) -> bool {
        number < 16 && self.0 & (1 << number) != 0
    }
}

impl fmt::Display for Types {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut comma = "";
        for (number, name) in (0..).zip(NAMES) {
            if self.contain(number) {
                write!(f, "{comma}{name}")?;
                comma = ",";
            }
        }
        Ok(())
    }
}

fn set_source(to: &mut Addrtype, given: &Given<'_>) -> Result<(), Problem> {
    to.source = Condition::new(parse(given.value)?, given.inverted);
    Ok(())
}

fn set_destination(to: &mut Addrtype, given: &Given<'_>) -> Result<(), Problem> {
    to.destination = Condition::new(parse(given.value)?, given.inverted);
    Ok(())
}

fn set_limit_in(to: &mut Addrtype, _given: &Given<'_>) -> Result<(), Problem> {
    to.limit = Some(Limit::In);
    Ok(())
}

fn set_limit_out(to: &mut Addrtype, _given: &Given<'_>) -> Result<(), Problem> {
    to.limit = Some(Limit::Out);
    Ok(())
}

fn parse(text: &str) -> Result<Types, Problem> {
    let mut bits = 0;
    let mut rest = text;
    loop {
        let (word, after) = rest.split_once(',').map_or((rest, None), |(word, after)| (word, Some(after)));
        // The start of a name is enough.
        let is_start = |name: &&str| name.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
        let number = NAMES.iter().position(|name| !word.is_empty() && is_start(name));
        bits |= 1
            << number.ok_or_else(|| match after {
                Some(_) => Problem::new(format!("addrtype: bad type `{rest}'")),
                None => Problem::new(format!("addrtype: bad type \"{word}\"")),
            })?;
        match after {
            Some(after) => rest = after,
            None => return Ok(Types(bits)),
        }
    }
}

const INVERT_SOURCE: u32 = 1;
const INVERT_DESTINATION: u32 = 1 << 1;
const LIMIT_IN: u32 = 1 << 2;
const LIMIT_OUT: u32 = 1 << 3;

/// struct xt_addrtype_info.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Info0 {
    source: u16,
    destination: u16,
    invert_source: u32,
    invert_destination: u32,
}

/// struct xt_addrtype_info_v1.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Info1 {
    source: u16,
    destination: u16,
    flags: u32,
}
