//! `-j MASQUERADE`: rewrites the source to the address of the device the packet leaves by.

use std::fmt::{self, Write};

use crate::ext::{Extension, Families, Given, Kind, Malformed, Opt, Problem, Revision, Surroundings};
use crate::value::nat;

use super::nat_option;

/// The address is the device's; the ports may be given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Masquerade {
    /// The ports and how to choose them; it has no addresses.
    pub range: nat::Range,
}

impl Extension for Masquerade {
    const NAME: &'static str = "MASQUERADE";
    const KIND: Kind = Kind::Target;
    const REVISIONS: &'static [Revision] =
        &[Revision::new(0, nat::SIZE_V4).only(Families::V4), Revision::new(0, nat::SIZE).only(Families::V6)];
    const OPTIONS: &'static [Opt<Self>] = &[
        Opt::new("to-ports", " port[-port]", "take the source port from these", set_ports),
        nat_option::random(),
        nat_option::random_fully(),
    ];

    fn decode(revision: u8, info: &[u8], around: &Surroundings) -> Result<Self, Malformed> {
        nat_option::decode(revision, info, around).map(|range| Self { range }).ok_or(Malformed("MASQUERADE"))
    }

    fn encode(&self, revision: u8, info: &mut [u8], around: &Surroundings) -> Result<(), Malformed> {
        nat_option::encode(&self.range, revision, info, around).ok_or(Malformed("MASQUERADE"))
    }

    fn save(&self, w: &mut dyn Write, _around: &Surroundings) -> fmt::Result {
        nat_option::write_ports(&self.range, w, " --to-ports ", "--")
    }

    fn print(&self, w: &mut dyn Write, _around: &Surroundings, _numeric: bool) -> fmt::Result {
        nat_option::write_ports(&self.range, w, " masq ports: ", "")
    }
}

impl nat_option::Maps for Masquerade {
    fn range(&mut self) -> &mut nat::Range {
        &mut self.range
    }
}

fn set_ports(to: &mut Masquerade, given: &Given<'_>) -> Result<(), Problem> {
    let mut ports = nat_option::ports(given, given.value)?;
    // The shift is accepted and flagged, but the only revision has no field for it.
    ports.base = ports.base.map(|_| 0);
    to.range.ports = Some(ports);
    Ok(())
}
