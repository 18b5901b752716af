//! `-m length`: compares the packet's length, network header included.

use std::fmt::{self, Write};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::ext::{Extension, Given, Kind, Malformed, Opt, Problem, Revision, Surroundings};

/// The length lies between two bounds, or not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Length {
    /// The least number of bytes.
    pub min: u16,
    /// The greatest number of bytes; the order is not checked.
    pub max: u16,
    /// `! --length`.
    pub inverted: bool,
}

impl Extension for Length {
    const NAME: &'static str = "length";
    const KIND: Kind = Kind::Match;
    const REVISIONS: &'static [Revision] = &[Revision::new(0, size_of::<Info>())];
    const OPTIONS: &'static [Opt<Self>] =
        &[Opt::new("length", " bytes[:bytes]", "how long the packet is, 0 to 65535", set_length)
            .invertible()
            .mandatory()];

    fn decode(_revision: u8, info: &[u8], _around: &Surroundings) -> Result<Self, Malformed> {
        let (info, _) = Info::read_from_prefix(info).map_err(|_| Malformed("length"))?;
        Ok(Self { min: info.min, max: info.max, inverted: info.invert != 0 })
    }

    fn encode(&self, _revision: u8, info: &mut [u8], _around: &Surroundings) -> Result<(), Malformed> {
        let bytes = Info { min: self.min, max: self.max, invert: self.inverted.into(), pad: 0 };
        bytes.write_to_prefix(info).map_err(|_| Malformed("length"))
    }

    fn save(&self, w: &mut dyn Write, _around: &Surroundings) -> fmt::Result {
        w.write_str(if self.inverted { " ! --length " } else { " --length " })?;
        self.write_bounds(w)
    }

    fn print(&self, w: &mut dyn Write, _around: &Surroundings, _numeric: bool) -> fmt::Result {
        w.write_str(if self.inverted { " length !" } else { " length " })?;
        self.write_bounds(w)
    }
}

impl Length {
    fn write_bounds(&self, w: &mut dyn Write) -> fmt::Result {
        write!(w, "{}", self.min)?;
        if self.min == self.max { Ok(()) } else { write!(w, ":{}", self.max) }
    }
}

fn set_length(to: &mut Length, given: &Given<'_>) -> Result<(), Problem> {
    let (min, max) = given.range(u16::MAX.into())?;
    *to = Length { min: min as u16, max: max as u16, inverted: given.inverted };
    Ok(())
}

/// struct xt_length_info.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Info {
    min: u16,
    max: u16,
    invert: u8,
    pad: u8,
}
