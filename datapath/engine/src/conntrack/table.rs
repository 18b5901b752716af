//! The slab of connections and its chains: one keyed hash finds both directions, the packets between two translations,
//! and (in chains of its own) the connections of the same source.
//!
//! A node is a connection's membership in a chain: the slot's index and the kind of node in one number. Chains are
//! threaded through the connections; heads are the only memory beside the slab.

use libxt::family::Af;
use siphasher::sip::SipHasher13;

use super::connection::{Connection, Place, Traits};
use super::extra::Extras;
use super::hash::Keyed;
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
    chunks: Vec<Box<[Connection]>>,
    free: u32,
    free_len: u32,
    /// Slots at most.
    ceiling: u32,
    heads: Vec<u32>,
    source_heads: Vec<u32>,
    pub(super) wheel: Wheel,
    pub(super) extras: Extras,
    draws: u64,
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
            heads: Vec::new(),
            source_heads: Vec::new(),
            wheel: Wheel::new(),
            extras: Extras::default(),
            draws: 0,
        };
        table.resize(buckets, ceiling);
        table.grow();
        table
    }

    /// Sets the number of buckets (which hashes everything anew) and how many slots there may be.
    pub(super) fn resize(&mut self, buckets: u32, ceiling: u32) {
        self.ceiling = ceiling.min(SLOTS_MAX);
        let chunks = self.ceiling.div_ceil(CHUNK) as usize;
        self.chunks.reserve_exact(chunks.min(1 << 14).saturating_sub(self.chunks.len()));
        let buckets = buckets.clamp(16, SLOTS_MAX) as usize;
        if buckets == self.heads.len() {
            return;
        }
        self.heads = vec![NONE; buckets];
        self.source_heads = vec![NONE; buckets];
        for index in 0..self.slots() {
            let linked = core::mem::take(&mut self.at_mut(index).linked);
            for kind in [ORIGINAL, REPLY, BETWEEN, SOURCE] {
                if linked & (1 << kind) != 0 {
                    self.link(index, kind);
                }
            }
        }
    }

    /// Allocates one more chunk of slots, if there may be more.
    pub(super) fn grow(&mut self) {
        let from = self.slots();
        if from >= self.ceiling {
            return;
        }
        self.chunks.push(vec![Self::blank(); CHUNK as usize].into_boxed_slice());
        for index in (from..from + CHUNK).rev() {
            self.at_mut(index).timer_next = self.free;
            self.free = index;
        }
        self.free_len += CHUNK;
    }

    /// Allocates ahead of need, away from the packets' way.
    pub(super) fn reserve(&mut self) {
        let wanted = (self.ceiling / 128).clamp(CHUNK / 2, RESERVE);
        while self.free_len < wanted && self.slots() < self.ceiling {
            self.grow();
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

    pub(super) fn at(&self, index: u32) -> &Connection {
        &self.chunks[(index / CHUNK) as usize][(index % CHUNK) as usize]
    }

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

    /// Puts a node at the head of its chain.
    pub(super) fn link(&mut self, index: u32, kind: u8) {
        self.unlink(index, kind);
        let Some(bucket) = self.bucket_of(index, kind) else { return };
        let node = node(index, kind);
        let heads = if kind == SOURCE { &mut self.source_heads } else { &mut self.heads };
        let next = core::mem::replace(&mut heads[bucket], node);
        if kind == SOURCE && next != NONE {
            self.at_mut(next >> 2).source_back = node;
        }
        let connection = self.at_mut(index);
        connection.links[kind as usize] = next;
        connection.linked |= 1 << kind;
        connection.source_back = if kind == SOURCE { NONE } else { connection.source_back };
    }

    /// Takes a node out of its chain, if it is in one. The tuples must still be those it was linked by.
    pub(super) fn unlink(&mut self, index: u32, kind: u8) {
        let connection = self.at_mut(index);
        if connection.linked & (1 << kind) == 0 {
            return;
        }
        connection.linked &= !(1 << kind);
        let next = connection.links[kind as usize];
        let back = connection.source_back;
        let gone = node(index, kind);
        if kind == SOURCE {
            if next != NONE {
                self.at_mut(next >> 2).source_back = back;
            }
            if back != NONE {
                self.at_mut(back >> 2).links[SOURCE as usize] = next;
                return;
            }
        }
        let Some(bucket) = self.bucket_of(index, kind) else { return };
        let heads = if kind == SOURCE { &mut self.source_heads } else { &mut self.heads };
        let mut at = heads[bucket];
        if at == gone {
            heads[bucket] = next;
            return;
        }
        while at != NONE {
            let link = &mut self.at_mut(at >> 2).links[(at & 3) as usize];
            if *link == gone {
                *link = next;
                return;
            }
            at = *link;
        }
    }

    /// Gives a connection another reply tuple, and its nodes their new places.
    pub(super) fn set_reply(&mut self, index: u32, reply: Tuple) {
        let had = self.at(index).linked;
        self.unlink(index, REPLY);
        self.unlink(index, BETWEEN);
        self.at_mut(index).pair.set_reply(&reply);
        if had & (1 << REPLY) != 0 {
            self.link(index, REPLY);
        }
    }

    /// Puts the node for packets between two translations into its chain, if such packets look like no other.
    pub(super) fn link_between(&mut self, index: u32) {
        let connection = self.at(index);
        let between = connection.between(Direction::Original);
        if between.is_some()
            && between != Some(connection.tuple(Direction::Original))
            && between != connection.leaving(Direction::Original)
        {
            self.link(index, BETWEEN);
        }
    }

    /// The first node of a tuple's chain that `accept` takes.
    pub(super) fn seek(
        &self,
        tuple: &Tuple,
        mut accept: impl FnMut(u32, u8, &Connection) -> bool,
    ) -> Option<(u32, u8)> {
        let mut at = self.heads[self.bucket(self.hash(tuple))];
        while at != NONE {
            let (index, kind) = (at >> 2, (at & 3) as u8);
            let connection = self.at(index);
            let matches = match kind {
                ORIGINAL => connection.pair.is(Direction::Original, tuple),
                REPLY => connection.pair.is(Direction::Reply, tuple),
                _ => connection.between(Direction::Original).as_ref() == Some(tuple),
            };
            if matches && accept(index, kind, connection) {
                return Some((index, kind));
            }
            at = connection.links[kind as usize];
        }
        None
    }

    /// The connection in the table that has a tuple in a zone, and which of its tuples it is. As resolve_normal_ct(), which
    /// looks in the original direction's zone first.
    pub(super) fn find(&self, tuple: &Tuple, zones: [u16; 2]) -> Option<(u32, Direction)> {
        let [original, reply] = zones;
        let found = self.find_in(tuple, zones, original);
        if original == reply { found } else { found.or_else(|| self.find_in(tuple, zones, reply)) }
    }

    /// The same among what has one zone: the kernel's hash is of the zone as well, and what is compared is the zone of the
    /// direction found. As __nf_conntrack_find().
    pub(super) fn find_in(&self, tuple: &Tuple, zones: [u16; 2], own: u16) -> Option<(u32, Direction)> {
        let of = |zones: [u16; 2], kind: u8| if kind == ORIGINAL { zones[0] } else { zones[1] };
        self.seek(tuple, |_, kind, connection| {
            let zone = of(connection.zones, kind);
            connection.place == Place::Table && kind <= REPLY && zone == of(zones, kind) && zone == own
        })
        .map(|(index, kind)| (index, direction(kind)))
    }

    /// Whether a tuple's chain has more than `most` nodes of connections of a zone in the table: the kernel's hash is of
    /// the zone as well, so that others are elsewhere there.
    pub(super) fn chain_exceeds(&self, tuple: &Tuple, zone: u16, most: u32) -> bool {
        let mut at = self.heads[self.bucket(self.hash(tuple))];
        let mut len = 0;
        while at != NONE && len <= most {
            let (connection, kind) = (self.at(at >> 2), (at & 3) as u8);
            let here = connection.zones[direction(kind) as usize] == zone;
            len += u32::from(here && connection.place == Place::Table);
            at = connection.links[usize::from(kind)];
        }
        len > most
    }

    /// Connections of the table in a bucket, one after the other: the first whose node stands behind `after` (or at the
    /// head), with that node.
    pub(super) fn in_bucket(&self, bucket: usize, after: Option<u32>) -> Option<(u32, u32)> {
        let at = match after {
            None => *self.heads.get(bucket)?,
            Some(node) => self.at(node >> 2).links[(node & 3) as usize],
        };
        (at != NONE).then_some((at, at >> 2))
    }

    /// The first connection of the table with the same source that `accept` takes, among the nearest.
    pub(super) fn same_source(&self, tuple: &Tuple, mut accept: impl FnMut(&Connection) -> bool) -> Option<u32> {
        const NEAREST: usize = 64;
        let mut at = self.source_heads[self.bucket(self.source_hash(tuple))];
        for _ in 0..NEAREST {
            if at == NONE {
                return None;
            }
            let connection = self.at(at >> 2);
            let original = connection.tuple(Direction::Original);
            if connection.place == Place::Table
                && original.af == tuple.af
                && original.protocol == tuple.protocol
                && original.source == tuple.source
                && original.source_port() == tuple.source_port()
                && accept(connection)
            {
                return Some(at >> 2);
            }
            at = connection.links[SOURCE as usize];
        }
        None
    }

    /// The bucket a tuple belongs to.
    pub(super) fn bucket_for(&self, tuple: &Tuple) -> usize {
        self.bucket(self.hash(tuple))
    }

    /// How many buckets there are.
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

    /// Every node is in the one chain it belongs to, every free slot in the list of free ones.
    #[cfg(test)]
    pub(super) fn check(&self) {
        self.check_timers();
        let mut nodes = 0;
        for (heads, source) in [(&self.heads, false), (&self.source_heads, true)] {
            for (bucket, &head) in heads.iter().enumerate() {
                let mut at = head;
                while at != NONE {
                    let (index, kind) = (at >> 2, (at & 3) as u8);
                    assert_eq!(kind == SOURCE, source);
                    assert_ne!(self.at(index).linked & (1 << kind), 0);
                    assert_eq!(self.bucket_of(index, kind), Some(bucket));
                    nodes += 1;
                    at = self.at(index).links[kind as usize];
                }
            }
        }
        let linked: u32 = (0..self.slots()).map(|index| self.at(index).linked.count_ones()).sum();
        assert_eq!(nodes, linked);
        let (mut at, mut free) = (self.free, 0);
        while at != NONE {
            assert_eq!(self.at(at).place, Place::Free);
            free += 1;
            at = self.at(at).timer_next;
        }
        assert_eq!(free, self.free_len);
        let used = (0..self.slots()).filter(|index| self.at(*index).place != Place::Free).count();
        assert_eq!(used as u32 + free, self.slots());
    }

    fn bucket(&self, hash: u64) -> usize {
        // As reciprocal_scale(): the upper half of the product spreads over all buckets.
        (((hash & 0xffff_ffff) * self.heads.len() as u64) >> 32) as usize
    }

    fn bucket_of(&self, index: u32, kind: u8) -> Option<usize> {
        let connection = self.at(index);
        Some(self.bucket(match kind {
            ORIGINAL => self.hash(&connection.tuple(Direction::Original)),
            REPLY => self.hash(&connection.tuple(Direction::Reply)),
            BETWEEN => self.hash(&connection.between(Direction::Original)?),
            _ => self.source_hash(&connection.tuple(Direction::Original)),
        }))
    }

    fn hash(&self, tuple: &Tuple) -> u64 {
        let [a, b, c, d] = tuple.port_bytes();
        let rest = u64::from_le_bytes([a, b, c, d, tuple.protocol, 0, 0, 0]);
        let [source, low] = halves(tuple.source);
        let [destination, end] = halves(tuple.destination);
        match tuple.af {
            Af::V4 => self.keyed.words([source | destination << 32, rest]),
            Af::V6 => self.keyed.words([source, low, destination, end, rest]),
        }
    }

    fn source_hash(&self, tuple: &Tuple) -> u64 {
        let [source, low] = halves(tuple.source);
        self.keyed.words([source, low, u64::from(tuple.source_port()) << 8 | u64::from(tuple.protocol)])
    }
}

/// An address as two words; of IPv4 only the lower half of the first is not zero.
fn halves(Address(bytes): Address) -> [u64; 2] {
    let all = u128::from_le_bytes(bytes);
    [all as u64, (all >> 64) as u64]
}

/// Which direction's tuple a node of the two main kinds stands for.
pub(super) fn direction(kind: u8) -> Direction {
    if kind == REPLY { Direction::Reply } else { Direction::Original }
}

const fn node(index: u32, kind: u8) -> u32 {
    index << 2 | kind as u32
}
