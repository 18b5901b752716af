//! `-m ttl`: the time to live.

use crate::ext::Surroundings;
use crate::ext::matches::ttl::Ttl;
use crate::translate::{Outcome, Statement, Translate};
use crate::value::hops::Comparison;

impl Translate for Ttl {
    fn translate(&self, to: &mut Statement<'_>, _around: &Surroundings) -> Outcome {
        add_hops(to, "ip ttl", self.comparison, self.hops);
        Ok(())
    }
}

pub(super) fn add_hops(to: &mut Statement<'_>, key: &str, comparison: Comparison, hops: u8) {
    let operator = match comparison {
        Comparison::Equal => "",
        Comparison::NotEqual => "!= ",
        Comparison::Less => "lt ",
        Comparison::Greater => "gt ",
    };
    to.add(format_args!("{key} {operator}{hops}"));
}
