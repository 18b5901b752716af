//! `-m dscp`: the code point.

use crate::ext::Surroundings;
use crate::ext::matches::dscp::Dscp;
use crate::translate::operand::{header_word, not};
use crate::translate::{Outcome, Statement, Translate};

impl Translate for Dscp {
    fn translate(&self, to: &mut Statement<'_>, around: &Surroundings) -> Outcome {
        to.add(format_args!("{} dscp {}{:#04x}", header_word(around.af), not(self.inverted), self.dscp));
        Ok(())
    }
}
