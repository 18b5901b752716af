//! `-j SECMARK`: gives the packet a security context.

use std::fmt::{self, Write};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::ext::{Extension, Given, Kind, Malformed, Opt, Problem, Revision, Surroundings};
use crate::value::text::Text;

/// The context; the tools know no other mode.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Secmark {
    /// SELinux's text, at most 255 bytes.
    pub context: Text<256>,
}

impl Extension for Secmark {
    const NAME: &'static str = "SECMARK";
    const KIND: Kind = Kind::Target;
    const REVISIONS: &'static [Revision] =
        &[Revision::new(1, size_of::<Info1>()), Revision::new(0, size_of::<Info0>())];
    const OPTIONS: &'static [Opt<Self>] =
        &[Opt::new("selctx", " context", "the SELinux context", set_context).mandatory()];

    fn decode(revision: u8, info: &[u8], _around: &Surroundings) -> Result<Self, Malformed> {
        let malformed = Malformed("SECMARK");
        let (mode, context) = match revision {
            0 => Info0::read_from_prefix(info).map(|(info, _)| (info.mode, info.context)).map_err(|_| malformed)?,
            _ => Info1::read_from_prefix(info).map(|(info, _)| (info.mode, info.context)).map_err(|_| malformed)?,
        };
        if mode == SELINUX { Ok(Self { context: Text(context) }) } else { Err(Malformed("SECMARK.mode")) }
    }

    fn encode(&self, revision: u8, info: &mut [u8], _around: &Surroundings) -> Result<(), Malformed> {
        let context = self.context.0;
        let written = match revision {
            0 => Info0 { mode: SELINUX, pad: [0; 3], id: 0, context }.write_to_prefix(info).is_ok(),
            _ => Info1 { mode: SELINUX, context, pad: [0; 3], id: 0 }.write_to_prefix(info).is_ok(),
        };
        if written { Ok(()) } else { Err(Malformed("SECMARK")) }
    }

    fn save(&self, w: &mut dyn Write, _around: &Surroundings) -> fmt::Result {
        write!(w, " --selctx {}", self.context)
    }

    fn print(&self, w: &mut dyn Write, _around: &Surroundings, _numeric: bool) -> fmt::Result {
        write!(w, " SECMARK selctx {}", self.context)
    }
}

fn set_context(to: &mut Secmark, given: &Given<'_>) -> Result<(), Problem> {
    to.context = given.text(0)?;
    Ok(())
}

/// SECMARK_MODE_SEL.
const SELINUX: u8 = 1;

/// struct xt_secmark_target_info.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Info0 {
    mode: u8,
    pad: [u8; 3],
    id: u32,
    context: [u8; 256],
}

/// struct xt_secmark_target_info_v1.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Info1 {
    mode: u8,
    context: [u8; 256],
    pad: [u8; 3],
    id: u32,
}
