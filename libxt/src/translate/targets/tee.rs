//! `-j TEE`: a copy to another host.

use crate::ext::Surroundings;
use crate::ext::targets::tee::Tee;
use crate::translate::{Outcome, Statement, Translate};
use crate::value::address::{Text, to_ip};

impl Translate for Tee {
    fn translate(&self, to: &mut Statement<'_>, around: &Surroundings) -> Outcome {
        to.add(format_args!("dup to {}", Text(to_ip(around.af, &self.gateway))));
        if !self.device.is_empty() {
            to.add(format_args!("device {}", self.device));
        }
        Ok(())
    }
}
