//! `-m connbytes`: how much a connection has carried.

use crate::ext::Surroundings;
use crate::ext::matches::connbytes::{Connbytes, Direction, Mode};
use crate::translate::operand::{Span, add_span};
use crate::translate::{Outcome, Statement, Translate};

impl Translate for Connbytes {
    fn translate(&self, to: &mut Statement<'_>, _around: &Surroundings) -> Outcome {
        let direction = match self.direction {
            Direction::Original => "original ",
            Direction::Reply => "reply ",
            Direction::Both => "",
        };
        let mode = match self.mode {
            Mode::Packets => "packets",
            Mode::Bytes => "bytes",
            Mode::Average => "avgpkt",
        };
        let key = format!("ct {direction}{mode}");
        let Self { min, max, inverted, .. } = *self;
        if min == max {
            to.add(format_args!("{key} {min}"));
        } else if max == u64::MAX {
            to.add(format_args!("{key} {} {min}", if inverted { "lt" } else { "ge" }));
        } else {
            add_span(to, &key, inverted, &Span(min, max));
        }
        Ok(())
    }
}
