//! `-j DNAT`: another destination.

use super::snat::add_nat;
use crate::ext::Surroundings;
use crate::ext::targets::dnat::Dnat;
use crate::translate::{Outcome, Statement, Translate};

impl Translate for Dnat {
    fn translate(&self, to: &mut Statement<'_>, _around: &Surroundings) -> Outcome {
        add_nat(to, "dnat", &self.range)
    }
}
