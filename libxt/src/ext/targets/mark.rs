//! `-j MARK`: sets bits of the packet's mark.

use std::fmt::{self, Write};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::ext::{Extension, Given, Kind, Malformed, Opt, Problem, Revision, Surroundings};
use crate::value::mark::Masked;

/// `mark = (mark & !mask) ^ value`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// The bits that are flipped after masking.
    pub mark: u32,
    /// The bits that are cleared first.
    pub mask: u32,
}

impl Extension for Mark {
    const NAME: &'static str = "MARK";
    const KIND: Kind = Kind::Target;
    const REVISIONS: &'static [Revision] = &[Revision::new(2, size_of::<Info2>())];
    const OPTIONS: &'static [Opt<Self>] =
        &[
            Opt::new("set-xmark", " value[/mask]", "clear the masked bits, then flip those of value", set_xmark)
                .excludes(&["set-mark", "and-mark", "or-mark", "xor-mark"]),
            Opt::new("set-mark", " value[/mask]", "clear the masked bits, then set those of value", set_mark)
                .excludes(&["set-xmark", "and-mark", "or-mark", "xor-mark"]),
            Opt::new("and-mark", " bits", "keep only these bits", set_and).excludes(&[
                "set-xmark",
                "set-mark",
                "or-mark",
                "xor-mark",
            ]),
            Opt::new("or-mark", " bits", "set these bits", set_or).excludes(&[
                "set-xmark",
                "set-mark",
                "and-mark",
                "xor-mark",
            ]),
            Opt::new("xor-mark", " bits", "flip these bits", set_xor).excludes(&[
                "set-xmark",
                "set-mark",
                "and-mark",
                "or-mark",
            ]),
        ];

    fn check(&mut self, seen: u64, _around: &Surroundings) -> Result<(), Problem> {
        if seen == 0 {
            return Err(Problem::new("MARK: One of the --set-xmark, --{and,or,xor,set}-mark options is required"));
        }
        Ok(())
    }

    fn decode(_revision: u8, info: &[u8], _around: &Surroundings) -> Result<Self, Malformed> {
        let (info, _) = Info2::read_from_prefix(info).map_err(|_| Malformed("MARK"))?;
        Ok(Self { mark: info.mark, mask: info.mask })
    }

    fn encode(&self, _revision: u8, info: &mut [u8], _around: &Surroundings) -> Result<(), Malformed> {
        Info2 { mark: self.mark, mask: self.mask }.write_to_prefix(info).map_err(|_| Malformed("MARK"))
    }

    fn save(&self, w: &mut dyn Write, _around: &Surroundings) -> fmt::Result {
        write!(w, " --set-xmark {:#x}/{:#x}", self.mark, self.mask)
    }

    fn print(&self, w: &mut dyn Write, _around: &Surroundings, _numeric: bool) -> fmt::Result {
        let Self { mark, mask } = *self;
        match (mark, mask) {
            (0, _) => write!(w, " MARK and {:#x}", !mask),
            _ if mark == mask => write!(w, " MARK or {mark:#x}"),
            (_, 0) => write!(w, " MARK xor {mark:#x}"),
            (_, u32::MAX) => write!(w, " MARK set {mark:#x}"),
            _ => write!(w, " MARK xset {mark:#x}/{mask:#x}"),
        }
    }
}

fn set_xmark(to: &mut Mark, given: &Given<'_>) -> Result<(), Problem> {
    let Masked { value, mask } = given.mark()?;
    *to = Mark { mark: value, mask };
    Ok(())
}

fn set_mark(to: &mut Mark, given: &Given<'_>) -> Result<(), Problem> {
    let Masked { value, mask } = given.mark()?;
    *to = Mark { mark: value, mask: mask | value };
    Ok(())
}

fn set_and(to: &mut Mark, given: &Given<'_>) -> Result<(), Problem> {
    *to = Mark { mark: 0, mask: !bits(given)? };
    Ok(())
}

fn set_or(to: &mut Mark, given: &Given<'_>) -> Result<(), Problem> {
    let bits = bits(given)?;
    *to = Mark { mark: bits, mask: bits };
    Ok(())
}

fn set_xor(to: &mut Mark, given: &Given<'_>) -> Result<(), Problem> {
    *to = Mark { mark: bits(given)?, mask: 0 };
    Ok(())
}

fn bits(given: &Given<'_>) -> Result<u32, Problem> {
    given.long(0, u32::MAX)
}

/// struct xt_mark_tginfo2.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Info2 {
    mark: u32,
    mask: u32,
}
