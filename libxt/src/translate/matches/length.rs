//! `-m length`: the length of the packet.

use crate::ext::Surroundings;
use crate::ext::matches::length::Length;
use crate::translate::operand::{Span, add_span};
use crate::translate::{Outcome, Statement, Translate};

impl Translate for Length {
    fn translate(&self, to: &mut Statement<'_>, _around: &Surroundings) -> Outcome {
        add_span(to, "meta length", self.inverted, &Span(self.min, self.max));
        Ok(())
    }
}
