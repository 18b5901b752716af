//! What ctnetlink does to the table: find, list, insert, change, delete.

use super::connection::{Connection, Place, Traits, event};
use super::pair::Pair;
use super::proto::{State, sctp, seconds, tcp};
use super::tuple::protocol;
use super::{ConnId, Direction, ProtocolState, Snapshot, Tracker, Tuple, status};
use crate::effects::EventKind;
use crate::helper::HelperId;
use crate::nat::{self, Manip};
use crate::{Effects, Now};

/// Status bits that nobody may change by hand (`IPS_UNCHANGEABLE_MASK`).
const UNCHANGEABLE: u32 = status::SRC_NAT_DONE
    | status::DST_NAT_DONE
    | status::SRC_NAT
    | status::DST_NAT
    | status::EXPECTED
    | status::CONFIRMED
    | status::DYING
    | status::SEQ_ADJUST
    | status::TEMPLATE
    | status::NAT_CLASH
    | status::OFFLOAD
    | status::HW_OFFLOAD;
/// Status bits that may be set and never cleared, so that giving fewer of them is refused.
const STICKY: u32 = status::SEEN_REPLY | status::ASSURED;

/// A connection to insert (`ctnetlink_create_conntrack`).
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// The tuples: original, reply.
    pub tuples: [Tuple; 2],
    /// The zone of each direction.
    pub zones: [u16; 2],
    /// `CTA_STATUS`, 0 if it was not given. CONFIRMED is added; a bit that nobody may set is refused.
    pub status: u32,
    /// `CTA_TIMEOUT` in seconds.
    pub timeout: u32,
    /// `CTA_MARK`.
    pub mark: u32,
    /// `CTA_LABELS`.
    pub labels: Option<u128>,
    /// `CTA_PROTOINFO`.
    pub protocol: Option<ProtocolState>,
    /// `CTA_NAT_SRC`, `CTA_NAT_DST`.
    pub nat: [Option<nat::Range>; 2],
    /// `CTA_HELP`.
    pub helper: Option<HelperId>,
    /// `CTA_TUPLE_MASTER`: either tuple of a connection that is there.
    pub master: Option<Tuple>,
}

/// What to change in a connection (`ctnetlink_change_conntrack`); `None` leaves as it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Change {
    /// `CTA_STATUS`: bits to set; most cannot be cleared, nor all be set.
    pub status: Option<u32>,
    /// `CTA_TIMEOUT` in seconds.
    pub timeout: Option<u32>,
    /// `CTA_MARK` and `CTA_MARK_MASK` (all ones if it was not given).
    pub mark: Option<(u32, u32)>,
    /// `CTA_LABELS` and `CTA_LABELS_MASK`.
    pub labels: Option<(u128, u128)>,
    /// `CTA_PROTOINFO`: for TCP the state and flags (value, mask) of each direction.
    pub protocol: Option<ProtocolState>,
}

/// Why the table refuses, by the kernel's errno.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// EEXIST: a tuple is taken.
    Exists,
    /// ENOENT: there is none.
    Missing,
    /// EINVAL.
    Invalid,
    /// EBUSY: a status bit may not change.
    Busy,
    /// ENOMEM: the table is full.
    Full,
    /// EOPNOTSUPP.
    Unsupported,
    /// ESHUTDOWN: the master has no helper.
    Shutdown,
    /// EALREADY: the same is expected in another class.
    Already,
    /// EMFILE: too much is expected.
    TooMany,
    /// ENOSPC: there are too many already.
    NoSpace,
}

impl Refusal {
    /// The errno, positive.
    pub const fn errno(self) -> i32 {
        match self {
            Self::Exists => 17,
            Self::Missing => 2,
            Self::Invalid => 22,
            Self::Busy => 16,
            Self::Full => 12,
            Self::Unsupported => 95,
            Self::Shutdown => 108,
            Self::Already => 114,
            Self::TooMany => 24,
            Self::NoSpace => 28,
        }
    }
}

impl Tracker {
    /// The connection of the table with a tuple in a zone, and which direction's tuple it is. As nf_conntrack_find_get().
    pub fn find(&self, tuple: &Tuple, zone: u16, now: Now) -> Option<(ConnId, Direction)> {
        let (index, direction) = self.table.find(tuple, [zone; 2])?;
        (!self.table.at(index).expired(now)).then(|| (self.table.id(index), direction))
    }

    /// All of a connection, copied; `None` if it is not in the table.
    pub fn snapshot(&self, id: ConnId, now: Now) -> Option<Snapshot> {
        let connection = self.table.get(id)?;
        (connection.place == Place::Table && !connection.expired(now)).then(|| self.copy(connection, id, false, now))
    }

    /// Inserts a connection; `port` is the asker's netlink port, which the event names. As ctnetlink_create_conntrack().
    pub fn insert(&mut self, draft: &Draft, port: u32, now: Now, out: &mut Effects) -> Result<ConnId, Refusal> {
        let zones = draft.zones;
        for tuple in &draft.tuples {
            if let Some((old, _)) = self.table.find(tuple, zones) {
                if !self.table.at(old).expired(now) {
                    return Err(Refusal::Exists);
                }
                self.retire(old, 0, now, out);
            }
        }
        if !draft.tuples[0].is_kin(&draft.tuples[1]) {
            return Err(Refusal::Invalid);
        }
        if self.settings.max != 0 && self.len >= self.settings.max {
            return Err(Refusal::Full);
        }
        let master = match &draft.master {
            Some(tuple) => Some(self.find(tuple, zones[0], now).ok_or(Refusal::Missing)?.0),
            None => None,
        };
        let index = self.take_slot(now, out).ok_or(Refusal::Full)?;
        let (settings, listening) = (&self.settings, self.listening);
        let connection = self.table.at_mut(index);
        connection.pair = Pair::new(draft.tuples);
        connection.zones = zones;
        connection.mark = draft.mark;
        connection.traits.set(Traits::COUNTERS, settings.acct);
        connection.traits.set(Traits::TIMES, settings.timestamp);
        // As nf_ct_labels_ext_add(): without a rule that uses labels there is no room for any.
        connection.traits.set(Traits::LABELS, self.labelling);
        connection.events = if settings.events == 1 || settings.events == 2 && listening { u16::MAX } else { 0 };
        connection.deadline = seconds(draft.timeout);
        connection.gain(draft.status & !UNCHANGEABLE);
        connection.state = state_of(&draft.tuples[0], draft.protocol);
        self.table.enter_limbo(index, now.monotonic);
        let id = self.table.id(index);
        if let Some(labels) = draft.labels.filter(|_| self.labelling) {
            self.table.set_labels(index, labels);
        }
        if draft.helper.is_some() {
            self.assign(index, draft.helper);
            self.table.at_mut(index).gain(status::HELPER);
        }
        if let Some(master) = master {
            self.table.at_mut(index).gain(status::EXPECTED);
            self.adopt(index, master);
        }
        // As ctnetlink_setup_nat(): what is translated one way is bound the other way too.
        if draft.nat.iter().any(Option::is_some) {
            for (manip, range) in [(Manip::Destination, &draft.nat[1]), (Manip::Source, &draft.nat[0])] {
                match range {
                    Some(range) => nat::setup(self, id, range, manip, now),
                    None => nat::null_binding(self, id, manip, now),
                };
            }
        }
        let tuples = self.table.at(index).pair.tuples();
        if tuples.iter().any(|tuple| self.table.find(tuple, zones).is_some()) {
            self.free(index, now, out);
            return Err(Refusal::Exists);
        }
        self.insert_slot(index, now);
        self.meet_alike(index);
        if self.listening && self.table.at(index).events & event::NEW != 0 {
            self.tell(index, EventKind::New, port, now, out);
        }
        self.statistics.here().insert += 1;
        Ok(id)
    }

    /// Changes a connection, one thing after the other: what comes before a refused one is done. As ctnetlink_change_conntrack().
    pub fn update(
        &mut self,
        id: ConnId,
        change: &Change,
        port: u32,
        now: Now,
        out: &mut Effects,
    ) -> Result<(), Refusal> {
        self.table.get(id).filter(|connection| connection.place == Place::Table).ok_or(Refusal::Missing)?;
        let changed = self.change(id, change, now);
        self.touch(id.index);
        if changed.is_ok() && self.listening && self.table.at(id.index).events & event::COMMAND != 0 {
            self.tell(id.index, EventKind::Update, port, now, out);
        }
        changed
    }

    fn change(&mut self, id: ConnId, change: &Change, now: Now) -> Result<(), Refusal> {
        if let Some(timeout) = change.timeout {
            self.table.set_deadline(id.index, now.monotonic.saturating_add(seconds(timeout)));
        }
        let connection = self.table.at_mut(id.index);
        if let Some(wanted) = change.status {
            let differs = connection.status() ^ wanted;
            if differs & (status::EXPECTED | status::CONFIRMED | status::DYING) != 0
                || connection.status() & !wanted & STICKY != 0
            {
                return Err(Refusal::Busy);
            }
            connection.gain(wanted & !UNCHANGEABLE);
        }
        if let (Some(ProtocolState::Tcp { state, scales, flags }), State::Tcp(tcp)) =
            (change.protocol, &mut connection.state)
        {
            tcp.state = state.min(tcp::state::SYN_SENT2);
            for (peer, (scale, flags)) in tcp.peers.iter_mut().zip(scales.into_iter().zip(flags)) {
                peer.scale = scale.min(14);
                peer.flags = flags;
            }
        }
        if let (Some(ProtocolState::Sctp { state, tags }), State::Sctp(sctp)) = (change.protocol, &mut connection.state)
        {
            sctp.set(state, tags);
        }
        if let Some((mark, mask)) = change.mark {
            connection.mark = connection.mark & !mask ^ mark;
        }
        if let Some((labels, mask)) = change.labels {
            let Some(had) = self.table.labels(id.index) else { return Err(Refusal::Unsupported) };
            self.table.set_labels(id.index, had & !mask ^ labels);
        }
        Ok(())
    }

    /// Deletes a connection; `false` if it is gone already. Packets of it that are on their way keep it until they are out.
    pub fn delete(&mut self, id: ConnId, port: u32, now: Now, out: &mut Effects) -> bool {
        let there = self.table.get(id).is_some_and(|connection| connection.place == Place::Table);
        if there {
            self.retire(id.index, port, now, out);
        }
        there
    }

    /// The first connection at or behind a place that a list shows; the next call takes its `index + 1`.
    pub fn from_place(&self, place: u32) -> Option<ConnId> {
        self.find_from(place, |connection| !connection.is_hidden())
    }

    /// As [`Tracker::from_place`], with those that no list shows, as whoever ends them all wants it.
    pub fn any_from_place(&self, place: u32) -> Option<ConnId> {
        self.find_from(place, |_| true)
    }

    fn find_from(&self, place: u32, wanted: impl Fn(&Connection) -> bool) -> Option<ConnId> {
        (place..self.table.slots())
            .find(|&index| self.table.at(index).place == Place::Table && wanted(self.table.at(index)))
            .map(|index| self.table.id(index))
    }

    /// Sets a connection's counters to zero, as a dump with `GET_CTRZERO` does.
    pub fn zero_counters(&mut self, id: ConnId) {
        if let Some(connection) = self.table.get_mut(id) {
            connection.counters = Default::default();
            self.touch(id.index);
        }
    }

    /// How many connections are in the table.
    pub fn len(&self) -> usize {
        self.len as usize
    }

    /// Whether the table is empty.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// A copy of a connection; a dying one has a timeout only if time was left, as ctnetlink_conntrack_event() says it.
    pub(super) fn copy(&self, connection: &Connection, id: ConnId, dying: bool, now: Now) -> Snapshot {
        let mut name = [0; 12];
        name[..4].copy_from_slice(&id.index.to_ne_bytes());
        name[4..8].copy_from_slice(&id.generation.to_ne_bytes());
        let extra = self.table.extra(id.index);
        Snapshot {
            id: (self.table.digest(&name) >> 32) as u32,
            tuples: connection.pair.tuples(),
            zones: connection.zones,
            status: connection.status(),
            timeout: Some(connection.seconds_left(now)).filter(|&left| !dying || left != 0),
            mark: connection.mark,
            secmark: extra.map_or(0, |extra| extra.secmark),
            uses: 1 + extra.map_or(0, |extra| extra.children),
            counters: connection.counters(),
            times: connection.traits.has(Traits::TIMES).then_some([connection.start, if dying { now.wall } else { 0 }]),
            labels: self.table.labels(id.index),
            protocol: connection.protocol(),
            helper: extra.and_then(|extra| Some(self.helper_name(extra.help.as_ref()?.helper?))),
            master: extra.and_then(|extra| Some(extra.master?.tuple)),
            adjustments: extra
                .and_then(|extra| extra.shifts)
                .filter(|_| connection.has(status::SEQ_ADJUST))
                .map(|shifts| shifts.map(|shift| (shift.position, shift.before, shift.after))),
        }
    }
}

/// The protocol's state of an inserted connection. Whether a TCP connection's windows are judged is for its flags to say.
fn state_of(tuple: &Tuple, given: Option<ProtocolState>) -> State {
    match (tuple.protocol, given) {
        (protocol::TCP, Some(ProtocolState::Tcp { state, scales, flags })) => {
            State::Tcp(tcp::Tcp::inserted(state, scales, flags))
        }
        (protocol::TCP, _) => State::Tcp(tcp::Tcp::inserted(tcp::state::NONE, [0; 2], [0; 2])),
        (protocol::SCTP, Some(ProtocolState::Sctp { state, tags })) => State::Sctp(sctp::Sctp::inserted(state, tags)),
        (protocol::SCTP, _) => State::Sctp(sctp::Sctp::default()),
        (protocol::UDP | protocol::UDPLITE, _) => State::udp(0),
        _ => State::Stateless,
    }
}
