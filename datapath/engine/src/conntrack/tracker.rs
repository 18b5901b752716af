//! The tracker: what happens to a packet at the tracking stages, and how connections begin and end.

use super::connection::{Connection, Place, event};
use super::error::{Message, Quote, classify};
use super::expect::Expectations;
use super::lookup::{Stage, relation};
use super::policy::{Policies, PolicyId};
use super::proto::{self, Judgement, View};
use super::table::{NONE, ORIGINAL, REPLY, Table};
use super::{ConnId, Direction, ProtocolState, Relation, Settings, Tracked, Tuple, status};
use crate::effects::{Event, EventKind, Subject};
use crate::helper::HelperId;
use crate::wire::Headers;
use crate::wire::checksum::{Sum, verify};
use crate::{Effects, Hook, Now, Packet, Verdict};

/// All connections and what decides about them.
#[derive(Debug)]
pub struct Tracker {
    pub(super) settings: Settings,
    pub(super) table: Table,
    /// Connections in the table.
    pub(super) len: u32,
    pub(super) listening: bool,
    pub(super) statistics: Statistics,
    labelling: bool,
    pub(super) expectations: Expectations,
    pub(super) policies: Policies,
    /// Somebody listens to news of expectations.
    pub(super) awaiting_news: bool,
    /// Changes are noted.
    pub(super) keeping: bool,
    /// Slots that changed, each once.
    pub(super) changed: Vec<u32>,
}

/// What `-j CT` lays down for a packet that has no connection yet (`struct nf_conn` with `IPS_TEMPLATE`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Template {
    /// The zone of each direction; a direction that the rule's zone does not cover has 0.
    pub zones: [u16; 2],
    /// `--ctevents`: bits of `IPCT_*`, if it was given.
    pub events: Option<u16>,
    /// `--expevents`: bits of `IPEXP_*`, if it was given.
    pub expect_events: Option<u16>,
    /// `--helper`.
    pub helper: Option<HelperId>,
    /// `--timeout`.
    pub timeouts: Option<PolicyId>,
}

impl Template {
    /// Which events it allows, of the connection and of what is expected because of it; `None` if it says nothing.
    fn mask(&self) -> Option<u16> {
        if self.events.is_none() && self.expect_events.is_none() {
            return None;
        }
        let expect = self.expect_events.unwrap_or(0);
        let bit = |number: u16, bit| if expect & 1 << number != 0 { bit } else { 0 };
        Some(self.events.unwrap_or(0) & event::CONNECTION | bit(0, event::EXPECT_NEW) | bit(1, event::EXPECT_DESTROY))
    }
}

/// The table is full: the packet must be dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// `struct ip_conntrack_stat`, summed since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Entries that had been there when one was to be inserted.
    pub found: u32,
    /// Packets of no connection although tracking looked at them.
    pub invalid: u32,
    /// Connections that ctnetlink put into the table: those that packets begin are not counted.
    pub insert: u32,
    /// Connections that could not enter the table.
    pub insert_failed: u32,
    /// Packets dropped since the table was full or a tuple was taken.
    pub drop: u32,
    /// Connections that made room for new ones.
    pub early_drop: u32,
    /// ICMP messages that made no sense.
    pub error: u32,
    /// Clashes that were resolved.
    pub clash_resolve: u32,
    /// Connections that met too long a chain.
    pub chain_too_long: u32,
    /// Connections that had been expected.
    pub expect_new: u32,
    /// Expectations made.
    pub expect_create: u32,
    /// Expectations that ended.
    pub expect_delete: u32,
}

/// Connections in limbo at most; the oldest makes room.
const LIMBO_MAX: u32 = 8192;
/// What one call of [`Tracker::expire`] looks at.
const WORK: u32 = 4096;
/// Nodes of a chain that a new connection may meet (`MIN_CHAINLEN` + `MAX_CHAINLEN`).
const CHAIN_MAX: u32 = 80;
/// Buckets that early drop looks at (`NF_CT_EVICTION_RANGE`).
const EVICTION_RANGE: usize = 8;
/// Connections of a bucket that early drop looks at.
const EVICTION_CHAIN: usize = 64;

impl Tracker {
    /// An empty table; the key must be random, so that nobody outside can make tuples that collide.
    pub fn new(settings: Settings, hash_key: [u8; 16]) -> Self {
        let table = Table::new(hash_key, settings.buckets, ceiling(&settings));
        Self {
            settings,
            table,
            len: 0,
            listening: false,
            statistics: Statistics::default(),
            labelling: false,
            expectations: Expectations::default(),
            policies: Policies::default(),
            awaiting_news: false,
            keeping: false,
            changed: Vec::new(),
        }
    }

    /// Takes new settings; other `buckets` hash everything anew.
    pub fn set_settings(&mut self, settings: Settings) {
        self.table.resize(settings.buckets, ceiling(&settings));
        self.settings = settings;
    }

    /// Whether somebody listens to events; while nobody does, none are made.
    pub fn set_listening(&mut self, listening: bool) {
        self.listening = listening;
    }

    /// Whether somebody listens to events of expectations.
    pub fn set_awaiting_news(&mut self, listening: bool) {
        self.awaiting_news = listening;
    }

    /// Whether new connections get room for labels (a rule with `-m connlabel` is loaded).
    pub fn set_labelling(&mut self, labelling: bool) {
        self.labelling = labelling;
    }

    /// A packet in PREROUTING or OUTPUT finds its connection or makes one, and moves its state. As nf_conntrack_in().
    ///
    /// A packet that comes back over a loopback device is found again, not tracked twice.
    pub fn track(
        &mut self,
        packet: &Packet<'_>,
        headers: &Headers,
        template: Option<&Template>,
        now: Now,
        out: &mut Effects,
    ) -> Result<Tracked, Full> {
        if packet.hook == Hook::Prerouting && packet.in_device.is_some_and(|device| device.loopback) {
            let again = self.recall_at(packet, headers, Stage::Leaving);
            if let Tracked::Of { .. } = again {
                return Ok(again);
            }
        }
        let Some(view) = View::of(packet, headers, &self.settings) else {
            self.statistics.invalid += 1;
            return Ok(Tracked::Invalid);
        };
        match classify(view.af, view.protocol, view.transport) {
            Message::Query if !icmp_adds_up(&view) => return Ok(Tracked::Invalid),
            Message::Query => {}
            Message::Invalid => return Ok(Tracked::Invalid),
            Message::Untracked if icmp_adds_up(&view) => return Ok(Tracked::Untracked),
            Message::Error if icmp_adds_up(&view) => return Ok(self.error(packet.data.bytes(), headers, template)),
            Message::Untracked | Message::Error => return Ok(Tracked::Invalid),
        }
        let Some(tuple) = Tuple::of(view.af, view.protocol, view.source, view.destination, view.transport) else {
            self.statistics.invalid += 1;
            return Ok(Tracked::Invalid);
        };
        let zones = template.map_or([0; 2], |template| template.zones);
        // A reopened connection is looked up once more, and then there is none.
        for _ in 0..2 {
            let (index, direction, fresh) = match self.find_alive(&tuple, zones, now, out) {
                Some((index, direction)) => (index, direction, false),
                None => {
                    let Some(index) = self.begin(&tuple, zones, template, now, out)? else { break };
                    (index, Direction::Original, true)
                }
            };
            let relation = relation(self.table.at(index), direction);
            let before = self.table.at(index).deadline;
            let moved = self.table.extra(index).and_then(|extra| Some(extra.shifts?[direction.opposite() as usize]));
            let own = self.own_settings(index);
            let settings = own.as_ref().unwrap_or(&self.settings);
            let connection = self.table.at_mut(index);
            let judgement = proto::packet(connection, direction, &view, fresh, settings, moved, now);
            if let Judgement::Refresh(_) | Judgement::Kill = judgement {
                connection.count(direction, view.length);
            }
            let lowered = core::mem::replace(&mut connection.deadline, before);
            match judgement {
                Judgement::Refresh(timeout) => self.refresh(index, timeout, now),
                Judgement::Pass => {}
                Judgement::Kill => self.retire(index, 0, now, out),
                Judgement::Invalid => {
                    if fresh {
                        self.free(index, now, out);
                    } else {
                        self.table.set_deadline(index, lowered);
                    }
                    break;
                }
                Judgement::Reopen => {
                    self.retire(index, 0, now, out);
                    continue;
                }
            }
            if direction == Direction::Reply {
                let connection = self.table.at_mut(index);
                if connection.status & status::SEEN_REPLY == 0 {
                    connection.status |= status::SEEN_REPLY;
                    connection.note(event::REPLY);
                }
            }
            return Ok(Tracked::Of { id: self.table.id(index), direction, relation });
        }
        self.statistics.invalid += 1;
        Ok(Tracked::Invalid)
    }

    /// The last stage at POSTROUTING and INPUT, for every packet of a connection: a new connection enters the table; the
    /// events that piled up are made. As nf_conntrack_confirm().
    pub fn confirm(&mut self, tracked: Tracked, now: Now, out: &mut Effects) -> Verdict {
        let Tracked::Of { id, direction, .. } = tracked else { return Verdict::Accept };
        let Some(connection) = self.table.get(id) else { return Verdict::Accept };
        if connection.place == Place::Unconfirmed {
            if direction != Direction::Original {
                // An answer of this machine's own to a packet that died here. An answer to such an answer goes the way of the
                // first packet and is taken for it.
                return Verdict::Accept;
            }
            if self.enter(id.index, now, out) == Verdict::Drop {
                return Verdict::Drop;
            }
        }
        self.deliver(id.index, now, out);
        Verdict::Accept
    }

    /// Ages the table and allocates ahead; bounded work per call, so call it every 250 ms or so. Returns whether more is due
    /// at once.
    pub fn expire(&mut self, now: Now, out: &mut Effects) -> bool {
        self.table.reserve();
        let mut work = WORK;
        while work > 0 {
            let Some(index) = self.table.oldest_in_limbo() else { break };
            if self.table.at(index).start > now.monotonic {
                break;
            }
            self.free(index, now, out);
            work -= 1;
        }
        while let Some(index) = self.table.next_expired(now.monotonic, &mut work) {
            self.destroy(index, 0, now, out);
        }
        self.expire_expectations(now, out);
        work == 0
    }

    /// A packet of the connection was refused with a reset: it is over, if it had begun. As nf_conntrack_tcp_set_closing().
    pub(crate) fn set_closing(&mut self, id: ConnId, now: Now) {
        use proto::tcp::state::CLOSE;
        let timeout = self.settings.tcp.timeouts[usize::from(CLOSE)];
        let Some(connection) = self.table.get_mut(id).filter(|connection| connection.place != Place::Unconfirmed)
        else {
            return;
        };
        if let proto::State::Tcp(tcp) = &mut connection.state {
            if core::mem::replace(&mut tcp.state, CLOSE) != CLOSE {
                connection.note(event::PROTOCOL);
            }
            self.refresh(id.index, proto::seconds(timeout), now);
        }
    }

    /// Sets `ct->mark`; a change makes an event at the packet's last stage.
    pub fn set_mark(&mut self, id: ConnId, mark: u32) {
        if let Some(connection) = self.table.get_mut(id)
            && connection.mark != mark
        {
            connection.mark = mark;
            connection.note(event::MARK);
        }
    }

    /// Sets a label bit (`-m connlabel --set`), 0 to 127; `false` if the connection has no room for labels.
    pub fn set_label(&mut self, id: ConnId, bit: u8) -> bool {
        let Some(connection) = self.table.get_mut(id) else { return false };
        let Some(word) = connection.labels.get_mut(usize::from(bit / 32)) else { return false };
        if !connection.extensions.labels {
            return false;
        }
        let bit = 1 << (bit % 32);
        if *word & bit == 0 {
            *word |= bit;
            connection.note(event::LABEL);
        }
        true
    }

    /// The settings in force.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// A connection, as long as it or a packet of it lives.
    pub fn get(&self, id: ConnId) -> Option<&Connection> {
        self.table.get(id)
    }

    /// The counts of `conntrack -S`.
    pub fn statistics(&self) -> Statistics {
        self.statistics
    }

    /// The connection of the table that has a tuple; one that has expired makes way.
    fn find_alive(&mut self, tuple: &Tuple, zones: [u16; 2], now: Now, out: &mut Effects) -> Option<(u32, Direction)> {
        loop {
            let (index, direction) = self.table.find(tuple, zones)?;
            if !self.table.at(index).expired(now) {
                return Some((index, direction));
            }
            self.destroy(index, 0, now, out);
        }
    }

    /// Makes an unconfirmed connection of a tuple; `None` if the tuple has no inverse. As init_conntrack().
    fn begin(
        &mut self,
        tuple: &Tuple,
        zones: [u16; 2],
        template: Option<&Template>,
        now: Now,
        out: &mut Effects,
    ) -> Result<Option<u32>, Full> {
        let Some(reply) = tuple.inverse() else { return Ok(None) };
        if !self.make_room(tuple, now, out) {
            return Err(self.refuse());
        }
        self.forget_older(tuple, zones, now, out);
        let Some(index) = self.take_slot(now, out) else { return Err(self.refuse()) };
        let (settings, listening, labelling) = (&self.settings, self.listening, self.labelling);
        let connection = self.table.at_mut(index);
        connection.tuples = [*tuple, reply];
        connection.zones = zones;
        connection.extensions.counters = settings.acct;
        connection.extensions.times = settings.timestamp;
        connection.extensions.labels = labelling;
        connection.events = match (template.and_then(Template::mask), settings.events) {
            (Some(mask), _) => mask,
            (None, 0) => 0,
            (None, 2) if !listening => 0,
            (None, _) => u16::MAX,
        };
        self.table.enter_limbo(index, now.monotonic);
        self.table.link(index, ORIGINAL);
        self.table.link(index, REPLY);
        if let Some(timeouts) = template.and_then(|template| template.timeouts) {
            self.table.add_extra(index).timeouts = Some(timeouts);
        }
        let expected = !self.expectations.is_empty() && self.fulfil(index, now, out);
        if let (false, Some(helper)) = (expected, template.and_then(|template| template.helper)) {
            // As __nf_ct_try_assign_helper().
            self.assign(index, Some(helper));
            self.table.at_mut(index).status |= status::HELPER;
        }
        Ok(Some(index))
    }

    /// A slot, if need be that of the connection that is in limbo longest.
    pub(super) fn take_slot(&mut self, now: Now, out: &mut Effects) -> Option<u32> {
        if self.table.wheel.limbo_len < LIMBO_MAX
            && let Some(index) = self.table.take()
        {
            return Some(index);
        }
        let oldest = self.table.oldest_in_limbo()?;
        self.free(oldest, now, out);
        self.table.take()
    }

    /// Of the packets that had this tuple and never were confirmed, all but the last are taken for dead.
    fn forget_older(&mut self, tuple: &Tuple, zones: [u16; 2], now: Now, out: &mut Effects) {
        let mut seen = 0;
        while let Some((index, _)) = self.table.seek(tuple, |_, kind, connection| {
            let same = kind == ORIGINAL && connection.place == Place::Unconfirmed && connection.zones == zones;
            seen += u32::from(same);
            same && seen > 1
        }) {
            self.free(index, now, out);
            seen = 0;
        }
    }

    fn refuse(&mut self) -> Full {
        self.statistics.drop += 1;
        Full
    }

    /// Whether there is room for one more, if need be by early drop. As the start of __nf_conntrack_alloc().
    fn make_room(&mut self, tuple: &Tuple, now: Now, out: &mut Effects) -> bool {
        self.settings.max == 0 || self.len < self.settings.max || self.early_drop(tuple, now, out)
    }

    /// Ends a connection in the neighbourhood that is not assured. As early_drop().
    fn early_drop(&mut self, tuple: &Tuple, now: Now, out: &mut Effects) -> bool {
        let bucket = self.table.bucket_for(tuple);
        for step in 0..EVICTION_RANGE.min(self.table.buckets()) {
            let bucket = (bucket + step) % self.table.buckets();
            let mut after = None;
            for _ in 0..EVICTION_CHAIN {
                let Some((node, index)) = self.table.in_bucket(bucket, after) else { break };
                after = Some(node);
                let connection = self.table.at(index);
                if connection.place != Place::Table {
                    continue;
                }
                let expired = connection.expired(now);
                if expired || connection.status & status::ASSURED == 0 {
                    self.statistics.early_drop += u32::from(!expired);
                    self.retire(index, 0, now, out);
                    return true;
                }
            }
        }
        false
    }

    /// An unconfirmed connection enters the table. As __nf_conntrack_confirm().
    fn enter(&mut self, index: u32, now: Now, out: &mut Effects) -> Verdict {
        let connection = self.table.at(index);
        let (tuples, zones) = (connection.tuples, connection.zones);
        for tuple in &tuples {
            if let Some((clash, _)) = self.find_alive(tuple, zones, now, out) {
                let other = self.table.at(clash);
                let udp = matches!(tuple.protocol, super::tuple::protocol::UDP | super::tuple::protocol::UDPLITE);
                if udp && other.tuples == tuples && other.zones == zones {
                    // Two packets of one flow raced; the second joins the first's connection.
                    self.statistics.clash_resolve += 1;
                    return Verdict::Accept;
                }
                self.statistics.insert_failed += 1;
                self.statistics.drop += 1;
                return Verdict::Drop;
            }
            if self.table.chain_exceeds(tuple, CHAIN_MAX) {
                self.statistics.chain_too_long += 1;
                self.statistics.insert_failed += 1;
                return Verdict::Drop;
            }
        }
        if !self.make_room(&tuples[0], now, out) {
            self.statistics.drop += 1;
            return Verdict::Drop;
        }
        self.insert_slot(index, now);
        let extra = self.table.extra(index);
        let helped = extra.is_some_and(|extra| extra.help.as_ref().is_some_and(|help| help.helper.is_some()));
        let expected = extra.is_some_and(|extra| extra.master.is_some());
        let connection = self.table.at_mut(index);
        connection.note(if expected { event::RELATED } else { event::NEW });
        if helped {
            connection.note(event::HELPER);
        }
        Verdict::Accept
    }

    /// Puts a prepared slot into the table: its deadline, until now a span, starts to run.
    pub(super) fn insert_slot(&mut self, index: u32, now: Now) {
        self.table.stop_timer(index);
        self.table.wheel.skip_to(now.monotonic);
        let connection = self.table.at_mut(index);
        connection.place = Place::Table;
        connection.status |= status::CONFIRMED;
        connection.deadline = connection.deadline.saturating_add(now.monotonic);
        connection.start = if connection.extensions.times { now.wall } else { 0 };
        self.len += 1;
        self.table.start_timer(index);
        // In front of others with the same tuple, which are in limbo.
        self.table.link(index, ORIGINAL);
        self.table.link(index, REPLY);
        self.table.link_between(index);
        self.touch(index);
    }

    /// Sets how long a connection lives from now on. As nf_ct_refresh().
    pub(super) fn refresh(&mut self, index: u32, timeout: u64, now: Now) {
        let connection = self.table.at_mut(index);
        match connection.place {
            Place::Table if connection.status & status::FIXED_TIMEOUT == 0 => {
                self.table.set_deadline(index, now.monotonic.saturating_add(timeout));
                self.touch_deadline(index);
            }
            Place::Unconfirmed => connection.deadline = timeout,
            _ => {}
        }
    }

    /// Makes the event of what piled up. As nf_ct_deliver_cached_events().
    pub(super) fn deliver(&mut self, index: u32, now: Now, out: &mut Effects) {
        let connection = self.table.at_mut(index);
        if connection.place != Place::Table {
            return;
        }
        let pending = core::mem::take(&mut connection.pending);
        if pending != 0 {
            self.touch(index);
        }
        let connection = self.table.at(index);
        if self.listening && pending & connection.events != 0 {
            let kind = if pending & (event::NEW | event::RELATED) != 0 { EventKind::New } else { EventKind::Update };
            self.tell(index, kind, 0, now, out);
            // As ctnetlink_conntrack_event(): mark and state are news only when they changed.
            if let Some(Event { subject: Subject::Connection { entry, marked }, .. }) = out.events.last_mut() {
                *marked = pending & event::MARK != 0;
                if kind == EventKind::Update && pending & event::PROTOCOL == 0 {
                    entry.protocol = ProtocolState::Stateless;
                }
                entry.master = entry.master.filter(|_| pending & event::RELATED != 0);
                entry.adjustments = None;
            }
        }
    }

    /// Makes an event.
    pub(super) fn tell(&self, index: u32, kind: EventKind, port: u32, now: Now, out: &mut Effects) {
        let mut entry = self.copy(self.table.at(index), self.table.id(index), kind == EventKind::Destroy, now);
        if kind == EventKind::Update {
            entry.master = None;
        }
        // A command tells everything else.
        out.events.push(Event { kind, port, subject: Subject::Connection { entry, marked: port != 0 } });
    }

    /// A connection leaves the table, and packets of it may be on their way. As nf_ct_delete().
    pub(super) fn retire(&mut self, index: u32, port: u32, now: Now, out: &mut Effects) {
        self.leave(index, port, now, out);
        if self.table.wheel.limbo_len >= LIMBO_MAX
            && let Some(oldest) = self.table.oldest_in_limbo()
        {
            self.free(oldest, now, out);
        }
        self.table.at_mut(index).place = Place::Retired;
        self.table.enter_limbo(index, now.monotonic);
    }

    /// A connection leaves the table for good.
    fn destroy(&mut self, index: u32, port: u32, now: Now, out: &mut Effects) {
        self.leave(index, port, now, out);
        self.free(index, now, out);
    }

    /// Frees a slot.
    pub(super) fn free(&mut self, index: u32, now: Now, out: &mut Effects) {
        if self.table.at(index).extra != NONE {
            self.disappoint(index, now, out);
        }
        self.table.release(index);
    }

    /// A packet was dropped since the connection could not be served.
    pub(crate) fn count_drop(&mut self) {
        self.statistics.drop += 1;
    }

    fn leave(&mut self, index: u32, port: u32, now: Now, out: &mut Effects) {
        let connection = self.table.at_mut(index);
        if connection.place != Place::Table {
            return;
        }
        connection.status |= status::DYING;
        let heard = connection.events & event::DESTROY != 0;
        if self.listening && heard {
            self.tell(index, EventKind::Destroy, port, now, out);
        }
        if self.table.at(index).extra != NONE {
            self.disappoint(index, now, out);
        }
        self.table.unlink(index, super::table::SOURCE);
        self.len -= 1;
        self.touch(index);
    }

    /// An ICMP error is RELATED to the connection of the packet it quotes. As nf_conntrack_inet_error().
    fn error(&self, bytes: &[u8], headers: &Headers, template: Option<&Template>) -> Tracked {
        let inverse =
            Quote::of(headers, bytes).and_then(|(quote, quoted)| quote.tuple(quoted)).and_then(|tuple| tuple.inverse());
        let Some(inverse) = inverse else { return Tracked::Invalid };
        let zones = template.map_or([0; 2], |template| template.zones);
        match self.table.find(&inverse, zones) {
            // It must go to where the quoted packet came from.
            Some((index, direction)) if self.table.at(index).tuple(direction).destination == headers.destination => {
                Tracked::Of { id: self.table.id(index), direction, relation: Relation::Related }
            }
            _ => Tracked::Invalid,
        }
    }
}

/// Whether an ICMP message's checksum is right, as far as it must be looked at.
fn icmp_adds_up(view: &View<'_>) -> bool {
    use super::tuple::protocol::{ICMP, ICMPV6};
    let start = match view.protocol {
        ICMP => Sum::default(),
        ICMPV6 => {
            Sum::default().pseudo_header(view.af, view.source, view.destination, view.protocol, view.transport.len())
        }
        _ => return true,
    };
    !view.verify || verify(start, view.transport)
}

/// How many slots the settings ask for: the table and limbo.
fn ceiling(settings: &Settings) -> u32 {
    let max = if settings.max == 0 { u32::MAX / 2 } else { settings.max };
    max.saturating_add(LIMBO_MAX + 1)
}
