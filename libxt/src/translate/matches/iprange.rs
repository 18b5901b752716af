//! `-m iprange`: ranges of addresses.

use crate::ext::Surroundings;
use crate::ext::matches::iprange::Iprange;
use crate::translate::operand::{header_word, not};
use crate::translate::{Outcome, Statement, Translate};
use crate::value::address::Text;

impl Translate for Iprange {
    fn translate(&self, to: &mut Statement<'_>, around: &Surroundings) -> Outcome {
        for (key, range) in [("saddr", self.source), ("daddr", self.destination)] {
            if let Some(range) = range {
                let (first, last) = (Text(range.value.first), Text(range.value.last));
                to.add(format_args!("{} {key} {}{first}-{last}", header_word(around.af), not(range.inverted)));
            }
        }
        Ok(())
    }
}
