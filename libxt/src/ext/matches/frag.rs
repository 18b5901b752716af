//! `-m frag`: compares the IPv6 fragment header.

use std::fmt::{self, Write};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::ext::{Extension, Families, Given, Kind, Malformed, Opt, Problem, Revision, Surroundings};
use crate::value::condition::Condition;

/// Conditions that must all hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frag {
    /// The identification is from the first to the last of these.
    pub ids: Condition<[u32; 2]>,
    /// `--fragid` was given; the kernel compares `ids` in any case.
    pub ids_given: bool,
    /// Bytes of the header.
    pub length: Option<Condition<u32>>,
    /// `F_*` below: the reserved field is zero, first, more to come, last.
    pub flags: u8,
}

impl Default for Frag {
    fn default() -> Self {
        Self { ids: Condition::new(ALL, false), ids_given: false, length: None, flags: 0 }
    }
}

impl Extension for Frag {
    const NAME: &'static str = "frag";
    const KIND: Kind = Kind::Match;
    const REVISIONS: &'static [Revision] = &[Revision::new(0, size_of::<Info>()).only(Families::V6)];
    const OPTIONS: &'static [Opt<Self>] = &[
        Opt::new("fragid", " id[:id]", "the identification, or a range of them", set_ids).invertible(),
        Opt::new("fraglen", " length", "bytes of the header", set_length).invertible(),
        Opt::flag("fragres", "the reserved field is zero", |to: &mut Self, _| to.set_flag(F_RESERVED)),
        Opt::flag("fragfirst", "it is the first fragment", |to: &mut Self, _| to.set_flag(F_FIRST)),
        Opt::flag("fragmore", "more fragments follow", |to: &mut Self, _| to.set_flag(F_MORE)).excludes(&["fraglast"]),
        Opt::flag("fraglast", "it is the last fragment", |to: &mut Self, _| to.set_flag(F_LAST))
            .excludes(&["fragmore"]),
    ];

    fn decode(_revision: u8, info: &[u8], _around: &Surroundings) -> Result<Self, Malformed> {
        let (info, _) = Info::read_from_prefix(info).map_err(|_| Malformed("frag"))?;
        let length = Condition::new(info.length, info.invert & LENGTH != 0);
        Ok(Self {
            ids: Condition::new(info.ids, info.invert & IDS != 0),
            ids_given: info.flags & IDS != 0,
            length: (info.flags & LENGTH != 0).then_some(length),
            flags: info.flags & (F_RESERVED | F_FIRST | F_MORE | F_LAST),
        })
    }

    fn encode(&self, _revision: u8, info: &mut [u8], _around: &Surroundings) -> Result<(), Malformed> {
        let length = self.length.unwrap_or_default();
        let bit = |set, bit| if set { bit } else { 0 };
        let bytes = Info {
            ids: self.ids.value,
            length: length.value,
            flags: self.flags | bit(self.ids_given, IDS) | bit(self.length.is_some(), LENGTH),
            invert: bit(self.ids.inverted, IDS) | bit(length.inverted, LENGTH),
            pad: [0; 2],
        };
        bytes.write_to_prefix(info).map_err(|_| Malformed("frag"))
    }

    fn save(&self, w: &mut dyn Write, _around: &Surroundings) -> fmt::Result {
        let [min, max] = self.ids.value;
        if self.ids.value != ALL {
            write!(w, "{} --fragid {min}", self.ids.not())?;
            if min != max {
                write!(w, ":{max}")?;
            }
        }
        if let Some(length) = self.length {
            write!(w, "{} --fraglen {}", length.not(), length.value)?;
        }
        for (bit, name, _) in FLAGS {
            if self.flags & bit != 0 {
                write!(w, " --frag{name}")?;
            }
        }
        Ok(())
    }

    fn print(&self, w: &mut dyn Write, _around: &Surroundings, _numeric: bool) -> fmt::Result {
        let not = |inverted| if inverted { "!" } else { "" };
        w.write_str(" frag ")?;
        let [min, max] = self.ids.value;
        if self.ids.value != ALL || self.ids.inverted {
            let not = not(self.ids.inverted);
            if min == max { write!(w, "id:{not}{min}")? } else { write!(w, "ids:{not}{min}:{max}")? }
        }
        if let Some(length) = self.length {
            write!(w, " length:{}{}", not(length.inverted), length.value)?;
        }
        for (bit, _, name) in FLAGS {
            if self.flags & bit != 0 {
                write!(w, " {name}")?;
            }
        }
        Ok(())
    }
}

impl Frag {
    fn set_flag(&mut self, flag: u8) -> Result<(), Problem> {
        self.flags |= flag;
        Ok(())
    }
}

fn set_ids(to: &mut Frag, given: &Given<'_>) -> Result<(), Problem> {
    let (min, max) = given.range(u32::MAX.into())?;
    to.ids = Condition::new([min as u32, max as u32], given.inverted);
    to.ids_given = true;
    Ok(())
}

fn set_length(to: &mut Frag, given: &Given<'_>) -> Result<(), Problem> {
    to.length = Some(Condition::new(given.long(0, u32::MAX)?, given.inverted));
    Ok(())
}

/// Every identification.
const ALL: [u32; 2] = [0, u32::MAX];

/// Bits of `ip6t_frag.flags`; the first two are in `invflags`, too.
const IDS: u8 = 0x01;
const LENGTH: u8 = 0x02;
/// The reserved field is zero.
pub const F_RESERVED: u8 = 0x04;
/// The first fragment.
pub const F_FIRST: u8 = 0x08;
/// More fragments follow.
pub const F_MORE: u8 = 0x10;
/// The last fragment.
pub const F_LAST: u8 = 0x20;

/// Each flag's end of the option's name, and its word in listings.
const FLAGS: [(u8, &str, &str); 4] =
    [(F_RESERVED, "res", "reserved"), (F_FIRST, "first", "first"), (F_MORE, "more", "more"), (F_LAST, "last", "last")];

/// struct ip6t_frag.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Info {
    ids: [u32; 2],
    length: u32,
    flags: u8,
    invert: u8,
    pad: [u8; 2],
}
