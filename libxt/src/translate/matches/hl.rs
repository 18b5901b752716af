//! `-m hl`: the hop limit.

use super::ttl::add_hops;
use crate::ext::Surroundings;
use crate::ext::matches::hl::Hl;
use crate::translate::{Outcome, Statement, Translate};

impl Translate for Hl {
    fn translate(&self, to: &mut Statement<'_>, _around: &Surroundings) -> Outcome {
        add_hops(to, "ip6 hoplimit", self.comparison, self.hops);
        Ok(())
    }
}
