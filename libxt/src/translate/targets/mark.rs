//! `-j MARK`: the mark of the packet.

use crate::ext::Surroundings;
use crate::ext::targets::mark::Mark;
use crate::translate::{Outcome, Statement, Translate};

impl Translate for Mark {
    fn translate(&self, to: &mut Statement<'_>, _around: &Surroundings) -> Outcome {
        match (self.mark, self.mask) {
            (mark, u32::MAX) => to.add(format_args!("meta mark set {mark:#x}")),
            (0, mask) => to.add(format_args!("meta mark set mark and {:#x}", !mask)),
            (mark, mask) if mark == mask => to.add(format_args!("meta mark set mark or {mark:#x}")),
            (mark, 0) => to.add(format_args!("meta mark set mark xor {mark:#x}")),
            (mark, mask) => to.add(format_args!("meta mark set mark and {:#x} xor {mark:#x}", !mask)),
        }
        to.space();
        Ok(())
    }
}
