//! Expectations: connections that a helper, or somebody by hand, announced. As nf_conntrack_expect.c.
//!
//! An expectation belongs to a master and dies with it. It is found by where a first packet goes; the source counts as far
//! as its mask says. There are few of them, at most [`Settings::expect_max`](super::Settings), and while there is none
//! nobody looks.

mod check;
mod control;
mod follow;
mod table;

pub use control::Wanted;
pub(super) use table::Expectations;

use super::extra::Master;
use super::{Address, ConnId, Direction, Refusal, Tracker, Tuple, status};
use crate::effects::EventKind;
use crate::helper::{HelperId, Policy};
use crate::{Effects, Now};

/// Classes that a helper's expectations may have (`NF_CT_MAX_EXPECT_CLASSES`).
pub const CLASSES: usize = 4;

/// `NF_CT_EXPECT_*`.
pub mod flag {
    /// It stays when a connection came.
    pub const PERMANENT: u32 = 1 << 0;
    /// It waits to be switched on.
    pub const INACTIVE: u32 = 1 << 1;
    /// A program of user space made it as a helper.
    pub const USERSPACE: u32 = 1 << 2;
}

/// A connection that shall come: `struct nf_conntrack_expect`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    /// Its original tuple.
    pub tuple: Tuple,
    /// Which bits of the source address count.
    pub source_mask: Address,
    /// Which bits of the source port, ICMP id or key count.
    pub port_mask: u16,
    /// `NF_CT_EXPECT_*`.
    pub flags: u32,
    /// Which of the helper's classes.
    pub class: u8,
    /// The helper that the connection gets itself.
    pub(crate) helper: Option<HelperId>,
    /// What is done to the connection when it comes.
    pub follow: Follow,
    /// Towards which end of the master the connection goes, for NAT.
    pub direction: Direction,
    /// Address and port or key before translation, all zero if there is none.
    pub saved: (Address, u16),
}

/// `expectfn`: what is done to an expected connection when it comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Follow {
    /// Nothing.
    #[default]
    Nothing,
    /// It is translated as its master is. nf_nat_follow_master().
    Master,
    /// The GRE of a PPTP call: of its two directions one is enough. pptp_expectfn().
    Pptp,
    /// It is translated to what SIP said before its words were. nf_nat_sip_expected().
    Sip,
}

/// All of an expectation, copied: for events and dumps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Its stable number (`CTA_EXPECT_ID`).
    pub id: u32,
    /// What is expected.
    pub expected: Expected,
    /// Seconds left.
    pub timeout: u32,
    /// The master's original tuple.
    pub master: Tuple,
    /// The zone of the master's original direction.
    pub zone: u16,
    /// The name of the master's helper.
    pub helper: Option<&'static str>,
}

/// An expectation's place in a list, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Link(pub(super) u32);

impl Default for Link {
    fn default() -> Self {
        Self::NONE
    }
}

impl Link {
    pub(super) const NONE: Self = Self(u32::MAX);

    fn index(self) -> Option<u32> {
        (self != Self::NONE).then_some(self.0)
    }
}

impl Expected {
    /// A connection of `protocol` from an address, or from anywhere, to an address and a port; the first of the helper's
    /// classes, once. As nf_ct_expect_init().
    pub(crate) fn new(source: Option<Address>, source_port: Option<u16>, tuple: Tuple) -> Self {
        let all = match tuple.af {
            libxt::family::Af::V4 => {
                let mut all = Address::default();
                all.0[..4].fill(0xff);
                all
            }
            libxt::family::Af::V6 => Address([0xff; 16]),
        };
        Self {
            tuple: Tuple { source: source.unwrap_or_default(), ..tuple }.with_source_port(source_port.unwrap_or(0)),
            source_mask: source.map_or(Address::default(), |_| all),
            port_mask: source_port.map_or(0, |_| u16::MAX),
            flags: 0,
            class: 0,
            helper: None,
            follow: Follow::Nothing,
            direction: Direction::Original,
            saved: (Address::default(), 0),
        }
    }
}

impl Follow {
    /// By the name in `CTA_EXPECT_FN`. As nf_ct_helper_expectfn_find_by_name().
    pub fn from_name(name: &[u8]) -> Option<Self> {
        [Self::Master, Self::Sip].into_iter().find(|follow| follow.name().is_some_and(|own| own.as_bytes() == name))
    }

    /// The name for `CTA_EXPECT_FN`, if it has one.
    pub const fn name(self) -> Option<&'static str> {
        match self {
            Self::Nothing | Self::Pptp => None,
            Self::Master => Some("nat-follow-master"),
            Self::Sip => Some("sip"),
        }
    }
}

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
    pub(super) fn fulfil(&mut self, index: u32, now: Now, out: &mut Effects) -> bool {
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
            Follow::Pptp => self.follow_pptp(index, id, &expected, now, out),
        }
        true
    }

    /// A connection gets a master.
    pub(super) fn adopt(&mut self, index: u32, master: ConnId) {
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
    pub(super) fn disappoint(&mut self, index: u32, now: Now, out: &mut Effects) {
        while let Some(at) = self.table.extra(index).and_then(|extra| extra.expectations.index()) {
            self.forget(at, 0, now, out);
        }
    }

    /// Lets expectations die whose time is over.
    pub(super) fn expire_expectations(&mut self, now: Now, out: &mut Effects) {
        while let Some(at) = self.expectations.overdue(now.monotonic) {
            self.forget(at, 0, now, out);
        }
    }

    /// The rule of a helper's class.
    fn policy(&self, master: ConnId, class: u8) -> Option<&'static Policy> {
        self.helper(master)?.policies().get(usize::from(class))
    }
}

#[cfg(test)]
mod tests;
