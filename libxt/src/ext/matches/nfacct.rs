//! `-m nfacct`: counts the packet in a named counter, and always matches.

use std::fmt::{self, Write};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::ext::{Extension, Given, Kind, Malformed, Opt, Problem, Revision, Surroundings};
use crate::value::text::{Quoted, Text};

/// A counter that exists before the rule does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Nfacct {
    /// Its name, at most 31 bytes.
    pub name: Text<32>,
}

impl Extension for Nfacct {
    const NAME: &'static str = "nfacct";
    const KIND: Kind = Kind::Match;
    const REVISIONS: &'static [Revision] =
        &[Revision::new(1, size_of::<Info>()).user_size(32), Revision::new(0, size_of::<Info>()).user_size(32)];
    const OPTIONS: &'static [Opt<Self>] =
        &[Opt::new("nfacct-name", " name", "the counter, which must exist", set_name).mandatory()];

    fn decode(_revision: u8, info: &[u8], _around: &Surroundings) -> Result<Self, Malformed> {
        let (info, _) = Info::read_from_prefix(info).map_err(|_| Malformed("nfacct"))?;
        Ok(Self { name: Text(info.name) })
    }

    fn encode(&self, _revision: u8, info: &mut [u8], _around: &Surroundings) -> Result<(), Malformed> {
        let bytes = Info { name: self.name.0, kernel: [0; 8] };
        bytes.write_to_prefix(info).map_err(|_| Malformed("nfacct"))
    }

    /// With two spaces before the name.
    fn save(&self, w: &mut dyn Write, _around: &Surroundings) -> fmt::Result {
        write!(w, " --nfacct-name  {}", Quoted(&self.name.to_str()))
    }

    fn print(&self, w: &mut dyn Write, _around: &Surroundings, _numeric: bool) -> fmt::Result {
        write!(w, " nfacct-name  {}", Quoted(&self.name.to_str()))
    }
}

fn set_name(to: &mut Nfacct, given: &Given<'_>) -> Result<(), Problem> {
    to.name = given.text(1)?;
    if given.value.contains('\n') {
        return Err(Problem::new("Newlines not allowed in --nfacct-name"));
    }
    Ok(())
}

/// struct xt_nfacct_match_info and struct xt_nfacct_match_info_v1.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Info {
    name: [u8; 32],
    kernel: [u8; 8],
}
