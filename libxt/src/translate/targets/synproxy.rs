//! `-j SYNPROXY`: a handshake by proxy.

use crate::ext::Surroundings;
use crate::ext::targets::synproxy::Synproxy;
use crate::translate::{Outcome, Statement, Translate};

impl Translate for Synproxy {
    fn translate(&self, to: &mut Statement<'_>, _around: &Surroundings) -> Outcome {
        to.add(format_args!("synproxy"));
        if self.sack {
            to.add(format_args!("sack-perm"));
        }
        if self.timestamp {
            to.add(format_args!("timestamp"));
        }
        if let Some(scale) = self.window_scale {
            to.add(format_args!("wscale {scale}"));
        }
        if let Some(size) = self.segment_size {
            to.add(format_args!("mss {size}"));
        }
        if self.ecn {
            to.add(format_args!("ecn"));
        }
        to.space();
        Ok(())
    }
}
