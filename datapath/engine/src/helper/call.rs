//! What a helper sees of a packet, and what it can do about it.

use super::Memory;
use crate::conntrack::expect::Expected;
use crate::conntrack::{ConnId, Connection, Direction, Refusal, Relation, Tracker, Tuple, status};
use crate::host::Host;
use crate::wire::Headers;
use crate::{Effects, Now, Packet};

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
