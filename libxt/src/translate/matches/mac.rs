//! `-m mac`: the Ethernet source address.

use crate::ext::Surroundings;
use crate::ext::matches::mac::Mac;
use crate::translate::operand::not;
use crate::translate::{Outcome, Statement, Translate};

impl Translate for Mac {
    fn translate(&self, to: &mut Statement<'_>, _around: &Surroundings) -> Outcome {
        let address = self.source.value.to_string().to_ascii_lowercase();
        to.add(format_args!("ether saddr {}{address}", not(self.source.inverted)));
        Ok(())
    }
}
