//! `-m quota`: bytes until it is used up.

use crate::ext::Surroundings;
use crate::ext::matches::quota::Quota;
use crate::translate::{Outcome, Statement, Translate};

impl Translate for Quota {
    fn translate(&self, to: &mut Statement<'_>, _around: &Surroundings) -> Outcome {
        let over = if self.bytes.inverted { "over " } else { "" };
        to.add(format_args!("quota {over}{} bytes", self.bytes.value));
        Ok(())
    }
}
