//! `-m comment`: carries a remark, and always matches.

use std::fmt::{self, Write};

use crate::ext::{Extension, Given, Kind, Malformed, Opt, Problem, Revision, Surroundings};
use crate::value::text::{Quoted, Text};

/// A remark of at most 255 bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comment {
    /// The remark.
    pub text: Text<SIZE>,
}

/// XT_MAX_COMMENT_LEN: bytes of struct xt_comment_info.
const SIZE: usize = 256;

impl Extension for Comment {
    const NAME: &'static str = "comment";
    const KIND: Kind = Kind::Match;
    const REVISIONS: &'static [Revision] = &[Revision::new(0, SIZE)];
    const OPTIONS: &'static [Opt<Self>] =
        &[Opt::new("comment", " text", "a remark of up to 255 bytes", set_comment).mandatory()];

    fn decode(_revision: u8, info: &[u8], _around: &Surroundings) -> Result<Self, Malformed> {
        let bytes = info.first_chunk().ok_or(Malformed("comment"))?;
        Ok(Self { text: Text(*bytes) })
    }

    fn encode(&self, _revision: u8, info: &mut [u8], _around: &Surroundings) -> Result<(), Malformed> {
        *info.first_chunk_mut().ok_or(Malformed("comment"))? = self.text.0;
        Ok(())
    }

    fn save(&self, w: &mut dyn Write, _around: &Surroundings) -> fmt::Result {
        write!(w, " --comment {}", Quoted(&self.text.to_str()))
    }

    fn print(&self, w: &mut dyn Write, _around: &Surroundings, _numeric: bool) -> fmt::Result {
        write!(w, " /* {} */", self.text)
    }
}

fn set_comment(to: &mut Comment, given: &Given<'_>) -> Result<(), Problem> {
    to.text = given.text(0)?;
    Ok(())
}
