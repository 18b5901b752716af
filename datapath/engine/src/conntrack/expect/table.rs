//! The expectations' slab, hashed by where packets go.

use std::collections::BTreeSet;

use super::Expected;
use crate::conntrack::{ConnId, Tuple};

/// An expectation in the slab.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(super) expected: Expected,
    pub(super) master: ConnId,
    /// The zone of the master's original direction.
    pub(super) zone: u16,
    /// Monotonic nanoseconds of its end.
    pub(super) deadline: u64,
    /// How many there were before it, which makes its number.
    pub(super) serial: u64,
    /// The next in the chain of the same destination.
    next: Link,
    /// The next older one of the same master.
    pub(super) younger_than: Link,
    /// The next younger one of the same master.
    pub(super) older_than: Link,
}

/// An expectation's place in a list, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::conntrack) struct Link(pub(super) u32);

impl Default for Link {
    fn default() -> Self {
        Self::NONE
    }
}

impl Link {
    pub(in crate::conntrack) const NONE: Self = Self(u32::MAX);

    pub(super) fn index(self) -> Option<u32> {
        (self != Self::NONE).then_some(self.0)
    }
}

/// All expectations.
#[derive(Debug, Default)]
pub(crate) struct Expectations {
    slots: Vec<Option<Entry>>,
    free: Vec<u32>,
    heads: Vec<Link>,
    len: u32,
    made: u64,
    /// No deadline is earlier.
    soonest: u64,
    /// Changes are noted.
    keeping: bool,
    /// Slots that changed since somebody asked.
    changed: BTreeSet<u32>,
}

/// Chains, once there is an expectation at all.
const CHAINS: usize = 1024;

impl Expectations {
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(crate) fn len(&self) -> u32 {
        self.len
    }

    /// How many slots there are, used or not.
    pub(super) fn slots(&self) -> u32 {
        self.slots.len() as u32
    }

    pub(super) fn get(&self, at: u32) -> Option<&Entry> {
        self.slots.get(at as usize)?.as_ref()
    }

    /// An expectation that is there.
    pub(super) fn at(&self, at: u32) -> &Entry {
        self.get(at).expect("a list names only what is there")
    }

    /// Puts one in; `oldest_after` is its master's newest so far.
    pub(super) fn insert(&mut self, expected: Expected, master: ConnId, zone: u16, deadline: u64, newest: Link) -> u32 {
        if self.heads.is_empty() {
            self.heads = vec![Link::NONE; CHAINS];
        }
        let at = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() as u32 - 1
        });
        let chain = chain(&expected.tuple);
        let next = core::mem::replace(&mut self.heads[chain], Link(at));
        self.made += 1;
        let serial = self.made;
        let entry =
            Entry { expected, master, zone, deadline, serial, next, younger_than: newest, older_than: Link::NONE };
        self.slots[at as usize] = Some(entry);
        if let Some(older) = newest.index().and_then(|at| self.slots[at as usize].as_mut()) {
            older.older_than = Link(at);
        }
        self.soonest = if self.len == 0 { deadline } else { self.soonest.min(deadline) };
        self.len += 1;
        self.touch(at);
        at
    }

    /// Gives one the number that it had before a crash.
    pub(super) fn number(&mut self, at: u32, serial: u64) {
        if let Some(entry) = self.slots.get_mut(at as usize).and_then(Option::as_mut) {
            entry.serial = serial;
            self.made = self.made.max(serial);
        }
    }

    /// Whether changes are noted for [`Self::take_changed`].
    pub(crate) fn set_keeping(&mut self, keeping: bool) {
        self.keeping = keeping;
        if !keeping {
            self.changed.clear();
        }
    }

    /// The slots that changed.
    pub(super) fn take_changed(&mut self) -> BTreeSet<u32> {
        core::mem::take(&mut self.changed)
    }

    fn touch(&mut self, at: u32) {
        if self.keeping {
            self.changed.insert(at);
        }
    }

    /// Takes one out of its chain and frees its slot; its master's list is the caller's, see [`Self::close_ranks`].
    pub(super) fn remove(&mut self, at: u32) -> Entry {
        let entry = *self.at(at);
        let chain = chain(&entry.expected.tuple);
        if self.heads[chain] == Link(at) {
            self.heads[chain] = entry.next;
        } else {
            let mut before = self.heads[chain];
            while let Some(index) = before.index() {
                let Some(one) = self.slots[index as usize].as_mut() else { break };
                if one.next == Link(at) {
                    one.next = entry.next;
                    break;
                }
                before = one.next;
            }
        }
        self.slots[at as usize] = None;
        self.free.push(at);
        self.len -= 1;
        self.touch(at);
        entry
    }

    /// The neighbours of one that is gone close ranks in their master's list.
    pub(super) fn close_ranks(&mut self, gone: &Entry) {
        if let Some(older) = gone.younger_than.index().and_then(|at| self.slots[at as usize].as_mut()) {
            older.older_than = gone.older_than;
        }
        if let Some(younger) = gone.older_than.index().and_then(|at| self.slots[at as usize].as_mut()) {
            younger.younger_than = gone.younger_than;
        }
    }

    /// An expectation, to change what does not say where it stands.
    pub(super) fn expected_mut(&mut self, at: u32) -> Option<&mut Expected> {
        self.touch(at);
        self.slots.get_mut(at as usize)?.as_mut().map(|entry| &mut entry.expected)
    }

    /// Moves an expectation's end.
    pub(super) fn set_deadline(&mut self, at: u32, deadline: u64) {
        if let Some(entry) = self.slots.get_mut(at as usize).and_then(Option::as_mut) {
            entry.deadline = deadline;
            self.soonest = self.soonest.min(deadline);
            self.touch(at);
        }
    }

    /// The first expectation of packets that go where this tuple goes that `accept` takes.
    pub(super) fn seek(&self, tuple: &Tuple, mut accept: impl FnMut(&Entry) -> bool) -> Option<u32> {
        let mut link = *self.heads.get(chain(tuple))?;
        while let Some(at) = link.index() {
            let entry = self.at(at);
            if accept(entry) {
                return Some(at);
            }
            link = entry.next;
        }
        None
    }

    /// An expectation whose time is over.
    pub(super) fn overdue(&mut self, now: u64) -> Option<u32> {
        if self.len == 0 || self.soonest > now {
            return None;
        }
        let mut soonest = u64::MAX;
        for (at, entry) in self.slots.iter().enumerate() {
            let Some(entry) = entry else { continue };
            if entry.deadline <= now {
                return Some(at as u32);
            }
            soonest = soonest.min(entry.deadline);
        }
        self.soonest = soonest;
        None
    }
}

/// The chain of a tuple, by where its packets go: what a sender can choose of that makes a chain of one host's few longer at
/// most. As nf_ct_expect_dst_hash().
fn chain(tuple: &Tuple) -> usize {
    let [_, _, a, b] = tuple.port_bytes();
    let seed = u32::from(u16::from_be_bytes([a, b])) << 8 | u32::from(tuple.protocol);
    let hash = tuple.destination.0.chunks_exact(4).fold(seed, |hash, word| {
        let word = word.iter().fold(0, |all, &byte| all << 8 | u32::from(byte));
        (hash.rotate_left(5) ^ word).wrapping_mul(0x9e37_79b9)
    });
    hash as usize >> 8 & (CHAINS - 1)
}
