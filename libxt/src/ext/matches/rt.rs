//! `-m rt`: compares the IPv6 routing header.

use std::fmt::{self, Write};
use std::net::Ipv6Addr;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::ext::{Extension, Families, Given, Kind, Malformed, Opt, Problem, Revision, Surroundings};
use crate::value::address::Text;
use crate::value::condition::Condition;

/// Conditions that must all hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rt {
    /// The type of the header.
    pub kind: Option<Condition<u32>>,
    /// The segments left are from the first to the last of these.
    pub segments_left: Condition<[u32; 2]>,
    /// `--rt-segsleft` was given; the kernel compares in any case.
    pub segments_left_given: bool,
    /// Bytes of the header.
    pub length: Option<Condition<u32>>,
    /// The reserved field is zero (type 0).
    pub reserved: bool,
    /// These addresses are in the header (type 0).
    pub addresses: Option<Addresses>,
}

/// Up to 16 addresses in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Addresses {
    /// The addresses.
    pub each: [[u8; 16]; 16],
    /// How many of them count.
    pub count: u8,
    /// Others may stand between them.
    pub lax: bool,
}

impl Default for Rt {
    fn default() -> Self {
        Self {
            kind: None,
            segments_left: Condition::new(ALL, false),
            segments_left_given: false,
            length: None,
            reserved: false,
            addresses: None,
        }
    }
}

impl Extension for Rt {
    const NAME: &'static str = "rt";
    const KIND: Kind = Kind::Match;
    const REVISIONS: &'static [Revision] = &[Revision::new(0, size_of::<Info>()).only(Families::V6)];
    const OPTIONS: &'static [Opt<Self>] = &[
        Opt::new("rt-type", " number", "the type of the header", set_kind).invertible(),
        Opt::new("rt-segsleft", " number[:number]", "the segments left, or a range of them", set_segments_left)
            .invertible(),
        Opt::new("rt-len", " length", "bytes of the header", set_length).invertible(),
        Opt::flag("rt-0-res", "with --rt-type 0: the reserved field is zero", set_reserved),
        Opt::new("rt-0-addrs", " addr[,addr...]", "with --rt-type 0: its addresses, at most 16", set_addresses),
        Opt::flag("rt-0-not-strict", "with --rt-0-addrs: others may stand between them", set_lax),
    ];

    fn decode(_revision: u8, info: &[u8], _around: &Surroundings) -> Result<Self, Malformed> {
        let (info, _) = Info::read_from_prefix(info).map_err(|_| Malformed("rt"))?;
        let number = |value, bit| (info.flags & bit != 0).then(|| Condition::new(value, info.invert & bit != 0));
        let addresses = Addresses { each: info.addresses, count: info.count, lax: info.flags & LAX != 0 };
        Ok(Self {
            kind: number(info.kind, TYPE),
            segments_left: Condition::new(info.segments_left, info.invert & SEGMENTS_LEFT != 0),
            segments_left_given: info.flags & SEGMENTS_LEFT != 0,
            length: number(info.length, LENGTH),
            reserved: info.flags & RESERVED != 0,
            addresses: (info.flags & ADDRESSES != 0).then_some(addresses),
        })
    }

    fn encode(&self, _revision: u8, info: &mut [u8], _around: &Surroundings) -> Result<(), Malformed> {
        let kind = self.kind.unwrap_or_default();
        let length = self.length.unwrap_or_default();
        let addresses = self.addresses.clone().unwrap_or_default();
        let bit = |set, bit| if set { bit } else { 0 };
        let bytes = Info {
            kind: kind.value,
            segments_left: self.segments_left.value,
            length: length.value,
            flags: bit(self.kind.is_some(), TYPE)
                | bit(self.segments_left_given, SEGMENTS_LEFT)
                | bit(self.length.is_some(), LENGTH)
                | bit(self.reserved, RESERVED)
                | bit(self.addresses.is_some(), ADDRESSES)
                | bit(addresses.lax, LAX),
            invert: bit(kind.inverted, TYPE)
                | bit(self.segments_left.inverted, SEGMENTS_LEFT)
                | bit(length.inverted, LENGTH),
            pad: [0; 2],
            addresses: addresses.each,
            count: addresses.count,
            tail: [0; 3],
        };
        bytes.write_to_prefix(info).map_err(|_| Malformed("rt"))
    }

    fn save(&self, w: &mut dyn Write, _around: &Surroundings) -> fmt::Result {
        if let Some(kind) = self.kind {
            write!(w, "{} --rt-type {}", kind.not(), kind.value)?;
        }
        let [min, max] = self.segments_left.value;
        if self.segments_left.value != ALL {
            write!(w, "{} --rt-segsleft {min}", self.segments_left.not())?;
            if min != max {
                write!(w, ":{max}")?;
            }
        }
        if let Some(length) = self.length {
            write!(w, "{} --rt-len {}", length.not(), length.value)?;
        }
        if self.reserved {
            w.write_str(" --rt-0-res")?;
        }
        match &self.addresses {
            Some(addresses) => {
                write!(w, " --rt-0-addrs {addresses}")?;
                if addresses.lax { w.write_str(" --rt-0-not-strict") } else { Ok(()) }
            }
            None => Ok(()),
        }
    }

    fn print(&self, w: &mut dyn Write, _around: &Surroundings, _numeric: bool) -> fmt::Result {
        let not = |inverted| if inverted { "!" } else { "" };
        w.write_str(" rt")?;
        if let Some(kind) = self.kind {
            // The tools print it signed here and unsigned in -S.
            write!(w, " type:{}{}", not(kind.inverted), kind.value.cast_signed())?;
        }
        let [min, max] = self.segments_left.value;
        if self.segments_left.value != ALL || self.segments_left.inverted {
            let not = not(self.segments_left.inverted);
            if min == max { write!(w, " segsleft:{not}{min}")? } else { write!(w, " segslefts:{not}{min}:{max}")? }
        }
        if let Some(length) = self.length {
            write!(w, " length:{}{}", not(length.inverted), length.value)?;
        }
        if self.reserved {
            w.write_str(" reserved")?;
        }
        match &self.addresses {
            Some(addresses) => {
                write!(w, " 0-addrs {addresses}")?;
                if addresses.lax { w.write_str(" 0-not-strict") } else { Ok(()) }
            }
            None => Ok(()),
        }
    }
}

impl fmt::Display for Addresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, address) in self.each.iter().take(self.count.into()).enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{}", Text(Ipv6Addr::from(*address).into()))?;
        }
        Ok(())
    }
}

impl Rt {
    fn need_type_0(&self, option: &str) -> Result<(), Problem> {
        if self.kind == Some(Condition::new(0, false)) {
            return Ok(());
        }
        Err(Problem::new(format!("`--rt-type 0' required before `--{option}'")))
    }
}

fn set_kind(to: &mut Rt, given: &Given<'_>) -> Result<(), Problem> {
    to.kind = Some(Condition::new(given.long(0, u32::MAX)?, given.inverted));
    Ok(())
}

fn set_segments_left(to: &mut Rt, given: &Given<'_>) -> Result<(), Problem> {
    let (min, max) = given.range(u32::MAX.into())?;
    to.segments_left = Condition::new([min as u32, max as u32], given.inverted);
    to.segments_left_given = true;
    Ok(())
}

fn set_length(to: &mut Rt, given: &Given<'_>) -> Result<(), Problem> {
    to.length = Some(Condition::new(given.long(0, u32::MAX)?, given.inverted));
    Ok(())
}

fn set_reserved(to: &mut Rt, given: &Given<'_>) -> Result<(), Problem> {
    to.need_type_0(given.option)?;
    to.reserved = true;
    Ok(())
}

fn set_addresses(to: &mut Rt, given: &Given<'_>) -> Result<(), Problem> {
    to.need_type_0(given.option)?;
    let mut addresses = Addresses::default();
    for part in given.value.split(',') {
        let slot = addresses.each.get_mut(usize::from(addresses.count));
        let slot = slot.ok_or_else(|| Problem::new("too many addresses specified"))?;
        let address = part.parse::<Ipv6Addr>().map_err(|_| Problem::new(format!("bad address: {part}")))?;
        *slot = address.octets();
        addresses.count += 1;
    }
    to.addresses = Some(addresses);
    Ok(())
}

fn set_lax(to: &mut Rt, given: &Given<'_>) -> Result<(), Problem> {
    let addresses = to.addresses.as_mut();
    let needed = || Problem::new(format!("`--rt-0-addr ...' required before `--{}'", given.option));
    addresses.ok_or_else(needed)?.lax = true;
    Ok(())
}

/// Every number of segments.
const ALL: [u32; 2] = [0, u32::MAX];

/// IP6T_RT_*; the first three are in `invflags`, too.
const TYPE: u8 = 0x01;
const SEGMENTS_LEFT: u8 = 0x02;
const LENGTH: u8 = 0x04;
const RESERVED: u8 = 0x08;
const ADDRESSES: u8 = 0x10;
const LAX: u8 = 0x20;

/// struct ip6t_rt.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Info {
    kind: u32,
    segments_left: [u32; 2],
    length: u32,
    flags: u8,
    invert: u8,
    pad: [u8; 2],
    addresses: [[u8; 16]; 16],
    count: u8,
    tail: [u8; 3],
}
