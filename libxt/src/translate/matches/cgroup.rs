//! `-m cgroup`: the class number; a path cannot be said.

use crate::ext::Surroundings;
use crate::ext::matches::cgroup::Cgroup;
use crate::translate::operand::{Span, add_span};
use crate::translate::{Outcome, Statement, Translate, Untranslatable};

impl Translate for Cgroup {
    fn translate(&self, to: &mut Statement<'_>, _around: &Surroundings) -> Outcome {
        if self.path.is_some() {
            return Err(Untranslatable);
        }
        if let Some(class) = self.class {
            add_span(to, "meta cgroup", class.inverted, &Span(class.value, class.value));
        }
        Ok(())
    }
}
