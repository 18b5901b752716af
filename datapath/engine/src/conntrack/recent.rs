//! The connections of packets that were judged a moment ago, by what the packets look like now: a packet's next hook follows
//! soon, and then neither a hash nor a chain is needed to find its connection again.
//!
//! A slot is a hint and never more: it counts only as long as the connection lives, and what is not found here is looked up.
//! Packets that look like those of a connection that was there before are noted elsewhere; whose the earlier ones were is
//! known here, when the connection behind them is already there as well.

use super::connection::Place;
use super::error::{Message, classify};
use super::lookup::relation;
use super::{ConnId, Direction, Tracked, Tracker};
use crate::wire::Headers;

/// What was seen last, a packet a slot.
#[derive(Debug)]
pub(super) struct Recent {
    slots: Box<[Slot; SLOTS]>,
}

/// As many as a few batches of packets.
const SLOTS: usize = 256;

#[derive(Clone, Copy, Debug)]
struct Slot {
    look: Look,
    id: ConnId,
    direction: Direction,
}

/// What a packet looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Look {
    addresses: [u64; 4],
    /// The first bytes behind the network header: ports, and what tells a flow's packets from each other.
    first: u64,
    /// Protocol and family; 0 is no packet's.
    kind: u16,
}

impl Default for Recent {
    fn default() -> Self {
        let nobody = ConnId { index: u32::MAX, generation: 0 };
        let look = Look { addresses: [0; 4], first: 0, kind: 0 };
        Self { slots: Box::new([Slot { look, id: nobody, direction: Direction::Original }; SLOTS]) }
    }
}

impl Look {
    /// Of a whole packet that is about no other: of an error a connection's state does not say what it is to it.
    #[inline(always)]
    fn of(headers: &Headers, bytes: &[u8]) -> Option<Self> {
        let segment = headers.segment(bytes);
        let whole = headers.fragment.is_none() && classify(headers.af, headers.protocol, segment) == Message::Query;
        let first = match segment.first_chunk() {
            Some(first) => u64::from_ne_bytes(*first),
            None => 0,
        };
        let [a, b] = headers.source.halves();
        let [c, d] = headers.destination.halves();
        let kind = u16::from_be_bytes([headers.protocol, headers.af.number()]);
        whole.then_some(Self { addresses: [a, b, c, d], first, kind })
    }

    /// Anybody may aim at a slot: all they get is that others are looked up as before.
    #[inline]
    fn slot(&self) -> usize {
        let [a, b, c, d] = self.addresses;
        let mixed = (a ^ b.rotate_left(17) ^ c.rotate_left(32) ^ d.rotate_left(47) ^ self.first.rotate_left(9))
            .wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed >> (u64::BITS - SLOTS.ilog2())) as usize
    }
}

impl Tracker {
    /// Keeps in mind whose packet it is that looks so now and goes on to its next hook.
    #[inline(always)]
    pub(crate) fn remember(&mut self, tracked: Tracked, headers: &Headers, bytes: &[u8]) {
        let Tracked::Of { id, direction, .. } = tracked else { return };
        if let Some(look) = Look::of(headers, bytes)
            && let Some(slot) = self.recent.slots.get_mut(look.slot())
        {
            *slot = Slot { look, id, direction };
        }
    }

    /// The connection of a packet that looked so when its last hook was through with it.
    #[inline(always)]
    pub(crate) fn remembered(&self, headers: &Headers, bytes: &[u8]) -> Option<Tracked> {
        let look = Look::of(headers, bytes)?;
        let slot = self.recent.slots.get(look.slot())?;
        if slot.look != look {
            return None;
        }
        let connection = self.table.get(slot.id)?;
        let lives = matches!(connection.place, Place::Table | Place::Unconfirmed);
        lives.then(|| Tracked::Of {
            id: slot.id,
            direction: slot.direction,
            relation: relation(connection, slot.direction),
        })
    }
}
