//! Whether a connection may be announced, and what makes room for it. As __nf_ct_expect_check().

use super::{Expected, Link};
use crate::conntrack::connection::SECOND;
use crate::conntrack::{Address, ConnId, Refusal, Tracker, Tuple};
use crate::effects::EventKind;
use crate::{Effects, Now};

impl Expected {
    /// Whether packets of this tuple are meant. As nf_ct_tuple_mask_cmp().
    pub(super) fn awaits(&self, tuple: &Tuple) -> bool {
        meets(&self.tuple, tuple, self.source_mask, self.port_mask)
    }

    /// Whether packets of one could be those of the other. As expect_clash().
    fn clashes(&self, other: &Self) -> bool {
        let mut mask = self.source_mask;
        for (byte, other) in mask.0.iter_mut().zip(other.source_mask.0) {
            *byte &= other;
        }
        meets(&self.tuple, &other.tuple, mask, self.port_mask & other.port_mask)
    }

    /// Whether they are the same. As expect_matches().
    fn repeats(&self, other: &Self) -> bool {
        (self.tuple, self.source_mask, self.port_mask) == (other.tuple, other.source_mask, other.port_mask)
    }
}

impl Tracker {
    /// Announces a connection for the process of a netlink port, 0 for a helper; `shared` says that it is well if another
    /// master expects the same. As nf_ct_expect_related_report().
    pub(super) fn announce(
        &mut self,
        master: ConnId,
        expected: Expected,
        shared: bool,
        port: u32,
        now: Now,
        out: &mut Effects,
    ) -> Result<u32, Refusal> {
        let alive = self.table.get(master).filter(|connection| !connection.is_dying());
        let zone = alive.map(|connection| connection.zones[0]).ok_or(Refusal::Shutdown)?;
        if self.table.extra(master.index).is_none_or(|extra| extra.help.is_none()) {
            return Err(Refusal::Shutdown);
        }
        self.expire_expectations(now, out);
        loop {
            let met = self.expectations.seek(&expected.tuple, |entry| {
                entry.zone == zone
                    && ((shared || entry.master == master) && entry.expected.repeats(&expected)
                        || entry.expected.clashes(&expected))
            });
            let Some(at) = met else { break };
            let entry = self.expectations.at(at);
            if !shared && entry.master != master || !entry.expected.repeats(&expected) {
                return Err(Refusal::Busy);
            }
            if entry.expected.class != expected.class || entry.master != master {
                return Err(Refusal::Already);
            }
            self.forget(at, 0, now, out);
        }
        let policy = self.policy(master, expected.class);
        if let Some(most) = policy.map(|policy| policy.most).filter(|&most| most != 0) {
            if self.count_of(master, expected.class) >= most
                && let Some(oldest) = self.oldest_of(master, expected.class)
            {
                self.forget(oldest, 0, now, out);
            }
            if self.count_of(master, expected.class) >= most {
                return Err(Refusal::TooMany);
            }
        }
        if self.expectations.len() >= self.settings.expect_max {
            return Err(Refusal::TooMany);
        }
        // Without a helper the kernel never sets the timer, which then is over at once.
        let lifetime = policy.map_or(0, |policy| u64::from(policy.timeout) * SECOND);
        let newest = self.table.extra(master.index).map_or(Link::NONE, |extra| extra.expectations);
        let deadline = now.monotonic.saturating_add(lifetime);
        let at = self.expectations.insert(expected, master, zone, deadline, newest);
        if let Some(extra) = self.table.extra_mut(master.index) {
            extra.expectations = Link(at);
            if let Some(count) = extra.expecting.get_mut(usize::from(expected.class)) {
                *count = count.saturating_add(1);
            }
        }
        self.statistics.here().expect_create += 1;
        self.tell_expectation(at, EventKind::New, port, now, out);
        Ok(at)
    }

    fn count_of(&self, master: ConnId, class: u8) -> u8 {
        let counts = self.table.extra(master.index).map(|extra| extra.expecting).unwrap_or_default();
        counts.get(usize::from(class)).copied().unwrap_or(0)
    }

    /// As evict_oldest_expect() finds it: the last of its class in a list with the newest first.
    fn oldest_of(&self, master: ConnId, class: u8) -> Option<u32> {
        let mut link = self.table.extra(master.index)?.expectations;
        let mut oldest = None;
        while let Some(at) = link.index() {
            let entry = self.expectations.at(at);
            if entry.expected.class == class {
                oldest = Some(at);
            }
            link = entry.younger_than;
        }
        oldest
    }
}

fn meets(one: &Tuple, other: &Tuple, address_mask: Address, port_mask: u16) -> bool {
    let [one_ports, other_ports] = [one.port_bytes(), other.port_bytes()];
    let port = |[a, b, _, _]: [u8; 4]| u16::from_be_bytes([a, b]);
    let addresses = one.source.0.iter().zip(other.source.0).zip(address_mask.0);
    one.af == other.af
        && one.protocol == other.protocol
        && one.destination == other.destination
        && one_ports[2..] == other_ports[2..]
        && (port(one_ports) ^ port(other_ports)) & port_mask == 0
        && addresses.into_iter().all(|((one, other), mask)| (one ^ other) & mask == 0)
}
