//! `-m connlimit`: a set that counts connections by address.

use crate::ext::Surroundings;
use crate::ext::matches::connlimit::Connlimit;
use crate::translate::operand::header_word;
use crate::translate::{Outcome, Statement, Translate};
use crate::value::address::{Text, to_ip};

impl Translate for Connlimit {
    fn translate(&self, to: &mut Statement<'_>, around: &Surroundings) -> Outcome {
        let set = to.new_set("connlimit", "type ipv4_addr; flags dynamic;");
        let key = if self.destination { "daddr" } else { "saddr" };
        to.add(format_args!("add @{set} {{ {} {key}", header_word(around.af)));
        let mask = to_ip(around.af, &self.mask);
        if self.mask.iter().take(around.af.address_len()).any(|byte| *byte != 0xff) {
            to.add(format_args!("and {}", Text(mask)));
        }
        to.add(format_args!("ct count {}{} }}", if self.up_to { "" } else { "over " }, self.limit));
        Ok(())
    }
}
