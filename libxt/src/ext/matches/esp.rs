//! `-m esp`: compares the security parameter index of the ESP header.

use std::fmt::{self, Write};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::ext::{Extension, Given, Kind, Malformed, Opt, Problem, Revision, Surroundings};
use crate::value::condition::Condition;
use crate::value::spi::Spis;

/// The index is among these, or not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Esp {
    /// The indexes.
    pub spi: Condition<Spis>,
}

impl Extension for Esp {
    const NAME: &'static str = "esp";
    const KIND: Kind = Kind::Match;
    const REVISIONS: &'static [Revision] = &[Revision::new(0, size_of::<Info>())];
    const OPTIONS: &'static [Opt<Self>] =
        &[Opt::new("espspi", " spi[:spi]", "the security parameter index, or a range of them", set_spi).invertible()];

    fn decode(_revision: u8, info: &[u8], _around: &Surroundings) -> Result<Self, Malformed> {
        let (info, _) = Info::read_from_prefix(info).map_err(|_| Malformed("esp"))?;
        let [min, max] = info.spis;
        Ok(Self { spi: Condition::new(Spis { min, max }, info.invert & 1 != 0) })
    }

    fn encode(&self, _revision: u8, info: &mut [u8], _around: &Surroundings) -> Result<(), Malformed> {
        let Spis { min, max } = self.spi.value;
        let bytes = Info { spis: [min, max], invert: self.spi.inverted.into(), pad: [0; 3] };
        bytes.write_to_prefix(info).map_err(|_| Malformed("esp"))
    }

    fn save(&self, w: &mut dyn Write, _around: &Surroundings) -> fmt::Result {
        if self.spi.value == Spis::ALL {
            return Ok(());
        }
        write!(w, "{} --espspi {}", self.spi.not(), self.spi.value)
    }

    fn print(&self, w: &mut dyn Write, _around: &Surroundings, _numeric: bool) -> fmt::Result {
        w.write_str(" esp")?;
        if self.spi.value == Spis::ALL && !self.spi.inverted {
            return Ok(());
        }
        w.write_str(" ")?;
        self.spi.value.listed(w, self.spi.inverted)
    }
}

fn set_spi(to: &mut Esp, given: &Given<'_>) -> Result<(), Problem> {
    let (min, max) = given.range(u32::MAX.into())?;
    to.spi = Condition::new(Spis { min: min as u32, max: max as u32 }, given.inverted);
    Ok(())
}

/// struct xt_esp.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Info {
    spis: [u32; 2],
    invert: u8,
    pad: [u8; 3],
}
