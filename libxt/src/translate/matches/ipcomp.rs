//! `-m ipcomp`: the compression parameter index; the reserved bits are not looked at.

use crate::ext::Surroundings;
use crate::ext::matches::ipcomp::Ipcomp;
use crate::translate::operand::{Span, add_span};
use crate::translate::{Outcome, Statement, Translate};

impl Translate for Ipcomp {
    fn translate(&self, to: &mut Statement<'_>, _around: &Surroundings) -> Outcome {
        add_span(to, "comp cpi", self.spi.inverted, &Span(self.spi.value.min, self.spi.value.max));
        Ok(())
    }
}
