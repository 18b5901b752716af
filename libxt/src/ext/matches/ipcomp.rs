//! `-m ipcomp`: compares the parameter index of the IP compression header.

use std::fmt::{self, Write};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::ext::{Extension, Given, Kind, Malformed, Opt, Problem, Revision, Surroundings};
use crate::value::condition::Condition;
use crate::value::spi::Spis;

/// Conditions that must all hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ipcomp {
    /// The compression parameter index.
    pub spi: Condition<Spis>,
    /// The reserved field is looked at, too.
    pub reserved: bool,
    /// Inversions that no option sets.
    pub unknown: u8,
}

impl Default for Ipcomp {
    /// Without the option the tools leave the index at 0.
    fn default() -> Self {
        Self { spi: Condition::new(Spis { min: 0, max: 0 }, false), reserved: false, unknown: 0 }
    }
}

impl Extension for Ipcomp {
    const NAME: &'static str = "ipcomp";
    const KIND: Kind = Kind::Match;
    const REVISIONS: &'static [Revision] = &[Revision::new(0, size_of::<Info>())];
    const OPTIONS: &'static [Opt<Self>] = &[
        Opt::new("ipcompspi", " index[:index]", "the parameter index, or a range of them", set_spi).invertible(),
        Opt::flag("compres", "look at the reserved field, too", set_reserved),
    ];

    fn decode(_revision: u8, info: &[u8], _around: &Surroundings) -> Result<Self, Malformed> {
        let (info, _) = Info::read_from_prefix(info).map_err(|_| Malformed("ipcomp"))?;
        let [min, max] = info.spis;
        Ok(Self {
            spi: Condition::new(Spis { min, max }, info.invert & 1 != 0),
            reserved: info.reserved != 0,
            unknown: info.invert & !1,
        })
    }

    fn encode(&self, _revision: u8, info: &mut [u8], _around: &Surroundings) -> Result<(), Malformed> {
        let Spis { min, max } = self.spi.value;
        let bytes = Info {
            spis: [min, max],
            invert: u8::from(self.spi.inverted) | self.unknown,
            reserved: self.reserved.into(),
            pad: [0; 2],
        };
        bytes.write_to_prefix(info).map_err(|_| Malformed("ipcomp"))
    }

    fn save(&self, w: &mut dyn Write, _around: &Surroundings) -> fmt::Result {
        if self.spi.value != Spis::ALL {
            write!(w, "{} --ipcompspi {}", self.spi.not(), self.spi.value)?;
        }
        if self.reserved { w.write_str(" --compres") } else { Ok(()) }
    }

    fn print(&self, w: &mut dyn Write, _around: &Surroundings, _numeric: bool) -> fmt::Result {
        w.write_str(" comp ")?;
        if self.spi.value != Spis::ALL || self.spi.inverted {
            self.spi.value.listed(w, self.spi.inverted)?;
        }
        if self.reserved {
            w.write_str(" reserved")?;
        }
        if self.unknown != 0 { write!(w, " Unknown invflags: {:#X}", self.unknown) } else { Ok(()) }
    }
}

fn set_spi(to: &mut Ipcomp, given: &Given<'_>) -> Result<(), Problem> {
    let (min, max) = given.range(u32::MAX.into())?;
    to.spi = Condition::new(Spis { min: min as u32, max: max as u32 }, given.inverted);
    Ok(())
}

fn set_reserved(to: &mut Ipcomp, _given: &Given<'_>) -> Result<(), Problem> {
    to.reserved = true;
    Ok(())
}

/// struct xt_ipcomp.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Info {
    spis: [u32; 2],
    invert: u8,
    reserved: u8,
    pad: [u8; 2],
}
