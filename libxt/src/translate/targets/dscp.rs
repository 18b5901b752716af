//! `-j DSCP`: another code point.

use crate::ext::Surroundings;
use crate::ext::targets::dscp::Dscp;
use crate::translate::operand::header_word;
use crate::translate::{Outcome, Statement, Translate};

impl Translate for Dscp {
    fn translate(&self, to: &mut Statement<'_>, around: &Surroundings) -> Outcome {
        to.add(format_args!("{} dscp set {:#04x}", header_word(around.af), self.dscp));
        Ok(())
    }
}
