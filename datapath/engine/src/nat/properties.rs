//! What must hold of every translation: its inverse restores the packet, checksums are right, answers are one connection's.

use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::*;
use crate::conntrack::Tuple;
use crate::conntrack::tests::{Box, device, ip, range, udp};
use crate::conntrack::tuple::Ports;
use crate::wire::checksum::{Sum, checksum, verify};
use crate::wire::sctp;

/// A packet of each kind that tracking knows, and of one that it does not.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Tcp,
    Udp,
    Unsummed,
    UdpLite,
    Sctp,
    Echo,
    Call,
    Other,
}

const KINDS: [Kind; 8] =
    [Kind::Tcp, Kind::Udp, Kind::Unsummed, Kind::UdpLite, Kind::Sctp, Kind::Echo, Kind::Call, Kind::Other];

fn address(six: bool) -> impl Strategy<Value = String> {
    (any::<u32>(), any::<u16>()).prop_map(move |(a, b)| match six {
        false => std::net::Ipv4Addr::from(a).to_string(),
        true => format!("fd00:{:x}:{:x}::{b:x}", a >> 16, a & 0xffff),
    })
}

/// A whole packet with right checksums.
fn packet(kind: Kind, from: &str, to: &str, ports: (u16, u16), data: &[u8]) -> Vec<u8> {
    let six = from.contains(':');
    let head = [ports.0.to_be_bytes(), ports.1.to_be_bytes()].concat();
    let length = (8 + data.len() as u16).to_be_bytes();
    match kind {
        Kind::Tcp => ip(from, to, 6, &[&head, &[0; 8][..], &[0x50, 0x10, 1, 0, 0, 0, 0, 0], data].concat(), Some(16)),
        Kind::Udp => ip(from, to, 17, &[&head, &length[..], &[0; 2], data].concat(), Some(6)),
        // With IPv6 it is no packet that anybody sends.
        Kind::Unsummed => ip(from, to, 17, &[&head, &length[..], &[0; 2], data].concat(), None),
        Kind::UdpLite => ip(from, to, 136, &[&head, &[0; 4][..], data].concat(), Some(6)),
        Kind::Sctp => {
            let mut segment = [&head, &[0, 0, 0, 1, 0, 0, 0, 0][..], &[0, 3, 0, 4], data].concat();
            let sum = sctp::checksum(&segment).unwrap();
            segment[8..12].copy_from_slice(&sum.to_le_bytes());
            ip(from, to, 132, &segment, None)
        }
        Kind::Echo if six => ip(from, to, 58, &[&[128, 0, 0, 0][..], &head, data].concat(), Some(2)),
        Kind::Echo => ip(from, to, 1, &[&[8, 0, 0, 0][..], &head, data].concat(), Some(2)),
        Kind::Call => ip(from, to, 47, &[&[0x30, 1, 0x88, 0x0b, 0, 0][..], &head, data].concat(), None),
        Kind::Other => ip(from, to, 99, data, None),
    }
}

/// Whether every checksum of a packet is right.
fn adds_up(kind: Kind, bytes: &[u8]) -> bool {
    let six = bytes[0] >> 4 == 6;
    let af = if six { Af::V6 } else { Af::V4 };
    let headers = Headers::parse(af, bytes).unwrap();
    let segment = headers.segment(bytes);
    let pseudo = Sum::default().pseudo_header(af, headers.source, headers.destination, headers.protocol, segment.len());
    let transport = match kind {
        Kind::Udp => segment[6..8] != [0, 0] && verify(pseudo, segment),
        Kind::Tcp | Kind::UdpLite => verify(pseudo, segment),
        Kind::Echo if six => verify(pseudo, segment),
        Kind::Echo => verify(Sum::default(), segment),
        Kind::Unsummed => segment[6..8] == [0, 0],
        Kind::Sctp => {
            let mut blank = segment.to_vec();
            blank[8..12].fill(0);
            sctp::checksum(&blank).unwrap().to_le_bytes() == segment[8..12]
        }
        Kind::Call | Kind::Other => true,
    };
    transport && (six || checksum(&bytes[..headers.transport]) == 0)
}

fn tuple(bytes: &[u8]) -> Tuple {
    let af = if bytes[0] >> 4 == 6 { Af::V6 } else { Af::V4 };
    let headers = Headers::parse(af, bytes).unwrap();
    Tuple::of(af, headers.protocol, headers.source, headers.destination, headers.segment(bytes)).unwrap()
}

/// What a packet becomes: other addresses, other ports where it has any.
fn moved(tuple: &Tuple, source: &str, destination: &str, ports: (u16, u16)) -> Tuple {
    let address = |text: &str| Address::from(text.parse::<IpAddr>().unwrap());
    let ports = match tuple.ports {
        Ports::Ports { .. } => Ports::Ports { source: ports.0, destination: ports.1 },
        Ports::Icmp { kind, code, .. } => Ports::Icmp { kind, code, id: ports.0 },
        Ports::Keys { source, .. } => Ports::Keys { source, destination: ports.1 },
        Ports::None => Ports::None,
    };
    Tuple { source: address(source), destination: address(destination), ports, ..*tuple }
}

fn write(bytes: &mut [u8], to: &Tuple, sides: &[Manip], partial: bool) {
    let af = if bytes[0] >> 4 == 6 { Af::V6 } else { Af::V4 };
    let headers = Headers::parse(af, bytes).unwrap();
    let part = rewrite::Part { af, protocol: headers.protocol, transport: headers.transport, partial };
    for &side in sides {
        rewrite::rewrite(&mut bytes[..headers.end], part, Target::of(to, side), side).unwrap();
    }
}

/// An ICMP error about a packet, of which it quotes so much.
fn error(about: &[u8], from: &str, to: &str, quote: usize) -> Vec<u8> {
    let (number, kind) = if from.contains(':') { (58, 1) } else { (1, 3) };
    ip(from, to, number, &[&[kind, 1, 0, 0, 0, 0, 0, 0], &about[..quote]].concat(), Some(2))
}

const SIDES: [Manip; 2] = [Manip::Source, Manip::Destination];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_translation_keeps_checksums_right_and_its_inverse_restores_the_packet(
        (from, to, there, back) in any::<bool>().prop_flat_map(|six| (address(six), address(six), address(six), address(six))),
        kind in select(&KINDS),
        ports: (u16, u16),
        others: (u16, u16),
        data in vec(any::<u8>(), 8..80),
        sides in subsequence(&SIDES, 1..=2).prop_shuffle(),
    ) {
        let packet = packet(kind, &from, &to, ports, &data);
        prop_assert!(adds_up(kind, &packet));
        let target = moved(&tuple(&packet), &there, &back, others);
        let mut bytes = packet.clone();
        write(&mut bytes, &target, &sides, false);
        prop_assert!(adds_up(kind, &bytes));
        if sides.len() == 2 {
            prop_assert_eq!(tuple(&bytes), target);
        }
        write(&mut bytes, &tuple(&packet), &sides, false);
        prop_assert_eq!(bytes, packet);
    }

    #[test]
    fn a_sum_that_is_yet_to_be_made_comes_out_right_and_its_inverse_restores_the_packet(
        (from, to, there, back) in any::<bool>().prop_flat_map(|six| (address(six), address(six), address(six), address(six))),
        kind in select(&[Kind::Tcp, Kind::Udp, Kind::UdpLite, Kind::Sctp]),
        ports: (u16, u16),
        others: (u16, u16),
        data in vec(any::<u8>(), 8..3_000),
        sides in subsequence(&SIDES, 1..=2).prop_shuffle(),
    ) {
        let mut packet = packet(kind, &from, &to, ports, &data);
        let af = if packet[0] >> 4 == 6 { Af::V6 } else { Af::V4 };
        let start = Headers::parse(af, &packet).unwrap().transport;
        // As the kernel hands over what a socket sends: the field holds the pseudo-header's sum alone.
        let pseudo = |bytes: &[u8]| {
            let headers = Headers::parse(af, bytes).unwrap();
            let length = headers.segment(bytes).len();
            Sum::default().pseudo_header(af, headers.source, headers.destination, headers.protocol, length).fold()
        };
        let field = match kind {
            Kind::Tcp => Some(start + 16),
            Kind::Sctp => None,
            _ => Some(start + 6),
        };
        if let Some(field) = field {
            let sum = pseudo(&packet).to_be_bytes();
            packet[field..field + 2].copy_from_slice(&sum);
        }
        let target = moved(&tuple(&packet), &there, &back, others);
        let mut bytes = packet.clone();
        write(&mut bytes, &target, &sides, true);
        if let Some(field) = field {
            prop_assert_eq!(&bytes[field..field + 2], &pseudo(&bytes).to_be_bytes());
        }
        let mut whole = bytes.clone();
        crate::wire::partial::complete(af, &mut whole);
        prop_assert!(adds_up(kind, &whole));
        write(&mut bytes, &tuple(&packet), &sides, true);
        prop_assert_eq!(bytes, packet);
    }

    #[test]
    fn an_error_and_its_quote_come_out_right_and_their_inverse_restores_them(
        (from, to, there, host) in any::<bool>().prop_flat_map(|six| (address(six), address(six), address(six), address(six))),
        kind in select(&KINDS),
        ports: (u16, u16),
        other: u16,
        data in vec(any::<u8>(), 8..80),
        cut in 0usize..120,
        manip in select(&SIDES),
    ) {
        let about = packet(kind, &from, &to, ports, &data);
        let header = if about[0] >> 4 == 6 { 40 } else { 20 };
        // The sum of SCTP is made anew over what there is of the packet, as the kernel does it.
        let cut = if matches!(kind, Kind::Sctp) { 0 } else { cut };
        let quote = about.len().saturating_sub(cut).max(header + 8);
        // As it stands in front of one side's translation: it goes to where the quoted packet came from, or comes from where
        // that went.
        let (sender, receiver) = match manip {
            Manip::Source => (to.clone(), host),
            Manip::Destination => (host, from.clone()),
        };
        let packet = error(&about, &sender, &receiver, quote);
        let af = if header == 40 { Af::V6 } else { Af::V4 };
        let inside = header + ERROR_HEADER;
        let known = tuple(&about);
        let new = moved(&known, &there, &there, (other, other));
        let mut bytes = packet.clone();
        let (target, back) = match manip {
            Manip::Source => (Target::of(&new, Manip::Destination), Target::of(&known, Manip::Destination)),
            Manip::Destination => (Target::of(&new, Manip::Source), Target::of(&known, Manip::Source)),
        };
        let headers = Headers::parse(af, &bytes).unwrap();
        rewrite::error(&mut bytes, &headers, target, &new, manip).unwrap();
        let outer = Headers::parse(af, &bytes).unwrap();
        prop_assert!(rewrite::error_adds_up(&outer, &bytes));
        prop_assert!(af == Af::V6 || checksum(&bytes[..header]) == 0 && checksum(&bytes[inside..inside + header]) == 0);
        if quote == about.len() {
            prop_assert!(adds_up(kind, &bytes[inside..]));
        }
        rewrite::error(&mut bytes, &outer, back, &known, manip).unwrap();
        prop_assert_eq!(bytes, packet);
    }
}

/// The client's last number, its port, the server's last number.
type FirstPacket = (u8, u16, u8);

/// First packets of flows of few hosts, and in which order they meet the last hook: as many workers would have it.
fn crowd() -> impl Strategy<Value = (Vec<FirstPacket>, Vec<usize>, (u16, u16))> {
    let flow = (2u8..6, prop_oneof![Just(700u16), 5000..5004u16], 80u8..82);
    vec(flow, 1..60).prop_flat_map(|flows| {
        let order: Vec<usize> = (0..flows.len()).collect();
        let ports = (7000u16..7003, 0u16..8).prop_map(|(low, more)| (low, low + more));
        (Just(flows), Just(order).prop_shuffle(), ports)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_two_connections_share_their_answers_however_their_packets_overtake_each_other(
        (flows, order, ports) in crowd(),
        batch in 1usize..20,
        ranged: bool,
    ) {
        let mut net = Box::translating(Some(range("192.0.2.1", ranged.then_some(ports))), None);
        net.checking = false;
        let eth = device(2);
        for some in order.chunks(batch) {
            let mut between = Vec::new();
            for &at in some {
                let (host, port, server) = flows[at];
                let mut bytes =
                    udp((&format!("10.0.0.{host}"), port), (&format!("192.0.2.{server}"), 53), &[at as u8]);
                let (_, verdict) = net.hook(Hook::Prerouting, &eth, &mut bytes);
                prop_assert_eq!(verdict, Verdict::Accept);
                between.push((bytes, net.kept.take()));
            }
            for (bytes, kept) in between.iter_mut().rev() {
                net.kept = *kept;
                net.hook(Hook::Postrouting, &eth, bytes);
            }
        }
        net.tracker.check();
        let mut answers = BTreeSet::new();
        let mut place = 0;
        while let Some(id) = net.tracker.from_place(place) {
            let connection = net.tracker.get(id).unwrap();
            let reply = connection.tuple(Direction::Reply);
            prop_assert!(answers.insert(reply), "{reply:?} twice");
            let port = reply.destination_port();
            let original = connection.tuple(Direction::Original).source_port();
            let class = if original < 1024 { 600..=1023 } else { 1024..=u16::MAX };
            let allowed = if ranged { ports.0..=ports.1 } else { class };
            prop_assert!(allowed.contains(&port));
            place = id.index + 1;
        }
        let clients: BTreeSet<_> = flows.iter().collect();
        let room = if ranged { 2 * (usize::from(ports.1 - ports.0) + 1) } else { usize::MAX };
        prop_assert!(!answers.is_empty() && answers.len() <= clients.len().min(room));
    }
}
