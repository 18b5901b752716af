//! `-m policy`: whether a packet that came in was protected at all.

use crate::ext::Surroundings;
use crate::ext::matches::policy::{Element, Policy};
use crate::translate::{Outcome, Statement, Translate, Untranslatable};

impl Translate for Policy {
    fn translate(&self, to: &mut Statement<'_>, _around: &Surroundings) -> Outcome {
        if self.output || self.elements.iter().any(|element| *element != Element::default()) {
            return Err(Untranslatable);
        }
        to.add(format_args!("meta secpath {}", if self.none { "missing" } else { "exists" }));
        Ok(())
    }
}
