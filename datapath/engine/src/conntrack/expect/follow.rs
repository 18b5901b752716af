//! What is done to an expected connection when it comes: `expectfn`.

use super::Expected;
use crate::conntrack::tuple::{Ports, protocol};
use crate::conntrack::{Address, ConnId, Direction, Tracker, Tuple, status};
use crate::helper::Memory;
use crate::nat::{self, Manip, Range, flags};
use crate::{Effects, Now};

impl Tracker {
    /// It is translated as its master is. As nf_nat_follow_master().
    pub(super) fn follow_master(&mut self, index: u32, master: ConnId, expected: &Expected, now: Now) {
        let Some(master) = self.table.get(master) else { return };
        let opposite = master.tuple(expected.direction.opposite());
        let child = self.table.id(index);
        nat::setup(self, child, &one(opposite.destination, None), Manip::Source, now);
        nat::setup(self, child, &one(opposite.source, Some(expected.saved.1)), Manip::Destination, now);
    }

    /// The other direction of a PPTP call is no longer expected; the call is translated as its master is, keys to what each
    /// end chose. As pptp_expectfn() and pptp_nat_expected().
    pub(super) fn follow_pptp(&mut self, index: u32, master: ConnId, expected: &Expected, now: Now, out: &mut Effects) {
        let zone = self.table.at(index).zones()[0];
        let Some(parent) = self.table.get(master) else { return };
        if !parent.has(status::SRC_NAT | status::DST_NAT) {
            if let Some(other) = expected.tuple.inverse() {
                self.unexpect_any(&other, zone, now, out);
            }
            return;
        }
        let opposite = parent.tuple(expected.direction.opposite());
        let Some(Memory::Pptp(session)) = self.memory(master) else { return };
        let (source, destination) = match expected.direction {
            Direction::Original => (session.server_call, session.client_call),
            // The kernel asks the new connection for what only its master knows.
            Direction::Reply => (0, 0),
        };
        let other = Tuple { protocol: protocol::GRE, ports: Ports::Keys { source, destination }, ..opposite };
        self.unexpect_any(&other, zone, now, out);
        let child = self.table.id(index);
        let key = expected.saved.1;
        for (manip, address, keyed) in [
            (Manip::Source, opposite.destination, Direction::Original),
            (Manip::Destination, opposite.source, Direction::Reply),
        ] {
            let key = (expected.direction == keyed).then_some(key);
            nat::setup(self, child, &one(address, key), manip, now);
        }
    }

    /// It goes to what was said before translation, and comes from where the other end expects its own, if it does. As
    /// nf_nat_sip_expected().
    pub(super) fn follow_sip(&mut self, index: u32, master: ConnId, expected: &Expected, now: Now) {
        const SIGNALLING: u8 = 0;
        let child = self.table.id(index);
        let comes = self.table.at(index).tuple(Direction::Original);
        let (address, port) = expected.saved;
        nat::setup(self, child, &one(address, Some(port)), Manip::Destination, now);
        let mut source = None;
        if expected.class != SIGNALLING {
            let pair = self.expected_by(master).map(|(_, pair)| pair).find(|pair| {
                pair.tuple.af == comes.af
                    && pair.tuple.protocol == comes.protocol
                    && pair.saved == (comes.source, comes.source_port())
            });
            source = pair.map(|pair| one(pair.tuple.destination, Some(pair.tuple.destination_port())));
        }
        if source.is_none()
            && let Some(master) = self.table.get(master)
            && comes.source == master.tuple(expected.direction).source
        {
            source = Some(one(master.tuple(expected.direction.opposite()).destination, None));
        }
        if let Some(range) = source {
            nat::setup(self, child, &range, Manip::Source, now);
        }
    }

    /// It goes to who registered; if only the gatekeeper may call, it is translated as its master is. As
    /// ip_nat_q931_expect().
    pub(super) fn follow_call(&mut self, index: u32, master: ConnId, expected: &Expected, now: Now) {
        if expected.tuple.source != Address::default() {
            return self.follow_master(index, master, expected, now);
        }
        let Some(parent) = self.table.get(master) else { return };
        let address = parent.tuple(expected.direction.opposite()).source;
        self.follow_forwarding(index, expected, address, now);
    }

    /// It goes to an address and the port that was said before translation. As ip_nat_callforwarding_expect().
    pub(super) fn follow_forwarding(&mut self, index: u32, expected: &Expected, address: Address, now: Now) {
        let child = self.table.id(index);
        let comes = self.table.at(index).tuple(expected.direction.opposite());
        nat::setup(self, child, &one(comes.source, None), Manip::Source, now);
        nat::setup(self, child, &one(address, Some(expected.saved.1)), Manip::Destination, now);
    }
}

/// A range of one address, and of one port if there is any.
fn one(address: Address, port: Option<u16>) -> Range {
    Range {
        flags: flags::MAP_IPS | if port.is_some() { flags::PROTO_SPECIFIED } else { 0 },
        min_address: address,
        max_address: address,
        min_port: port.unwrap_or(0),
        max_port: port.unwrap_or(0),
        base_port: 0,
    }
}
