//! `-j MASQUERADE`: the source of the device.

use super::snat::add_nat;
use crate::ext::Surroundings;
use crate::ext::targets::masquerade::Masquerade;
use crate::translate::{Outcome, Statement, Translate};

impl Translate for Masquerade {
    fn translate(&self, to: &mut Statement<'_>, _around: &Surroundings) -> Outcome {
        add_nat(to, "masquerade", &self.range)
    }
}
