//! `-m tcpmss`: compares the maximum segment size that a TCP header announces.

use std::fmt::{self, Write};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::ext::{Extension, Given, Kind, Malformed, Opt, Problem, Revision, Surroundings};

/// The MSS lies between two bounds, or not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tcpmss {
    /// The least.
    pub min: u16,
    /// The greatest.
    pub max: u16,
    /// `! --mss`.
    pub inverted: bool,
}

impl Extension for Tcpmss {
    const NAME: &'static str = "tcpmss";
    const KIND: Kind = Kind::Match;
    const REVISIONS: &'static [Revision] = &[Revision::new(0, size_of::<Info>())];
    const OPTIONS: &'static [Opt<Self>] =
        &[Opt::new("mss", " value[:value]", "the announced segment size, 0 to 65535", set_mss)
            .invertible()
            .mandatory()];

    fn decode(_revision: u8, info: &[u8], _around: &Surroundings) -> Result<Self, Malformed> {
        let (info, _) = Info::read_from_prefix(info).map_err(|_| Malformed("tcpmss"))?;
        Ok(Self { min: info.min, max: info.max, inverted: info.invert != 0 })
    }

    fn encode(&self, _revision: u8, info: &mut [u8], _around: &Surroundings) -> Result<(), Malformed> {
        let bytes = Info { min: self.min, max: self.max, invert: self.inverted.into(), pad: 0 };
        bytes.write_to_prefix(info).map_err(|_| Malformed("tcpmss"))
    }

    fn save(&self, w: &mut dyn Write, _around: &Surroundings) -> fmt::Result {
        w.write_str(if self.inverted { " ! --mss " } else { " --mss " })?;
        self.write_bounds(w)
    }

    fn print(&self, w: &mut dyn Write, _around: &Surroundings, _numeric: bool) -> fmt::Result {
        w.write_str(if self.inverted { " tcpmss match !" } else { " tcpmss match " })?;
        self.write_bounds(w)
    }
}

impl Tcpmss {
    fn write_bounds(&self, w: &mut dyn Write) -> fmt::Result {
        write!(w, "{}", self.min)?;
        if self.min == self.max { Ok(()) } else { write!(w, ":{}", self.max) }
    }
}

fn set_mss(to: &mut Tcpmss, given: &Given<'_>) -> Result<(), Problem> {
    let (min, max) = given.range(u16::MAX.into())?;
    if min > max {
        return Err(Problem::new("tcpmss: invalid range given"));
    }
    *to = Tcpmss { min: min as u16, max: max as u16, inverted: given.inverted };
    Ok(())
}

/// struct xt_tcpmss_match_info.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Info {
    min: u16,
    max: u16,
    invert: u8,
    pad: u8,
}
