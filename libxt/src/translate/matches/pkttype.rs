//! `-m pkttype`: whom the link layer meant the packet for.

use crate::ext::Surroundings;
use crate::ext::matches::pkttype::Pkttype;
use crate::translate::operand::not;
use crate::translate::{Outcome, Statement, Translate};

impl Translate for Pkttype {
    fn translate(&self, to: &mut Statement<'_>, _around: &Surroundings) -> Outcome {
        let name = match self.kind {
            0 => "unicast",
            1 => "broadcast",
            2 => "multicast",
            other => {
                to.add(format_args!("pkttype {}{other}", not(self.inverted)));
                return Ok(());
            }
        };
        to.add(format_args!("pkttype {}{name}", not(self.inverted)));
        Ok(())
    }
}
