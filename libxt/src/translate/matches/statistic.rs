//! `-m statistic`: chance, or every n-th packet.

use crate::ext::Surroundings;
use crate::ext::matches::statistic::{Mode, Statistic};
use crate::translate::operand::not;
use crate::translate::{Outcome, Statement, Translate};

impl Translate for Statistic {
    fn translate(&self, to: &mut Statement<'_>, _around: &Surroundings) -> Outcome {
        match self.mode {
            Mode::Random => {
                let sign = if self.inverted { ">=" } else { "<" };
                to.add(format_args!("meta random & 2147483647 {sign} {}", self.probability));
            }
            Mode::Nth => {
                let every = u64::from(self.every) + 1;
                to.add(format_args!("numgen inc mod {every} {}{}", not(self.inverted), self.packet));
            }
        }
        Ok(())
    }
}
