//! `-m cpu`: the processor at work.

use crate::ext::Surroundings;
use crate::ext::matches::cpu::Cpu;
use crate::translate::operand::{Span, add_span};
use crate::translate::{Outcome, Statement, Translate};

impl Translate for Cpu {
    fn translate(&self, to: &mut Statement<'_>, _around: &Surroundings) -> Outcome {
        add_span(to, "cpu", self.cpu.inverted, &Span(self.cpu.value, self.cpu.value));
        Ok(())
    }
}
