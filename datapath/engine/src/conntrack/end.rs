//! How long a connection lives, how it ends, and what is told of it.

use super::begin::LIMBO_MAX;
use super::connection::{Place, SECOND, event};
use super::table::NONE;
use super::{Address, Direction, ProtocolState, Tracker, status};
use crate::effects::{Event, EventKind, Subject};
use crate::{Effects, Now};

impl Tracker {
    /// Ages the table and allocates ahead; bounded work per call, so call it every 250 ms or so. Returns whether more is due
    /// at once.
    pub fn expire(&mut self, now: Now, out: &mut Effects) -> bool {
        self.end_evicted(now, out);
        let mut work = WORK;
        self.table.reserve(&mut work);
        self.table.settle(&mut work);
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
        self.thin_out(&mut work, now, out);
        let sought = self.end_masqueraded(now, out);
        work == 0 || !sought
    }

    /// The connections that MASQUERADE bound to a device, all of them or those of an address, shall end: [`Self::expire`] looks
    /// for them. As nf_nat_masquerade_schedule().
    pub(crate) fn forsake(&mut self, device: u32, address: Option<Address>) {
        self.forsaken.retain(|other| (other.device, other.address) != (device, address));
        self.forsaken.push_back(Forsaken { device, address, place: 0 });
    }

    /// Looks at some more slots for connections that shall end since a device or an address is gone. Whether all were seen.
    fn end_masqueraded(&mut self, now: Now, out: &mut Effects) -> bool {
        let Some(&Forsaken { device, address, place }) = self.forsaken.front() else { return true };
        let (mut index, mut work) = (place, SOUGHT);
        while index < self.table.slots() && work > 0 {
            let connection = self.table.at(index);
            let bound = connection.place == Place::Table
                && connection.masquerade == device
                && address.is_none_or(|address| connection.tuple(Direction::Reply).destination == address);
            if bound {
                self.retire(index, 0, now, out);
            }
            work = work.saturating_sub(if bound { ENDED } else { 1 });
            index += 1;
        }
        if index == self.table.slots() {
            self.forsaken.pop_front();
        } else if let Some(first) = self.forsaken.front_mut() {
            first.place = index;
        }
        self.forsaken.is_empty()
    }

    /// Some time after the table was found full, ends what early drop would end and closing connections as well, all over
    /// the table, until it is no more than 95 % full. As gc_worker() with nf_conntrack_max95.
    fn thin_out(&mut self, work: &mut u32, now: Now, out: &mut Effects) {
        let Some(Crowded { since, mut place }) = self.crowded else { return };
        if now.monotonic.saturating_sub(since) < PATIENCE {
            return;
        }
        let enough = self.settings.max / 100 * 95;
        while place < self.table.slots() && self.len >= enough && *work > 0 {
            *work -= 1;
            let connection = self.table.at(place);
            if connection.place == Place::Table && (!connection.has(status::ASSURED) || connection.state.is_closing()) {
                self.retire(place, 0, now, out);
            }
            place += 1;
        }
        let done = place >= self.table.slots() || self.len < enough;
        self.crowded = (!done).then_some(Crowded { since, place });
    }

    /// Sets how long a connection lives from now on. As nf_ct_refresh().
    pub(super) fn refresh(&mut self, index: u32, timeout: u64, now: Now) {
        let connection = self.table.at_mut(index);
        match connection.place {
            Place::Table if !connection.has(status::FIXED_TIMEOUT) => {
                let from = connection.deadline;
                self.table.set_deadline(index, now.monotonic.saturating_add(timeout));
                self.touch_deadline(index, from);
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
    pub(super) fn destroy(&mut self, index: u32, port: u32, now: Now, out: &mut Effects) {
        self.leave(index, port, now, out);
        self.free(index, now, out);
    }

    /// Frees a slot.
    pub(super) fn free(&mut self, index: u32, now: Now, out: &mut Effects) {
        if self.table.at(index).extra != NONE {
            self.disappoint(index, now, out);
        }
        let id = self.table.id(index);
        self.keymap.forget(self.table.at(index), id);
        self.table.release(index);
    }

    /// A packet was dropped since the connection could not be served.
    pub(crate) fn count_drop(&mut self) {
        self.statistics.here().drop += 1;
    }

    fn leave(&mut self, index: u32, port: u32, now: Now, out: &mut Effects) {
        let connection = self.table.at_mut(index);
        if connection.place != Place::Table {
            return;
        }
        connection.gain(status::DYING);
        let heard = connection.events & event::DESTROY != 0;
        if self.listening && heard {
            self.tell(index, EventKind::Destroy, port, now, out);
        }
        if self.table.at(index).extra != NONE {
            let id = self.table.id(index);
            if let Some(helper) = self.helper(id) {
                helper.end(self, id, now, out);
            }
            self.disappoint(index, now, out);
        }
        self.part(index);
        self.table.unlink(index, super::table::SOURCE);
        self.len -= 1;
        self.touch(index);
    }
}

/// What one call of [`Tracker::expire`] looks at: packets wait so long, less than a millisecond of it.
const WORK: u32 = 512;
/// How long after the table was found full it is looked through (`GC_SCAN_INTERVAL_MIN`), in nanoseconds.
const PATIENCE: u64 = SECOND;

/// Slots that one call of [`Tracker::expire`] looks at for connections of a device or an address that is gone.
const SOUGHT: u32 = 4096;
/// For how many of those one counts that is ended and told of.
const ENDED: u32 = SOUGHT / WORK;

/// A device or an address is gone, and what MASQUERADE bound to it is looked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Forsaken {
    device: u32,
    address: Option<Address>,
    /// The slot to look at next.
    place: u32,
}

/// The table was found full.
#[derive(Clone, Copy, Debug)]
pub(super) struct Crowded {
    /// When, in monotonic nanoseconds.
    pub(super) since: u64,
    /// The slot to look at next.
    pub(super) place: u32,
}
