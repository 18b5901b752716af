//! `-m state`, which is `conntrack` with one option and a flag that says so.

use std::fmt::{self, Write};

use super::flags::State;
use super::{Conntrack, Extension, Given, Kind, Malformed, Opt, Problem, Revision, Surroundings};
use crate::value::condition::Condition;

/// `-m state` while its options are read; from bytes, it is a [`Conntrack`] with `alias` set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateAlias(
    /// What it means.
    pub Conntrack,
);

impl Default for StateAlias {
    fn default() -> Self {
        Self(Conntrack { alias: true, ..Conntrack::default() })
    }
}

impl Extension for StateAlias {
    const NAME: &'static str = Conntrack::NAME;
    const KIND: Kind = Kind::Match;
    const REVISIONS: &'static [Revision] = Conntrack::REVISIONS;
    const OPTIONS: &'static [Opt<Self>] =
        &[Opt::new("state", " state[,state...]", "INVALID, NEW, ESTABLISHED, RELATED, UNTRACKED", set_state)
            .invertible()
            .mandatory()];

    fn fits(&self, number: u8) -> bool {
        self.0.fits(number)
    }

    fn decode(revision: u8, info: &[u8], around: &Surroundings) -> Result<Self, Malformed> {
        Conntrack::decode(revision, info, around).map(Self)
    }

    fn encode(&self, revision: u8, info: &mut [u8], around: &Surroundings) -> Result<(), Malformed> {
        self.0.encode(revision, info, around)
    }

    fn shown_name(&self) -> &'static str {
        "state"
    }

    fn save(&self, w: &mut dyn Write, around: &Surroundings) -> fmt::Result {
        self.0.save(w, around)
    }

    fn print(&self, w: &mut dyn Write, around: &Surroundings, numeric: bool) -> fmt::Result {
        self.0.print(w, around, numeric)
    }
}

fn set_state(to: &mut StateAlias, given: &Given<'_>) -> Result<(), Problem> {
    let state = State::parse(given.value)
        .ok()
        .filter(|state| !state.meets(State(State::SNAT.0 | State::DNAT.0)))
        .ok_or_else(|| refusal(given.value))?;
    to.0.state = Some(Condition::new(state, given.inverted));
    Ok(())
}

/// This option asks for at least one character in the last word, where `--ctstate` calls an empty word unknown.
fn refusal(text: &str) -> Problem {
    let mut rest = text;
    loop {
        let (word, after) = match rest.split_once(',') {
            Some((word, after)) if !word.is_empty() => (word, Some(after)),
            _ => (rest, None),
        };
        if word.is_empty() {
            return Problem::new("\"--state\" requires a list of states with no spaces, e.g. ESTABLISHED,RELATED");
        }
        let known = State::parse(word).is_ok_and(|state| !state.meets(State(State::SNAT.0 | State::DNAT.0)));
        match after {
            Some(after) if known => rest = after,
            _ => return Problem::new(format!("Bad state \"{rest}\"")),
        }
    }
}
