//! `-j NFLOG`: a copy to a group of listeners.

use crate::ext::Surroundings;
use crate::ext::targets::nflog::Nflog;
use crate::translate::{Outcome, Statement, Translate};

impl Translate for Nflog {
    fn translate(&self, to: &mut Statement<'_>, _around: &Surroundings) -> Outcome {
        to.add(format_args!("log"));
        if !self.prefix.is_empty() {
            to.add(format_args!("prefix \"{}\"", self.prefix));
        }
        if self.sized {
            to.add(format_args!("snaplen {}", self.length));
        }
        if self.threshold != 0 {
            to.add(format_args!("queue-threshold {}", self.threshold));
        }
        to.add(format_args!("group {}", self.group));
        to.space();
        Ok(())
    }
}
