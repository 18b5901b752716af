//! `-m owner`: the user or the group of the socket, one of them alone.

use crate::ext::Surroundings;
use crate::ext::matches::owner::Owner;
use crate::translate::operand::{Span, add_span};
use crate::translate::{Outcome, Statement, Translate, Untranslatable};

impl Translate for Owner {
    fn translate(&self, to: &mut Statement<'_>, _around: &Surroundings) -> Outcome {
        if self.supplementary || self.socket.is_some() {
            return Err(Untranslatable);
        }
        let (key, ids) = match (self.user, self.group) {
            (Some(user), None) => ("skuid", user),
            (None, Some(group)) => ("skgid", group),
            _ => return Err(Untranslatable),
        };
        add_span(to, key, ids.inverted, &Span(ids.value.min, ids.value.max));
        Ok(())
    }
}
