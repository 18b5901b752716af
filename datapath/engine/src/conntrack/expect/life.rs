//! The life of an expectation: announced, come true, taken back, disappointed or expired.

use super::{Expected, Follow, Link, flag};
use crate::conntrack::extra::Master;
use crate::conntrack::{ConnId, Direction, Refusal, Tracker, Tuple, status};
use crate::effects::EventKind;
use crate::helper::Policy;
use crate::{Effects, Now};

impl Tracker {
    /// Announces a connection. As nf_ct_expect_related().
    pub(crate) fn expect(
        &mut self,
        master: ConnId,
        expected: Expected,
        now: Now,
        out: &mut Effects,
    ) -> Result<(), Refusal> {
        self.announce(master, expected, false, 0, now, out).map(drop)
    }

    /// The same where another master may expect it already. As NF_CT_EXP_F_SKIP_MASTER has it.
    pub(crate) fn expect_shared(
        &mut self,
        master: ConnId,
        expected: Expected,
        now: Now,
        out: &mut Effects,
    ) -> Result<(), Refusal> {
        self.announce(master, expected, true, 0, now, out).map(drop)
    }

    /// The expectation of a first packet, which is used up by it unless it is permanent; the connection `index` becomes the
    /// child of its master. Whether there was one. As the part of init_conntrack() about expectations.
    pub(in crate::conntrack) fn fulfil(&mut self, index: u32, now: Now, out: &mut Effects) -> bool {
        let connection = self.table.at(index);
        let (tuple, zone) = (connection.tuple(Direction::Original), connection.zones[0]);
        let Some(at) = self.awaiting(&tuple, zone, now, out) else { return false };
        let (expected, id) = {
            let entry = self.expectations.at(at);
            (entry.expected, entry.master)
        };
        let Some(master) = self.table.get(id).filter(|master| master.confirmed() && !master.is_dying()) else {
            return false;
        };
        let mark = master.mark;
        let secmark = self.table.extra(id.index).map_or(0, |extra| extra.secmark);
        if expected.flags & flag::PERMANENT == 0 {
            self.forget(at, 0, now, out);
        }
        self.adopt(index, id);
        if let Some(helper) = expected.helper {
            self.assign(index, Some(helper));
        }
        self.table.add_extra(index).secmark = secmark;
        let connection = self.table.at_mut(index);
        connection.gain(status::EXPECTED);
        connection.mark = mark;
        self.statistics.here().expect_new += 1;
        match expected.follow {
            Follow::Nothing => {}
            Follow::Master => self.follow_master(index, id, &expected, now),
            Follow::Sip => self.follow_sip(index, id, &expected, now),
            Follow::Call => self.follow_call(index, id, &expected, now),
            Follow::Forwarding => self.follow_forwarding(index, &expected, expected.saved.0, now),
            Follow::Pptp => self.follow_pptp(index, id, &expected, now, out),
        }
        true
    }

    /// A connection gets a master.
    pub(in crate::conntrack) fn adopt(&mut self, index: u32, master: ConnId) {
        let tuple = self.table.at(master.index).tuple(Direction::Original);
        let extra = self.table.add_extra(master.index);
        extra.children = extra.children.saturating_add(1);
        let helper = extra.help.as_ref().and_then(|help| help.helper);
        self.table.add_extra(index).master = Some(Master { id: master, tuple, helper });
    }

    /// What was announced is taken back. As nf_ct_unexpect_related().
    pub(crate) fn unexpect(&mut self, master: ConnId, tuple: &Tuple, now: Now, out: &mut Effects) {
        let found = self.expectations.seek(tuple, |entry| entry.master == master && entry.expected.tuple == *tuple);
        if let Some(at) = found {
            self.forget(at, 0, now, out);
        }
    }

    /// The first active expectation of such a packet. As nf_ct_find_expectation().
    fn awaiting(&mut self, tuple: &Tuple, zone: u16, now: Now, out: &mut Effects) -> Option<u32> {
        loop {
            let at = self.expectations.seek(tuple, |entry| {
                entry.expected.flags & flag::INACTIVE == 0 && entry.zone == zone && entry.expected.awaits(tuple)
            })?;
            if self.expectations.at(at).deadline > now.monotonic {
                return Some(at);
            }
            self.forget(at, 0, now, out);
        }
    }

    /// An expectation ends. As nf_ct_unlink_expect_report().
    pub(super) fn forget(&mut self, at: u32, port: u32, now: Now, out: &mut Effects) {
        self.tell_expectation(at, EventKind::Destroy, port, now, out);
        let entry = self.expectations.remove(at);
        let class = usize::from(entry.expected.class);
        if let Some(extra) = self.table.extra_mut(entry.master.index) {
            if let Some(count) = extra.expecting.get_mut(class) {
                *count = count.saturating_sub(1);
            }
            if extra.expectations == Link(at) {
                extra.expectations = entry.younger_than;
            }
        }
        self.expectations.close_ranks(&entry);
        self.statistics.here().expect_delete += 1;
    }

    /// A master ends, and what is expected because of it. As nf_ct_remove_expectations().
    pub(in crate::conntrack) fn disappoint(&mut self, index: u32, now: Now, out: &mut Effects) {
        while let Some(at) = self.table.extra(index).and_then(|extra| extra.expectations.index()) {
            self.forget(at, 0, now, out);
        }
    }

    /// Lets expectations die whose time is over.
    pub(in crate::conntrack) fn expire_expectations(&mut self, now: Now, out: &mut Effects) {
        while let Some(at) = self.expectations.overdue(now.monotonic) {
            self.forget(at, 0, now, out);
        }
    }

    /// The rule of a helper's class.
    pub(super) fn policy(&self, master: ConnId, class: u8) -> Option<Policy> {
        self.class_of(self.helper_id(master)?, class.into())
    }
}
