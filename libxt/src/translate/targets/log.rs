//! `-j LOG`: a line in the log.

use crate::ext::Surroundings;
use crate::ext::targets::log::Log;
use crate::translate::{Outcome, Statement, Translate};

impl Translate for Log {
    fn translate(&self, to: &mut Statement<'_>, _around: &Surroundings) -> Outcome {
        to.add(format_args!("log"));
        if !self.prefix.is_empty() {
            to.add(format_args!("prefix \"{}\"", self.prefix));
        }
        if self.level != WARNING {
            let names = ["emerg", "alert", "crit", "err", "warn", "notice", "info", "debug"];
            to.add(format_args!("level {}", names[usize::from(self.level & 7)]));
        }
        let has = |flag| self.flags & flag != 0;
        if self.flags & ALL == ALL {
            to.add(format_args!("flags all"));
            return Ok(());
        }
        match (has(Self::TCP_SEQUENCE), has(Self::TCP_OPTIONS)) {
            (true, true) => to.add(format_args!("flags tcp sequence,options")),
            (true, false) => to.add(format_args!("flags tcp sequence")),
            (false, true) => to.add(format_args!("flags tcp options")),
            (false, false) => {}
        }
        for (flag, name) in [(Self::IP_OPTIONS, "ip options"), (Self::UID, "skuid"), (Self::MAC_DECODE, "ether")] {
            if has(flag) {
                to.add(format_args!("flags {name}"));
            }
        }
        Ok(())
    }
}

/// The level that goes without saying.
const WARNING: u8 = 4;
/// Every flag there is an option for.
const ALL: u8 = Log::TCP_SEQUENCE | Log::TCP_OPTIONS | Log::IP_OPTIONS | Log::UID | Log::MAC_DECODE;
