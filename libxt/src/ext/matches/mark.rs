//! `-m mark`: compares the packet's mark.

use std::fmt::{self, Write};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::ext::{Extension, Given, Kind, Malformed, Opt, Problem, Revision, Surroundings};
use crate::value::mark::Masked;

/// `(packet mark & mask) == value`, or not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// What the masked mark must be.
    pub mark: u32,
    /// Which bits count.
    pub mask: u32,
    /// `! --mark`.
    pub inverted: bool,
}

impl Extension for Mark {
    const NAME: &'static str = "mark";
    const KIND: Kind = Kind::Match;
    const REVISIONS: &'static [Revision] = &[Revision::new(1, size_of::<Info1>())];
    const OPTIONS: &'static [Opt<Self>] =
        &[Opt::new("mark", " value[/mask]", "the packet's mark, optionally masked", set_mark).invertible().mandatory()];

    fn decode(_revision: u8, info: &[u8], _around: &Surroundings) -> Result<Self, Malformed> {
        let (info, _) = Info1::read_from_prefix(info).map_err(|_| Malformed("mark"))?;
        Ok(Self { mark: info.mark, mask: info.mask, inverted: info.invert != 0 })
    }

    fn encode(&self, _revision: u8, info: &mut [u8], _around: &Surroundings) -> Result<(), Malformed> {
        let bytes = Info1 { mark: self.mark, mask: self.mask, invert: self.inverted.into(), pad: [0; 3] };
        bytes.write_to_prefix(info).map_err(|_| Malformed("mark"))
    }

    fn save(&self, w: &mut dyn Write, _around: &Surroundings) -> fmt::Result {
        let not = if self.inverted { " !" } else { "" };
        write!(w, "{not} --mark {}", Masked { value: self.mark, mask: self.mask })
    }

    fn print(&self, w: &mut dyn Write, _around: &Surroundings, _numeric: bool) -> fmt::Result {
        let not = if self.inverted { " !" } else { "" };
        write!(w, " mark match{not} {}", Masked { value: self.mark, mask: self.mask })
    }
}

fn set_mark(to: &mut Mark, given: &Given<'_>) -> Result<(), Problem> {
    let Masked { value, mask } = given.mark()?;
    *to = Mark { mark: value, mask, inverted: given.inverted };
    Ok(())
}

/// struct xt_mark_mtinfo1.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Info1 {
    mark: u32,
    mask: u32,
    invert: u8,
    pad: [u8; 3],
}
