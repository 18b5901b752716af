//! How a connection begins: from a first packet to its place in the table.

use super::connection::{Place, SECOND, Traits, event};
use super::end::Crowded;
use super::pair::Pair;
use super::table::{ORIGINAL, REPLY};
use super::tuple::protocol;
use super::{Direction, Full, Template, Tracker, Tuple, status};
use crate::{Effects, Now, Verdict};

impl Tracker {
    /// Makes an unconfirmed connection of a tuple; `None` if the tuple has no inverse. As init_conntrack().
    pub(super) fn begin(
        &mut self,
        tuple: &Tuple,
        zones: [u16; 2],
        template: Option<&Template>,
        now: Now,
        out: &mut Effects,
    ) -> Result<Option<u32>, Full> {
        let Some(reply) = tuple.inverse() else { return Ok(None) };
        if !self.make_room(tuple, zones[0], now, out) {
            return Err(self.refuse());
        }
        self.forget_older(tuple, zones, now, out);
        let Some(index) = self.take_slot(now, out) else { return Err(self.refuse()) };
        let (settings, listening, labelling) = (&self.settings, self.listening, self.labelling);
        let connection = self.table.at_mut(index);
        connection.pair = Pair::new([*tuple, reply]);
        connection.zones = zones;
        connection.traits.set(Traits::COUNTERS, settings.acct);
        connection.traits.set(Traits::TIMES, settings.timestamp);
        connection.traits.set(Traits::LABELS, labelling);
        connection.events = match (template.and_then(Template::mask), settings.events) {
            (Some(mask), _) => mask,
            (None, 0) => 0,
            (None, 2) if !listening => 0,
            (None, _) => u16::MAX,
        };
        self.table.enter_limbo(index, now.monotonic);
        self.table.link(index, ORIGINAL);
        self.table.link(index, REPLY);
        if self.table.at(index).is_zoned() {
            self.table.link_between(index);
        }
        if let Some(timeouts) = template.and_then(|template| template.timeouts) {
            self.table.add_extra(index).timeouts = Some(timeouts);
        }
        if template.is_some_and(|template| template.proxied) {
            self.stand_in(index);
        }
        let expected = !self.expectations.is_empty() && self.fulfil(index, now, out);
        if let (false, Some(helper)) = (expected, template.and_then(|template| template.helper)) {
            // As __nf_ct_try_assign_helper().
            self.assign(index, Some(helper));
            self.table.at_mut(index).gain(status::HELPER);
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

    /// Of the packets that had this tuple and never were confirmed, all but the last few are taken for dead: those may be a
    /// burst that is on its way.
    fn forget_older(&mut self, tuple: &Tuple, zones: [u16; 2], now: Now, out: &mut Effects) {
        let mut seen = 0;
        while let Some((index, _)) = self.table.seek(tuple, zones[0], |_, kind, connection| {
            let same = kind == ORIGINAL && connection.place == Place::Unconfirmed && connection.zones == zones;
            seen += u32::from(same);
            same && seen >= BURST
        }) {
            self.free(index, now, out);
            seen = 0;
        }
    }

    fn refuse(&mut self) -> Full {
        self.statistics.here().drop += 1;
        Full
    }

    /// Whether there is room for one more, if need be by early drop. As the start of __nf_conntrack_alloc().
    fn make_room(&mut self, tuple: &Tuple, zone: u16, now: Now, out: &mut Effects) -> bool {
        if self.settings.max == 0 || self.len < self.settings.max || self.early_drop(tuple, zone, now, out) {
            return true;
        }
        self.crowded.get_or_insert(Crowded { since: now.monotonic, place: 0 });
        false
    }

    /// Ends the connections of a bucket in the neighbourhood that are not assured. As early_drop().
    fn early_drop(&mut self, tuple: &Tuple, zone: u16, now: Now, out: &mut Effects) -> bool {
        for step in 0..EVICTION_RANGE.min(self.table.buckets()) {
            let mut next = self.table.first_near(tuple, zone, step);
            let (mut room, mut drops) = (false, 0);
            for _ in 0..EVICTION_CHAIN {
                let Some((node, index)) = next else { break };
                let connection = self.table.at(index);
                let expired = connection.expired(now);
                if connection.place == Place::Table && (expired || !connection.has(status::ASSURED)) {
                    (room, drops) = (true, drops + u32::from(!expired));
                    self.retire(index, 0, now, out);
                }
                next = self.table.next_near(node);
            }
            if room {
                self.statistics.here().early_drop += drops;
                return true;
            }
        }
        false
    }

    /// An unconfirmed connection enters the table. As __nf_conntrack_confirm().
    pub(super) fn enter(&mut self, index: u32, now: Now, out: &mut Effects) -> Verdict {
        let connection = self.table.at(index);
        let (tuples, zones) = (connection.pair.tuples(), connection.zones);
        for (tuple, zone) in tuples.iter().zip(zones) {
            while let Some((old, _)) = self.table.find_in(tuple, zones, zone)
                && self.table.at(old).expired(now)
            {
                self.destroy(old, 0, now, out);
            }
            if let Some((clash, _)) = self.table.find_in(tuple, zones, zone) {
                return self.resolve_clash(index, clash, now);
            }
            if self.table.chain_exceeds(tuple, zone, CHAIN_MAX) {
                self.statistics.here().chain_too_long += 1;
                self.statistics.here().insert_failed += 1;
                return Verdict::Drop;
            }
        }
        if !self.make_room(&tuples[0], zones[0], now, out) {
            self.statistics.here().drop += 1;
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

    /// Another packet of the flow was faster and its connection is in the table. Without a connection of its own to lose, a
    /// datagram goes its way all the same. As nf_ct_resolve_clash().
    fn resolve_clash(&mut self, index: u32, clash: u32, now: Now) -> Verdict {
        let loser = self.table.at(index);
        let ([there, back], zones) = (loser.pair.tuples(), loser.zones);
        if !NEVER_CLASH.contains(&there.protocol) {
            if self.join(index, clash) {
                return Verdict::Accept;
            }
            // As nf_ct_resolve_clash_harder(): translated otherwise, it is answered otherwise.
            match self.table.find_in(&back, zones, zones[1]) {
                Some((other, _)) if self.join(index, other) => return Verdict::Accept,
                Some(_) => {}
                None => {
                    let connection = self.table.at_mut(index);
                    connection.gain(status::FIXED_TIMEOUT | status::NAT_CLASH);
                    connection.deadline = CLASHED;
                    self.insert_slot(index, now);
                    self.statistics.here().clash_resolve += 1;
                    return Verdict::Accept;
                }
            }
        }
        self.statistics.here().insert_failed += 1;
        self.statistics.here().drop += 1;
        Verdict::Drop
    }

    /// If two connections are of one flow, in whichever direction it began, the packet of the later belongs to the earlier.
    /// As __nf_ct_resolve_clash().
    fn join(&mut self, index: u32, winner: u32) -> bool {
        let (loser, other) = (self.table.at(index), self.table.at(winner));
        let ([there, back], [one, two]) = (loser.pair.tuples(), loser.zones);
        let same = |tuples, zones| other.pair.tuples() == tuples && other.zones == zones;
        if !same([there, back], [one, two]) && !same([back, there], [two, one]) {
            return false;
        }
        let [counted, _] = loser.counters;
        self.table.at_mut(winner).count(Direction::Original, usize::try_from(counted.bytes).unwrap_or(usize::MAX));
        self.statistics.here().clash_resolve += 1;
        // Nothing more comes of the later one.
        self.table.at_mut(index).place = Place::Retired;
        true
    }

    /// Puts a prepared slot into the table: its deadline, until now a span, starts to run.
    pub(super) fn insert_slot(&mut self, index: u32, now: Now) {
        self.table.stop_timer(index);
        self.table.wheel.skip_to(now.monotonic);
        let connection = self.table.at_mut(index);
        connection.place = Place::Table;
        connection.gain(status::CONFIRMED);
        connection.deadline = connection.deadline.saturating_add(now.monotonic);
        connection.start = if connection.traits.has(Traits::TIMES) { now.wall } else { 0 };
        self.len += 1;
        self.table.start_timer(index);
        // In front of others with the same tuple, which are in limbo.
        if self.table.at(index).is_hidden() {
            self.table.unlink(index, ORIGINAL);
        } else {
            self.table.link(index, ORIGINAL);
        }
        self.table.link(index, REPLY);
        self.table.link_between(index);
        self.touch(index);
    }
}

/// Protocols whose state does not bear that a packet belongs to another's connection (without `allow_clash`).
const NEVER_CLASH: [u8; 4] = [protocol::ICMP, protocol::TCP, protocol::ICMPV6, protocol::SCTP];
/// How long the answer to such a packet is waited for, in nanoseconds.
const CLASHED: u64 = SECOND;
/// First packets of one tuple that may be on their way at once; of more, the oldest go as the first of them went.
const BURST: u32 = 32;
/// Connections in limbo at most; the oldest makes room.
pub(super) const LIMBO_MAX: u32 = 8192;
/// Nodes of a chain that a new connection may meet (`MIN_CHAINLEN` + `MAX_CHAINLEN`).
const CHAIN_MAX: u32 = 80;
/// Buckets that early drop looks at (`NF_CT_EVICTION_RANGE`).
const EVICTION_RANGE: usize = 8;
/// Connections of a bucket that early drop looks at.
const EVICTION_CHAIN: usize = 64;
