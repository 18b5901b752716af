//! `-m rpfilter`: whether an answer would go out where the packet came in.

use crate::ext::Surroundings;
use crate::ext::matches::rpfilter::Rpfilter;
use crate::translate::{Outcome, Statement, Translate, Untranslatable};

impl Translate for Rpfilter {
    fn translate(&self, to: &mut Statement<'_>, _around: &Surroundings) -> Outcome {
        if self.accept_local {
            if !self.inverted {
                return Err(Untranslatable);
            }
            to.add(format_args!("fib saddr type != local"));
        }
        let mark = if self.mark { " . mark" } else { "" };
        let device = if self.loose { "" } else { " . iif" };
        let sign = if self.inverted { "" } else { "!= " };
        to.add(format_args!("fib saddr{mark}{device} oif {sign}0"));
        Ok(())
    }
}
