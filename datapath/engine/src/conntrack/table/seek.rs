//! Looking for connections along the chains.

use libxt::family::Af;

use super::{NONE, ORIGINAL, REPLY, SOURCE, Table, direction};
use crate::conntrack::connection::{Connection, Place};
use crate::conntrack::{Direction, Tuple};

impl Table {
    /// The first node of a tuple's chain in a zone that `accept` takes.
    pub(in crate::conntrack) fn seek(
        &self,
        tuple: &Tuple,
        zone: u16,
        accept: impl FnMut(u32, u8, &Connection) -> bool,
    ) -> Option<(u32, u8)> {
        self.seek_from(self.heads.first(self.hash(tuple, zone)), tuple, accept)
    }

    /// The same by a header at a later hook, which tells no zone.
    pub(in crate::conntrack) fn seek_in_any(
        &self,
        tuple: &Tuple,
        mut accept: impl FnMut(u32, u8, &Connection) -> bool,
    ) -> Option<(u32, u8)> {
        let found = self.seek(tuple, 0, &mut accept);
        if found.is_some() || self.zones.is_empty() {
            return found;
        }
        self.seek_from(self.zoned_heads.first(self.hash(tuple, 0)), tuple, accept)
    }

    fn seek_from(
        &self,
        first: u32,
        tuple: &Tuple,
        mut accept: impl FnMut(u32, u8, &Connection) -> bool,
    ) -> Option<(u32, u8)> {
        let mut at = first;
        while at != NONE {
            self.look();
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

    /// The zones that have connections, but for 0.
    pub(in crate::conntrack) fn zones(&self) -> impl Iterator<Item = u16> {
        self.zones.keys().copied()
    }

    /// The connection in the table that has a tuple in a zone, and which of its tuples it is. As resolve_normal_ct(), which
    /// looks in the original direction's zone first.
    pub(in crate::conntrack) fn find(&self, tuple: &Tuple, zones: [u16; 2]) -> Option<(u32, Direction)> {
        let [original, reply] = zones;
        let found = self.find_in(tuple, zones, original);
        if original == reply { found } else { found.or_else(|| self.find_in(tuple, zones, reply)) }
    }

    /// The same among what has one zone: the kernel's hash is of the zone as well, and what is compared is the zone of the
    /// direction found. As __nf_conntrack_find().
    pub(in crate::conntrack) fn find_in(&self, tuple: &Tuple, zones: [u16; 2], own: u16) -> Option<(u32, Direction)> {
        let of = |zones: [u16; 2], kind: u8| if kind == ORIGINAL { zones[0] } else { zones[1] };
        self.seek(tuple, own, |_, kind, connection| {
            let zone = of(connection.zones, kind);
            connection.place == Place::Table && kind <= REPLY && zone == of(zones, kind) && zone == own
        })
        .map(|(index, kind)| (index, direction(kind)))
    }

    /// Whether a tuple's chain has more than `most` nodes of connections of a zone in the table.
    pub(in crate::conntrack) fn chain_exceeds(&self, tuple: &Tuple, zone: u16, most: u32) -> bool {
        let mut at = self.heads.first(self.hash(tuple, zone));
        let mut len = 0;
        while at != NONE && len <= most {
            self.look();
            let (connection, kind) = (self.at(at >> 2), (at & 3) as u8);
            let here = connection.zones[direction(kind) as usize] == zone;
            len += u32::from(here && connection.place == Place::Table);
            at = connection.links[usize::from(kind)];
        }
        len > most
    }

    /// The connection of the first node in a bucket behind the one of a tuple, with that node.
    pub(in crate::conntrack) fn first_near(&self, tuple: &Tuple, zone: u16, step: usize) -> Option<(u32, u32)> {
        let at = self.heads.near(self.hash(tuple, zone), step);
        (at != NONE).then_some((at, at >> 2))
    }

    /// The one behind a node in its chain, likewise.
    pub(in crate::conntrack) fn next_near(&self, node: u32) -> Option<(u32, u32)> {
        let at = self.at(node >> 2).links[(node & 3) as usize];
        (at != NONE).then_some((at, at >> 2))
    }

    /// The first connection of a zone in the table with the same source that `accept` takes, among the nearest.
    pub(in crate::conntrack) fn same_source(
        &self,
        tuple: &Tuple,
        zone: u16,
        mut accept: impl FnMut(&Connection) -> bool,
    ) -> Option<u32> {
        const NEAREST: usize = 64;
        let mut at = self.source_heads.first(self.source_hash(tuple, zone));
        for _ in 0..NEAREST {
            if at == NONE {
                return None;
            }
            self.look();
            let connection = self.at(at >> 2);
            let original = connection.tuple(Direction::Original);
            if connection.place == Place::Table
                && connection.zones[0] == zone
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

    /// How many were.
    #[cfg(test)]
    pub(in crate::conntrack) fn looked(&self) -> u64 {
        self.looked.get()
    }

    /// A node of a chain is looked at.
    pub(super) fn look(&self) {
        #[cfg(test)]
        self.looked.update(|looked| looked + 1);
    }

    /// Of the zone as well: one tuple may stand in thousands. As hash_conntrack_raw().
    pub(super) fn hash(&self, tuple: &Tuple, zone: u16) -> u64 {
        let ([a, b, c, d], [low_zone, high_zone]) = (tuple.port_bytes(), zone.to_le_bytes());
        let rest = u64::from_le_bytes([a, b, c, d, tuple.protocol, low_zone, high_zone, 0]);
        let [source, low] = tuple.source.halves();
        let [destination, end] = tuple.destination.halves();
        match tuple.af {
            Af::V4 => self.keyed.words([source | destination << 32, rest]),
            Af::V6 => self.keyed.words([source, low, destination, end, rest]),
        }
    }

    /// As hash_by_src().
    pub(super) fn source_hash(&self, tuple: &Tuple, zone: u16) -> u64 {
        let [source, low] = tuple.source.halves();
        let rest = u64::from(zone) << 32 | u64::from(tuple.source_port()) << 8 | u64::from(tuple.protocol);
        self.keyed.words([source, low, rest])
    }
}
