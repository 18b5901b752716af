//! Finding a packet's connection again at a later hook, from the header as it now stands.

use super::connection::{Connection, Place, Traits};
use super::error::{ERROR_HEADER, Message, Quote, classify};
use super::table::{BETWEEN, REPLY, direction};
use super::{Direction, Relation, Tracked, Tracker, Tuple, status};
use crate::wire::Headers;
use crate::{Hook, Now, Packet};

/// How far translation of a packet has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Stage {
    /// Not at all: as it arrived or was made.
    Arriving,
    /// The destination is translated, the source is not.
    Between,
    /// Both are: it left, and comes back over a loopback device.
    Leaving,
}

impl Tracker {
    /// Finds a packet's connection again, at any hook, from the header as it now stands; also for ICMP errors, by their
    /// quote. Connections that never were confirmed and those just deleted are found as well. It cannot know that tracking
    /// found the packet INVALID or that a rule said NOTRACK.
    pub fn recall(&self, packet: &Packet<'_>, headers: &Headers, now: Now) -> Tracked {
        let _ = now;
        let stage = match packet.hook {
            Hook::Prerouting if packet.in_device.is_some_and(|device| device.loopback) => Stage::Leaving,
            Hook::Prerouting | Hook::Output => Stage::Arriving,
            Hook::Input | Hook::Forward | Hook::Postrouting => Stage::Between,
        };
        self.recall_at(packet, headers, stage)
    }

    /// How a packet that this machine makes in answer to another stands to that one's connection: RELATED, in the opposite
    /// direction. `Unseen` if that one had none: the answer is then tracked as any packet. As nf_ct_attach().
    pub fn attach(&self, answered: Tracked) -> Tracked {
        match answered {
            Tracked::Of { id, direction, .. } => {
                Tracked::Of { id, direction: direction.opposite(), relation: Relation::Related }
            }
            _ => Tracked::Unseen,
        }
    }

    /// The connection that the kernel gives an ICMP error of its own about a packet that died here after its destination was
    /// translated: that packet's, be it never confirmed or just over. `Unseen` if the packet had none.
    ///
    /// A fragment that died as such never had one: tracking saw only whole datagrams.
    pub(crate) fn recall_quoted(&self, headers: &Headers, bytes: &[u8]) -> Tracked {
        let quote = headers.transport.checked_add(ERROR_HEADER).and_then(|at| bytes.get(at..headers.end));
        if quote.and_then(|quote| Headers::parse(headers.af, quote)).is_some_and(|quoted| quoted.fragment.is_some()) {
            return Tracked::Unseen;
        }
        match self.recall_error(headers, bytes, Stage::Between) {
            found @ Tracked::Of { .. } => found,
            _ => Tracked::Unseen,
        }
    }

    /// Whether packets of the connection look like those of another one between the two translations, so that somebody must
    /// keep in mind whose they are. Asked for a connection's first packet; both remember it.
    pub(crate) fn is_ambiguous(&mut self, tracked: Tracked) -> bool {
        let Tracked::Of { id, relation, .. } = tracked else { return false };
        let Some(own) = self.table.get(id) else { return true };
        if own.place == Place::Retired {
            // A reset that was its end: what never began may look the same.
            return true;
        }
        // Who comes later looks for those who were there.
        own.traits.has(Traits::ALIKE) || relation == Relation::New && self.meet_alike(id.index)
    }

    /// Finds a connection whose packets look the same between the two translations; both remember it.
    pub(super) fn meet_alike(&mut self, index: u32) -> bool {
        let Some(middle) = self.table.at(index).between(Direction::Original) else { return false };
        let Some(back) = middle.inverse() else { return false };
        // GRE without a call does not say whether it is some call's.
        let keyless = self.keymap.is_asked(&middle) && middle.source_port() == 0;
        if keyless || !self.table.at(index).tells_direction() {
            self.table.at_mut(index).traits.set(Traits::ALIKE, true);
            return true;
        }
        let alike = |at, _, other: &Connection| {
            at != index
                && matches!(other.place, Place::Table | Place::Unconfirmed)
                && other.between(Direction::Original).is_some_and(|tuple| tuple == middle || tuple == back)
        };
        // One is enough: if there are more they know of each other.
        let other = self.table.seek(&middle, alike).or_else(|| self.table.seek(&back, alike));
        let Some((other, _)) = other else { return false };
        self.table.at_mut(other).traits.set(Traits::ALIKE, true);
        self.table.at_mut(index).traits.set(Traits::ALIKE, true);
        true
    }

    /// Whether a packet's connection has just ended: its tuples say less than those of any other that looks alike.
    pub(crate) fn is_over(&self, tracked: Tracked) -> bool {
        matches!(tracked, Tracked::Of { id, .. } if self.get(id).is_some_and(|connection| connection.place == Place::Retired))
    }

    pub(super) fn recall_at(&self, packet: &Packet<'_>, headers: &Headers, stage: Stage) -> Tracked {
        if headers.fragment.is_some_and(|fragment| fragment.offset != 0) {
            return Tracked::Invalid;
        }
        let bytes = packet.data.bytes();
        let Some(transport) = bytes.get(headers.transport..headers.end) else { return Tracked::Invalid };
        match classify(headers.af, headers.protocol, transport) {
            Message::Untracked => return Tracked::Untracked,
            Message::Invalid => return Tracked::Invalid,
            Message::Error => {
                // The quoted packet is translated back as far as the error itself is translated.
                let stage = match stage {
                    Stage::Arriving => Stage::Leaving,
                    Stage::Between => Stage::Between,
                    Stage::Leaving => Stage::Arriving,
                };
                return self.recall_error(headers, bytes, stage);
            }
            Message::Query => {}
        }
        let tuple = Tuple::of(headers.af, headers.protocol, headers.source, headers.destination, transport);
        let tuple = tuple.map(|tuple| self.keymap.complete(tuple, stage));
        match tuple.and_then(|tuple| self.recall_tuple(&tuple, stage)) {
            Some((index, direction)) => {
                Tracked::Of { id: self.table.id(index), direction, relation: relation(self.table.at(index), direction) }
            }
            None => Tracked::Invalid,
        }
    }

    /// The connection of the packet that an ICMP error quotes, that packet's translation having come to `stage`.
    pub(super) fn recall_error(&self, headers: &Headers, bytes: &[u8], stage: Stage) -> Tracked {
        let quote = Quote::of(headers, bytes)
            .and_then(|(quote, quoted)| quote.tuple(quoted))
            .map(|tuple| self.keymap.complete(tuple, stage));
        match quote.and_then(|tuple| self.recall_tuple(&tuple, stage)) {
            Some((index, quoted)) => {
                // Whose answers look like its questions asked, as long as nothing counted as an answer.
                let alike = quote.is_some_and(|tuple| tuple.inverse() == Some(tuple));
                let asks = alike && self.table.at(index).status() & status::SEEN_REPLY == 0;
                let quoted = if asks { Direction::Original } else { quoted };
                Tracked::Of { id: self.table.id(index), direction: quoted.opposite(), relation: Relation::Related }
            }
            None => Tracked::Invalid,
        }
    }

    /// The connection that has such packets, and their direction. One that lives is better than one in limbo; then one whose
    /// packets look exactly so at this stage than one whose packets look so at another; the newest better than older ones.
    pub(super) fn recall_tuple(&self, tuple: &Tuple, stage: Stage) -> Option<(u32, Direction)> {
        let mut best: Option<(u8, u32, Direction)> = None;
        let mut weigh = |index: u32, direction: Direction, connection: &Connection| {
            let looks = match stage {
                Stage::Arriving => Some(connection.tuple(direction)),
                Stage::Between => connection.between(direction),
                Stage::Leaving => connection.leaving(direction),
            };
            let exact = looks.as_ref() == Some(tuple);
            let score = u8::from(exact) * 2
                + match connection.place {
                    Place::Table => 5,
                    Place::Unconfirmed => 4,
                    _ => 0,
                };
            if best.is_none_or(|(had, ..)| score > had) {
                best = Some((score, index, direction));
            }
            // Nothing can be better.
            score == 7
        };
        let found = self.table.seek(tuple, |index, kind, connection| weigh(index, direction(kind), connection));
        if let (None, Some(inverse)) = (found, tuple.inverse()) {
            self.table.seek(&inverse, |index, kind, connection| {
                let towards = if kind == REPLY { Direction::Original } else { Direction::Reply };
                debug_assert!(kind != BETWEEN || towards == Direction::Reply);
                weigh(index, towards, connection)
            });
        }
        best.map(|(_, index, direction)| (index, direction))
    }
}

/// How a packet of a direction stands to its connection. As resolve_normal_ct().
pub(super) fn relation(connection: &Connection, direction: Direction) -> Relation {
    if direction == Direction::Reply || connection.status() & status::SEEN_REPLY != 0 {
        Relation::Established
    } else if connection.status() & status::EXPECTED != 0 {
        Relation::Related
    } else {
        Relation::New
    }
}
