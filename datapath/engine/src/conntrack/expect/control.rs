//! What ctnetlink does to expectations: make, find, list, delete.

use super::{Expected, Follow, Snapshot};
use crate::conntrack::connection::SECOND;
use crate::conntrack::{Address, ConnId, Direction, Refusal, Tracker, Tuple};
use crate::effects::{Event, EventKind, Subject};
use crate::helper::HelperId;
use crate::{Effects, Now};

/// An expectation that somebody asks for by hand (`ctnetlink_create_expect`). A helper that the request names is not heard: it is
/// the master's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted<'a> {
    /// `CTA_EXPECT_TUPLE`.
    pub tuple: Tuple,
    /// `CTA_EXPECT_MASK`: which bits of source address and source port count.
    pub mask: (Address, u16),
    /// `CTA_EXPECT_MASTER`: either tuple of the master.
    pub master: Tuple,
    /// `CTA_EXPECT_ZONE`.
    pub zone: u16,
    /// `CTA_EXPECT_FLAGS`.
    pub flags: u32,
    /// `CTA_EXPECT_CLASS`, one of the master's helper's.
    pub class: Option<u32>,
    /// `CTA_EXPECT_FN`.
    pub function: Option<&'a [u8]>,
    /// `CTA_EXPECT_NAT`: direction, address and port before translation.
    pub nat: Option<(Direction, Address, u16)>,
}

impl Tracker {
    /// Makes an expectation for the process of a netlink port. As ctnetlink_create_expect().
    pub fn make_expectation(
        &mut self,
        wanted: &Wanted<'_>,
        port: u32,
        now: Now,
        out: &mut Effects,
    ) -> Result<(), Refusal> {
        let (master, _) = self.find(&wanted.master, wanted.zone, now).ok_or(Refusal::Missing)?;
        if self.table.extra(master.index).is_none_or(|extra| extra.help.is_none()) {
            return Err(Refusal::Unsupported);
        }
        let class = match (wanted.class, self.helper_id(master)) {
            (Some(class), Some(helper)) => {
                self.class_of(helper, class).and(u8::try_from(class).ok()).ok_or(Refusal::Invalid)?
            }
            _ => 0,
        };
        let follow = match wanted.function {
            Some(name) => Follow::from_name(name).ok_or(Refusal::Invalid)?,
            None => Follow::Nothing,
        };
        let (direction, saved) = match wanted.nat {
            Some((direction, address, port)) => (direction, (address, port)),
            None => (Direction::Original, (Address::default(), 0)),
        };
        let expected = Expected {
            tuple: wanted.tuple,
            source_mask: wanted.mask.0,
            port_mask: wanted.mask.1,
            flags: wanted.flags & !super::flag::USERSPACE,
            class,
            helper: None,
            follow,
            direction,
            saved,
        };
        self.announce(master, expected, false, port, now, out).map(drop)
    }

    /// The expectation of packets with a tuple, be it active or not. As nf_ct_expect_find_get().
    pub fn find_expectation(&self, tuple: &Tuple, zone: u16, now: Now) -> Option<Snapshot> {
        let at = self.seek_expectation(tuple, zone, now)?;
        self.expectation(at, now)
    }

    /// Moves an expectation's end; what else a request says of one that is there is not heard. As
    /// ctnetlink_change_expect().
    pub fn change_expectation(&mut self, tuple: &Tuple, zone: u16, timeout: Option<u32>, now: Now) {
        if let (Some(at), Some(timeout)) = (self.seek_expectation(tuple, zone, now), timeout) {
            self.expectations.set_deadline(at, now.monotonic.saturating_add(u64::from(timeout) * SECOND));
        }
    }

    /// Deletes the expectation of a tuple, if it has this number or none was given. As ctnetlink_del_expect().
    pub fn delete_expectation(
        &mut self,
        tuple: &Tuple,
        zone: u16,
        id: Option<u32>,
        port: u32,
        now: Now,
        out: &mut Effects,
    ) -> Result<(), Refusal> {
        let at = self.seek_expectation(tuple, zone, now).ok_or(Refusal::Missing)?;
        let other = |id| self.expectation(at, now).is_none_or(|found| found.id != id);
        if id.is_some_and(other) {
            return Err(Refusal::Missing);
        }
        self.forget(at, port, now, out);
        Ok(())
    }

    /// Deletes all expectations, or those whose master has a helper of this name. As nf_ct_expect_iterate_net().
    pub fn delete_expectations(&mut self, helper: Option<&[u8]>, port: u32, now: Now, out: &mut Effects) {
        for at in 0..self.expectations.slots() {
            let Some(found) = self.expectation(at, now) else { continue };
            if helper.is_none_or(|name| found.helper.is_some_and(|known| known.as_bytes() == name)) {
                self.forget(at, port, now, out);
            }
        }
    }

    /// Places that expectations may stand at: all smaller ones.
    pub fn expectation_places(&self) -> u32 {
        self.expectations.slots()
    }

    /// The expectation at a place, copied.
    pub fn expectation(&self, place: u32, now: Now) -> Option<Snapshot> {
        let entry = self.expectations.get(place)?;
        let master = self.table.get(entry.master)?;
        let left = entry.deadline.saturating_sub(now.monotonic) / SECOND;
        Some(Snapshot {
            id: (self.table.digest(&entry.serial.to_ne_bytes()) >> 32) as u32,
            expected: entry.expected,
            timeout: u32::try_from(left).unwrap_or(u32::MAX),
            master: master.tuple(Direction::Original),
            zone: entry.zone,
            helper: self.helper_id(entry.master).map(|helper| self.helper_name(helper)),
        })
    }

    /// Whether an expectation is a helper's, by the connection that it belongs to or by the one it gives.
    pub(crate) fn is_announced_by(&self, place: u32, helper: HelperId) -> bool {
        let entry = self.expectations.get(place);
        entry.is_some_and(|entry| [entry.expected.helper, self.helper_id(entry.master)].contains(&Some(helper)))
    }

    /// Whether an expectation belongs to a connection.
    pub fn is_expected_by(&self, place: u32, master: ConnId) -> bool {
        self.expectations.get(place).is_some_and(|entry| entry.master == master)
    }

    /// Makes an event of an expectation, if its master's events may be told. As nf_ct_expect_event_report().
    pub(super) fn tell_expectation(&mut self, at: u32, kind: EventKind, port: u32, now: Now, out: &mut Effects) {
        use crate::conntrack::connection::event;
        if !self.awaiting_news {
            return;
        }
        let Some(entry) = self.expectations.get(at) else { return };
        let bit = if kind == EventKind::New { event::EXPECT_NEW } else { event::EXPECT_DESTROY };
        if self.table.get(entry.master).is_none_or(|master| master.events & bit == 0) {
            return;
        }
        if let Some(expectation) = self.expectation(at, now) {
            out.events.push(Event { kind, port, subject: Subject::Expectation(expectation) });
        }
    }

    /// What is expected of packets with a tuple, and by whom. As __nf_ct_expect_find().
    pub(crate) fn expected_like(&self, tuple: &Tuple, zone: u16, now: Now) -> Option<(ConnId, Expected)> {
        let entry = self.expectations.get(self.seek_expectation(tuple, zone, now)?)?;
        Some((entry.master, entry.expected))
    }

    /// What a master expects, the newest first.
    pub(crate) fn expected_by(&self, master: ConnId) -> impl Iterator<Item = (u32, &Expected)> {
        let mut next =
            self.table.get(master).and_then(|_| self.table.extra(master.index)).map(|extra| extra.expectations);
        core::iter::from_fn(move || {
            let at = next?.index()?;
            let entry = self.expectations.get(at)?;
            next = Some(entry.younger_than);
            Some((at, &entry.expected))
        })
    }

    /// An expectation is active and lives so many seconds from now on.
    pub(crate) fn activate(&mut self, at: u32, seconds: u32, now: Now) {
        if let Some(expected) = self.expectations.expected_mut(at) {
            expected.flags &= !super::flag::INACTIVE;
        }
        self.expectations.set_deadline(at, now.monotonic.saturating_add(u64::from(seconds) * SECOND));
    }

    /// Takes back an expectation.
    pub(crate) fn unexpect_at(&mut self, at: u32, now: Now, out: &mut Effects) {
        if self.expectations.get(at).is_some() {
            self.forget(at, 0, now, out);
        }
    }

    /// Takes back what is expected of packets with a tuple, whoever expects it; whether there was anything.
    pub(crate) fn unexpect_any(&mut self, tuple: &Tuple, zone: u16, now: Now, out: &mut Effects) -> bool {
        let found = self.seek_expectation(tuple, zone, now);
        if let Some(at) = found {
            self.forget(at, 0, now, out);
        }
        found.is_some()
    }

    fn seek_expectation(&self, tuple: &Tuple, zone: u16, now: Now) -> Option<u32> {
        self.expectations
            .seek(tuple, |entry| entry.zone == zone && entry.deadline > now.monotonic && entry.expected.awaits(tuple))
    }
}
