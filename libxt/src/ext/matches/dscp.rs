//! `-m dscp`: compares the differentiated services code point.

use std::fmt::{self, Write};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::ext::{Extension, Given, Kind, Malformed, Opt, Problem, Revision, Surroundings};
use crate::value::{dscp, number};

/// The six highest bits of the TOS byte are, or are not, a code point.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dscp {
    /// The code point, 0 to 63.
    pub dscp: u8,
    /// `! --dscp`.
    pub inverted: bool,
}

impl Extension for Dscp {
    const NAME: &'static str = "dscp";
    const KIND: Kind = Kind::Match;
    const REVISIONS: &'static [Revision] = &[Revision::new(0, size_of::<Info0>())];
    const OPTIONS: &'static [Opt<Self>] = &[
        Opt::new("dscp", " value", "the code point, 0 to 63", set_dscp).invertible().excludes(&["dscp-class"]),
        Opt::new("dscp-class", " name", "the code point by its class: BE, EF, AFxx or CSx", set_class)
            .invertible()
            .excludes(&["dscp"]),
    ];

    fn check(&mut self, seen: u64, _around: &Surroundings) -> Result<(), Problem> {
        if seen == 0 {
            return Err(Problem::new("DSCP match: Parameter --dscp is required"));
        }
        Ok(())
    }

    fn decode(_revision: u8, info: &[u8], _around: &Surroundings) -> Result<Self, Malformed> {
        let (info, _) = Info0::read_from_prefix(info).map_err(|_| Malformed("dscp"))?;
        Ok(Self { dscp: info.dscp, inverted: info.invert != 0 })
    }

    fn encode(&self, _revision: u8, info: &mut [u8], _around: &Surroundings) -> Result<(), Malformed> {
        let bytes = Info0 { dscp: self.dscp, invert: self.inverted.into() };
        bytes.write_to_prefix(info).map_err(|_| Malformed("dscp"))
    }

    fn save(&self, w: &mut dyn Write, _around: &Surroundings) -> fmt::Result {
        let not = if self.inverted { " !" } else { "" };
        write!(w, "{not} --dscp 0x{:02x}", self.dscp)
    }

    fn print(&self, w: &mut dyn Write, _around: &Surroundings, _numeric: bool) -> fmt::Result {
        let not = if self.inverted { "!" } else { "" };
        write!(w, " DSCP match {not}0x{:02x}", self.dscp)
    }
}

fn set_dscp(to: &mut Dscp, given: &Given<'_>) -> Result<(), Problem> {
    let max = dscp::MAX.into();
    let dscp = number::parse(given.value, 0, max).ok_or_else(|| given.out_of_range(0, max))? as u8;
    *to = Dscp { dscp, inverted: given.inverted };
    Ok(())
}

fn set_class(to: &mut Dscp, given: &Given<'_>) -> Result<(), Problem> {
    *to = Dscp { dscp: dscp::parse_class(given.value).map_err(Problem::new)?, inverted: given.inverted };
    Ok(())
}

/// struct xt_dscp_info.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Info0 {
    dscp: u8,
    invert: u8,
}
