//! `-j CT` and `-j NOTRACK`: no connection at all, and nothing else.

use crate::ext::Surroundings;
use crate::ext::targets::ct::{Ct, Notrack};
use crate::translate::{Outcome, Statement, Translate, Untranslatable};

impl Translate for Ct {
    fn translate(&self, to: &mut Statement<'_>, _around: &Surroundings) -> Outcome {
        if !self.notrack {
            return Err(Untranslatable);
        }
        to.add(format_args!("notrack"));
        Ok(())
    }
}

impl Translate for Notrack {
    fn translate(&self, to: &mut Statement<'_>, around: &Surroundings) -> Outcome {
        self.0.translate(to, around)
    }
}
