//! `-m ah`: compares the authentication header; in IPv6 also its length and its reserved field.

use std::fmt::{self, Write};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::ext::{Extension, Families, Given, Kind, Malformed, Opt, Problem, Revision, Surroundings};
use crate::value::condition::Condition;
use crate::value::spi::Spis;

/// The security parameter index of an IPv4 packet is among these, or not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ah4 {
    /// The indexes.
    pub spi: Condition<Spis>,
}

/// Conditions on the header of an IPv6 packet, which must all hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ah6 {
    /// The security parameter index.
    pub spi: Condition<Spis>,
    /// Bytes of the header; 0 asks for nothing unless inverted.
    pub length: Condition<u32>,
    /// The reserved field is zero.
    pub reserved: bool,
}

impl Extension for Ah4 {
    const NAME: &'static str = "ah";
    const KIND: Kind = Kind::Match;
    const REVISIONS: &'static [Revision] = &[Revision::new(0, size_of::<Info4>()).only(Families::V4)];
    const OPTIONS: &'static [Opt<Self>] = &[Opt::new(
        "ahspi",
        " spi[:spi]",
        "the security parameter index, or a range of them",
        |to: &mut Self, given| set_spi(&mut to.spi, given),
    )
    .invertible()];

    fn decode(_revision: u8, info: &[u8], _around: &Surroundings) -> Result<Self, Malformed> {
        let (info, _) = Info4::read_from_prefix(info).map_err(|_| Malformed("ah"))?;
        let [min, max] = info.spis;
        Ok(Self { spi: Condition::new(Spis { min, max }, info.invert & 1 != 0) })
    }

    fn encode(&self, _revision: u8, info: &mut [u8], _around: &Surroundings) -> Result<(), Malformed> {
        let Spis { min, max } = self.spi.value;
        let bytes = Info4 { spis: [min, max], invert: self.spi.inverted.into(), pad: [0; 3] };
        bytes.write_to_prefix(info).map_err(|_| Malformed("ah"))
    }

    fn save(&self, w: &mut dyn Write, _around: &Surroundings) -> fmt::Result {
        save_spi(self.spi, w)
    }

    fn print(&self, w: &mut dyn Write, _around: &Surroundings, _numeric: bool) -> fmt::Result {
        print_spi(self.spi, w)
    }
}

impl Extension for Ah6 {
    const NAME: &'static str = "ah";
    const KIND: Kind = Kind::Match;
    const REVISIONS: &'static [Revision] = &[Revision::new(0, size_of::<Info6>()).only(Families::V6)];
    const OPTIONS: &'static [Opt<Self>] = &[
        Opt::new("ahspi", " spi[:spi]", "the security parameter index, or a range of them", |to: &mut Self, given| {
            set_spi(&mut to.spi, given)
        })
        .invertible(),
        Opt::new("ahlen", " length", "bytes of the header", set_length).invertible(),
        Opt::flag("ahres", "the reserved field is zero", set_reserved),
    ];

    fn decode(_revision: u8, info: &[u8], _around: &Surroundings) -> Result<Self, Malformed> {
        let (info, _) = Info6::read_from_prefix(info).map_err(|_| Malformed("ah"))?;
        let [min, max] = info.spis;
        Ok(Self {
            spi: Condition::new(Spis { min, max }, info.invert & 1 != 0),
            length: Condition::new(info.length, info.invert & 2 != 0),
            reserved: info.reserved != 0,
        })
    }

    fn encode(&self, _revision: u8, info: &mut [u8], _around: &Surroundings) -> Result<(), Malformed> {
        let Spis { min, max } = self.spi.value;
        let bytes = Info6 {
            spis: [min, max],
            length: self.length.value,
            reserved: self.reserved.into(),
            invert: u8::from(self.spi.inverted) | u8::from(self.length.inverted) << 1,
            pad: [0; 2],
        };
        bytes.write_to_prefix(info).map_err(|_| Malformed("ah"))
    }

    fn save(&self, w: &mut dyn Write, _around: &Surroundings) -> fmt::Result {
        save_spi(self.spi, w)?;
        if self.length.value != 0 || self.length.inverted {
            write!(w, "{} --ahlen {}", self.length.not(), self.length.value)?;
        }
        if self.reserved { w.write_str(" --ahres") } else { Ok(()) }
    }

    fn print(&self, w: &mut dyn Write, _around: &Surroundings, _numeric: bool) -> fmt::Result {
        print_spi(self.spi, w)?;
        if self.length.value != 0 || self.length.inverted {
            write!(w, "length:{}{}", if self.length.inverted { "!" } else { "" }, self.length.value)?;
        }
        if self.reserved { w.write_str(" reserved") } else { Ok(()) }
    }
}

fn save_spi(spi: Condition<Spis>, w: &mut dyn Write) -> fmt::Result {
    if spi.value == Spis::ALL {
        return Ok(());
    }
    write!(w, "{} --ahspi {}", spi.not(), spi.value)
}

fn print_spi(spi: Condition<Spis>, w: &mut dyn Write) -> fmt::Result {
    w.write_str(" ah ")?;
    if spi.value == Spis::ALL && !spi.inverted { Ok(()) } else { spi.value.listed(w, spi.inverted) }
}

fn set_spi(to: &mut Condition<Spis>, given: &Given<'_>) -> Result<(), Problem> {
    let (min, max) = given.range(u32::MAX.into())?;
    *to = Condition::new(Spis { min: min as u32, max: max as u32 }, given.inverted);
    Ok(())
}

fn set_length(to: &mut Ah6, given: &Given<'_>) -> Result<(), Problem> {
    to.length = Condition::new(given.long(0, u32::MAX)?, given.inverted);
    Ok(())
}

fn set_reserved(to: &mut Ah6, _given: &Given<'_>) -> Result<(), Problem> {
    to.reserved = true;
    Ok(())
}

/// struct ipt_ah.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Info4 {
    spis: [u32; 2],
    invert: u8,
    pad: [u8; 3],
}

/// struct ip6t_ah.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Info6 {
    spis: [u32; 2],
    length: u32,
    reserved: u8,
    invert: u8,
    pad: [u8; 2],
}
