//! `-j AUDIT`: writes an audit record about the packet and goes on.

use std::fmt::{self, Write};

use crate::ext::{Extension, Given, Kind, Malformed, Opt, Problem, Revision, Surroundings};

/// What the record says was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Audit {
    /// The packet was accepted.
    #[default]
    Accept,
    /// It was dropped.
    Drop,
    /// It was rejected.
    Reject,
}

/// The number, value and word of each.
const TYPES: [(u8, Audit, &str); 3] =
    [(0, Audit::Accept, "accept"), (1, Audit::Drop, "drop"), (2, Audit::Reject, "reject")];

impl Extension for Audit {
    const NAME: &'static str = "AUDIT";
    const KIND: Kind = Kind::Target;
    const REVISIONS: &'static [Revision] = &[Revision::new(0, 1)];
    const OPTIONS: &'static [Opt<Self>] =
        &[Opt::new("type", " type", "what the record says: accept, drop or reject", set_type).mandatory()];

    fn decode(_revision: u8, info: &[u8], _around: &Surroundings) -> Result<Self, Malformed> {
        let number = info.first().ok_or(Malformed("AUDIT"))?;
        TYPES.iter().find(|(own, ..)| own == number).map(|(_, kind, _)| *kind).ok_or(Malformed("AUDIT.type"))
    }

    fn encode(&self, _revision: u8, info: &mut [u8], _around: &Surroundings) -> Result<(), Malformed> {
        *info.first_mut().ok_or(Malformed("AUDIT"))? = *self as u8;
        Ok(())
    }

    fn save(&self, w: &mut dyn Write, _around: &Surroundings) -> fmt::Result {
        write!(w, " --type {}", self.word())
    }

    fn print(&self, w: &mut dyn Write, _around: &Surroundings, _numeric: bool) -> fmt::Result {
        write!(w, " AUDIT {}", self.word())
    }
}

impl Audit {
    fn word(self) -> &'static str {
        TYPES.iter().find(|(_, kind, _)| *kind == self).map_or("", |(.., word)| word)
    }
}

fn set_type(to: &mut Audit, given: &Given<'_>) -> Result<(), Problem> {
    let found = TYPES.iter().find(|(.., word)| word.eq_ignore_ascii_case(given.value));
    let bad = || Problem::new(format!("Bad action type value \"{}\"", given.value));
    *to = found.map(|(_, kind, _)| *kind).ok_or_else(bad)?;
    Ok(())
}
