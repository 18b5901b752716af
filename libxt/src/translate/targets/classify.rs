//! `-j CLASSIFY`: the priority.

use crate::ext::Surroundings;
use crate::ext::targets::classify::Classify;
use crate::translate::{Outcome, Statement, Translate};

impl Translate for Classify {
    fn translate(&self, to: &mut Statement<'_>, _around: &Surroundings) -> Outcome {
        match self.priority {
            0 => to.add(format_args!("meta priority set none")),
            u32::MAX => to.add(format_args!("meta priority set root")),
            class => to.add(format_args!("meta priority set {:x}:{:x}", class >> 16, class & 0xffff)),
        }
        Ok(())
    }
}
