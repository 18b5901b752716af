//! What of a connection outlives the process: a record of plain numbers for each slot, and the table made of them again.
//!
//! The tracker only notes which slots changed; whoever keeps the records asks for them after a batch of packets. A record
//! is written when its connection begins, ends or changes in what a rule or a listing shows, and when its timeout has
//! moved by some seconds: counters and timeouts of a restored connection are at most that old.

use libxt::backend::Counters;
use libxt::family::Af;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::connection::{Connection, Place, Traits};
use super::extra::Extra;
use super::pair::Pair;
use super::policy::{Policies, PolicyId};
use super::proto::{State, sctp, tcp};
use super::table::{ORIGINAL, REPLY, SOURCE, Table};
use super::tuple::Ports;
use super::{Address, ConnId, ProtocolState, Tracker, Tuple, status};
use crate::Now;
use crate::helper::HelperId;
use crate::helper::sequence::Shift;

/// A connection of the table as it is kept, in the machine's own byte order; all zero is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Record {
    /// Monotonic nanoseconds of its end.
    pub deadline: u64,
    start: u64,
    /// Packets and bytes of each direction.
    counters: [u64; 4],
    /// UDP: when it becomes a stream. GRE: how long it lives. SCTP: the verification tags. TCP: by how much SYNPROXY moves numbers and times.
    stream: u64,
    addresses: [[[u8; 16]; 2]; 2],
    /// The slot and the generation of the connection that announced it, see [`MASTER`].
    master: [u32; 2],
    /// How sequence numbers of each direction are moved, see [`SHIFTS`]: position, before, after.
    shifts: [[u32; 3]; 2],
    generation: u32,
    status: u32,
    mark: u32,
    secmark: u32,
    masquerade: u32,
    labels: [u32; 4],
    /// As [`Tuple`]'s ports in network byte order.
    ports: [[u8; 4]; 2],
    zones: [u16; 2],
    events: u16,
    /// `AF_INET` or `AF_INET6`.
    family: u8,
    protocol: u8,
    /// Which of [`Ports`], see [`kind`].
    kind: u8,
    /// What it was born with, see [`Traits`]; [`MASTER`] and [`SHIFTS`].
    traits: u8,
    /// Of TCP or SCTP.
    tcp_state: u8,
    tcp_scales: [u8; 2],
    tcp_flags: [u8; 2],
    /// Not 0 if the slot holds a connection: whoever writes the record writes this last.
    pub used: u8,
    /// The helper's number, see [`HelperId::number`].
    helper: u8,
    /// Its master's, likewise.
    master_helper: u8,
    /// The number of its timeout policy, or 0.
    policy: u16,
}

/// What became of kept records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// Connections that are in the table again.
    pub taken: u32,
    /// Records whose time was over.
    pub expired: u32,
    /// Records that make no sense, or for which the table has no room.
    pub refused: u32,
}

impl Record {
    /// Where [`Self::used`] stands among the record's bytes.
    pub const USED: usize = core::mem::offset_of!(Self, used);

    fn of(connection: &Connection) -> Self {
        let [original, reply] = &connection.pair.tuples();
        let [there, back] = connection.counters;
        let mut record = Self {
            deadline: connection.deadline,
            start: connection.start,
            counters: [there.packets, there.bytes, back.packets, back.bytes],
            stream: connection.state.stream(),
            addresses: [original, reply].map(|tuple| [tuple.source.0, tuple.destination.0]),
            master: [0; 2],
            shifts: [[0; 3]; 2],
            generation: connection.generation,
            status: connection.status(),
            mark: connection.mark,
            secmark: 0,
            masquerade: connection.masquerade,
            labels: [0; 4],
            ports: [original.port_bytes(), reply.port_bytes()],
            zones: connection.zones,
            events: connection.events,
            family: original.af.number(),
            protocol: original.protocol,
            kind: kind::of(original.ports),
            traits: connection.traits.of(Traits::BORN).number(),
            tcp_state: 0,
            tcp_scales: [0; 2],
            tcp_flags: [0; 2],
            used: 1,
            helper: 0,
            master_helper: 0,
            policy: 0,
        };
        match connection.protocol() {
            ProtocolState::Tcp { state, scales, flags } => {
                (record.tcp_state, record.tcp_scales, record.tcp_flags) = (state, scales, flags);
            }
            ProtocolState::Sctp { state, tags: [there, back] } => {
                record.tcp_state = state;
                record.stream = u64::from(there) << 32 | u64::from(back);
            }
            ProtocolState::Stateless => {}
        }
        record
    }

    /// Adds what few connections have.
    fn add(&mut self, extra: &Extra, policies: &Policies) {
        (self.secmark, self.labels) = (extra.secmark, extra.labels);
        self.helper = HelperId::number(extra.help.as_ref().and_then(|help| help.helper));
        if let Some((numbers, times)) = extra.moved() {
            self.stream = u64::from(numbers) << 32 | u64::from(times);
        }
        self.policy = extra.timeouts.filter(|id| policies.get(*id).is_some()).map_or(0, PolicyId::number);
        if let Some(master) = &extra.master {
            self.traits |= MASTER;
            self.master = [master.id.index, master.id.generation];
            self.master_helper = HelperId::number(master.helper);
        }
        if let Some(shifts) = extra.shifts {
            self.traits |= SHIFTS;
            self.shifts =
                shifts.map(|shift| [shift.position, shift.before.cast_unsigned(), shift.after.cast_unsigned()]);
        }
    }

    /// Whether its addresses were translated.
    fn is_translated(&self) -> bool {
        self.status & (status::SRC_NAT | status::DST_NAT) != 0
    }

    /// Puts the record into a free slot; `None` if it makes no sense.
    fn fill(&self, connection: &mut Connection) -> Option<()> {
        let af = Af::from_number(self.family)?;
        let tuple = |at: usize| {
            let [source, destination] = self.addresses[at].map(Address);
            let ports = kind::ports(self.kind, self.ports[at])?;
            let short = |Address(bytes): Address| af == Af::V6 || bytes[4..] == [0; 12];
            let sound = short(source) && short(destination);
            sound.then_some(Tuple { af, protocol: self.protocol, source, destination, ports })
        };
        connection.pair = Pair::new([tuple(0)?, tuple(1)?]);
        if self.status & status::CONFIRMED == 0 || self.status & (status::DYING | status::TEMPLATE) != 0 {
            return None;
        }
        let [there, there_bytes, back, back_bytes] = self.counters;
        connection.generation = self.generation;
        connection.place = Place::Table;
        connection.traits = Traits::from_number(self.traits).of(Traits::BORN);
        connection.deadline = self.deadline;
        connection.start = self.start;
        connection.gain(self.status);
        connection.mark = self.mark;
        connection.zones = self.zones;
        connection.pending = 0;
        connection.events = self.events;
        connection.counters =
            [Counters { packets: there, bytes: there_bytes }, Counters { packets: back, bytes: back_bytes }];
        connection.masquerade = self.masquerade;
        connection.state = match (self.protocol, self.kind) {
            // Its windows moved on unseen, so they are not judged any more.
            (super::tuple::protocol::TCP, _) => State::Tcp(tcp::Tcp::inserted(
                self.tcp_state,
                self.tcp_scales,
                self.tcp_flags.map(|flags| flags | tcp::flag::BE_LIBERAL),
            )),
            (super::tuple::protocol::SCTP, _) => {
                let tags = [(self.stream >> 32) as u32, self.stream as u32];
                State::Sctp(sctp::Sctp::inserted(self.tcp_state, tags))
            }
            (super::tuple::protocol::UDP | super::tuple::protocol::UDPLITE, _) => State::udp(self.stream),
            (super::tuple::protocol::GRE, _) => State::gre(self.stream),
            _ => State::Stateless,
        };
        Some(())
    }
}

impl Tracker {
    /// Whether changes are noted for [`Self::changes`].
    pub fn set_keeping(&mut self, keeping: bool) {
        self.keeping = keeping;
        self.expectations.set_keeping(keeping);
        if !keeping {
            self.changes(|_, _| {});
        }
    }

    /// Hands over every slot that changed since the last call, with the record of the connection it holds, or `None` if it
    /// holds none of the table.
    pub fn changes(&mut self, mut keep: impl FnMut(u32, Option<&Record>)) {
        while let Some(index) = self.changed.pop() {
            let connection = self.table.at_mut(index);
            connection.traits.set(Traits::CHANGED, false);
            connection.kept = coarse(connection.deadline);
            let lasts = connection.place == Place::Table && !connection.is_hidden();
            let mut record = lasts.then(|| Record::of(connection));
            if let (Some(record), Some(extra)) = (&mut record, self.table.extra(index)) {
                record.add(extra, &self.policies);
            }
            keep(index, record.as_ref());
        }
    }

    /// Puts kept connections back into their slots, under their old ids if the tracker has its old key; the table must be
    /// empty. A timeout that ran out meanwhile stays so. The second answer says for each family whether some connection
    /// is translated.
    pub(crate) fn restore(
        &mut self,
        records: impl IntoIterator<Item = (u32, Record)>,
        now: Now,
    ) -> (Restored, [bool; 2]) {
        let (mut restored, mut translated) = (Restored::default(), [false; 2]);
        let mut children = Vec::new();
        self.table.wheel.skip_to(now.monotonic);
        for (index, record) in records.into_iter().filter(|(_, record)| record.used != 0) {
            if record.deadline <= now.monotonic {
                restored.expired += 1;
                continue;
            }
            if self.put_back(index, &record).is_none() {
                restored.refused += 1;
                continue;
            }
            restored.taken += 1;
            if record.traits & MASTER != 0 {
                children.push((index, record));
            }
            translated[usize::from(record.family != Af::V4.number())] |= record.is_translated();
        }
        self.table.list_free();
        // A master may stand behind its child.
        for (index, record) in children {
            let [master, generation] = record.master;
            let master = ConnId { index: master, generation };
            let there = self.table.get(master).is_some_and(|connection| connection.place == Place::Table);
            if there && master.index != index {
                self.adopt(index, master);
                if let Some(extra) = self.table.extra_mut(index)
                    && let Some(master) = &mut extra.master
                {
                    master.helper = HelperId::from_number(record.master_helper);
                }
            }
        }
        (restored, translated)
    }

    fn put_back(&mut self, index: u32, record: &Record) -> Option<()> {
        if self.settings.max != 0 && self.len >= self.settings.max {
            return None;
        }
        while self.table.slots() <= index {
            let had = self.table.slots();
            self.table.grow();
            if self.table.slots() == had {
                return None;
            }
        }
        if self.table.at(index).place != Place::Free {
            return None;
        }
        let mut connection = Table::blank();
        record.fill(&mut connection)?;
        let taken = |tuple: &Tuple| self.table.find(tuple, connection.zones).is_some();
        if connection.pair.tuples().iter().any(taken) {
            return None;
        }
        let translates = connection.has(status::SRC_NAT_DONE);
        *self.table.at_mut(index) = connection;
        if record.secmark != 0 || record.labels != [0; 4] {
            let extra = self.table.add_extra(index);
            (extra.secmark, extra.labels) = (record.secmark, record.labels);
        }
        if self.table.at(index).traits.has(Traits::PROXIED) {
            self.stand_in_again(index, (record.stream >> 32) as u32, record.stream as u32);
        }
        if let Some(helper) = HelperId::from_number(record.helper) {
            self.assign(index, Some(helper));
            if record.is_translated() {
                self.make_shiftable(index);
            }
        }
        if let Some(policy) = self.policies.at(record.policy) {
            self.table.add_extra(index).timeouts = Some(policy);
        }
        if record.traits & SHIFTS != 0 {
            let shift = |[position, before, after]: [u32; 3]| Shift {
                position,
                before: before.cast_signed(),
                after: after.cast_signed(),
            };
            self.table.add_extra(index).shifts = Some(record.shifts.map(shift));
        }
        self.table.start_timer(index);
        self.table.link(index, ORIGINAL);
        self.table.link(index, REPLY);
        self.table.link_between(index);
        if translates {
            self.table.link(index, SOURCE);
        }
        self.meet_alike(index);
        self.keymap.follow(self.table.at(index), self.table.id(index));
        self.len += 1;
        self.touch(index);
        Some(())
    }

    /// A connection of the table changed, or is no longer there.
    pub(super) fn touch(&mut self, index: u32) {
        if !self.keeping {
            return;
        }
        let connection = self.table.at_mut(index);
        if !connection.traits.has(Traits::CHANGED) {
            connection.traits.set(Traits::CHANGED, true);
            self.changed.push(index);
        }
    }

    /// A connection's timeout moved from where it was.
    pub(super) fn touch_deadline(&mut self, index: u32, from: u64) {
        if !self.keeping {
            return;
        }
        let connection = self.table.at(index);
        // Numbers that go round tell no difference beyond half the way.
        let far = connection.deadline.abs_diff(from) >> UNIT >= 1 << 15;
        if far || (coarse(connection.deadline).wrapping_sub(connection.kept) as i16).unsigned_abs() > SLACK {
            self.touch(index);
        }
    }
}

/// Bit of [`Record::traits`]: it has a master.
const MASTER: u8 = 0x40;
/// Bit of [`Record::traits`]: its payload may change its length.
const SHIFTS: u8 = 0x80;

/// Nanoseconds in units of about a second, going round.
fn coarse(deadline: u64) -> u16 {
    (deadline >> UNIT) as u16
}

/// The unit is 2^30 ns.
const UNIT: u32 = 30;

/// How far a timeout moves before it is written again, in that unit.
const SLACK: u16 = 4;

/// Which kind of ports a record's tuples have.
pub(super) mod kind {
    use super::Ports;

    pub(in super::super) const NONE: u8 = 0;
    pub(in super::super) const PORTS: u8 = 1;
    pub(in super::super) const ICMP: u8 = 2;
    pub(in super::super) const KEYS: u8 = 3;

    pub(in super::super) const fn of(ports: Ports) -> u8 {
        match ports {
            Ports::None => NONE,
            Ports::Ports { .. } => PORTS,
            Ports::Icmp { .. } => ICMP,
            Ports::Keys { .. } => KEYS,
        }
    }

    /// The ports of a kind in network byte order; `None` if there is no such kind.
    pub(in super::super) const fn ports(kind: u8, [a, b, c, d]: [u8; 4]) -> Option<Ports> {
        let (source, destination) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
        Some(match kind {
            NONE => Ports::None,
            PORTS => Ports::Ports { source, destination },
            ICMP => Ports::Icmp { kind: c, code: d, id: source },
            KEYS => Ports::Keys { source, destination },
            _ => return None,
        })
    }
}
