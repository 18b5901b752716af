//! Membership in chains: which nodes a connection has, where they stand, and how chains move to other buckets.

#[cfg(test)]
use std::collections::BTreeMap;

use super::{BETWEEN, CHUNK, NONE, ORIGINAL, REPLY, SOURCE, Table, node};
#[cfg(test)]
use crate::conntrack::connection::Place;
use crate::conntrack::heads::Heads;
use crate::conntrack::{Direction, Tuple};

impl Table {
    /// Moves chains to the buckets that [`Self::resize`] asked for; `work` counts down what may be done.
    pub(in crate::conntrack) fn settle(&mut self, work: &mut u32) {
        const ALL: [fn(&mut Table) -> &mut Heads; 3] =
            [|table| &mut table.heads, |table| &mut table.source_heads, |table| &mut table.zoned_heads];
        for heads in ALL {
            while *work > 0
                && let Some(first) = heads(self).take_unmoved()
            {
                *work -= 1;
                let mut nodes = core::mem::take(&mut self.moving);
                let mut at = first.unwrap_or(NONE);
                while at != NONE {
                    nodes.push(at);
                    at = self.at(at >> 2).links[(at & 3) as usize];
                }
                *work = work.saturating_sub(nodes.len() as u32);
                // From the last to the first, so that the newest stays in front.
                for node in nodes.drain(..).rev() {
                    self.put_in_front(node >> 2, (node & 3) as u8);
                }
                self.moving = nodes;
            }
        }
    }

    /// Puts a node at the head of its chain.
    pub(in crate::conntrack) fn link(&mut self, index: u32, kind: u8) {
        self.unlink(index, kind);
        if self.is_backed_by_zone(index, kind) && self.zoned_heads.len() == 0 {
            self.zoned_heads.resize(self.heads.len());
        }
        if self.put_in_front(index, kind) {
            self.at_mut(index).linked |= 1 << kind;
            self.count_zone(index, kind, 1);
        }
    }

    /// The last step of [`Self::link`]. Whether the node has a chain.
    fn put_in_front(&mut self, index: u32, kind: u8) -> bool {
        let Some(hash) = self.hash_of(index, kind) else { return false };
        let node = node(index, kind);
        let next = self.heads_of(index, kind).put(hash, node);
        self.at_mut(index).links[kind as usize] = next;
        if self.is_backed(index, kind) {
            self.set_back(node, NONE);
            if next != NONE {
                self.set_back(next, node);
            }
        }
        true
    }

    /// Takes a node out of its chain, if it is in one. The tuples must still be those it was linked by.
    pub(in crate::conntrack) fn unlink(&mut self, index: u32, kind: u8) {
        let connection = self.at_mut(index);
        if connection.linked & (1 << kind) == 0 {
            return;
        }
        connection.linked &= !(1 << kind);
        self.count_zone(index, kind, -1);
        let next = self.at(index).links[kind as usize];
        let gone = node(index, kind);
        if self.is_backed(index, kind) {
            let back = self.back(gone);
            if next != NONE {
                self.set_back(next, back);
            }
            if back != NONE {
                self.at_mut(back >> 2).links[(back & 3) as usize] = next;
                return;
            }
        }
        let Some(hash) = self.hash_of(index, kind) else { return };
        let heads = self.heads_of(index, kind);
        let mut at = heads.first(hash);
        if at == gone {
            heads.put(hash, next);
            return;
        }
        while at != NONE {
            self.look();
            let link = &mut self.at_mut(at >> 2).links[(at & 3) as usize];
            if *link == gone {
                *link = next;
                return;
            }
            at = *link;
        }
    }

    /// Gives a connection another reply tuple, and its nodes their new places.
    pub(in crate::conntrack) fn set_reply(&mut self, index: u32, reply: Tuple) {
        let had = self.at(index).linked;
        self.unlink(index, REPLY);
        self.unlink(index, BETWEEN);
        self.at_mut(index).pair.set_reply(&reply);
        if had & (1 << REPLY) != 0 {
            self.link(index, REPLY);
        }
    }

    /// Puts the node for packets between two translations into its chain, if such packets look like no other.
    pub(in crate::conntrack) fn link_between(&mut self, index: u32) {
        let connection = self.at(index);
        let between = connection.between(Direction::Original);
        let alike = || {
            between == Some(connection.tuple(Direction::Original)) || between == connection.leaving(Direction::Original)
        };
        // In a zone the others are found by those alone who know it.
        if between.is_some() && (connection.is_zoned() || !alike()) {
            self.link(index, BETWEEN);
        }
    }

    /// The heads of the chains that a node may be in.
    fn heads_of(&mut self, index: u32, kind: u8) -> &mut Heads {
        match kind {
            SOURCE => &mut self.source_heads,
            BETWEEN if self.at(index).is_zoned() => &mut self.zoned_heads,
            _ => &mut self.heads,
        }
    }

    /// Whether a node knows the one before it: chains of one source, or of one tuple in many zones, may be long.
    fn is_backed(&self, index: u32, kind: u8) -> bool {
        kind == SOURCE || self.is_backed_by_zone(index, kind)
    }

    fn is_backed_by_zone(&self, index: u32, kind: u8) -> bool {
        kind == BETWEEN && self.at(index).is_zoned()
    }

    /// The node before a backed one.
    fn back(&self, node: u32) -> u32 {
        let index = node >> 2;
        match (node & 3) as u8 {
            SOURCE => self.at(index).source_back,
            _ => self
                .zoned_backs
                .get((index / CHUNK) as usize)
                .and_then(|chunk| chunk.get((index % CHUNK) as usize))
                .map_or(NONE, |back| *back),
        }
    }

    fn set_back(&mut self, node: u32, back: u32) {
        let index = node >> 2;
        if (node & 3) as u8 == SOURCE {
            self.at_mut(index).source_back = back;
            return;
        }
        let chunk = (index / CHUNK) as usize;
        if chunk >= self.zoned_backs.len() {
            self.zoned_backs.resize_with(chunk + 1, Box::default);
        }
        let chunk = &mut self.zoned_backs[chunk];
        if chunk.is_empty() {
            *chunk = vec![NONE; CHUNK as usize].into_boxed_slice();
        }
        chunk[(index % CHUNK) as usize] = back;
    }

    /// One node of the two main kinds more or less in its zone.
    fn count_zone(&mut self, index: u32, kind: u8, by: i32) {
        let Some(&zone) = self.at(index).zones.get(usize::from(kind)).filter(|&&zone| zone != 0) else { return };
        let count = self.zones.entry(zone).or_default();
        *count = count.saturating_add_signed(by);
        if *count == 0 {
            self.zones.remove(&zone);
        }
    }

    /// What a node's chain is found by.
    fn hash_of(&self, index: u32, kind: u8) -> Option<u64> {
        let connection = self.at(index);
        let [there, back] = connection.zones;
        Some(match kind {
            ORIGINAL => self.hash(&connection.tuple(Direction::Original), there),
            REPLY => self.hash(&connection.tuple(Direction::Reply), back),
            BETWEEN => self.hash(&connection.between(Direction::Original)?, 0),
            _ => self.source_hash(&connection.tuple(Direction::Original), there),
        })
    }

    /// Every node is in the one chain it belongs to, every free slot in the list of free ones.
    #[cfg(test)]
    pub(in crate::conntrack) fn check(&self) {
        self.check_timers();
        let mut nodes = 0;
        let all =
            [(&self.heads, 0b0111_u8, false), (&self.source_heads, 0b1000, true), (&self.zoned_heads, 0b0100, true)];
        for (heads, kinds, backed) in all {
            for (head, bucket) in heads.chains() {
                let (mut at, mut back) = (head, NONE);
                while at != NONE {
                    let (index, kind) = (at >> 2, (at & 3) as u8);
                    assert_ne!(kinds & 1 << kind, 0);
                    assert_ne!(self.at(index).linked & (1 << kind), 0);
                    assert_eq!(heads.bucket_of(self.hash_of(index, kind).unwrap()), bucket);
                    assert_eq!(self.is_backed(index, kind), backed);
                    if backed {
                        assert_eq!(self.back(at), back);
                    }
                    nodes += 1;
                    (back, at) = (at, self.at(index).links[kind as usize]);
                }
            }
        }
        let mut zones = BTreeMap::new();
        for connection in (0..self.slots()).map(|index| self.at(index)).filter(|connection| connection.is_zoned()) {
            for kind in [ORIGINAL, REPLY].into_iter().filter(|kind| connection.linked & 1 << kind != 0) {
                *zones.entry(connection.zones[usize::from(kind)]).or_default() += 1;
            }
        }
        zones.remove(&0);
        assert_eq!(self.zones, zones);
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
}
