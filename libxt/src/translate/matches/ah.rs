//! `-m ah` of both families: the security parameter index, and with IPv6 more of the header.

use crate::ext::Surroundings;
use crate::ext::matches::ah::{Ah4, Ah6};
use crate::translate::operand::{Span, add_span};
use crate::translate::{Outcome, Statement, Translate};
use crate::value::condition::Condition;
use crate::value::spi::Spis;

impl Translate for Ah4 {
    fn translate(&self, to: &mut Statement<'_>, _around: &Surroundings) -> Outcome {
        add_spis(to, "ah spi", &self.spi);
        Ok(())
    }
}

impl Translate for Ah6 {
    fn translate(&self, to: &mut Statement<'_>, _around: &Surroundings) -> Outcome {
        let any = add_spis(to, "ah spi", &self.spi);
        let Condition { value, inverted } = self.length;
        let length = value != 0 || inverted;
        if length {
            add_span(to, "ah hdrlength", inverted, &Span(value, value));
        }
        if self.reserved {
            to.add(format_args!("ah reserved 1"));
        }
        if !any && !length && !self.reserved {
            to.add(format_args!("meta l4proto ah"));
        }
        Ok(())
    }
}

/// A range of indices, if that is not all of them; returns whether there was something to say.
pub(super) fn add_spis(to: &mut Statement<'_>, key: &str, spis: &Condition<Spis>) -> bool {
    let Condition { value, inverted } = *spis;
    if value == Spis::ALL {
        return false;
    }
    add_span(to, key, inverted, &Span(value.min, value.max));
    true
}
