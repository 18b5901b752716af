//! `-m helper`: compares which helper follows the packet's connection.

use std::fmt::{self, Write};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::ext::{Extension, Given, Kind, Malformed, Opt, Problem, Revision, Surroundings};
use crate::value::condition::Condition;
use crate::value::text::{Quoted, Text};

/// The helper's name, or the beginning of it; an empty name is any helper.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Helper {
    /// The name, with `-port` behind it where it is not the usual port.
    pub name: Condition<Text<30>>,
}

impl Extension for Helper {
    const NAME: &'static str = "helper";
    const KIND: Kind = Kind::Match;
    const REVISIONS: &'static [Revision] = &[Revision::new(0, size_of::<Info>())];
    const OPTIONS: &'static [Opt<Self>] =
        &[Opt::new("helper", " name", "the helper of the packet's connection", set_helper).invertible().mandatory()];

    fn decode(_revision: u8, info: &[u8], _around: &Surroundings) -> Result<Self, Malformed> {
        let (info, _) = Info::read_from_prefix(info).map_err(|_| Malformed("helper"))?;
        Ok(Self { name: Condition::new(Text(info.name), info.invert != 0) })
    }

    fn encode(&self, _revision: u8, info: &mut [u8], _around: &Surroundings) -> Result<(), Malformed> {
        let bytes = Info { invert: self.name.inverted.into(), name: self.name.value.0, pad: [0; 2] };
        bytes.write_to_prefix(info).map_err(|_| Malformed("helper"))
    }

    fn save(&self, w: &mut dyn Write, _around: &Surroundings) -> fmt::Result {
        write!(w, "{} --helper {}", self.name.not(), Quoted(&self.name.value.to_str()))
    }

    fn print(&self, w: &mut dyn Write, _around: &Surroundings, _numeric: bool) -> fmt::Result {
        write!(w, " helper match{} \"{}\"", self.name.not(), self.name.value)
    }
}

fn set_helper(to: &mut Helper, given: &Given<'_>) -> Result<(), Problem> {
    to.name = Condition::new(given.text(0)?, given.inverted);
    Ok(())
}

/// struct xt_helper_info.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Info {
    invert: u32,
    name: [u8; 30],
    pad: [u8; 2],
}
