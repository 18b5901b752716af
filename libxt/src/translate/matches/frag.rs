//! `-m frag`: the fragment header; its length is no field that nft compares.

use crate::ext::Surroundings;
use crate::ext::matches::frag::{self, Frag};
use crate::translate::operand::{Span, add_span};
use crate::translate::{Outcome, Statement, Translate};

impl Translate for Frag {
    fn translate(&self, to: &mut Statement<'_>, _around: &Surroundings) -> Outcome {
        let [min, max] = self.ids.value;
        if (min, max) != (0, u32::MAX) {
            add_span(to, "frag id", self.ids.inverted, &Span(min, max));
        }
        for (flag, words) in [
            (frag::F_RESERVED, "reserved 1"),
            (frag::F_FIRST, "frag-off 0"),
            (frag::F_MORE, "more-fragments 1"),
            (frag::F_LAST, "more-fragments 0"),
        ] {
            if self.flags & flag != 0 {
                to.add(format_args!("frag {words}"));
            }
        }
        Ok(())
    }
}
