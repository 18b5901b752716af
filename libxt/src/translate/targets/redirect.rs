//! `-j REDIRECT`: this machine as the destination.

use super::snat::add_nat;
use crate::ext::Surroundings;
use crate::ext::targets::redirect::Redirect;
use crate::translate::{Outcome, Statement, Translate};

impl Translate for Redirect {
    fn translate(&self, to: &mut Statement<'_>, _around: &Surroundings) -> Outcome {
        add_nat(to, "redirect", &self.range)
    }
}
