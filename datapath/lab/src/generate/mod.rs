//! Random rule sets and random packet sequences: whole cases for the twins, each from its seed alone.
//!
//! Extensions that are not drawn stand with the reason in `registry`, whose test holds this to the registry of extensions. Nor are,
//! and scenarios compare them instead: `bpf` programs pinned in the file system; `statistic --mode random`, which is random; the
//! helpers of H.323; what LOG says; SNAT to several addresses, which chooses freely; what is refused.

mod acts;
mod calls;
mod computing;
mod content;
pub mod datagrams;
mod dialogues;
mod fragments;
mod headers;
mod options;
mod outside;
mod packets;
mod protocols;
#[cfg(test)]
mod registry;
mod rules;
pub mod segments;
mod state;
mod translation;

pub use state::pace;

use std::{io, time::Duration};

use crate::{
    random::Random,
    twin::{Crossing, Record, Script, Subject},
};

/// How a random case went on the oracle.
#[derive(Debug)]
pub enum Played {
    /// The packets answered what was seen on the way; the script repeats them elsewhere.
    Through(Script, Record),
    /// The oracle refuses the rules, saying why.
    Refused(Script, String),
}

/// How cases are drawn.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    /// One packet in so many leaves in fragments, if it is long enough.
    pub torn: u64,
    /// Also cases in which timeouts of a second run out, which take long and now and then go another way on a busy machine.
    pub patient: bool,
    /// Hosts talk so many times as long, more of them.
    pub long: u64,
}

impl Default for Manner {
    fn default() -> Self {
        Self { torn: 12, patient: false, long: 1 }
    }
}

/// Plays a random case on the oracle.
pub fn play(oracle: &mut Subject, seed: u64, manner: Manner) -> io::Result<Played> {
    let Manner { torn, patient, long } = manner;
    let mut random = Random::new(seed);
    let six = random.one_in(3);
    let rules = rules::rules(&mut random, six);
    let mut script = Script { six, rules, ..Script::default() };
    outside::prepare(&mut script);
    state::prepare(&mut script);
    if random.one_in(6) {
        script.settings.push(acts::setting(&mut random));
    }
    // What is left of a timeout of one second is one, or none: that hangs on the clock.
    let short = random.one_in(40) && patient && !script.rules.lines.iter().any(|(_, line)| line.contains("--ctexpire"));
    if short {
        script.settings.extend(acts::SHORT.iter().map(|name| (*name, "1")));
    }
    if let Err(e) = oracle.load(&script) {
        return Ok(Played::Refused(script, e.to_string()));
    }
    let ways = packets::Ways {
        short: rules::breaks_sums(&script),
        tracked: rules::tracks(&script.rules),
        torn: rules::torn(&script.rules, torn),
        redirected: script.rules.lines.iter().any(|(_, line)| line.contains("-j REDIRECT")),
        prefixes: rules::translates_prefixes(&script.rules),
        silent: state::hangs_on_jiffies(&script.rules),
        helper: dialogues::helper(&script.rules),
    };
    let mut talk = packets::Talk::new(&mut random, six, ways, long);
    let mut left: Vec<Vec<Crossing>> = Vec::new();
    for number in 0..talk.rounds(&mut random) * long.div_ceil(2) {
        let at = script.rounds.len();
        if short && number > 0 && random.one_in(4) {
            script.pauses.insert(at, Duration::from_millis(2100));
        }
        if number > 0 && random.one_in(16) {
            script.acts.insert(at, acts::act(&mut random, six));
        }
        oracle.interlude(&script, at)?;
        let round = talk.round(&mut random, number, left.last().map_or(&[], Vec::as_slice));
        script.rounds.push(round);
        if let Some(round) = script.rounds.last() {
            left.push(oracle.round(round)?);
        }
    }
    let record = oracle.finish(&script, left)?;
    Ok(Played::Through(script, record))
}
