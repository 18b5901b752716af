//! The slab of connections and its chains: one keyed hash finds both directions, the packets between two translations,
//! and (in chains of its own) the connections of the same source.
//!
//! A node is a connection's membership in a chain: the slot's index and the kind of node in one number. Chains are
//! threaded through the connections; heads are the only memory beside the slab.

mod chains;
mod seek;

use std::collections::BTreeMap;

use libxt::family::Af;
use siphasher::sip::SipHasher13;

use super::connection::{Connection, Place, Traits};
use super::extra::Extras;
use super::hash::Keyed;
use super::heads::Heads;
use super::timer::Wheel;
use super::{Address, ConnId, Direction, Tuple, tuple::Ports};

/// Kinds of nodes.
pub(super) const ORIGINAL: u8 = 0;
pub(super) const REPLY: u8 = 1;
pub(super) const BETWEEN: u8 = 2;
pub(super) const SOURCE: u8 = 3;

/// The end of a chain or list.
pub(super) const NONE: u32 = u32::MAX;

/// Slots are allocated so many at once.
const CHUNK: u32 = 256;
/// Slots kept free ahead of need in a large table: what new connections take between two calls.
const RESERVE: u32 = 8192;
/// Slots at most, whatever the settings say: a node must fit in 32 bits.
const SLOTS_MAX: u32 = 1 << 28;

#[derive(Debug)]
pub(super) struct Table {
    key: [u8; 16],
    /// The key as tuples are hashed with it.
    keyed: Keyed,
    chunks: Vec<Box<[Connection; CHUNK as usize]>>,
    free: u32,
    free_len: u32,
    /// Slots at most.
    ceiling: u32,
    heads: Heads,
    source_heads: Heads,
    /// Of the packets between two translations of connections in zones, whatever the zone: a header does not tell it.
    zoned_heads: Heads,
    /// The node before in those chains, a chunk of slots where there ever was one.
    zoned_backs: Vec<Box<[u32]>>,
    /// How many nodes of the two main kinds each zone has that is not 0.
    zones: BTreeMap<u16, u32>,
    /// Lent to a chain that moves.
    moving: Vec<u32>,
    pub(super) wheel: Wheel,
    pub(super) extras: Extras,
    draws: u64,
    /// Nodes that were looked at.
    #[cfg(test)]
    looked: core::cell::Cell<u64>,
}

impl Table {
    pub(super) fn new(key: [u8; 16], buckets: u32, ceiling: u32) -> Self {
        let mut table = Self {
            key,
            keyed: Keyed::new(key),
            chunks: Vec::new(),
            free: NONE,
            free_len: 0,
            ceiling: 0,
            heads: Heads::default(),
            source_heads: Heads::default(),
            zoned_heads: Heads::default(),
            zoned_backs: Vec::new(),
            zones: BTreeMap::new(),
            moving: Vec::new(),
            wheel: Wheel::new(),
            extras: Extras::default(),
            draws: 0,
            #[cfg(test)]
            looked: core::cell::Cell::default(),
        };
        table.resize(buckets, ceiling);
        table.grow();
        table
    }

    /// Sets how many slots there may be, and the number of buckets: [`Self::settle`] moves the chains.
    pub(super) fn resize(&mut self, buckets: u32, ceiling: u32) {
        self.ceiling = ceiling.min(SLOTS_MAX);
        let chunks = self.ceiling.div_ceil(CHUNK) as usize;
        self.chunks.reserve_exact(chunks.min(1 << 14).saturating_sub(self.chunks.len()));
        let buckets = buckets.clamp(16, SLOTS_MAX) as usize;
        for heads in [&mut self.heads, &mut self.source_heads] {
            heads.resize(buckets);
        }
        if self.zoned_heads.len() != 0 {
            self.zoned_heads.resize(buckets);
        }
    }

    /// Allocates one more chunk of slots, if there may be more.
    pub(super) fn grow(&mut self) {
        let from = self.slots();
        if from >= self.ceiling {
            return;
        }
        // By way of a vector: so many slots are too much for a stack.
        let Ok(chunk) = vec![Self::blank(); CHUNK as usize].try_into() else { return };
        self.chunks.push(chunk);
        for index in (from..from + CHUNK).rev() {
            self.at_mut(index).timer_next = self.free;
            self.free = index;
        }
        self.free_len += CHUNK;
    }

    /// Allocates ahead of need, away from the packets' way; `work` counts down what may be done.
    pub(super) fn reserve(&mut self, work: &mut u32) {
        let wanted = (self.ceiling / 128).clamp(CHUNK / 2, RESERVE);
        while self.free_len < wanted && self.slots() < self.ceiling && *work > 0 {
            self.grow();
            *work = work.saturating_sub(CHUNK / 4);
        }
    }

    /// What a free slot holds.
    pub(super) fn blank() -> Connection {
        let tuple = Tuple {
            af: Af::V4,
            protocol: 0,
            source: Address::default(),
            destination: Address::default(),
            ports: Ports::None,
        };
        Connection::blank(tuple)
    }

    /// Makes the list of free slots anew.
    pub(super) fn list_free(&mut self) {
        (self.free, self.free_len) = (NONE, 0);
        for index in (0..self.slots()).rev() {
            let free = self.free;
            let connection = self.at_mut(index);
            if connection.place == Place::Free {
                connection.timer_next = free;
                self.free = index;
                self.free_len += 1;
            }
        }
    }

    /// A free slot, marked unconfirmed.
    pub(super) fn take(&mut self) -> Option<u32> {
        if self.free == NONE {
            self.grow();
        }
        let index = self.free;
        if index == NONE {
            return None;
        }
        let connection = self.at_mut(index);
        let (generation, traits) = (connection.generation, connection.traits.of(Traits::CHANGED));
        let next = connection.timer_next;
        *connection = Connection { generation, traits, place: Place::Unconfirmed, ..Self::blank() };
        self.free = next;
        self.free_len -= 1;
        Some(index)
    }

    /// Takes a slot out of every chain and list and frees it. Nothing may be expected because of it any more.
    pub(super) fn release(&mut self, index: u32) {
        if self.at(index).extra != NONE
            && let Some(master) = self.drop_extra(index).and_then(|extra| extra.master)
            && self.get(master.id).is_some()
            && let Some(extra) = self.extra_mut(master.id.index)
        {
            extra.children = extra.children.saturating_sub(1);
        }
        for kind in [ORIGINAL, REPLY, BETWEEN, SOURCE] {
            self.unlink(index, kind);
        }
        self.stop_timer(index);
        let free = self.free;
        let connection = self.at_mut(index);
        connection.place = Place::Free;
        connection.generation = connection.generation.wrapping_add(1);
        connection.timer_next = free;
        self.free = index;
        self.free_len += 1;
    }

    /// The connection an id names, whatever its place.
    #[inline]
    pub(super) fn get(&self, id: ConnId) -> Option<&Connection> {
        let chunk = self.chunks.get((id.index / CHUNK) as usize)?;
        let connection = chunk.get((id.index % CHUNK) as usize)?;
        (connection.generation == id.generation && connection.place != Place::Free).then_some(connection)
    }

    /// As [`Self::get`], to change.
    pub(super) fn get_mut(&mut self, id: ConnId) -> Option<&mut Connection> {
        self.get(id)?;
        Some(self.at_mut(id.index))
    }

    #[inline]
    pub(super) fn at(&self, index: u32) -> &Connection {
        &self.chunks[(index / CHUNK) as usize][(index % CHUNK) as usize]
    }

    #[inline]
    pub(super) fn at_mut(&mut self, index: u32) -> &mut Connection {
        &mut self.chunks[(index / CHUNK) as usize][(index % CHUNK) as usize]
    }

    pub(super) fn id(&self, index: u32) -> ConnId {
        ConnId { index, generation: self.at(index).generation }
    }

    /// Slots there are, used or not.
    pub(super) fn slots(&self) -> u32 {
        u32::try_from(self.chunks.len()).unwrap_or(0) * CHUNK
    }

    /// How many buckets there are, or will be.
    pub(super) fn buckets(&self) -> usize {
        self.heads.len()
    }

    /// The next number that nobody outside can guess.
    pub(super) fn random(&mut self) -> u64 {
        self.draws = self.draws.wrapping_add(1);
        self.digest(&self.draws.to_ne_bytes())
    }

    /// A keyed hash of bytes.
    pub(super) fn digest(&self, bytes: &[u8]) -> u64 {
        SipHasher13::new_with_key(&self.key).hash(bytes)
    }
}

/// Which direction's tuple a node of the two main kinds stands for.
pub(super) fn direction(kind: u8) -> Direction {
    if kind == REPLY { Direction::Reply } else { Direction::Original }
}

const fn node(index: u32, kind: u8) -> u32 {
    index << 2 | kind as u32
}
