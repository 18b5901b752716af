//! `-j REDIRECT`: sends a connection to this host itself.

use std::fmt::{self, Write};

use crate::ext::{Extension, Families, Given, Kind, Malformed, Opt, Problem, Revision, Surroundings};
use crate::value::nat;

use super::nat_option;

/// The address is the one the packet came in by (loopback for local packets); the ports may be given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Redirect {
    /// The ports and how to choose them; it has no addresses.
    pub range: nat::Range,
}

impl Extension for Redirect {
    const NAME: &'static str = "REDIRECT";
    const KIND: Kind = Kind::Target;
    const REVISIONS: &'static [Revision] =
        &[Revision::new(0, nat::SIZE_V4).only(Families::V4), Revision::new(0, nat::SIZE).only(Families::V6)];
    const OPTIONS: &'static [Opt<Self>] = &[
        Opt::new("to-ports", " port[-port]", "the local port, or a range to choose from", set_ports),
        nat_option::random(),
    ];

    fn decode(revision: u8, info: &[u8], around: &Surroundings) -> Result<Self, Malformed> {
        nat_option::decode(revision, info, around).map(|range| Self { range }).ok_or(Malformed("REDIRECT"))
    }

    fn encode(&self, revision: u8, info: &mut [u8], around: &Surroundings) -> Result<(), Malformed> {
        nat_option::encode(&self.range, revision, info, around).ok_or(Malformed("REDIRECT"))
    }

    fn save(&self, w: &mut dyn Write, _around: &Surroundings) -> fmt::Result {
        nat_option::write_ports(&self.range, w, " --to-ports ", "--")
    }

    fn print(&self, w: &mut dyn Write, _around: &Surroundings, _numeric: bool) -> fmt::Result {
        nat_option::write_ports(&self.range, w, " redir ports ", "")
    }
}

impl nat_option::Maps for Redirect {
    fn range(&mut self) -> &mut nat::Range {
        &mut self.range
    }
}

fn set_ports(to: &mut Redirect, given: &Given<'_>) -> Result<(), Problem> {
    let ports = nat_option::ports(given, given.value)?;
    if ports.base.is_some() {
        return Err(Problem::new("Shifted portmap ranges not supported with this kernel"));
    }
    to.range.ports = Some(ports);
    Ok(())
}
