//! `-j TRACE`: marks the packet so that every rule that meets it is logged.

use std::fmt::{self, Write};

use crate::ext::{Extension, Kind, Malformed, Opt, Revision, Surroundings};

/// It has no settings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trace;

impl Extension for Trace {
    const NAME: &'static str = "TRACE";
    const KIND: Kind = Kind::Target;
    const REVISIONS: &'static [Revision] = &[Revision::new(0, 0)];
    const OPTIONS: &'static [Opt<Self>] = &[];

    fn decode(_revision: u8, _info: &[u8], _around: &Surroundings) -> Result<Self, Malformed> {
        Ok(Self)
    }

    fn encode(&self, _revision: u8, _info: &mut [u8], _around: &Surroundings) -> Result<(), Malformed> {
        Ok(())
    }

    fn save(&self, _w: &mut dyn Write, _around: &Surroundings) -> fmt::Result {
        Ok(())
    }

    fn print(&self, _w: &mut dyn Write, _around: &Surroundings, _numeric: bool) -> fmt::Result {
        Ok(())
    }
}
