//! `-m mark`: the mark of the packet.

use crate::ext::Surroundings;
use crate::ext::matches::mark::Mark;
use crate::translate::operand::add_masked;
use crate::translate::{Outcome, Statement, Translate};
use crate::value::mark::Masked;

impl Translate for Mark {
    fn translate(&self, to: &mut Statement<'_>, _around: &Surroundings) -> Outcome {
        add_masked(to, "mark", self.inverted, Masked { value: self.mark, mask: self.mask });
        Ok(())
    }
}
