//! `-m addrtype`: a lookup in the routing table.

use crate::ext::Surroundings;
use crate::ext::matches::addrtype::{Addrtype, Limit, NAMES};
use crate::translate::operand::{not, set_of};
use crate::translate::{Outcome, Statement, Translate};

impl Translate for Addrtype {
    fn translate(&self, to: &mut Statement<'_>, _around: &Surroundings) -> Outcome {
        // Of two types one is left out, but for its `!`.
        let (key, types) =
            if self.source.value.0 == 0 { ("daddr", self.destination.value) } else { ("saddr", self.source.value) };
        let inverted = not(self.source.inverted || self.destination.inverted);
        let device = match self.limit {
            Some(Limit::In) => " . iif",
            Some(Limit::Out) => " . oif",
            Some(Limit::Both) | None => "",
        };
        // nft does not know the last three.
        let known = NAMES.iter().take(9).enumerate().filter(|(bit, _)| types.0 >> bit & 1 != 0);
        let names: Vec<String> = known.map(|(_, name)| name.to_ascii_lowercase()).collect();
        to.add(format_args!("fib {key}{device} type {inverted}"));
        if types.0.count_ones() > 1 {
            to.add_raw(format_args!("{}", set_of(&names)));
        } else {
            to.add_raw(format_args!("{}", names.concat()));
        }
        Ok(())
    }
}
