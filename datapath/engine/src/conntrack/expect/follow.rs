//! What is done to an expected connection when it comes: `expectfn`.

use super::Expected;
use crate::conntrack::tuple::{Ports, protocol};
use crate::conntrack::{ConnId, Direction, Tracker, Tuple, status};
use crate::helper::Memory;
use crate::nat::{self, Manip, Range, flags};
use crate::{Effects, Now};

impl Tracker {
    /// It is translated as its master is. As nf_nat_follow_master().
    pub(super) fn follow_master(&mut self, index: u32, master: ConnId, expected: &Expected, now: Now) {
        let Some(master) = self.table.get(master) else { return };
        let opposite = master.tuple(expected.direction.opposite());
        let child = self.table.id(index);
        let source = Range {
            flags: flags::MAP_IPS,
            min_address: opposite.destination,
            max_address: opposite.destination,
            ..Range::default()
        };
        nat::setup(self, child, &source, Manip::Source, now);
        let (address, port) = (opposite.source, expected.saved.1);
        let destination = Range {
            flags: flags::MAP_IPS | flags::PROTO_SPECIFIED,
            min_address: address,
            max_address: address,
            min_port: port,
            max_port: port,
            base_port: 0,
        };
        nat::setup(self, child, &destination, Manip::Destination, now);
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
            let keyed = if expected.direction == keyed { flags::PROTO_SPECIFIED } else { 0 };
            let range = Range {
                flags: flags::MAP_IPS | keyed,
                min_address: address,
                max_address: address,
                min_port: key,
                max_port: key,
                base_port: 0,
            };
            nat::setup(self, child, &range, manip, now);
        }
    }

    /// It goes to what was said before translation, and comes from where the other end expects its own, if it does. As
    /// nf_nat_sip_expected().
    pub(super) fn follow_sip(&mut self, index: u32, master: ConnId, expected: &Expected, now: Now) {
        const SIGNALLING: u8 = 0;
        let one = |address, port: Option<u16>| Range {
            flags: flags::MAP_IPS | if port.is_some() { flags::PROTO_SPECIFIED } else { 0 },
            min_address: address,
            max_address: address,
            min_port: port.unwrap_or(0),
            max_port: port.unwrap_or(0),
            base_port: 0,
        };
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
}
