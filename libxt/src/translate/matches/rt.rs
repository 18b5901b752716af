//! `-m rt`: the routing header; what only type 0 has cannot be said.

use crate::ext::Surroundings;
use crate::ext::matches::rt::Rt;
use crate::translate::operand::{Span, add_span};
use crate::translate::{Outcome, Statement, Translate, Untranslatable};

impl Translate for Rt {
    fn translate(&self, to: &mut Statement<'_>, _around: &Surroundings) -> Outcome {
        if self.reserved || self.addresses.is_some() {
            return Err(Untranslatable);
        }
        if let Some(kind) = self.kind {
            add_span(to, "rt type", kind.inverted, &Span(kind.value, kind.value));
        }
        let [min, max] = self.segments_left.value;
        if (min, max) != (0, u32::MAX) {
            add_span(to, "rt seg-left", self.segments_left.inverted, &Span(min, max));
        }
        if let Some(length) = self.length {
            add_span(to, "rt hdrlength", length.inverted, &Span(length.value, length.value));
        }
        Ok(())
    }
}
