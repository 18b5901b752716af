//! `-m esp`: the security parameter index.

use super::ah::add_spis;
use crate::ext::Surroundings;
use crate::ext::matches::esp::Esp;
use crate::translate::{Outcome, Statement, Translate};

impl Translate for Esp {
    fn translate(&self, to: &mut Statement<'_>, _around: &Surroundings) -> Outcome {
        add_spis(to, "esp spi", &self.spi);
        Ok(())
    }
}
