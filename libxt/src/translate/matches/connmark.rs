//! `-m connmark`: the mark of the connection.

use crate::ext::Surroundings;
use crate::ext::matches::connmark::Connmark;
use crate::translate::operand::add_masked;
use crate::translate::{Outcome, Statement, Translate};
use crate::value::mark::Masked;

impl Translate for Connmark {
    fn translate(&self, to: &mut Statement<'_>, _around: &Surroundings) -> Outcome {
        add_masked(to, "ct mark", self.inverted, Masked { value: self.mark, mask: self.mask });
        Ok(())
    }
}
