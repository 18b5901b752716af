//! Connections of which a packet may still be on its way between two hooks, when the next one comes.
//!
//! In the kernel a packet passes all hooks before the next one of its connection comes. Here the next one may be at its first
//! hook before the one before is at its last: what waits for that one's last stage is not yet there. As long as a packet may
//! come it counts as one that will.

use super::connection::{Connection, Place, Untold};
use super::proto::State;
use super::table::ORIGINAL;
use super::{ConnId, Direction, Tracked, Tracker, Tuple, status};
use crate::{Effects, Now};

/// Connections that wait for a packet's last stage, for each worker.
#[derive(Debug, Default)]
pub(super) struct Coming {
    workers: Vec<Lists>,
}

#[derive(Debug)]
struct Lists {
    /// Of the batch at work.
    now: Vec<ConnId>,
    /// Of those before.
    before: Vec<ConnId>,
}

impl Default for Lists {
    fn default() -> Self {
        Self { now: Vec::with_capacity(MANY), before: Vec::with_capacity(2 * MANY) }
    }
}

/// Connections of a batch, and of those before, that are kept in mind for a worker at most; the oldest are forgotten.
const MANY: usize = 256;

impl Coming {
    fn note(&mut self, worker: usize, id: ConnId) {
        if self.workers.len() <= worker {
            self.workers.resize_with(worker + 1, Lists::default);
        }
        let Some(Lists { now, before }) = self.workers.get_mut(worker) else { return };
        if now.last() != Some(&id) {
            if now.len() >= MANY {
                core::mem::swap(now, before);
                now.clear();
            }
            now.push(id);
        }
    }

    fn holds(&self, id: ConnId) -> bool {
        self.workers.iter().any(|lists| lists.now.contains(&id) || lists.before.contains(&id))
    }

    fn forget(&mut self, id: ConnId) {
        for Lists { now, before } in &mut self.workers {
            now.retain(|other| *other != id);
            before.retain(|other| *other != id);
        }
    }

    fn end_batch(&mut self, worker: usize, drained: bool) {
        let Some(Lists { now, before }) = self.workers.get_mut(worker) else { return };
        if drained {
            before.clear();
        }
        before.append(now);
        before.drain(..before.len().saturating_sub(MANY));
    }
}

impl Tracker {
    /// A worker has judged a batch and gives its verdicts next. If it had drained the queue, then every packet of the batches
    /// before has come to its next hook by now, or never will.
    pub fn end_batch(&mut self, drained: bool) {
        let worker = self.statistics.worker();
        self.coming.end_batch(worker, drained);
    }

    /// A packet of a connection was dropped, so it will not come. What it began stays in limbo: an answer to it, and the answer to
    /// that one, still belong there, and the last may even put it into the table.
    pub(crate) fn die(&mut self, tracked: Tracked) {
        if let Tracked::Of { id, .. } = tracked
            && let Some(connection) = self.table.get(id)
            && (connection.pending != 0 || connection.place == Place::Unconfirmed)
        {
            self.coming.forget(id);
        }
    }

    /// A packet has passed its first stage: its last one may have to do for the connection.
    pub(super) fn await_last_stage(&mut self, index: u32) {
        let connection = self.table.at(index);
        let waits = match connection.place {
            Place::Table => connection.pending != 0,
            Place::Unconfirmed => connection.has(status::EXPECTED),
            _ => false,
        };
        if waits {
            let (worker, id) = (self.statistics.worker(), self.table.id(index));
            self.coming.note(worker, id);
        }
    }

    /// The expected connection that is not yet in the table since its first packet is still on its way: the expectation is
    /// gone with that one, and without it a second packet would be a stranger.
    pub(super) fn find_coming(&self, tuple: &Tuple, zones: [u16; 2]) -> Option<(u32, Direction)> {
        let found = self.table.seek(tuple, zones[0], |index, kind, connection: &Connection| {
            kind == ORIGINAL
                && connection.place == Place::Unconfirmed
                && connection.zones == zones
                && connection.has(status::EXPECTED)
                && matches!(connection.state, State::Stateless | State::Udp(_))
                && self.coming.holds(self.table.id(index))
        });
        found.map(|(index, _)| (index, Direction::Original))
    }

    /// Takes out the events of a packet that is still on its way, if there are any that may be told.
    pub(super) fn take_untold(&mut self, index: u32) -> Option<Untold> {
        let connection = self.table.at(index);
        if connection.pending == 0 || connection.place != Place::Table || !self.coming.holds(self.table.id(index)) {
            return None;
        }
        Some(self.table.at_mut(index).take_untold())
    }

    /// A packet makes news while the one before it is still on its way with its own: those come first and show the connection
    /// as they left it.
    pub(super) fn tell_first(&mut self, index: u32, untold: Untold, now: Now, out: &mut Effects) {
        let connection = self.table.at_mut(index);
        let news = core::mem::replace(&mut connection.pending, untold.pending);
        if news == 0 {
            return;
        }
        let bits = core::mem::replace(&mut connection.bits, untold.bits);
        let state = core::mem::replace(&mut connection.state, untold.state);
        self.deliver(index, now, out);
        let connection = self.table.at_mut(index);
        (connection.bits, connection.state, connection.pending) = (bits, state, news);
    }
}
