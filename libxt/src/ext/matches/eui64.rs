//! `-m eui64`: asks whether the end of an autoconfigured source address is the sender's Ethernet address.

use std::fmt::{self, Write};

use crate::ext::{Extension, Families, Kind, Malformed, Opt, Revision, Surroundings};

/// There is nothing to say about it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Eui64;

impl Extension for Eui64 {
    const NAME: &'static str = "eui64";
    const KIND: Kind = Kind::Match;
    const REVISIONS: &'static [Revision] = &[Revision::new(0, size_of::<i32>()).only(Families::V6)];
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

    /// The one listing with its space behind and not before.
    fn print(&self, w: &mut dyn Write, _around: &Surroundings, _numeric: bool) -> fmt::Result {
        w.write_str("eui64 ")
    }
}
