//! `-j SNAT`: rewrites the source of a connection, after routing.

use std::fmt::{self, Write};

use crate::ext::{Extension, Families, Given, Kind, Malformed, Opt, Problem, Revision, Surroundings};
use crate::value::nat;

use super::nat_option;

/// The source is taken from a range.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snat {
    /// What to map to.
    pub range: nat::Range,
}

impl Extension for Snat {
    const NAME: &'static str = "SNAT";
    const KIND: Kind = Kind::Target;
    const REVISIONS: &'static [Revision] = &[
        Revision::new(0, nat::SIZE_V4).only(Families::V4),
        Revision::new(1, nat::SIZE).only(Families::V6),
        Revision::new(1, nat::SIZE).only(Families::V4),
        Revision::new(2, nat::SIZE_2),
    ];
    const OPTIONS: &'static [Opt<Self>] = &[
        Opt::new(
            "to-source",
            " [address[-address]][:port[-port]]",
            "the new source: addresses, ports, or both",
            set_target,
        )
        .mandatory(),
        nat_option::random(),
        nat_option::random_fully(),
        nat_option::persistent(),
    ];

    fn decode(revision: u8, info: &[u8], around: &Surroundings) -> Result<Self, Malformed> {
        nat_option::decode(revision, info, around).map(|range| Self { range }).ok_or(Malformed("SNAT"))
    }

    fn encode(&self, revision: u8, info: &mut [u8], around: &Surroundings) -> Result<(), Malformed> {
        nat_option::encode(&self.range, revision, info, around).ok_or(Malformed("SNAT"))
    }

    fn save(&self, w: &mut dyn Write, _around: &Surroundings) -> fmt::Result {
        nat_option::write_target(&self.range, w, " --to-source ", "--")
    }

    fn print(&self, w: &mut dyn Write, _around: &Surroundings, _numeric: bool) -> fmt::Result {
        nat_option::write_target(&self.range, w, " to:", "")
    }
}

impl nat_option::Maps for Snat {
    fn range(&mut self) -> &mut nat::Range {
        &mut self.range
    }
}

fn set_target(to: &mut Snat, given: &Given<'_>) -> Result<(), Problem> {
    nat_option::target(&mut to.range, given)?;
    // The shift is accepted and flagged, but no revision that the tools write for this target has a field for it.
    if let Some(nat::Ports { base: Some(base), .. }) = &mut to.range.ports {
        *base = 0;
    }
    Ok(())
}
