//! `-j AUDIT`: a record, whatever its type.

use crate::ext::Surroundings;
use crate::ext::targets::audit::Audit;
use crate::translate::{Outcome, Statement, Translate};

impl Translate for Audit {
    fn translate(&self, to: &mut Statement<'_>, _around: &Surroundings) -> Outcome {
        to.add(format_args!("log level audit"));
        Ok(())
    }
}
