//! What each request does. Errors and their order are ctnetlink's.

use std::collections::BTreeMap;

use engine::conntrack::{Change, ConnId, Draft, ProtocolState, Tracker, status};
use engine::{Effects, Engine};
use nfnl::attr::Attributes;
use nfnl::conntrack::attribute::cta;
use nfnl::conntrack::{CpuStats, Filter, Flow, GlobalStats, message};
use nfnl::expect::Expectation;
use nfnl::message::{Builder, Header, Message, Nfgen, flag, kind, netfilter, subsystem};
use nfnl::transport::server::{Handler, Outcome, PART, Peer, Refusal};

use super::convert::Named;
use super::expect::{self, Of};
use super::{Home, convert, helper, timeout, validate};
use crate::clock;

/// The dumps under way, by client.
#[derive(Debug, Default)]
pub(super) struct Answers {
    dumps: BTreeMap<u64, Dump>,
    effects: Effects,
}

/// A dump under way.
#[derive(Debug)]
struct Dump {
    /// The request's header, whose sequence number and port the parts carry.
    request: Header,
    what: What,
}

/// What is dumped.
#[derive(Debug)]
enum What {
    /// The table, from this place on.
    Table { filter: Box<Filter>, place: u32, zero: bool },
    /// The statistics.
    Stats,
    /// The statistics of expectations.
    ExpectStats,
    /// All timeout policies.
    Policies,
    /// All helpers that are programs.
    Helpers,
    /// Expectations from this place on: of a family, or of a master.
    Expectations { family: u8, master: Option<ConnId>, place: u32 },
    /// A table that is always empty.
    Nothing,
}

/// The answers with the engine at hand.
pub(super) struct At<'a> {
    answers: &'a mut Answers,
    pub(super) home: &'a dyn Home,
}

impl Answers {
    /// With the engine at hand.
    pub(super) fn at<'a>(&'a mut self, home: &'a dyn Home) -> At<'a> {
        At { answers: self, home }
    }
}

impl Handler for At<'_> {
    fn message(&mut self, peer: Peer, message: Message<'_>, reply: &mut Vec<u8>) -> Result<Outcome, Refusal> {
        // As nfnetlink_rcv_msg(): too short to be for anyone.
        let Ok((nfgen, attributes)) = message.netfilter() else { return Ok(Outcome::Done) };
        let answer = self.answer(peer, message, nfgen, attributes.lenient(), reply);
        // What nla_parse_deprecated() warned of is told with the error that came of it.
        answer.map_err(|refusal| Refusal {
            text: refusal.text.or(attributes.has_leftovers().then_some("bytes leftover after parsing attributes")),
            ..refusal
        })
    }

    fn resume(&mut self, peer: Peer, reply: &mut Vec<u8>) -> bool {
        let Some(dump) = self.answers.dumps.get_mut(&peer.client) else { return false };
        let request = dump.request;
        let done = match &mut dump.what {
            What::Nothing => true,
            What::Stats => {
                write_cpu_stats(request, &self.home.engine(), reply);
                true
            }
            What::ExpectStats => {
                let kind = netfilter(subsystem::CTNETLINK_EXP, nfnl::expect::GET_STATS_CPU);
                let header = Header { kind, flags: flag::MULTI, ..request };
                for (counted, worker) in self.home.engine().tracker().statistics_of_workers().iter().zip(0..) {
                    let mut builder = Builder::netfilter(header, of_worker(worker), reply);
                    expect::stats(counted).emit(&mut builder);
                    let _ = builder.finish();
                }
                true
            }
            What::Policies => {
                timeout::write_all(request, &self.home.engine(), reply);
                true
            }
            What::Helpers => {
                helper::write_all(request, &self.home.engine(), reply);
                true
            }
            What::Expectations { family, master, place } => {
                expect::write_all(request, *family, *master, place, &self.home.engine(), reply)
            }
            What::Table { filter, place, zero } => {
                write_entries(request, filter, place, *zero, &mut self.home.engine(), reply)
            }
        };
        if done {
            let header = Header { kind: kind::DONE, flags: flag::MULTI, ..request };
            let mut builder = Builder::new(header, reply);
            builder.raw(&[0; 4]);
            let _ = builder.finish();
            self.answers.dumps.remove(&peer.client);
        }
        !done
    }

    fn gone(&mut self, peer: Peer) {
        self.answers.dumps.remove(&peer.client);
    }
}

impl At<'_> {
    /// As the callbacks of the subsystems; any bit of `NLM_F_DUMP` asks for a dump.
    fn answer(
        &mut self,
        peer: Peer,
        message: Message<'_>,
        nfgen: Nfgen,
        attributes: Attributes<'_>,
        reply: &mut Vec<u8>,
    ) -> Result<Outcome, Refusal> {
        let request = Header { port: peer.pid, ..message.header };
        let wants_dump = request.flags & flag::DUMP != 0;
        match message.netfilter_kind() {
            (subsystem::CTNETLINK, number) => {
                let flow = || Flow::parse(nfgen, attributes).map_err(|_| errno(libc::ERANGE));
                if number <= message::GET_CTRZERO {
                    validate::connection(attributes)?;
                }
                let given =
                    [cta::TUPLE_ORIG, cta::TUPLE_REPLY].map(|kind| matches!(attributes.find(kind), Ok(Some(_))));
                match number {
                    message::GET | message::GET_CTRZERO if wants_dump => {
                        let filter = Filter::parse(nfgen, attributes).map_err(|_| errno(libc::EINVAL))?;
                        if !is_filter(&filter) {
                            return Err(errno(libc::EINVAL));
                        }
                        let zero = number == message::GET_CTRZERO;
                        self.dump(peer, request, What::Table { filter: Box::new(filter), place: 0, zero })
                    }
                    message::GET | message::GET_CTRZERO => self.get(request, number, &flow()?, given, reply),
                    message::NEW => self.make_or_change(request, &flow()?, given),
                    message::DELETE => {
                        self.delete(request, nfgen, &flow()?, given, Filter::parse(nfgen, attributes).ok())
                    }
                    message::GET_STATS_CPU if wants_dump => self.dump(peer, request, What::Stats),
                    message::GET_STATS => self.stats(request, reply),
                    message::GET_DYING | message::GET_UNCONFIRMED if wants_dump => {
                        self.dump(peer, request, What::Nothing)
                    }
                    message::GET_STATS_CPU | message::GET_DYING | message::GET_UNCONFIRMED => {
                        Err(errno(libc::EOPNOTSUPP))
                    }
                    _ => Err(errno(libc::EINVAL)),
                }
            }
            (subsystem::CTNETLINK_EXP, number) => {
                if number <= nfnl::expect::DELETE {
                    validate::expectation(attributes)?;
                }
                let asked = Expectation::parse(nfgen, attributes).map_err(|_| errno(libc::EINVAL))?;
                match number {
                    nfnl::expect::GET if wants_dump => match self.expectations_of(&asked)? {
                        Of::Nothing => Ok(Outcome::Done),
                        Of::All => {
                            let family = asked.family;
                            self.dump(peer, request, What::Expectations { family, master: None, place: 0 })
                        }
                        Of::Master(id) => {
                            let what = What::Expectations { family: 0, master: Some(id), place: 0 };
                            self.dump(peer, request, what)
                        }
                    },
                    nfnl::expect::GET => self.expectation(request, &asked, reply),
                    nfnl::expect::NEW => self.make_expectation(request, &asked),
                    nfnl::expect::DELETE => self.delete_expectations(request, &asked),
                    nfnl::expect::GET_STATS_CPU if wants_dump => self.dump(peer, request, What::ExpectStats),
                    nfnl::expect::GET_STATS_CPU => Err(errno(libc::EOPNOTSUPP)),
                    _ => Err(errno(libc::EINVAL)),
                }
            }
            (subsystem::CTNETLINK_TIMEOUT, number) => {
                let asked = nfnl::timeout::Policy::parse(attributes).map_err(|_| errno(libc::EINVAL))?;
                match number {
                    nfnl::timeout::NEW => self.make_policy(request, &asked),
                    nfnl::timeout::GET if wants_dump => self.dump(peer, request, What::Policies),
                    nfnl::timeout::GET => self.policy(request, asked.name.as_deref(), reply),
                    nfnl::timeout::DELETE => self.delete_policies(asked.name.as_deref()),
                    nfnl::timeout::DEFAULT_GET => self.default_policy(request, &asked, reply),
                    nfnl::timeout::DEFAULT_SET => self.set_default_policy(&asked),
                    _ => Err(errno(libc::EINVAL)),
                }
            }
            (subsystem::CTHELPER, number) => {
                let asked = nfnl::helper::Helper::parse(attributes).map_err(|_| errno(libc::ERANGE))?;
                match number {
                    nfnl::helper::NEW => self.make_helper(request, &asked),
                    nfnl::helper::GET if wants_dump => self.dump(peer, request, What::Helpers),
                    nfnl::helper::GET => self.helper(request, &asked, reply),
                    nfnl::helper::DELETE => self.delete_helpers(&asked),
                    _ => Err(errno(libc::EINVAL)),
                }
            }
            _ => Err(Refusal { errno: libc::EINVAL, text: Some("no such netfilter subsystem here") }),
        }
    }

    /// Acts on the engine and hands its events over.
    pub(super) fn act<T>(&mut self, act: impl FnOnce(&mut Engine, &mut Effects) -> T) -> T {
        let At { answers: Answers { effects, .. }, home } = self;
        let mut engine = home.engine();
        effects.clear();
        let done = act(&mut engine, effects);
        home.post(&mut effects.events);
        done
    }

    fn dump(&mut self, peer: Peer, request: Header, what: What) -> Result<Outcome, Refusal> {
        self.answers.dumps.insert(peer.client, Dump { request, what });
        Ok(Outcome::Dump)
    }

    /// As ctnetlink_get_conntrack(): the answer is marked as one of many, and shows the reference that the look-up took.
    fn get(
        &mut self,
        request: Header,
        number: u8,
        flow: &Flow,
        given: [bool; 2],
        reply: &mut Vec<u8>,
    ) -> Result<Outcome, Refusal> {
        let now = clock::now();
        let named = convert::named(flow, first(given)?).map_err(errno)?;
        let mut engine = self.home.engine();
        let id = find(&engine, &named).ok_or(errno(libc::ENOENT))?;
        let mut entry = engine.tracker().snapshot(id, now).ok_or(errno(libc::ENOENT))?;
        if number == message::GET_CTRZERO {
            engine.tracker_mut().zero_counters(id);
        }
        drop(engine);
        entry.uses = entry.uses.saturating_add(1);
        let header = Header { kind: netfilter(subsystem::CTNETLINK, message::NEW), flags: flag::MULTI, ..request };
        convert::write(header, &convert::flow(&entry), reply).map_err(|_| errno(libc::ENOMEM))?;
        Ok(Outcome::Done)
    }

    /// As ctnetlink_new_conntrack(): changes an entry that is there, makes one that is not, as the flags allow.
    fn make_or_change(&mut self, request: Header, flow: &Flow, given: [bool; 2]) -> Result<Outcome, Refusal> {
        let now = clock::now();
        let At { answers: Answers { effects, .. }, home } = self;
        let mut engine = home.engine();
        effects.clear();
        let named = convert::named(flow, given).map_err(errno)?;
        let found = find(&engine, &named);
        let tracker = engine.tracker_mut();
        let done = match found {
            Some(_) if request.flags & flag::EXCL != 0 => Err(errno(libc::EEXIST)),
            Some(id) => {
                if flow.source_nat.is_some() || flow.destination_nat.is_some() || flow.master.is_some() {
                    return Err(errno(libc::EOPNOTSUPP));
                }
                let entry = tracker.snapshot(id, now).ok_or(errno(libc::ENOENT))?;
                if flow.timeout.is_some() && entry.status & status::FIXED_TIMEOUT != 0 {
                    return Err(errno(libc::EPERM));
                }
                let protocol = convert::state_of(flow, entry.tuples[0].protocol, entry.protocol);
                let mut change =
                    Change { status: flow.status, timeout: flow.timeout.map(bounded), ..Change::default() };
                // The original goes from one to the next and stops where it must.
                if let Ok(protocol) = protocol {
                    change.protocol = protocol;
                    change.mark = flow.mark.map(|mark| (mark, flow.mark_mask.unwrap_or(u32::MAX)));
                    change.labels = flow.labels.map(|labels| (labels, flow.labels_mask.unwrap_or(u128::MAX)));
                }
                if let Some(name) = &flow.helper {
                    let changed = tracker.change_helper(id, name, now, effects);
                    changed.map_err(|refusal| errno(refusal.errno()))?;
                }
                let updated = tracker.update(id, &change, request.port, now, effects);
                updated.map_err(|refusal| errno(refusal.errno())).and(protocol.map(drop).map_err(errno))
            }
            None if request.flags & flag::CREATE == 0 => Err(errno(libc::ENOENT)),
            None => {
                let draft = draft(tracker, flow, &named)?;
                let made = tracker.insert(&draft, request.port, now, effects);
                made.map(|_| ()).map_err(|refusal| errno(refusal.errno()))
            }
        };
        home.post(&mut effects.events);
        done.map(|()| Outcome::Done)
    }

    /// As ctnetlink_del_conntrack(): one entry, or without a tuple all that pass the filter.
    fn delete(
        &mut self,
        request: Header,
        nfgen: Nfgen,
        flow: &Flow,
        given: [bool; 2],
        filter: Option<Filter>,
    ) -> Result<Outcome, Refusal> {
        if given == [false; 2] || filter.as_ref().is_some_and(|filter| filter.tuples.is_some()) {
            let filter = filter.filter(is_filter).ok_or(errno(libc::EINVAL))?;
            // Version 0 of the header is that of tools which set a family and mean all.
            let family = if nfgen.version == 0 { 0 } else { nfgen.family };
            self.flush(request, &Filter { family, ..filter });
            return Ok(Outcome::Done);
        }
        let named = convert::named(flow, first(given)?).map_err(errno)?;
        let now = clock::now();
        let At { answers: Answers { effects, .. }, home } = self;
        let mut engine = home.engine();
        effects.clear();
        let id = find(&engine, &named).ok_or(errno(libc::ENOENT))?;
        if let Some(wanted) = flow.id
            && engine.tracker().snapshot(id, now).is_none_or(|entry| entry.id != wanted)
        {
            return Err(errno(libc::ENOENT));
        }
        let there = engine.tracker_mut().delete(id, request.port, now, effects);
        home.post(&mut effects.events);
        if there { Ok(Outcome::Done) } else { Err(errno(libc::ENOENT)) }
    }

    /// Deletes in parts, so that packets get the engine in between.
    fn flush(&mut self, request: Header, filter: &Filter) {
        let At { answers: Answers { effects, .. }, home } = self;
        let mut place = Some(0);
        while let Some(start) = place {
            let now = clock::now();
            let mut engine = home.engine();
            effects.clear();
            place = None;
            let mut next = start;
            for visited in 0.. {
                let Some(id) = engine.tracker().any_from_place(next) else { break };
                next = id.index.saturating_add(1);
                let snapshot = engine.tracker().snapshot(id, now);
                if snapshot.is_some_and(|entry| filter.matches(&convert::flow(&entry))) {
                    engine.tracker_mut().delete(id, request.port, now, effects);
                }
                if visited >= VISITS {
                    place = Some(next);
                    break;
                }
            }
            home.post(&mut effects.events);
        }
    }

    fn stats(&mut self, request: Header, reply: &mut Vec<u8>) -> Result<Outcome, Refusal> {
        let engine = self.home.engine();
        let entries = u32::try_from(engine.tracker().len()).unwrap_or(u32::MAX);
        let stats = GlobalStats { entries, max: Some(engine.tracker().settings().max) };
        drop(engine);
        let kind = netfilter(subsystem::CTNETLINK, message::GET_STATS);
        let mut builder = Builder::netfilter(Header { kind, flags: flag::MULTI, ..request }, Nfgen::default(), reply);
        stats.emit(&mut builder);
        builder.finish().map_err(|_| errno(libc::ENOMEM))?;
        Ok(Outcome::Done)
    }
}

/// Whether a status that filters asks for at least one bit.
fn is_filter(filter: &Filter) -> bool {
    filter.status.is_none_or(|(_, mask)| mask != 0)
}

/// Of the tuples of a request the one that counts where one is enough.
fn first(given: [bool; 2]) -> Result<[bool; 2], Refusal> {
    match given {
        [true, _] => Ok([true, false]),
        [false, true] => Ok(given),
        [false, false] => Err(errno(libc::EINVAL)),
    }
}

/// The entry that a request names by either tuple.
fn find(engine: &Engine, named: &Named) -> Option<ConnId> {
    let (tuple, zone) = named.tuples.iter().zip(named.zones).find_map(|(tuple, zone)| Some((tuple.as_ref()?, zone)))?;
    engine.tracker().find(tuple, zone, clock::now()).map(|(id, _)| id)
}

/// What a request wants made, or why not. As ctnetlink_create_conntrack().
fn draft(tracker: &Tracker, flow: &Flow, named: &Named) -> Result<Draft, Refusal> {
    let invalid = errno(libc::EINVAL);
    let [Some(original), Some(reply)] = named.tuples else { return Err(invalid) };
    let tuples = [original, reply];
    if tuples[0].protocol != tuples[1].protocol {
        return Err(invalid);
    }
    let timeout = flow.timeout.map(bounded).ok_or(invalid)?;
    let helper = match &flow.helper {
        Some(name) => Some(tracker.find_helper(name, tuples[0].af, tuples[0].protocol).ok_or(errno(libc::EOPNOTSUPP))?),
        None => None,
    };
    let master = match &flow.master {
        Some(tuple) => Some(convert::key(flow.family, tuple).map_err(errno)?),
        None => None,
    };
    Ok(Draft {
        tuples,
        zones: named.zones,
        status: flow.status.map_or(Ok(0), convert::new_status).map_err(errno)?,
        timeout,
        mark: flow.mark.unwrap_or(0),
        labels: flow.labels,
        protocol: convert::state_of(flow, tuples[0].protocol, ProtocolState::Stateless).map_err(errno)?,
        helper,
        master,
        nat: [&flow.source_nat, &flow.destination_nat].map(|range| range.as_ref().map(convert::range)),
    })
}

/// Writes entries from a place on until the part is full; whether these were the last.
fn write_entries(
    request: Header,
    filter: &Filter,
    place: &mut u32,
    zero: bool,
    engine: &mut Engine,
    reply: &mut Vec<u8>,
) -> bool {
    let now = clock::now();
    let filtered = if filter.is_filtering() { flag::DUMP_FILTERED } else { 0 };
    let kind = netfilter(subsystem::CTNETLINK, message::NEW);
    let header = Header { kind, flags: flag::MULTI | filtered, ..request };
    for _ in 0..VISITS {
        let Some(id) = engine.tracker().from_place(*place) else { return true };
        *place = id.index.saturating_add(1);
        let Some(entry) = engine.tracker().snapshot(id, now) else { continue };
        let flow = convert::flow(&entry);
        if !filter.matches(&flow) || convert::write(header, &flow, reply).is_err() {
            continue;
        }
        if zero {
            engine.tracker_mut().zero_counters(id);
        }
        if reply.len() >= PART - ENTRY {
            return false;
        }
    }
    false
}

fn write_cpu_stats(request: Header, engine: &Engine, reply: &mut Vec<u8>) {
    let kind = netfilter(subsystem::CTNETLINK, message::GET_STATS_CPU);
    for (one, worker) in engine.tracker().statistics_of_workers().iter().zip(0..) {
        let stats = CpuStats {
            found: Some(one.found),
            invalid: Some(one.invalid),
            insert: Some(one.insert),
            insert_failed: Some(one.insert_failed),
            drop: Some(one.drop),
            early_drop: Some(one.early_drop),
            error: Some(one.error),
            search_restart: Some(0),
            clash_resolve: Some(one.clash_resolve),
            chain_too_long: Some(one.chain_too_long),
        };
        let header = Header { kind, flags: flag::MULTI, ..request };
        let mut builder = Builder::netfilter(header, of_worker(worker), reply);
        stats.emit(&mut builder);
        let _ = builder.finish();
    }
}

/// Where the kernel names a processor, the worker.
fn of_worker(number: u16) -> Nfgen {
    Nfgen { resource: number, ..Nfgen::default() }
}

/// The kernel counts a timeout in jiffies (HZ=250), at most INT_MAX of them.
fn bounded(seconds: u32) -> u32 {
    seconds.min(i32::MAX.cast_unsigned() / 250)
}

pub(super) const fn errno(errno: i32) -> Refusal {
    Refusal { errno, text: None }
}

/// Entries looked at with the engine locked once.
pub(super) const VISITS: u32 = 1024;
/// Bytes that one more entry may take.
pub(super) const ENTRY: usize = 1024;
