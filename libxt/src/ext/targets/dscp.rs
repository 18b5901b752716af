//! `-j DSCP`: sets the differentiated services code point.

use std::fmt::{self, Write};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::ext::{Extension, Given, Kind, Malformed, Opt, Problem, Revision, Surroundings};
use crate::value::{dscp, number};

/// The code point that the six highest bits of the TOS byte become.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dscp {
    /// The code point, 0 to 63.
    pub dscp: u8,
}

impl Extension for Dscp {
    const NAME: &'static str = "DSCP";
    const KIND: Kind = Kind::Target;
    const REVISIONS: &'static [Revision] = &[Revision::new(0, size_of::<Info0>())];
    const OPTIONS: &'static [Opt<Self>] = &[
        Opt::new("set-dscp", " value", "the new code point, 0 to 63", set_dscp).excludes(&["set-dscp-class"]),
        Opt::new("set-dscp-class", " name", "the new code point by its class: BE, EF, AFxx or CSx", set_class)
            .excludes(&["set-dscp"]),
    ];

    fn check(&mut self, seen: u64, _around: &Surroundings) -> Result<(), Problem> {
        if seen == 0 {
            return Err(Problem::new("DSCP target: Parameter --set-dscp is required"));
        }
        Ok(())
    }

    fn decode(_revision: u8, info: &[u8], _around: &Surroundings) -> Result<Self, Malformed> {
        let (info, _) = Info0::read_from_prefix(info).map_err(|_| Malformed("DSCP"))?;
        Ok(Self { dscp: info.dscp })
    }

    fn encode(&self, _revision: u8, info: &mut [u8], _around: &Surroundings) -> Result<(), Malformed> {
        Info0 { dscp: self.dscp }.write_to_prefix(info).map_err(|_| Malformed("DSCP"))
    }

    fn save(&self, w: &mut dyn Write, _around: &Surroundings) -> fmt::Result {
        write!(w, " --set-dscp 0x{:02x}", self.dscp)
    }

    fn print(&self, w: &mut dyn Write, _around: &Surroundings, _numeric: bool) -> fmt::Result {
        write!(w, " DSCP set 0x{:02x}", self.dscp)
    }
}

fn set_dscp(to: &mut Dscp, given: &Given<'_>) -> Result<(), Problem> {
    let max = dscp::MAX.into();
    to.dscp = number::parse(given.value, 0, max).ok_or_else(|| given.out_of_range(0, max))? as u8;
    Ok(())
}

fn set_class(to: &mut Dscp, given: &Given<'_>) -> Result<(), Problem> {
    to.dscp = dscp::parse_class(given.value).map_err(Problem::new)?;
    Ok(())
}

/// struct xt_DSCP_info.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Info0 {
    dscp: u8,
}
