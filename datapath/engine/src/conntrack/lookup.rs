//! Finding a packet's connection again at a later hook, from the header as it now stands.

use super::connection::{Connection, Place, Traits};
use super::error::{ERROR_HEADER, Message, Quote, classify};
use super::table::{BETWEEN, REPLY, direction};
use super::{Direction, Relation, Tracked, Tracker, Tuple, status};
use libxt::family::Af;

use crate::wire::{Headers, ipv6};
use crate::{Hook, Packet};

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
    /// found the packet INVALID or that a rule said NOTRACK. `looped` says that this machine sent it, and it comes back.
    pub fn recall(&self, packet: &Packet<'_>, headers: &Headers, looped: bool) -> Tracked {
        let stage = match packet.hook {
            Hook::Prerouting if looped => Stage::Leaving,
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
    /// translated, or behind nat's INPUT after its source was as well: that packet's, be it never confirmed or just over. `Unseen`
    /// if the packet had none.
    ///
    /// A fragment that died as such never had one: tracking saw only whole datagrams, and first fragments of IPv6 that end
    /// before their transport header does, which nobody puts together.
    pub(crate) fn recall_quoted(&self, headers: &Headers, bytes: &[u8]) -> Tracked {
        let quote = headers.transport.checked_add(ERROR_HEADER).and_then(|at| bytes.get(at..headers.end));
        let waited = |quote: &[u8]| {
            let place = Headers::parse(headers.af, quote).and_then(|quoted| quoted.fragment);
            place.is_some_and(|place| headers.af == Af::V4 || place.offset != 0 || !ipv6::is_truncated(quote))
        };
        if quote.is_some_and(waited) {
            return Tracked::Unseen;
        }
        let [between, leaving] = [Stage::Between, Stage::Leaving].map(|stage| self.weigh_error(headers, bytes, stage));
        // Most packets that die do so between the translations.
        let better = if between.1 < LOOKS_SO && leaving.1 > between.1 { leaving } else { between };
        if matches!(better.0, Tracked::Of { .. }) { better.0 } else { Tracked::Unseen }
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
        // Who comes later looks for those who were there; in a zone, somebody is likely to come before this packet leaves.
        let (alike, zoned) = (own.traits.has(Traits::ALIKE), own.zones != [0; 2]);
        alike || relation == Relation::New && (self.meet_alike(id.index) || zoned)
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
        let other = self.table.seek_in_any(&middle, alike).or_else(|| self.table.seek_in_any(&back, alike));
        let Some((other, _)) = other else { return false };
        self.table.at_mut(other).traits.set(Traits::ALIKE, true);
        self.table.at_mut(index).traits.set(Traits::ALIKE, true);
        true
    }

    /// Whether neither [`Self::is_over`] nor [`Self::is_ambiguous`] holds, as of most packets.
    #[inline]
    pub(crate) fn is_plain(&self, tracked: Tracked) -> bool {
        let Tracked::Of { id, relation, .. } = tracked else { return false };
        relation != Relation::New
            && self.table.get(id).is_some_and(|own| own.place == Place::Table && !own.traits.has(Traits::ALIKE))
    }

    /// Whether nothing is left of a packet's connection: it must have been one of very many that look alike, or ended long ago.
    pub(crate) fn is_gone(&self, tracked: Tracked) -> bool {
        matches!(tracked, Tracked::Of { id, .. } if self.get(id).is_none())
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
        self.weigh_error(headers, bytes, stage).0
    }

    /// As [`Self::recall_error`], and how likely it is.
    fn weigh_error(&self, headers: &Headers, bytes: &[u8], stage: Stage) -> (Tracked, u8) {
        let quote = Quote::of(headers, bytes)
            .and_then(|(quote, quoted)| quote.tuple(quoted))
            .map(|tuple| self.keymap.complete(tuple, stage));
        match quote.and_then(|tuple| self.weigh_tuple(&tuple, stage)) {
            Some(((index, quoted), score)) => {
                // Whose answers look like its questions asked, as long as nothing counted as an answer.
                let alike = quote.is_some_and(|tuple| tuple.inverse() == Some(tuple));
                let asks = alike && self.table.at(index).status() & status::SEEN_REPLY == 0;
                let quoted = if asks { Direction::Original } else { quoted };
                let direction = quoted.opposite();
                (Tracked::Of { id: self.table.id(index), direction, relation: Relation::Related }, score)
            }
            None => (Tracked::Invalid, 0),
        }
    }

    /// The connection that has such packets, and their direction. One that lives is better than one in limbo; then one whose
    /// packets look exactly so at this stage than one whose packets look so at another; the newest better than older ones, but
    /// for those that never were confirmed: of the packets that began them all but the first are known by notes.
    pub(super) fn recall_tuple(&self, tuple: &Tuple, stage: Stage) -> Option<(u32, Direction)> {
        self.weigh_tuple(tuple, stage).map(|(found, _)| found)
    }

    /// As [`Self::recall_tuple`], and how likely it is.
    fn weigh_tuple(&self, tuple: &Tuple, stage: Stage) -> Option<((u32, Direction), u8)> {
        let (mut best, inverse) = (Best { tuple, stage, score: 0, found: None }, tuple.inverse());
        let found =
            self.table.seek_in_any(tuple, |index, kind, connection| best.weigh(index, direction(kind), connection));
        if let (None, Some(inverse)) = (found, &inverse) {
            self.table.seek_in_any(inverse, |index, kind, connection| best.weigh(index, turned(kind), connection));
        }
        // What comes back over a loopback device looks as nothing does that is found without its zone.
        let zones = self.table.zones().filter(|_| stage != Stage::Between);
        for zone in zones {
            if best.found.is_some() {
                break;
            }
            self.table.seek(tuple, zone, |index, kind, connection| best.weigh(index, direction(kind), connection));
            if let Some(inverse) = &inverse {
                self.table.seek(inverse, zone, |index, kind, connection| best.weigh(index, turned(kind), connection));
            }
        }
        best.found.map(|found| (found, best.score))
    }
}

/// How likely it is at least that a packet is of a connection that lives and whose packets look exactly so.
const LOOKS_SO: u8 = 6;

/// Which connection a packet belongs to most likely.
struct Best<'a> {
    tuple: &'a Tuple,
    stage: Stage,
    score: u8,
    found: Option<(u32, Direction)>,
}

impl Best<'_> {
    /// Whether nothing can be better than this one.
    fn weigh(&mut self, index: u32, direction: Direction, connection: &Connection) -> bool {
        let looks = match self.stage {
            Stage::Arriving => Some(connection.tuple(direction)),
            Stage::Between => connection.between(direction),
            Stage::Leaving => connection.leaving(direction),
        };
        let exact = looks.as_ref() == Some(self.tuple);
        let score = u8::from(exact) * 2
            + match connection.place {
                Place::Table => 5,
                Place::Unconfirmed => 4,
                _ => 0,
            };
        let older = score == self.score && connection.place == Place::Unconfirmed;
        if self.found.is_none() || score > self.score || older {
            (self.score, self.found) = (score, Some((index, direction)));
        }
        score == 7
    }
}

/// The direction of packets whose inverse a node stands for.
fn turned(kind: u8) -> Direction {
    debug_assert!(kind <= BETWEEN);
    if kind == REPLY { Direction::Original } else { Direction::Reply }
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
