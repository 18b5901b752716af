//! `-m comment`: the comment of the rule.

use crate::ext::Surroundings;
use crate::ext::matches::comment::Comment;
use crate::translate::{Outcome, Statement, Translate};

impl Translate for Comment {
    fn translate(&self, to: &mut Statement<'_>, _around: &Surroundings) -> Outcome {
        to.set_comment(self.text.to_string());
        Ok(())
    }
}
