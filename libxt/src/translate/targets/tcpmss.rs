//! `-j TCPMSS`: the segment size that is announced.

use crate::ext::Surroundings;
use crate::ext::targets::tcpmss::Tcpmss;
use crate::translate::{Outcome, Statement, Translate};

impl Translate for Tcpmss {
    fn translate(&self, to: &mut Statement<'_>, _around: &Surroundings) -> Outcome {
        match self {
            Self::To(size) => to.add(format_args!("tcp option maxseg size set {size}")),
            Self::ClampToPathMtu => to.add(format_args!("tcp option maxseg size set rt mtu")),
        }
        Ok(())
    }
}
