//! What a helper sees of a packet, and what it can do about it.

use super::{Memory, Parameters, sequence};
use crate::conntrack::expect::Expected;
use crate::conntrack::{ConnId, Connection, Direction, Refusal, Relation, Tracked, Tracker, Tuple, status};
use crate::host::Host;
use crate::wire::Headers;
use crate::{Effects, Hook, Now, Packet, Verdict};

/// A packet in front of a helper.
pub(crate) struct Call<'a, 'p> {
    pub(crate) tracker: &'a mut Tracker,
    /// The connection.
    pub(crate) id: ConnId,
    /// Which way the packet goes.
    pub(crate) direction: Direction,
    /// How it stands to its connection.
    pub(crate) relation: Relation,
    pub(crate) packet: &'a mut Packet<'p>,
    pub(crate) headers: &'a mut Headers,
    pub(crate) host: &'a dyn Host,
    pub(crate) now: Now,
    pub(crate) out: &'a mut Effects,
}

impl Call<'_, '_> {
    /// What is set of helpers.
    pub(crate) fn parameters(&self) -> &Parameters {
        &self.tracker.settings().helpers
    }

    /// The connection.
    pub(crate) fn connection(&self) -> &Connection {
        self.tracker.get(self.id).expect("help() has looked")
    }

    /// Packets of a direction as they arrive.
    pub(crate) fn tuple(&self, direction: Direction) -> Tuple {
        self.connection().tuple(direction)
    }

    /// Whether the connection's packets are rewritten. As `ct->status & IPS_NAT_MASK`.
    pub(crate) fn translated(&self) -> bool {
        self.connection().status() & (status::SRC_NAT | status::DST_NAT) != 0
    }

    /// The transport header and what follows it.
    pub(crate) fn segment(&self) -> &[u8] {
        self.headers.segment(self.packet.data.bytes())
    }

    /// What the helper keeps in mind.
    pub(crate) fn memory(&mut self) -> Option<&mut Memory> {
        self.tracker.memory(self.id)
    }

    /// The connection lives so many seconds from now on. As nf_ct_refresh().
    pub(crate) fn refresh(&mut self, seconds: u32) {
        self.tracker.extend(self.id, seconds, self.now);
    }

    /// Announces a connection. As nf_ct_expect_related().
    pub(crate) fn expect(&mut self, expected: Expected) -> Result<(), Refusal> {
        self.tracker.expect(self.id, expected, self.now, self.out)
    }

    /// Announces a connection at the first destination port from the expected one on that is free, and says which. As
    /// nf_nat_exp_find_port().
    pub(crate) fn expect_somewhere(&mut self, mut expected: Expected) -> Option<u16> {
        const ATTEMPTS: u16 = 128;
        let first = expected.tuple.destination_port();
        let span = u16::MAX - first;
        let mut port = first;
        for _ in 0..=span.min(ATTEMPTS) {
            expected.tuple = expected.tuple.with_destination_port(port);
            match self.expect(expected) {
                Ok(()) => return Some(port),
                Err(Refusal::Busy) if span != 0 => {
                    let drawn = self.tracker.random() >> 32;
                    port = first.saturating_add((drawn % u64::from(span)) as u16);
                }
                Err(_) => return None,
            }
        }
        None
    }

    /// Takes back what was announced. As nf_ct_unexpect_related().
    pub(crate) fn unexpect(&mut self, tuple: &Tuple) {
        self.tracker.unexpect(self.id, tuple, self.now, self.out);
    }
}

/// Helpers and moved sequence numbers, for every packet of a connection. As the first half of nf_confirm().
pub(crate) fn help(
    tracker: &mut Tracker,
    tracked: Tracked,
    packet: &mut Packet<'_>,
    headers: &mut Headers,
    host: &dyn Host,
    now: Now,
    out: &mut Effects,
) -> Verdict {
    let Tracked::Of { id, direction, relation } = tracked else { return Verdict::Accept };
    let Some(connection) = tracker.get(id) else { return Verdict::Accept };
    if connection.is_plain() {
        return Verdict::Accept;
    }
    if connection.tuple(Direction::Original).protocol != headers.protocol {
        // An ICMP error of the connection is no payload of it; nf_confirm() knows that of answers alone.
        let mistaken = relation == Relation::Related && direction == Direction::Original;
        let Some(helper) = tracker.helper(id).filter(|helper| mistaken && helper.mistakes_errors()) else {
            return Verdict::Accept;
        };
        return helper.help(&mut Call { tracker, id, direction, relation, packet, headers, host, now, out });
    }
    let looped = packet.hook == Hook::Input && packet.in_device.is_some_and(|device| device.loopback);
    let moved = connection.status() & status::SEQ_ADJUST != 0 && !looped;
    if let Some(helper) = tracker.helper(id) {
        let mut call = Call { tracker: &mut *tracker, id, direction, relation, packet, headers, host, now, out };
        let verdict = helper.help(&mut call);
        if verdict != Verdict::Accept {
            return verdict;
        }
    }
    // What this packet itself has made longer begins behind it.
    if moved && !sequence::adjust(tracker, id, direction, packet, headers) {
        tracker.count_drop();
        return Verdict::Drop;
    }
    Verdict::Accept
}
