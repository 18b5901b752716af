//! `-j CHECKSUM`: fills the packet's checksum in where the device was to do it.

use std::fmt::{self, Write};

use crate::ext::{Extension, Given, Kind, Malformed, Opt, Problem, Revision, Surroundings};

/// What is done to the checksum.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checksum {
    /// It is filled in.
    pub fill: bool,
}

impl Extension for Checksum {
    const NAME: &'static str = "CHECKSUM";
    const KIND: Kind = Kind::Target;
    const REVISIONS: &'static [Revision] = &[Revision::new(0, 1)];
    const OPTIONS: &'static [Opt<Self>] = &[Opt::flag("checksum-fill", "fill the checksum in", set_fill).mandatory()];

    fn decode(_revision: u8, info: &[u8], _around: &Surroundings) -> Result<Self, Malformed> {
        Ok(Self { fill: info.first().ok_or(Malformed("CHECKSUM"))? & FILL != 0 })
    }

    fn encode(&self, _revision: u8, info: &mut [u8], _around: &Surroundings) -> Result<(), Malformed> {
        *info.first_mut().ok_or(Malformed("CHECKSUM"))? = if self.fill { FILL } else { 0 };
        Ok(())
    }

    fn save(&self, w: &mut dyn Write, _around: &Surroundings) -> fmt::Result {
        if self.fill { w.write_str(" --checksum-fill") } else { Ok(()) }
    }

    fn print(&self, w: &mut dyn Write, _around: &Surroundings, _numeric: bool) -> fmt::Result {
        w.write_str(if self.fill { " CHECKSUM fill" } else { " CHECKSUM" })
    }
}

fn set_fill(to: &mut Checksum, _given: &Given<'_>) -> Result<(), Problem> {
    to.fill = true;
    Ok(())
}

/// XT_CHECKSUM_OP_FILL.
const FILL: u8 = 1;
