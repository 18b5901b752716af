//! Random rule sets and random packet sequences: whole cases for the twins, each from its seed alone.

mod fragments;
mod packets;
mod rules;

use std::io;

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

/// Plays a random case on the oracle. One packet in `torn` leaves in fragments, if it is long enough.
pub fn play(oracle: &mut Subject, seed: u64, torn: u64) -> io::Result<Played> {
    let mut random = Random::new(seed);
    let six = random.one_in(3);
    let rules = rules::rules(&mut random, six);
    let mut script = Script { six, rules, ..Script::default() };
    if let Err(e) = oracle.load(six, &script.rules) {
        return Ok(Played::Refused(script, e.to_string()));
    }
    let mut talk = packets::Talk::new(&mut random, six, rules::breaks_sums(&script), torn);
    let mut left: Vec<Vec<Crossing>> = Vec::new();
    for number in 0..4 + random.below(4) {
        let round = talk.round(&mut random, number, left.last().map_or(&[], Vec::as_slice));
        script.rounds.push(round);
        if let Some(round) = script.rounds.last() {
            left.push(oracle.round(round)?);
        }
    }
    let record = oracle.finish(six, left)?;
    Ok(Played::Through(script, record))
}
