//! `-j NFQUEUE`: a queue, or one of several.

use crate::ext::Surroundings;
use crate::ext::targets::nfqueue::Nfqueue;
use crate::translate::operand::Span;
use crate::translate::{Outcome, Statement, Translate};

impl Translate for Nfqueue {
    fn translate(&self, to: &mut Statement<'_>, _around: &Surroundings) -> Outcome {
        let first = u32::from(self.queue);
        let last = first + u32::from(self.total).saturating_sub(1);
        to.add(format_args!("queue num {}", Span(first, last)));
        to.space();
        if self.bypass {
            to.add(format_args!("bypass"));
        }
        if self.cpu_fanout {
            to.add_raw(format_args!("{}fanout ", if self.bypass { "," } else { "" }));
        }
        Ok(())
    }
}
