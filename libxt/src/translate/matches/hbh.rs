//! `-m hbh`: the length of the hop-by-hop header; its options cannot be said.

use crate::ext::Surroundings;
use crate::ext::matches::options_header::Hbh;
use crate::translate::operand::{Span, add_span};
use crate::translate::{Outcome, Statement, Translate, Untranslatable};

impl Translate for Hbh {
    fn translate(&self, to: &mut Statement<'_>, _around: &Surroundings) -> Outcome {
        let length = self.0.length.filter(|_| self.0.options.is_none()).ok_or(Untranslatable)?;
        add_span(to, "hbh hdrlength", length.inverted, &Span(length.value, length.value));
        Ok(())
    }
}
