//! `-j TRACE`: follow the packet.

use crate::ext::Surroundings;
use crate::ext::targets::trace::Trace;
use crate::translate::{Outcome, Statement, Translate};

impl Translate for Trace {
    fn translate(&self, to: &mut Statement<'_>, _around: &Surroundings) -> Outcome {
        to.add(format_args!("nftrace set 1"));
        Ok(())
    }
}
