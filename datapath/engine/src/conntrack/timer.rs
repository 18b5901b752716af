//! Timers threaded through the slab: a hierarchical wheel for the table's connections, and a queue for those in limbo,
//! which all stay there equally long.
//!
//! A connection whose deadline moves away stays where it is and is put further when its slot comes up: a packet only
//! writes the deadline.

use super::connection::{Connection, Place, SECOND};
use super::table::{NONE, Table};

/// A connection in no list.
pub(super) const NOWHERE: u16 = u16::MAX;
/// A connection in the queue of limbo.
pub(super) const LIMBO: u16 = u16::MAX - 1;
/// How long a connection stays in limbo: the time that packets of it may be on their way between two hooks.
pub(crate) const LIMBO_TIME: u64 = 5 * SECOND;

/// A tick is 2^28 ns, about 0.27 s.
const TICK_BITS: u32 = 28;
/// Slots of a level: the last level reaches 52 days, and what is further comes up again before.
const SLOTS: u64 = 64;
const SLOT_BITS: u32 = 6;
const LEVELS: usize = 4;

/// The lists' heads and the next tick to look at.
#[derive(Debug)]
pub(super) struct Wheel {
    tick: u64,
    lists: [[u32; SLOTS as usize]; LEVELS],
    /// Which lists of a level have members.
    occupied: [u64; LEVELS],
    limbo_first: u32,
    limbo_last: u32,
    pub(super) limbo_len: u32,
}

impl Wheel {
    pub(super) fn new() -> Self {
        Self {
            tick: 0,
            lists: [[NONE; SLOTS as usize]; LEVELS],
            occupied: [0; LEVELS],
            limbo_first: NONE,
            limbo_last: NONE,
            limbo_len: 0,
        }
    }

    /// While nothing is in the wheel it need not turn through time that passed.
    pub(super) fn skip_to(&mut self, now: u64) {
        if self.occupied == [0; LEVELS] {
            self.tick = self.tick.max(now >> TICK_BITS);
        }
    }
}

impl Table {
    /// Moves a connection's deadline.
    pub(super) fn set_deadline(&mut self, index: u32, deadline: u64) {
        let connection = self.at_mut(index);
        let earlier = deadline < connection.deadline;
        connection.deadline = deadline;
        if earlier && connection.place == Place::Table {
            self.start_timer(index);
        }
    }

    /// Puts a connection into the wheel by its deadline.
    pub(super) fn start_timer(&mut self, index: u32) {
        self.stop_timer(index);
        // Rounded up, so that it has expired when its slot comes up.
        let due = ((self.at(index).deadline >> TICK_BITS) + 1).max(self.wheel.tick);
        let ahead = due - self.wheel.tick;
        let level = (0..LEVELS - 1).find(|level| ahead >> (SLOT_BITS * (*level as u32 + 1)) == 0).unwrap_or(LEVELS - 1);
        let shift = SLOT_BITS * level as u32;
        // The farthest slot of the last level is the one behind the present.
        let due = due.min(self.wheel.tick + ((SLOTS - 1) << shift));
        let slot = ((due >> shift) % SLOTS) as usize;
        let head = core::mem::replace(&mut self.wheel.lists[level][slot], index);
        self.wheel.occupied[level] |= 1 << slot;
        if head != NONE {
            self.at_mut(head).timer_back = index;
        }
        let connection = self.at_mut(index);
        connection.timer_next = head;
        connection.timer_back = NONE;
        connection.timer_list = (level << SLOT_BITS | slot) as u16;
    }

    /// Takes a connection out of whichever list it is in.
    pub(super) fn stop_timer(&mut self, index: u32) {
        let &Connection { timer_next: next, timer_back: back, timer_list: list, .. } = self.at(index);
        if list == NOWHERE {
            return;
        }
        if next != NONE {
            self.at_mut(next).timer_back = back;
        }
        if back != NONE {
            self.at_mut(back).timer_next = next;
        }
        if list == LIMBO {
            if next == NONE {
                self.wheel.limbo_last = back;
            }
            if back == NONE {
                self.wheel.limbo_first = next;
            }
            self.wheel.limbo_len -= 1;
        } else if back == NONE {
            let (level, slot) = (usize::from(list >> SLOT_BITS), usize::from(list) % SLOTS as usize);
            self.wheel.lists[level][slot] = next;
            if next == NONE {
                self.wheel.occupied[level] &= !(1 << slot);
            }
        }
        self.at_mut(index).timer_list = NOWHERE;
    }

    /// Puts a connection at the end of the queue of limbo; its `start` says until when.
    pub(super) fn enter_limbo(&mut self, index: u32, now: u64) {
        self.stop_timer(index);
        let last = core::mem::replace(&mut self.wheel.limbo_last, index);
        if last == NONE {
            self.wheel.limbo_first = index;
        } else {
            self.at_mut(last).timer_next = index;
        }
        self.wheel.limbo_len += 1;
        let connection = self.at_mut(index);
        connection.start = now.saturating_add(LIMBO_TIME);
        connection.timer_next = NONE;
        connection.timer_back = last;
        connection.timer_list = LIMBO;
    }

    /// The connection that is in limbo longest.
    pub(super) fn oldest_in_limbo(&self) -> Option<u32> {
        (self.wheel.limbo_first != NONE).then_some(self.wheel.limbo_first)
    }

    /// The next connection whose slot came up and which has expired; it is still in its list. `work` counts down what may
    /// be looked at, and `None` with work left means that nothing more is due.
    pub(super) fn next_expired(&mut self, now: u64, work: &mut u32) -> Option<u32> {
        let present = now >> TICK_BITS;
        while self.wheel.tick <= present {
            // From the top level down, so that what is due at this tick arrives in the lowest level first.
            for level in (0..LEVELS).rev() {
                let shift = SLOT_BITS * level as u32;
                if !self.wheel.tick.is_multiple_of(1 << shift) {
                    continue;
                }
                let slot = ((self.wheel.tick >> shift) % SLOTS) as usize;
                while self.wheel.lists[level][slot] != NONE {
                    if *work == 0 {
                        return None;
                    }
                    *work -= 1;
                    let index = self.wheel.lists[level][slot];
                    if self.at(index).deadline <= now {
                        return Some(index);
                    }
                    if level == 0 {
                        // It must not come back to the list that is being emptied.
                        self.wheel.tick += 1;
                        self.start_timer(index);
                        self.wheel.tick -= 1;
                    } else {
                        self.start_timer(index);
                    }
                }
            }
            self.wheel.tick = self.next_tick(present);
        }
        None
    }

    /// The next tick at which some list comes up, at most the one behind the present.
    fn next_tick(&self, present: u64) -> u64 {
        let tick = self.wheel.tick + 1;
        let mut level = 0;
        // Nothing in the lower levels: the next thing to happen is that the level above turns.
        while level < LEVELS - 1 && self.wheel.occupied[level] == 0 {
            level += 1;
        }
        let step = 1_u64 << (SLOT_BITS * level as u32);
        tick.div_ceil(step).saturating_mul(step).min(present + 1)
    }

    /// Every connection is in the list that its place and its links say.
    #[cfg(test)]
    pub(super) fn check_timers(&self) {
        let mut counted = 0;
        for (level, lists) in self.wheel.lists.iter().enumerate() {
            for (slot, &head) in lists.iter().enumerate() {
                assert_eq!(head != NONE, self.wheel.occupied[level] & (1 << slot) != 0);
                let (mut at, mut back) = (head, NONE);
                while at != NONE {
                    let connection = self.at(at);
                    assert_eq!(connection.place, Place::Table);
                    assert_eq!(connection.timer_back, back);
                    assert_eq!(usize::from(connection.timer_list), level << SLOT_BITS | slot);
                    counted += 1;
                    (back, at) = (at, connection.timer_next);
                }
            }
        }
        let (mut at, mut back, mut limbo) = (self.wheel.limbo_first, NONE, 0);
        while at != NONE {
            let connection = self.at(at);
            assert!(matches!(connection.place, Place::Unconfirmed | Place::Retired));
            assert_eq!(connection.timer_back, back);
            assert_eq!(connection.timer_list, LIMBO);
            limbo += 1;
            (back, at) = (at, connection.timer_next);
        }
        assert_eq!(back, self.wheel.limbo_last);
        assert_eq!(limbo, self.wheel.limbo_len);
        let live = (0..self.slots()).filter(|index| self.at(*index).place == Place::Table).count();
        assert_eq!(live, counted);
    }
}
