//! `-m limit`: a token bucket.

use crate::ext::Surroundings;
use crate::ext::matches::limit::Limit;
use crate::translate::rate::in_full;
use crate::translate::{Outcome, Statement, Translate};
use crate::value::rate::Rate;

impl Translate for Limit {
    fn translate(&self, to: &mut Statement<'_>, _around: &Surroundings) -> Outcome {
        to.add(format_args!("limit rate {}", in_full(&Rate(self.period).to_string())));
        if self.burst != 0 {
            to.add(format_args!("burst {} packets", self.burst));
        }
        Ok(())
    }
}
