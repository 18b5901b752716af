//! Scenarios with a hand-moved clock: a router with one address on each side, and packets as bytes.

mod clash;
mod complaints;
mod control;
mod gre;
mod icmp;
mod lifetimes;
mod recorded;
mod sctp;
mod storm;
mod stress;
mod tcp;
mod udp;
mod zones;

use std::net::IpAddr;

use libxt::family::Af;

use super::tuple::protocol;
use super::*;
use crate::effects::{Event, EventKind};
use crate::helper;
use crate::helper::Parameters;
use crate::host::{AddressKind, Host, Route, RouteKey};
use crate::nat::{self, Range};
use crate::packet::{Buffer, Checksum, Device, Hook, Packet, Verdict};
use crate::wire::Headers;
use crate::wire::checksum::{Sum, verify};
use crate::{Effects, Now};

pub(crate) const FIN: u8 = 1;
pub(crate) const SYN: u8 = 2;
pub(crate) const RST: u8 = 4;
pub(crate) const ACK: u8 = 16;

/// The host behind the router, and the one in front.
pub(crate) const CLIENT: &str = "10.0.0.2";
pub(crate) const SERVER: &str = "192.0.2.80";
pub(crate) const ROUTER: &str = "192.0.2.1";

/// A tracker, its clock, and what a NAT table would say to new connections.
pub(crate) struct Box {
    pub(crate) tracker: Tracker,
    pub(crate) now: Now,
    pub(crate) out: Effects,
    pub(crate) nat: [Option<Range>; 2],
    pub(crate) translating: bool,
    /// What the next packet of the router's own answers.
    pub(crate) answered: Tracked,
    /// What `-j CT` lays down for every packet.
    pub(crate) template: Template,
    /// Whose the packet under way is, if others' look the same after the first hook.
    pub(crate) kept: Option<Tracked>,
    /// The whole table is looked through after each packet, unless it is a large one.
    pub(crate) checking: bool,
    /// The last packet as it left, which a helper may have made longer.
    grown: Vec<u8>,
}

/// What became of a packet that went through.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Passed {
    pub(crate) tracked: Tracked,
    pub(crate) verdict: Verdict,
    pub(crate) bytes: Vec<u8>,
}

impl Box {
    pub(crate) fn new() -> Self {
        Self::with(Settings { max: 1000, buckets: 128, events: 1, ..Settings::default() })
    }

    pub(crate) fn with(settings: Settings) -> Self {
        let mut tracker = Tracker::new(settings, *b"0123456789abcdef");
        tracker.set_listening(true);
        Self {
            tracker,
            now: Now { monotonic: 1_000_000_000_000_000, wall: 1_700_000_000_000_000_000 },
            out: Effects::default(),
            nat: [None; 2],
            translating: false,
            answered: Tracked::Unseen,
            template: Template::default(),
            kept: None,
            checking: true,
            grown: Vec::new(),
        }
    }

    /// A router that rewrites new connections' sources and destinations.
    pub(crate) fn translating(source: Option<Range>, destination: Option<Range>) -> Self {
        Self { nat: [source, destination], translating: true, ..Self::new() }
    }

    /// What the next process makes of what this one kept.
    pub(crate) fn crash(mut self) -> Self {
        let (mut connections, mut expectations) = (Vec::new(), Vec::new());
        self.tracker.changes(|index, record| connections.extend(record.map(|record| (index, *record))));
        self.tracker.expectation_changes(|_, record| expectations.extend(record.copied()));
        let (now, nat, translating, template) = (self.now, self.nat, self.translating, self.template);
        let mut next = Self { now, nat, translating, template, ..Self::with(self.tracker.settings().clone()) };
        next.tracker.set_keeping(true);
        next.tracker.restore(connections, now);
        next.tracker.restore_expectations(expectations, now);
        next.tracker.check();
        next
    }

    /// Sets parameters of helpers' modules.
    pub(crate) fn set_parameters(&mut self, set: impl FnOnce(&mut Parameters)) {
        let mut settings = self.tracker.settings().clone();
        set(&mut settings.helpers);
        self.tracker.set_settings(settings);
    }

    pub(crate) fn wait(&mut self, milliseconds: u64) {
        self.now.monotonic += milliseconds * 1_000_000;
        self.now.wall += milliseconds * 1_000_000;
        while self.tracker.expire(self.now, &mut self.out) {}
        self.tracker.check();
    }

    /// One hook.
    pub(crate) fn hook(&mut self, hook: Hook, device: &Device, packet: &mut [u8]) -> (Tracked, Verdict) {
        let len = packet.len();
        let mut room = [&*packet, &[0; 64]].concat();
        let answer = self.hook_with(hook, device, &mut room, len);
        packet.copy_from_slice(&room[..len]);
        answer
    }

    fn hook_with(&mut self, hook: Hook, device: &Device, bytes: &mut [u8], len: usize) -> (Tracked, Verdict) {
        let af = if bytes[0] >> 4 == 4 { Af::V4 } else { Af::V6 };
        let Some(mut headers) = Headers::parse(af, &bytes[..len]) else { return (Tracked::Invalid, Verdict::Accept) };
        let (arriving, leaving) = match hook {
            Hook::Prerouting | Hook::Input => (Some(device), None),
            _ => (None, Some(device)),
        };
        let mut packet =
            Packet { in_device: arriving, out_device: leaving, ..Packet::new(af, hook, Buffer::new(bytes, len)) };
        let attached = match hook {
            Hook::Output => self.tracker.attach(core::mem::replace(&mut self.answered, Tracked::Unseen)),
            // As the engine has it of what comes back.
            Hook::Prerouting if device.loopback => match self.tracker.recall(&packet, &headers, true) {
                found @ Tracked::Of { .. } => found,
                _ => Tracked::Unseen,
            },
            _ => Tracked::Unseen,
        };
        let tracked = match hook {
            _ if attached != Tracked::Unseen => attached,
            Hook::Prerouting | Hook::Output => {
                match self.tracker.track(&packet, &headers, Some(&self.template), self.now, &mut self.out) {
                    Ok(tracked) => tracked,
                    Err(Full) => return (Tracked::Invalid, Verdict::Drop),
                }
            }
            _ => self.kept.unwrap_or_else(|| self.tracker.recall(&packet, &headers, false)),
        };
        if let (true, Some(manip), Tracked::Of { id, relation, .. }) = (self.translating, nat::manip(hook), tracked) {
            if relation == Relation::New && nat::needs_binding(&self.tracker, id, manip) {
                let verdict = match self.nat[manip as usize] {
                    Some(range) => nat::setup(&mut self.tracker, id, &range, manip, self.now),
                    None => nat::null_binding(&mut self.tracker, id, manip, self.now),
                };
                if verdict != Verdict::Accept {
                    return (tracked, verdict);
                }
            }
            let verdict =
                nat::translate(&mut self.tracker, tracked, &mut packet, &mut headers, self.now, &mut self.out);
            if verdict != Verdict::Accept {
                return (tracked, verdict);
            }
        }
        if matches!(hook, Hook::Input | Hook::Postrouting) {
            let (now, out) = (self.now, &mut self.out);
            let verdict = helper::help(&mut self.tracker, tracked, &mut packet, &mut headers, &Machine, now, out);
            if verdict != Verdict::Accept {
                return (tracked, verdict);
            }
            self.grown.clear();
            self.grown.extend_from_slice(packet.data.bytes());
        }
        let verdict = match hook {
            Hook::Input | Hook::Postrouting => self.tracker.confirm(tracked, self.now, &mut self.out),
            _ => Verdict::Accept,
        };
        if matches!(hook, Hook::Prerouting | Hook::Output) {
            self.kept = self.tracker.is_ambiguous(tracked).then_some(tracked);
        }
        // A large table is looked through only when time passes.
        if self.checking && self.tracker.table.slots() <= 1024 {
            self.tracker.check();
        }
        (tracked, verdict)
    }

    fn through(&mut self, hooks: &[Hook], bytes: Vec<u8>) -> Passed {
        let mut bytes = bytes;
        let mut first = Tracked::Unseen;
        self.grown.clear();
        for &hook in hooks {
            let (tracked, verdict) = self.hook(hook, &device(2), &mut bytes);
            if first == Tracked::Unseen {
                first = tracked;
            } else if let (Tracked::Of { id, .. }, Tracked::Of { id: again, .. }) = (first, tracked) {
                assert_eq!(id, again, "the packet changed its connection at {hook:?}");
            }
            if verdict != Verdict::Accept {
                return Passed { tracked: first, verdict, bytes };
            }
        }
        let bytes = if self.grown.is_empty() { bytes } else { self.grown.clone() };
        Passed { tracked: first, verdict: Verdict::Accept, bytes }
    }

    /// A packet is forwarded.
    pub(crate) fn forward(&mut self, bytes: Vec<u8>) -> Passed {
        self.through(&[Hook::Prerouting, Hook::Forward, Hook::Postrouting], bytes)
    }

    /// A packet arrives and goes no further.
    pub(crate) fn arrive(&mut self, bytes: Vec<u8>) -> Passed {
        self.through(&[Hook::Prerouting, Hook::Forward], bytes)
    }

    /// A packet of the router's own.
    pub(crate) fn send(&mut self, bytes: Vec<u8>) -> Passed {
        self.through(&[Hook::Output, Hook::Postrouting], bytes)
    }

    /// As a rule would see it: NEW, ESTABLISHED, RELATED, INVALID, UNTRACKED.
    pub(crate) fn state(&mut self, bytes: Vec<u8>) -> &'static str {
        name(self.forward(bytes).tracked)
    }

    /// The kinds of the events since the last call.
    pub(crate) fn events(&mut self) -> Vec<EventKind> {
        self.out.events.drain(..).map(|event: Event| event.kind).collect()
    }

    /// Seconds left of the only connection.
    pub(crate) fn timeout(&self) -> u32 {
        self.only().timeout.unwrap()
    }

    pub(crate) fn only(&self) -> Snapshot {
        assert_eq!(self.tracker.len(), 1);
        self.tracker.snapshot(self.tracker.from_place(0).unwrap(), self.now).unwrap()
    }

    pub(crate) fn tcp_state(&self) -> u8 {
        match self.only().protocol {
            ProtocolState::Tcp { state, .. } => state,
            other => panic!("{other:?}"),
        }
    }
}

pub(crate) fn name(tracked: Tracked) -> &'static str {
    match tracked {
        Tracked::Unseen => "UNSEEN",
        Tracked::Untracked => "UNTRACKED",
        Tracked::Invalid => "INVALID",
        Tracked::Of { relation: Relation::New, .. } => "NEW",
        Tracked::Of { relation: Relation::Established, .. } => "ESTABLISHED",
        Tracked::Of { relation: Relation::Related, .. } => "RELATED",
    }
}

pub(crate) fn device(index: u32) -> Device {
    let mut name = [0; 16];
    name[..4].copy_from_slice(b"eth0");
    Device { index, name, loopback: index == 1, mtu: 1500, group: 0, hardware: 1 }
}

/// A machine whose network 10.0.0.0/24 has a broadcast address and is behind another device than all others, of which
/// 192.0.2.0/24 is on the link and the rest behind its last host.
struct Machine;

impl Host for Machine {
    fn masquerade_address(&self, _: Af, _: u32, _: &RouteKey) -> Option<IpAddr> {
        None
    }

    fn first_address(&self, _: Af, _: u32) -> Option<IpAddr> {
        None
    }

    fn address_kind(&self, _: IpAddr, _: Option<u32>) -> AddressKind {
        AddressKind::Unicast
    }

    fn route(&self, key: &RouteKey) -> Option<Route> {
        let IpAddr::V4(address) = key.destination else { return None };
        let (device, gateway) = match address.octets() {
            [10, 0, 0, _] => (3, None),
            [192, 0, 2, _] => (2, None),
            _ => (2, Some([192, 0, 2, 254].into())),
        };
        Some(Route { device, source: None, mtu: 1500, gateway })
    }

    fn minutes_west(&self) -> i32 {
        0
    }

    fn device(&self, _: u32) -> Option<&Device> {
        None
    }

    fn broadcast_network(&self, broadcast: IpAddr, _: u32) -> Option<u8> {
        (broadcast.to_string() == "10.0.0.255").then_some(24)
    }
}

/// A range of one address, and of ports if there are any.
pub(crate) fn range(address: &str, ports: Option<(u16, u16)>) -> Range {
    let address = Address::from(address.parse::<IpAddr>().unwrap());
    let (low, high) = ports.unwrap_or_default();
    Range {
        flags: nat::flags::MAP_IPS | if ports.is_some() { nat::flags::PROTO_SPECIFIED } else { 0 },
        min_address: address,
        max_address: address,
        min_port: low,
        max_port: high,
        base_port: 0,
    }
}

/// A whole IP packet of a transport packet, without or with its checksum at an offset.
pub(crate) fn ip(source: &str, destination: &str, number: u8, transport: &[u8], sum_at: Option<usize>) -> Vec<u8> {
    let (source, destination): (IpAddr, IpAddr) = (source.parse().unwrap(), destination.parse().unwrap());
    let mut transport = transport.to_vec();
    let af = if source.is_ipv4() { Af::V4 } else { Af::V6 };
    if let Some(at) = sum_at {
        let mut sum = Sum::default();
        if number != protocol::ICMP {
            sum = sum.pseudo_header(af, source.into(), destination.into(), number, transport.len());
        }
        let sum = match sum.bytes(&transport).finish() {
            0 if number == protocol::UDP => 0xffff,
            sum => sum,
        };
        transport[at..at + 2].copy_from_slice(&sum.to_be_bytes());
    }
    let len = u16::try_from(transport.len()).unwrap();
    let mut bytes = match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let mut header = vec![0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, number, 0, 0];
            header[2..4].copy_from_slice(&(len + 20).to_be_bytes());
            header.extend(source.octets());
            header.extend(destination.octets());
            let sum = crate::wire::checksum::checksum(&header);
            header[10..12].copy_from_slice(&sum.to_be_bytes());
            header
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            let mut header = vec![0x60, 0, 0, 0, 0, 0, number, 64];
            header[4..6].copy_from_slice(&len.to_be_bytes());
            header.extend(source.octets());
            header.extend(destination.octets());
            header
        }
        _ => panic!("two families"),
    };
    bytes.extend(transport);
    bytes
}

/// A TCP segment.
pub(crate) struct Segment<'a> {
    pub(crate) flags: u8,
    pub(crate) seq: u32,
    pub(crate) ack: u32,
    pub(crate) window: u16,
    pub(crate) options: &'a [u8],
    pub(crate) data: usize,
}

pub(crate) fn seg(flags: u8, seq: u32, ack: u32, data: usize) -> Segment<'static> {
    Segment { flags, seq, ack, window: 8192, options: &[], data }
}

/// A TCP packet between `address:port`s of IPv4.
pub(crate) fn tcp(from: (&str, u16), to: (&str, u16), segment: &Segment<'_>) -> Vec<u8> {
    let mut transport = vec![0; 20];
    transport[..2].copy_from_slice(&from.1.to_be_bytes());
    transport[2..4].copy_from_slice(&to.1.to_be_bytes());
    transport[4..8].copy_from_slice(&segment.seq.to_be_bytes());
    transport[8..12].copy_from_slice(&segment.ack.to_be_bytes());
    transport[12] = u8::try_from((20 + segment.options.len()) / 4 * 16).unwrap();
    transport[13] = segment.flags;
    transport[14..16].copy_from_slice(&segment.window.to_be_bytes());
    transport.extend(segment.options);
    transport.extend(vec![0x5a; segment.data]);
    ip(from.0, to.0, protocol::TCP, &transport, Some(16))
}

pub(crate) fn udp(from: (&str, u16), to: (&str, u16), data: &[u8]) -> Vec<u8> {
    let mut transport = vec![0; 8];
    transport[..2].copy_from_slice(&from.1.to_be_bytes());
    transport[2..4].copy_from_slice(&to.1.to_be_bytes());
    transport[4..6].copy_from_slice(&u16::try_from(8 + data.len()).unwrap().to_be_bytes());
    transport.extend(data);
    ip(from.0, to.0, protocol::UDP, &transport, Some(6))
}

/// An ICMP query (IPv4 or IPv6 by the addresses).
pub(crate) fn query(from: &str, to: &str, kind: u8, id: u16) -> Vec<u8> {
    let [a, b] = id.to_be_bytes();
    let number = if from.contains(':') { protocol::ICMPV6 } else { protocol::ICMP };
    ip(from, to, number, &[kind, 0, 0, 0, a, b, 0, 1, b'p', b'i', b'n', b'g'], Some(2))
}

/// An ICMP error about a packet.
pub(crate) fn error(from: &str, to: &str, kind: u8, code: u8, about: &[u8]) -> Vec<u8> {
    let mut transport = vec![kind, code, 0, 0, 0, 0, 0, 0];
    transport.extend(about);
    let number = if from.contains(':') { protocol::ICMPV6 } else { protocol::ICMP };
    ip(from, to, number, &transport, Some(2))
}

/// Addresses and ports as text, and whether every checksum is right.
pub(crate) fn outline(bytes: &[u8]) -> String {
    let af = if bytes[0] >> 4 == 4 { Af::V4 } else { Af::V6 };
    let headers = Headers::parse(af, bytes).unwrap();
    let transport = &bytes[headers.transport..headers.end];
    if af == Af::V4 {
        assert!(verify(Sum::default(), &bytes[..headers.transport]), "the header's checksum is wrong");
    }
    let pseudo =
        Sum::default().pseudo_header(af, headers.source, headers.destination, headers.protocol, transport.len());
    let sound = match headers.protocol {
        protocol::ICMP => verify(Sum::default(), transport),
        protocol::UDP if transport[6..8] == [0, 0] => true,
        protocol::TCP | protocol::UDP | protocol::ICMPV6 => verify(pseudo, transport),
        _ => true,
    };
    assert!(sound, "the transport checksum is wrong");
    let tuple = Tuple::of(af, headers.protocol, headers.source, headers.destination, transport).unwrap();
    match tuple.ports {
        tuple::Ports::Ports { source, destination } => {
            format!("{}:{source} > {}:{destination}", tuple.source.ip(af), tuple.destination.ip(af))
        }
        tuple::Ports::Icmp { kind, id, .. } => {
            format!("{} > {} icmp {kind} id {id}", tuple.source.ip(af), tuple.destination.ip(af))
        }
        _ => format!("{} > {}", tuple.source.ip(af), tuple.destination.ip(af)),
    }
}

/// The packet that an ICMP error over a plain header quotes.
pub(crate) fn quoted(bytes: &[u8]) -> &[u8] {
    let header = if bytes[0] >> 4 == 4 { 20 } else { 40 };
    &bytes[header + 8..]
}

impl Tracker {
    /// Chains, timers and counts agree with the slab, and no two connections share a tuple.
    pub(crate) fn check(&self) {
        self.table.check();
        let mut live = 0;
        let mut seen = std::collections::HashSet::new();
        for index in 0..self.table.slots() {
            let connection = self.table.at(index);
            if connection.place == connection::Place::Table {
                live += 1;
                assert!(connection.confirmed());
                // Translation can make a connection that answers itself.
                let tuples = if connection.pair.tuples()[0] == connection.pair.tuples()[1] { 1 } else { 2 };
                // What lost a race is found by answers alone.
                for at in usize::from(connection.is_hidden())..tuples {
                    assert!(
                        seen.insert((connection.pair.tuples()[at], connection.zones[at])),
                        "two connections share {:?}",
                        connection.pair.tuples()[at]
                    );
                }
            }
        }
        assert_eq!(live, self.len);
    }
}
