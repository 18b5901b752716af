//! Random rule sets and random packet sequences: whole cases for the twins, each from its seed alone.

mod acts;
mod computing;
mod fragments;
mod headers;
mod options;
mod outside;
mod packets;
mod protocols;
mod rules;
pub mod segments;
mod state;
mod translation;

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

/// One packet in so many leaves in fragments.
pub const TORN: u64 = 12;

/// Plays a random case on the oracle. One packet in `torn` leaves in fragments, if it is long enough. A `patient` caller also
/// gets cases in which timeouts of a second run out, which take long and now and then go another way on a busy machine.
pub fn play(oracle: &mut Subject, seed: u64, torn: u64, patient: bool) -> io::Result<Played> {
    let mut random = Random::new(seed);
    let six = random.one_in(3);
    let rules = rules::rules(&mut random, six);
    let mut script = Script { six, rules, ..Script::default() };
    outside::prepare(&mut script);
    if random.one_in(6) {
        script.settings.push(acts::setting(&mut random));
    }
    let short = random.one_in(40) && patient;
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
    };
    let mut talk = packets::Talk::new(&mut random, six, ways);
    let mut left: Vec<Vec<Crossing>> = Vec::new();
    for number in 0..talk.rounds(&mut random) {
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
