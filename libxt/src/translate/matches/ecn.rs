//! `-m ecn`: congestion bits of TCP and IP.

use crate::ext::Surroundings;
use crate::ext::matches::ecn::Ecn;
use crate::translate::operand::not;
use crate::translate::{Outcome, Statement, Translate};

impl Translate for Ecn {
    fn translate(&self, to: &mut Statement<'_>, _around: &Surroundings) -> Outcome {
        // One `!` counts for all three.
        let flags = [(self.ece, "ecn"), (self.cwr, "cwr")];
        let one = flags.iter().filter_map(|(flag, _)| *flag).any(|flag| flag.inverted);
        let not = not(one || self.ect.is_some_and(|ect| ect.inverted));
        for (_, name) in flags.into_iter().filter(|(flag, _)| flag.is_some()) {
            to.add(format_args!("tcp flags {not}{name}"));
        }
        if let Some(ect) = self.ect {
            let name = ["not-ect", "ect1", "ect0", "ce"][usize::from(ect.value & 3)];
            to.add(format_args!("ip ecn {not}{name}"));
        }
        Ok(())
    }
}
