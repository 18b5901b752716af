//! `-j DNAT`: rewrites the destination of a connection, before routing.

use std::fmt::{self, Write};

use crate::ext::{Extension, Families, Given, Kind, Malformed, Opt, Problem, Revision, Surroundings};
use crate::value::nat;

use super::nat_option;

/// The destination is taken from a range; shifted port ranges need revision 2.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dnat {
    /// What to map to.
    pub range: nat::Range,
}

impl Extension for Dnat {
    const NAME: &'static str = "DNAT";
    const KIND: Kind = Kind::Target;
    const REVISIONS: &'static [Revision] = &[
        Revision::new(2, nat::SIZE_2),
        Revision::new(1, nat::SIZE),
        Revision::new(0, nat::SIZE_V4).only(Families::V4),
    ];
    const OPTIONS: &'static [Opt<Self>] = &[
        Opt::new(
            "to-destination",
            " [address[-address]][:port[-port[/base]]]",
            "the new destination: addresses, ports, or both",
            set_target,
        )
        .mandatory(),
        nat_option::random(),
        nat_option::persistent(),
    ];

    fn fits(&self, number: u8) -> bool {
        number >= 2 || self.range.is_unshifted()
    }

    fn decode(revision: u8, info: &[u8], around: &Surroundings) -> Result<Self, Malformed> {
        nat_option::decode(revision, info, around).map(|range| Self { range }).ok_or(Malformed("DNAT"))
    }

    fn encode(&self, revision: u8, info: &mut [u8], around: &Surroundings) -> Result<(), Malformed> {
        nat_option::encode(&self.range, revision, info, around).ok_or(Malformed("DNAT"))
    }

    fn save(&self, w: &mut dyn Write, _around: &Surroundings) -> fmt::Result {
        nat_option::write_target(&self.range, w, " --to-destination ", "--")
    }

    fn print(&self, w: &mut dyn Write, _around: &Surroundings, _numeric: bool) -> fmt::Result {
        nat_option::write_target(&self.range, w, " to:", "")
    }
}

impl nat_option::Maps for Dnat {
    fn range(&mut self) -> &mut nat::Range {
        &mut self.range
    }
}

fn set_target(to: &mut Dnat, given: &Given<'_>) -> Result<(), Problem> {
    nat_option::target(&mut to.range, given)
}
