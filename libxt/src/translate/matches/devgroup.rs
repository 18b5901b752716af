//! `-m devgroup`: the groups of the two devices, by name or number.

use crate::ext::Surroundings;
use crate::ext::matches::devgroup::Devgroup;
use crate::translate::operand::add_named;
use crate::translate::{Outcome, Statement, Translate};
use crate::value::named::GROUPS;

impl Translate for Devgroup {
    fn translate(&self, to: &mut Statement<'_>, _around: &Surroundings) -> Outcome {
        // A `!` before the first counts for the second too.
        let mut inverted = false;
        for (key, group) in [("iifgroup", self.source), ("oifgroup", self.destination)] {
            if let Some(group) = group {
                inverted |= group.inverted;
                add_named(to, key, inverted, group.value, &GROUPS.shown(group.value, false));
            }
        }
        Ok(())
    }
}
