//! `-j CONNMARK`: the mark of the connection, or a copy to or from it.

use crate::ext::Surroundings;
use crate::ext::targets::connmark::{Connmark, Mode};
use crate::translate::{Outcome, Statement, Translate, Untranslatable};

impl Translate for Connmark {
    fn translate(&self, to: &mut Statement<'_>, _around: &Surroundings) -> Outcome {
        let what = self.what()?;
        let to_what = if self.mode == Mode::Restore { "meta mark" } else { "ct mark" };
        if self.shift.bits == 0 {
            to.add(format_args!("{to_what} set {what}"));
        } else {
            let sign = if self.shift.right { ">>" } else { "<<" };
            to.add(format_args!("{to_what} set ( {what} ) {sign} {}", self.shift.bits));
        }
        Ok(())
    }
}

impl Connmark {
    /// What the mark becomes; the masks of a copy must be the same.
    fn what(&self) -> Result<String, Untranslatable> {
        let Self { ctmark, ctmask, nfmask, .. } = *self;
        let from = match self.mode {
            Mode::Set => {
                return Ok(match (ctmark, ctmask) {
                    // The space belongs to it, and shows before a bracket or a comment.
                    (mark, u32::MAX) => format!("{mark:#x} "),
                    (0, mask) => format!("ct mark and {:#x}", !mask),
                    (mark, mask) if mark == mask => format!("ct mark or {mark:#x}"),
                    (mark, 0) => format!("ct mark xor {mark:#x}"),
                    (mark, mask) => format!("ct mark xor {mark:#x} and {:#x}", !mask),
                });
            }
            Mode::Save => "mark",
            Mode::Restore => "ct mark",
        };
        match (ctmask, nfmask) {
            (u32::MAX, u32::MAX) => Ok(from.to_owned()),
            (ctmask, nfmask) if ctmask == nfmask => Ok(format!("{from} and {ctmask:#x}")),
            _ => Err(Untranslatable),
        }
    }
}
