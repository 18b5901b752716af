//! One connection as the slab keeps it: plain data, no pointers.

use libxt::backend::Counters;

use super::pair::Pair;
use super::proto::State;
use super::table::NONE;
use super::timer;
use super::{Direction, ProtocolState, Tuple, status, tuple::Ports};
use crate::Now;
use crate::nat::{Manip, Target};

/// `struct nf_conn`.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Original and reply, as packets of that direction look when they arrive.
    pub(super) pair: Pair,
    /// What the slot holds.
    pub(super) place: Place,
    /// Which nodes are in a chain, a bit per kind.
    pub(super) linked: u8,
    /// What else holds of it.
    pub(super) traits: Traits,
    /// `IPS_*`, see [`status`].
    pub(super) bits: u16,
    /// The next node in the chain of each kind of node, see [`super::table`].
    pub(super) links: [u32; 4],
    /// The node before in the chain of the same source; unused while it is the first.
    pub(super) source_back: u32,
    /// The next in a timer's list, or in the list of free slots.
    pub(super) timer_next: u32,
    /// The one before in a timer's list.
    pub(super) timer_back: u32,
    /// Which list: a slot of the wheel, [`super::timer::LIMBO`], or [`super::timer::NOWHERE`].
    pub(super) timer_list: u16,
    /// The deadline as it was written last, see [`super::keep`].
    pub(super) kept: u16,
    /// How often the slot was used.
    pub(super) generation: u32,
    /// Monotonic nanoseconds of its end; for an unconfirmed one, nanoseconds from its confirmation on.
    pub(super) deadline: u64,
    /// Wall-clock nanoseconds of its confirmation, if timestamps are on; in limbo, monotonic nanoseconds of its end there.
    pub(super) start: u64,
    pub(super) mark: u32,
    pub(super) zones: [u16; 2],
    /// Events that wait for the packet's last stage, bits of `IPCT_*`.
    pub(super) pending: u16,
    /// Events that may be made of it and of what is expected because of it; 0 is none at all.
    pub(super) events: u16,
    pub(super) counters: [Counters; 2],
    /// Where its [`super::extra`] is, or [`super::table::NONE`].
    pub(super) extra: u32,
    /// The device that MASQUERADE bound it to, or 0.
    pub(crate) masquerade: u32,
    pub(super) state: State,
}

/// With the heads of both hashes (4 bytes each a bucket) and the slots kept free, a million connections take less than
/// 256 bytes each, chains and timers included.
const _: () = assert!(size_of::<Connection>() <= 240);

/// What a slot of the slab holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Nothing.
    Free,
    /// A connection whose first packet is on its way, or died there.
    Unconfirmed,
    /// A connection in the table.
    Table,
    /// A connection that was deleted and of which packets may be on their way.
    Retired,
}

/// Events that wait for a packet's last stage, and what they tell of.
#[derive(Debug)]
pub(super) struct Untold {
    pub(super) pending: u16,
    pub(super) bits: u16,
    pub(super) state: State,
}

/// What holds of a connection besides its status, a bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Traits(u8);

impl Traits {
    /// It was born with counters (`nf_ct_acct_ext_add`).
    pub(super) const COUNTERS: Self = Self(1);
    /// It was born with times (`nf_ct_tstamp_ext_add`).
    pub(super) const TIMES: Self = Self(2);
    /// It has room for labels (`nf_ct_labels_ext_add`), which are in its [`super::extra`] once one was set.
    pub(super) const LABELS: Self = Self(4);
    /// What it may be born with.
    pub(super) const BORN: Self = Self(7 | 32);
    /// It is among those that changed, see [`super::keep`].
    pub(super) const CHANGED: Self = Self(8);
    /// Between the two translations its packets do not say whose they are.
    pub(super) const ALIKE: Self = Self(16);
    /// SYNPROXY opened it, see [`super::proxied`].
    pub(super) const PROXIED: Self = Self(32);
    /// A socket may ask where it was sent to, see [`super::origin`].
    pub(super) const ORIGIN: Self = Self(64);

    pub(super) const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    pub(super) const fn set(&mut self, other: Self, to: bool) {
        self.0 = if to { self.0 | other.0 } else { self.0 & !other.0 };
    }

    /// Those that are among others.
    pub(super) const fn of(self, others: Self) -> Self {
        Self(self.0 & others.0)
    }

    pub(super) const fn number(self) -> u8 {
        self.0
    }

    pub(super) const fn from_number(number: u8) -> Self {
        Self(number)
    }
}

impl Connection {
    /// What a free slot holds.
    pub(super) fn blank(tuple: Tuple) -> Self {
        Self {
            pair: Pair::new([tuple; 2]),
            place: Place::Free,
            linked: 0,
            traits: Traits::default(),
            bits: 0,
            links: [NONE; 4],
            source_back: NONE,
            timer_next: NONE,
            timer_back: NONE,
            timer_list: timer::NOWHERE,
            kept: 0,
            generation: 0,
            deadline: 0,
            start: 0,
            mark: 0,
            zones: [0; 2],
            pending: 0,
            events: 0,
            counters: [Counters { packets: 0, bytes: 0 }; 2],
            extra: NONE,
            masquerade: 0,
            state: State::Stateless,
        }
    }

    /// The tuple of a direction, as its packets look when they arrive.
    #[inline]
    pub fn tuple(&self, direction: Direction) -> Tuple {
        self.pair.tuple(direction)
    }

    /// `IPS_*`, see [`status`].
    pub fn status(&self) -> u32 {
        u32::from(self.bits)
    }

    /// Whether it has one of some status bits.
    pub(super) fn has(&self, bits: u32) -> bool {
        self.status() & bits != 0
    }

    /// Gives it more status bits. There are 16.
    pub(super) fn gain(&mut self, bits: u32) {
        self.bits |= (bits & 0xffff) as u16;
    }

    /// Whether it is in the table.
    pub fn confirmed(&self) -> bool {
        self.has(status::CONFIRMED)
    }

    /// `ct->mark`.
    pub fn mark(&self) -> u32 {
        self.mark
    }

    /// Packets and bytes of each direction; `None` if it is not accounted.
    pub fn counters(&self) -> Option<[Counters; 2]> {
        self.traits.has(Traits::COUNTERS).then_some(self.counters)
    }

    /// Seconds until it times out, at least 0.
    pub fn seconds_left(&self, now: Now) -> u32 {
        let left = if self.confirmed() { self.deadline.saturating_sub(now.monotonic) } else { self.deadline };
        u32::try_from(left / SECOND).unwrap_or(u32::MAX)
    }

    /// What its protocol knows of it.
    pub fn protocol(&self) -> ProtocolState {
        self.state.protocol()
    }

    /// The zone of each direction.
    pub fn zones(&self) -> [u16; 2] {
        self.zones
    }

    /// Whether one side was bound by NAT. As nf_nat_initialized().
    pub(crate) fn bound(&self, manip: Manip) -> bool {
        self.has(done_bit(manip))
    }

    /// Whether packets of a direction are rewritten on one side.
    #[inline]
    pub(crate) fn rewrites(&self, manip: Manip, direction: Direction) -> bool {
        let bit = match (manip, direction) {
            (Manip::Source, Direction::Original) | (Manip::Destination, Direction::Reply) => status::SRC_NAT,
            (Manip::Destination, Direction::Original) | (Manip::Source, Direction::Reply) => status::DST_NAT,
        };
        self.has(bit)
    }

    /// What a direction's packets shall look like on one side when they leave.
    #[inline]
    pub(crate) fn target(&self, direction: Direction, manip: Manip) -> Target {
        self.pair.target(direction, manip)
    }

    /// What a direction's packets look like when they leave: the inverse of the other direction's tuple.
    #[inline]
    pub(crate) fn leaving(&self, direction: Direction) -> Option<Tuple> {
        self.tuple(direction.opposite()).inverse()
    }

    /// What a direction's packets look like between the two translations: the destination's is done, the source's is not.
    pub(crate) fn between(&self, direction: Direction) -> Option<Tuple> {
        let arriving = self.tuple(direction);
        let leaving = self.leaving(direction)?;
        let ports = match (arriving.ports, leaving.ports) {
            (Ports::Ports { source, .. }, Ports::Ports { destination, .. }) => Ports::Ports { source, destination },
            (Ports::Keys { source, .. }, Ports::Keys { destination, .. }) => Ports::Keys { source, destination },
            (_, leaving) if self.rewrites(Manip::Destination, direction) => leaving,
            (arriving, _) => arriving,
        };
        Some(Tuple { destination: leaving.destination, ports, ..arriving })
    }

    /// Whether packets between the two translations tell their direction: an answer looks like a question turned round, and
    /// not like the question. An echo id that both translations change is another one in answers; and a host that is led to
    /// itself talks to itself.
    pub(super) fn tells_direction(&self) -> bool {
        let (there, back) = (self.between(Direction::Original), self.between(Direction::Reply));
        there.and_then(|tuple| tuple.inverse()) == back && there != back
    }

    /// Whether a direction of it is in another zone than 0.
    pub(super) fn is_zoned(&self) -> bool {
        self.zones != [0; 2]
    }

    /// Whether only answers find it, and no listing shows it: another one has its original tuple.
    pub(super) fn is_hidden(&self) -> bool {
        self.has(status::NAT_CLASH)
    }

    /// Whether it is on its way out. As nf_ct_is_dying().
    pub(super) fn is_dying(&self) -> bool {
        self.has(status::DYING)
    }

    pub(super) fn expired(&self, now: Now) -> bool {
        self.place == Place::Table && self.deadline <= now.monotonic
    }

    /// Notes an event for the packet's last stage. As nf_conntrack_event_cache().
    pub(super) fn note(&mut self, event: u16) {
        self.pending |= event;
    }

    /// Takes out the events that wait, with what they tell of.
    pub(super) fn take_untold(&mut self) -> Untold {
        Untold { pending: core::mem::take(&mut self.pending), bits: self.bits, state: self.state.clone() }
    }

    /// A packet of a direction passed. As nf_ct_acct_add().
    pub(super) fn count(&mut self, direction: Direction, bytes: usize) {
        if self.traits.has(Traits::COUNTERS) {
            let counters = &mut self.counters[direction as usize];
            counters.packets = counters.packets.saturating_add(1);
            counters.bytes = counters.bytes.saturating_add(bytes as u64);
        }
    }
}

/// The `IPS_*_NAT_DONE` bit of a side.
pub(crate) const fn done_bit(manip: Manip) -> u32 {
    match manip {
        Manip::Source => status::SRC_NAT_DONE,
        Manip::Destination => status::DST_NAT_DONE,
    }
}

/// Nanoseconds.
pub(super) const SECOND: u64 = 1_000_000_000;

/// Bits of `IPCT_*` (enum ip_conntrack_events).
pub(super) mod event {
    pub(crate) const NEW: u16 = 1 << 0;
    pub(crate) const RELATED: u16 = 1 << 1;
    pub(crate) const DESTROY: u16 = 1 << 2;
    pub(crate) const REPLY: u16 = 1 << 3;
    pub(crate) const ASSURED: u16 = 1 << 4;
    pub(crate) const PROTOCOL: u16 = 1 << 5;
    pub(crate) const HELPER: u16 = 1 << 6;
    pub(crate) const MARK: u16 = 1 << 7;
    /// `IPCT_SEQADJ`.
    pub(crate) const MOVED: u16 = 1 << 8;
    pub(crate) const LABEL: u16 = 1 << 10;
    pub(crate) const SYNPROXY: u16 = 1 << 11;
    /// Those of which one must be allowed for the news of a command's change. As ctnetlink_new_conntrack().
    pub(crate) const COMMAND: u16 = REPLY | ASSURED | PROTOCOL | HELPER | MARK | MOVED | LABEL | SYNPROXY;
    /// All that are about the connection itself.
    pub(crate) const CONNECTION: u16 = (1 << 12) - 1;
    /// An expectation was made (`IPEXP_NEW`).
    pub(crate) const EXPECT_NEW: u16 = 1 << 14;
    /// An expectation ended (`IPEXP_DESTROY`).
    pub(crate) const EXPECT_DESTROY: u16 = 1 << 15;
}
