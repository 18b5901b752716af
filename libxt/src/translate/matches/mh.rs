//! `-m mh`: the type of a mobility header.

use crate::ext::Surroundings;
use crate::ext::matches::mh::Mh;
use crate::translate::operand::{Span, add_span};
use crate::translate::{Outcome, Statement, Translate};

impl Translate for Mh {
    fn translate(&self, to: &mut Statement<'_>, _around: &Surroundings) -> Outcome {
        let [min, max] = self.types.value;
        if (min, max) != (0, u8::MAX) {
            add_span(to, "mh type", self.types.inverted, &Span(min, max));
        }
        Ok(())
    }
}
