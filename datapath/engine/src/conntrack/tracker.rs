//! The tracker: what happens to a packet at the tracking stages, and how connections begin and end.

use std::collections::VecDeque;

use super::begin::LIMBO_MAX;
use super::coming::Coming;
use super::complaint::Complaint;
use super::connection::{Connection, Place, event};
use super::end::{Crowded, Forsaken};
use super::error::{Message, Quote};
use super::expect::Expectations;
use super::keymap::Keymap;
use super::lookup::{Stage, relation};
use super::policy::{Policies, PolicyId};
use super::proto::icmp::classify;
use super::proto::{self, Judgement, View};
use super::recent::Recent;
use super::statistics::{Counted, Statistics};
use super::table::Table;
use super::{ConnId, Direction, Origin, Relation, Settings, Tracked, Tuple, status};
use crate::helper::HelperId;
use crate::helper::user::UserHelpers;
use crate::wire::Headers;
use crate::{Effects, Now, Packet, Verdict};

/// All connections and what decides about them.
#[derive(Debug)]
pub struct Tracker {
    pub(super) settings: Settings,
    pub(super) table: Table,
    /// Connections in the table.
    pub(super) len: u32,
    pub(super) listening: bool,
    pub(super) coming: Coming,
    pub(super) statistics: Counted,
    /// The table was found full: what may go is looked for, see [`super::end`].
    pub(super) crowded: Option<Crowded>,
    /// Devices and addresses that are gone.
    pub(super) forsaken: VecDeque<Forsaken>,
    pub(super) labelling: bool,
    pub(super) expectations: Expectations,
    pub(super) policies: Policies,
    /// Helpers that are programs.
    pub(crate) user_helpers: UserHelpers,
    /// Whose the last packets were.
    pub(super) recent: Recent,
    /// The other ends' keys of PPTP's GRE.
    pub(crate) keymap: Keymap,
    /// Somebody listens to news of expectations.
    pub(super) awaiting_news: bool,
    /// Changes are noted.
    pub(super) keeping: bool,
    /// Slots that changed, each once.
    pub(super) changed: Vec<u32>,
    /// What made way for the packet in hand, and when it would have expired.
    pub(super) evicted: Vec<(ConnId, u64)>,
    /// What sockets may ask about.
    pub(super) origins: Vec<Origin>,
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
    /// SYNPROXY opens the connection; no rule can say so.
    pub(crate) proxied: bool,
}

impl Template {
    /// Which events it allows, of the connection and of what is expected because of it; `None` if it says nothing.
    pub(super) fn mask(&self) -> Option<u16> {
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

impl Tracker {
    /// An empty table; the key must be random, so that nobody outside can make tuples that collide.
    pub fn new(settings: Settings, hash_key: [u8; 16]) -> Self {
        let table = Table::new(hash_key, settings.buckets, ceiling(&settings));
        Self {
            settings,
            table,
            len: 0,
            listening: false,
            coming: Coming::default(),
            statistics: Counted::default(),
            crowded: None,
            forsaken: VecDeque::new(),
            labelling: false,
            expectations: Expectations::default(),
            policies: Policies::default(),
            user_helpers: UserHelpers::default(),
            recent: Recent::default(),
            keymap: Keymap::default(),
            awaiting_news: false,
            keeping: false,
            changed: Vec::new(),
            evicted: Vec::new(),
            origins: Vec::new(),
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
    /// A packet that comes back over a loopback device with its connection is not to be tracked twice: see [`Self::recall`].
    pub fn track(
        &mut self,
        packet: &Packet<'_>,
        headers: &Headers,
        template: Option<&Template>,
        now: Now,
        out: &mut Effects,
    ) -> Result<Tracked, Full> {
        let Some(view) = View::of(packet, headers, &self.settings) else {
            self.statistics.here().invalid += 1;
            return Ok(Tracked::Invalid);
        };
        let tracked = self.track_view(&view, packet.data.bytes(), headers, template, now, out);
        view.complaints.log(view.protocol, packet, out);
        tracked
    }

    fn track_view(
        &mut self,
        view: &View<'_>,
        bytes: &[u8],
        headers: &Headers,
        template: Option<&Template>,
        now: Now,
        out: &mut Effects,
    ) -> Result<Tracked, Full> {
        match classify(view) {
            Message::Query => {}
            Message::Untracked => return Ok(Tracked::Untracked),
            message => {
                let tracked = match message {
                    Message::Error => self.error(view, bytes, headers, template),
                    _ => Tracked::Invalid,
                };
                self.statistics.here().error += u32::from(tracked == Tracked::Invalid);
                return Ok(tracked);
            }
        }
        let Some(mut tuple) = Tuple::of(view.af, view.protocol, view.source, view.destination, view.transport) else {
            self.statistics.here().invalid += 1;
            return Ok(Tracked::Invalid);
        };
        if self.keymap.is_asked(&tuple) {
            tuple = self.keymap.complete(tuple, Stage::Arriving);
        }
        let zones = template.map_or([0; 2], |template| template.zones);
        // A reopened connection is looked up once more, and then there is none.
        for _ in 0..2 {
            let known = self.find_alive(&tuple, zones, now, out).or_else(|| self.find_coming(&tuple, zones));
            let (index, direction, fresh) = match known {
                Some((index, direction)) => (index, direction, false),
                None => {
                    let Some(index) = self.begin(&tuple, zones, template, now, out)? else { break };
                    (index, Direction::Original, true)
                }
            };
            let relation = relation(self.table.at(index), direction);
            let before = self.table.at(index).deadline;
            let moved = self.table.extra(index).and_then(|extra| Some(extra.shifts?[direction.opposite() as usize]));
            let untold = self.take_untold(index);
            let own = self.own_settings(index);
            let settings = own.as_ref().unwrap_or(&self.settings);
            let connection = self.table.at_mut(index);
            let judgement = proto::packet(connection, direction, view, fresh, settings, moved, now);
            let lowered = core::mem::replace(&mut connection.deadline, before);
            if let Some(untold) = untold {
                self.tell_first(index, untold, now, out);
            }
            if let Judgement::Refresh(_) | Judgement::Kill = judgement {
                self.table.at_mut(index).count(direction, view.length);
            }
            match judgement {
                Judgement::Refresh(timeout) => self.refresh(index, timeout, now),
                Judgement::Pass => {}
                Judgement::Kill => self.retire(index, 0, now, out),
                Judgement::Invalid => {
                    if fresh {
                        self.free(index, now, out);
                    } else if self.table.at(index).place == Place::Table {
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
                if !connection.has(status::SEEN_REPLY) {
                    connection.gain(status::SEEN_REPLY);
                    connection.note(event::REPLY);
                }
            }
            self.await_last_stage(index);
            return Ok(Tracked::Of { id: self.table.id(index), direction, relation });
        }
        self.statistics.here().invalid += 1;
        Ok(Tracked::Invalid)
    }

    /// The last stage at POSTROUTING and INPUT, for every packet of a connection: a new connection enters the table; the
    /// events that piled up are made. As nf_conntrack_confirm().
    pub fn confirm(&mut self, tracked: Tracked, now: Now, out: &mut Effects) -> Verdict {
        if !self.evicted.is_empty() {
            self.end_evicted(now, out);
        }
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

    /// The settings in force.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// A connection, as long as it or a packet of it lives.
    pub fn get(&self, id: ConnId) -> Option<&Connection> {
        self.table.get(id)
    }

    /// The counts of `conntrack -S`, of all workers together.
    pub fn statistics(&self) -> Statistics {
        self.statistics.all()
    }

    /// The counts of each worker, as the kernel has them for each processor.
    pub fn statistics_of_workers(&self) -> &[Statistics] {
        self.statistics.workers()
    }

    /// Says who works from now on: whose counts are charged. A worker counts from 0 on.
    pub fn set_worker(&mut self, worker: usize) {
        self.statistics.set_worker(worker);
    }

    /// The connection of the table that has a tuple; one that has expired makes way.
    pub(super) fn find_alive(
        &mut self,
        tuple: &Tuple,
        zones: [u16; 2],
        now: Now,
        out: &mut Effects,
    ) -> Option<(u32, Direction)> {
        loop {
            let (index, direction) = self.table.find(tuple, zones)?;
            if !self.table.at(index).expired(now) {
                return Some((index, direction));
            }
            self.destroy(index, 0, now, out);
        }
    }

    /// An ICMP error is RELATED to the connection of the packet it quotes. As nf_conntrack_inet_error().
    fn error(&self, view: &View<'_>, bytes: &[u8], headers: &Headers, template: Option<&Template>) -> Tracked {
        let inverse = Quote::of(headers, bytes).and_then(|(quote, quoted)| quote.tuple(quoted));
        let inverse = inverse.and_then(|tuple| self.keymap.complete(tuple, Stage::Arriving).inverse());
        let Some(inverse) = inverse else { return Tracked::Invalid };
        let zones = template.map_or([0; 2], |template| template.zones);
        let Some((index, direction)) = self.table.find(&inverse, zones) else { return Tracked::Invalid };
        // It must go to where the quoted packet came from.
        let inner = self.table.at(index).tuple(direction).destination;
        if inner != headers.destination {
            view.complaints.say(Complaint::Elsewhere { af: headers.af, outer: headers.destination, inner });
            return Tracked::Invalid;
        }
        Tracked::Of { id: self.table.id(index), direction, relation: Relation::Related }
    }
}

/// How many slots the settings ask for: the table and limbo.
fn ceiling(settings: &Settings) -> u32 {
    let max = if settings.max == 0 { u32::MAX / 2 } else { settings.max };
    max.saturating_add(LIMBO_MAX + 1)
}
