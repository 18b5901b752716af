//! `-m tcpmss`: the segment size that is announced.

use crate::ext::Surroundings;
use crate::ext::matches::tcpmss::Tcpmss;
use crate::translate::operand::{Span, add_span};
use crate::translate::{Outcome, Statement, Translate};

impl Translate for Tcpmss {
    fn translate(&self, to: &mut Statement<'_>, _around: &Surroundings) -> Outcome {
        add_span(to, "tcp option maxseg size", self.inverted, &Span(self.min, self.max));
        Ok(())
    }
}
