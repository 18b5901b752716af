//! `-m helper`: the connection's helper.

use crate::ext::Surroundings;
use crate::ext::matches::helper::Helper;
use crate::translate::operand::not;
use crate::translate::{Outcome, Statement, Translate};

impl Translate for Helper {
    fn translate(&self, to: &mut Statement<'_>, _around: &Surroundings) -> Outcome {
        to.add(format_args!("ct helper {}\"{}\"", not(self.name.inverted), self.name.value));
        Ok(())
    }
}
