//! What a GRE packet does not say: the key of the other end, which a PPTP control connection told. As the keymap of
//! nf_conntrack_proto_gre.c.
//!
//! The kernel asks it for arriving packets alone and then keeps the connection with the packet. Here a packet is found again
//! at each hook, so the map also knows what connections look like while translation is on its way.

use std::collections::HashMap;

use super::connection::Connection;
use super::lookup::Stage;
use super::tuple::{Ports, protocol};
use super::{Address, ConnId, Direction, Tuple};

/// The other ends' keys.
#[derive(Debug, Default)]
pub(crate) struct Keymap {
    all: HashMap<Place, Entry>,
}

/// What a packet says of itself, and where it stands.
type Place = (Stage, Address, Address, u16);

#[derive(Clone, Copy, Debug)]
struct Entry {
    source: u16,
    owner: ConnId,
}

impl Keymap {
    /// Packets like this one have its source key, until its owner takes that back. As nf_ct_gre_keymap_add().
    pub(crate) fn add(&mut self, tuple: &Tuple, owner: ConnId) {
        self.insert(Stage::Arriving, tuple, owner);
    }

    /// As nf_ct_gre_keymap_destroy().
    pub(crate) fn remove(&mut self, tuple: &Tuple, owner: ConnId) {
        self.take(Stage::Arriving, tuple, owner);
    }

    /// Packets of a connection are found again at any hook.
    pub(super) fn follow(&mut self, connection: &Connection, id: ConnId) {
        for (stage, tuple) in looks(connection) {
            if stage == Stage::Arriving {
                self.insert(stage, &tuple, id);
            } else {
                // One that is over and looked the same has no packets to come.
                self.all.insert(place(stage, &tuple), Entry { source: tuple.source_port(), owner: id });
            }
        }
    }

    /// A connection is over.
    pub(super) fn forget(&mut self, connection: &Connection, id: ConnId) {
        if !self.all.is_empty() {
            for (stage, tuple) in looks(connection) {
                self.take(stage, &tuple, id);
            }
        }
    }

    /// Gives the tuple of a packet its source key, if one is known. As gre_keymap_lookup().
    #[inline]
    pub(super) fn complete(&self, tuple: Tuple, stage: Stage) -> Tuple {
        if !self.is_asked(&tuple) {
            return tuple;
        }
        let found = self.all.get(&place(stage, &tuple)).or_else(|| self.all.get(&place(Stage::Arriving, &tuple)));
        found.map_or(tuple, |entry| tuple.with_source_port(entry.source))
    }

    /// Whether anything is known that could be of such a packet's protocol.
    #[inline]
    pub(super) fn is_asked(&self, tuple: &Tuple) -> bool {
        tuple.protocol == protocol::GRE && !self.all.is_empty()
    }

    fn insert(&mut self, stage: Stage, tuple: &Tuple, owner: ConnId) {
        let entry = Entry { source: tuple.source_port(), owner };
        self.all.entry(place(stage, tuple)).or_insert(entry);
    }

    fn take(&mut self, stage: Stage, tuple: &Tuple, owner: ConnId) {
        let place = place(stage, tuple);
        if self.all.get(&place).is_some_and(|entry| entry.owner == owner) {
            self.all.remove(&place);
        }
    }
}

fn place(stage: Stage, tuple: &Tuple) -> Place {
    (stage, tuple.source, tuple.destination, tuple.destination_port())
}

/// How a connection's packets look, if their keys tell it from others.
fn looks(connection: &Connection) -> impl Iterator<Item = (Stage, Tuple)> {
    let keyed = |tuple: &Tuple| matches!(tuple.ports, Ports::Keys { source: 1.., .. });
    [Direction::Original, Direction::Reply]
        .into_iter()
        .flat_map(|direction| {
            [
                (Stage::Arriving, Some(connection.tuple(direction))),
                (Stage::Between, connection.between(direction)),
                (Stage::Leaving, connection.leaving(direction)),
            ]
        })
        .filter_map(move |(stage, tuple)| Some((stage, tuple.filter(keyed)?)))
}
