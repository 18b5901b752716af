//! When the packets have come that were on their way while a table changed where packets are taken.
//!
//! A packet waits in a queue, or is between a verdict and the next queue. Once every worker has given all verdicts of an empty
//! queue, those between have come to a queue; the next time every queue is empty they were judged there as well, and so on for
//! as many places as a way has.

use crate::state::State;
use crate::stderr::complain;

/// What is known of the queues since the last change.
#[derive(Debug, Default)]
pub(crate) struct Changeover {
    number: u64,
    rounds: u32,
    drained: Vec<u64>,
}

impl Changeover {
    /// Looks after it; call it a few times a second.
    pub(crate) fn look(&mut self, state: &State) {
        // Who replaces a table just now changes all this again.
        let Ok(_replacing) = state.replacing.try_lock() else { return };
        let Some(number) = state.engine().changeover() else { return };
        let drained = state.drained();
        if self.number != number {
            *self = Self { number, rounds: 0, drained };
            return;
        }
        if drained.iter().zip(&self.drained).all(|(now, then)| now.wrapping_sub(*then) >= 2) {
            (self.rounds, self.drained) = (self.rounds + 1, drained);
        }
        if self.rounds < ROUNDS {
            return;
        }
        state.engine().end_changeover();
        // Without what only the plan before needed.
        if let Err(error) = state.reattach() {
            complain(&error.to_string());
        }
    }
}

/// One for what was between a verdict and a queue, and one for each place of the longest way.
const ROUNDS: u32 = 4;
