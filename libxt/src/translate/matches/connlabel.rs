//! `-m connlabel`: a label of the connection, by name or number.

use crate::ext::Surroundings;
use crate::ext::matches::connlabel::{self, Connlabel};
use crate::translate::{Outcome, Statement, Translate};

impl Translate for Connlabel {
    fn translate(&self, to: &mut Statement<'_>, _around: &Surroundings) -> Outcome {
        let label = connlabel::name(self.bit).unwrap_or_else(|| self.bit.to_string());
        if self.set {
            to.add(format_args!("ct label set {label}"));
        }
        if self.inverted {
            to.add(format_args!("ct label and {label} != {label}"));
        } else {
            to.add(format_args!("ct label {label}"));
        }
        Ok(())
    }
}
