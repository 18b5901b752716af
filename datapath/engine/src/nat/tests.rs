//! Bindings: which address and port, what is taken, what ends them.

use super::*;
use crate::conntrack::Settings;
use crate::conntrack::tests::*;

const WEB: (&str, u16) = (SERVER, 80);

fn left(net: &mut Box, from: (&str, u16)) -> String {
    let passed = net.forward(udp(from, WEB, b"q"));
    match passed.verdict {
        Verdict::Accept => outline(&passed.bytes).split(' ').next().unwrap().to_owned(),
        other => format!("{other:?}"),
    }
}

fn port_of(outline: &str) -> u16 {
    outline.rsplit(':').next().unwrap().parse().unwrap()
}

#[test]
fn a_source_keeps_its_port_until_another_has_it() {
    let mut net = Box::translating(Some(range(ROUTER, None)), None);
    assert_eq!(left(&mut net, (CLIENT, 5000)), "192.0.2.1:5000");
    for (port, class) in [(5000, 1024..=65_535), (700, 600..=1023), (100, 1..=511)] {
        left(&mut net, (CLIENT, port));
        let clash = port_of(&left(&mut net, ("10.0.0.3", port)));
        assert!(clash != port && class.contains(&clash), "{port} became {clash}");
    }
    // Another destination's answers are other answers.
    let passed = net.forward(udp(("10.0.0.4", 5000), ("192.0.2.81", 80), b"q"));
    assert_eq!(outline(&passed.bytes), "192.0.2.1:5000 > 192.0.2.81:80");
}

#[test]
fn an_explicit_port_that_is_taken_drops_and_is_counted() {
    let mut net = Box::translating(Some(range(ROUTER, Some((7000, 7000)))), None);
    assert_eq!(left(&mut net, (CLIENT, 5000)), "192.0.2.1:7000");
    assert_eq!(left(&mut net, ("10.0.0.3", 5000)), "Drop");
    let statistics = net.tracker.statistics();
    assert_eq!((statistics.insert_failed, statistics.drop), (1, 1));
}

#[test]
fn an_exhausted_range_drops() {
    let mut net = Box::translating(Some(range(ROUTER, Some((7000, 7002)))), None);
    let mut ports: Vec<u16> = (1..=3).map(|host| port_of(&left(&mut net, (&format!("10.0.0.{host}"), 5000)))).collect();
    ports.sort_unstable();
    assert_eq!(ports, [7000, 7001, 7002]);
    assert_eq!(left(&mut net, ("10.0.0.4", 5000)), "Drop");
}

#[test]
fn a_plain_connection_gives_way_to_a_translated_one() {
    let mut net = Box::translating(Some(range("10.0.0.3", None)), None);
    assert_eq!(left(&mut net, (CLIENT, 5000)), "10.0.0.3:5000");
    net.nat = [None; 2];
    let own = port_of(&left(&mut net, ("10.0.0.3", 5000)));
    assert_ne!(own, 5000);
    let back = net.forward(udp(WEB, ("10.0.0.3", own), b"r"));
    assert_eq!(outline(&back.bytes), "192.0.2.80:80 > 10.0.0.3:5000");
}

#[test]
fn the_same_socket_keeps_its_mapping_towards_others() {
    let pool = Range {
        min_address: range("192.0.2.1", None).min_address,
        max_address: range("192.0.2.200", None).min_address,
        ..range(ROUTER, None)
    };
    let mut net = Box::translating(Some(pool), None);
    let first = left(&mut net, (CLIENT, 5000));
    for last in 90..120 {
        let passed = net.forward(udp((CLIENT, 5000), (&format!("192.0.2.{last}"), 80), b"q"));
        assert!(outline(&passed.bytes).starts_with(&format!("{first} ")));
    }
}

#[test]
fn a_persistent_range_gives_a_host_one_address() {
    let mut seen = std::collections::BTreeSet::new();
    let pool = Range {
        flags: flags::MAP_IPS | flags::PERSISTENT,
        max_address: range("192.0.2.200", None).min_address,
        ..range(ROUTER, None)
    };
    let mut net = Box::translating(Some(pool), None);
    for last in 90..120 {
        let passed = net.forward(udp((CLIENT, last), (&format!("198.51.100.{last}"), 80), b"q"));
        seen.insert(outline(&passed.bytes).split(':').next().unwrap().to_owned());
    }
    assert_eq!(seen.len(), 1);
}

#[test]
fn a_destination_is_translated_and_the_answer_comes_from_the_old_one() {
    let mut net = Box::translating(None, Some(range("10.1.1.1", Some((8080, 8080)))));
    let passed = net.forward(tcp((CLIENT, 5000), WEB, &seg(SYN, 1, 0, 0)));
    assert_eq!(outline(&passed.bytes), "10.0.0.2:5000 > 10.1.1.1:8080");
    let back = net.forward(tcp(("10.1.1.1", 8080), (CLIENT, 5000), &seg(SYN | ACK, 1, 2, 0)));
    assert_eq!(outline(&back.bytes), "192.0.2.80:80 > 10.0.0.2:5000");
}

#[test]
fn a_destination_port_range_can_keep_the_distance() {
    let moved = Range {
        flags: flags::MAP_IPS | flags::PROTO_SPECIFIED | flags::PROTO_OFFSET,
        base_port: 5000,
        ..range("10.1.1.1", Some((8000, 8010)))
    };
    let mut net = Box::translating(None, Some(moved));
    let passed = net.forward(udp((CLIENT, 1), (SERVER, 5003), b""));
    assert_eq!(outline(&passed.bytes), "10.0.0.2:1 > 10.1.1.1:8003");
}

#[test]
fn both_ends_translated_are_found_between_the_two() {
    let mut net = Box::translating(Some(range("10.1.1.254", None)), Some(range("10.1.1.1", None)));
    for _ in 0..2 {
        let passed = net.forward(tcp((CLIENT, 5000), WEB, &seg(SYN, 1, 0, 0)));
        assert_eq!(outline(&passed.bytes), "10.1.1.254:5000 > 10.1.1.1:80");
    }
    let back = net.forward(tcp(("10.1.1.1", 80), ("10.1.1.254", 5000), &seg(SYN | ACK, 9, 2, 0)));
    assert_eq!(outline(&back.bytes), "192.0.2.80:80 > 10.0.0.2:5000");
    assert_eq!(net.tracker.len(), 1);
}

#[test]
fn ping_ids_clash_and_move() {
    let mut net = Box::translating(Some(range(ROUTER, None)), None);
    let first = net.forward(query(CLIENT, SERVER, 8, 77)).bytes;
    assert_eq!(outline(&first), "192.0.2.1 > 192.0.2.80 icmp 8 id 77");
    let second = outline(&net.forward(query("10.0.0.3", SERVER, 8, 77)).bytes);
    let id: u16 = second.rsplit(' ').next().unwrap().parse().unwrap();
    assert_ne!(id, 77);
    let back = net.forward(query(SERVER, ROUTER, 0, id)).bytes;
    assert_eq!(outline(&back), "192.0.2.80 > 10.0.0.3 icmp 0 id 77");
}

#[test]
fn ipv6_is_translated_alike() {
    let mut net = Box::translating(Some(range("2001:db8::1", None)), None);
    let passed = net.forward(query("fd00::2", "2001:db8::80", 128, 5)).bytes;
    assert_eq!(outline(&passed), "2001:db8::1 > 2001:db8::80 icmp 128 id 5");
    let back = net.forward(tcp(("fd00::2", 1), ("2001:db8::80", 2), &seg(SYN, 1, 0, 3))).bytes;
    assert_eq!(outline(&back), "2001:db8::1:1 > 2001:db8::80:2");
}

#[test]
fn a_datagram_without_checksum_stays_without() {
    let mut net = Box::translating(Some(range(ROUTER, None)), None);
    let mut packet = udp((CLIENT, 5000), WEB, b"q");
    packet[26..28].fill(0);
    assert_eq!(net.forward(packet).bytes[26..28], [0, 0]);
}

/// A super-packet's checksum holds the pseudo-header's sum; what the device adds later must come out right.
#[test]
fn a_partial_checksum_follows_the_addresses_only() {
    let mut net = Box::translating(Some(range(ROUTER, Some((7000, 7000)))), None);
    let mut bytes = tcp((CLIENT, 5000), WEB, &seg(SYN, 1, 0, 0));
    let pseudo = |bytes: &[u8]| {
        let headers = Headers::parse(Af::V4, bytes).unwrap();
        crate::wire::checksum::Sum::default()
            .pseudo_header(Af::V4, headers.source, headers.destination, 6, bytes.len() - 20)
            .fold()
            .to_be_bytes()
    };
    let start = pseudo(&bytes);
    bytes[36..38].copy_from_slice(&start);
    let headers = Headers::parse(Af::V4, &bytes).unwrap();
    let len = bytes.len();
    let eth = device(2);
    let mut packet = Packet {
        out_device: Some(&eth),
        checksum: Checksum::Partial,
        gso: true,
        ..Packet::new(Af::V4, Hook::Output, crate::packet::Buffer::new(&mut bytes, len))
    };
    let mut headers = headers;
    let tracked = net.tracker.track(&packet, &headers, None, net.now, &mut net.out).unwrap();
    let Tracked::Of { id, .. } = tracked else { panic!("{tracked:?}") };
    packet.hook = Hook::Postrouting;
    let range = net.nat[0].unwrap();
    assert_eq!(setup(&mut net.tracker, id, &range, Manip::Source, net.now), Verdict::Accept);
    translate(&mut net.tracker, tracked, &mut packet, &mut headers, net.now, &mut net.out);
    assert_eq!(bytes[36..38], pseudo(&bytes));
    let sum = crate::wire::checksum::checksum(&bytes[20..]);
    bytes[36..38].copy_from_slice(&sum.to_be_bytes());
    assert_eq!(outline(&bytes), "192.0.2.1:7000 > 192.0.2.80:80");
}

/// A connection that MASQUERADE bound to an address of a device.
fn masqueraded(net: &mut Box, port: u16, address: &str, device_index: u32) {
    let mut bytes = udp((CLIENT, port), WEB, b"");
    net.translating = false;
    let (tracked, _) = net.hook(Hook::Prerouting, &device(2), &mut bytes);
    let Tracked::Of { id, .. } = tracked else { panic!("{tracked:?}") };
    null_binding(&mut net.tracker, id, Manip::Destination, net.now);
    masquerade(&mut net.tracker, id, &range(address, None), device_index, net.now);
    net.hook(Hook::Postrouting, &device(device_index), &mut bytes);
}

#[test]
fn masqueraded_connections_die_with_their_address_or_device_and_others_stay() {
    let mut net = Box::translating(Some(range(ROUTER, None)), None);
    left(&mut net, (CLIENT, 1));
    for (port, device_index) in [(2, 5), (3, 5), (4, 6)] {
        masqueraded(&mut net, port, if port == 3 { "192.0.2.9" } else { ROUTER }, device_index);
    }
    assert_eq!(net.tracker.len(), 4);
    address_gone(&mut net.tracker, 5, Some(ROUTER.parse().unwrap()));
    net.wait(1);
    assert_eq!(net.tracker.len(), 3);
    address_gone(&mut net.tracker, 5, None);
    net.wait(1);
    assert_eq!(net.tracker.len(), 2);
    // Leaving by another device than it was bound to ends it, and drops the packet.
    net.translating = true;
    assert_eq!(net.forward(udp((CLIENT, 4), WEB, b"")).verdict, Verdict::Drop);
    assert_eq!(net.tracker.len(), 1);
}

#[test]
fn many_masqueraded_connections_end_in_pieces_between_which_packets_pass() {
    let mut net = Box::with(Settings { max: 10_000, buckets: 10_000, ..Settings::default() });
    for port in 1..=1500 {
        masqueraded(&mut net, port, ROUTER, if port % 5 == 0 { 6 } else { 5 });
    }
    address_gone(&mut net.tracker, 5, None);
    let (mut pieces, mut left) = (0, net.tracker.len());
    assert_eq!(left, 1500);
    while net.tracker.expire(net.now, &mut net.out) {
        pieces += 1;
        let now_left = net.tracker.len();
        assert!(left - now_left <= 512, "{} at once", left - now_left);
        left = now_left;
    }
    assert!(pieces >= 2, "{pieces}");
    assert_eq!(net.tracker.len(), 300);
    net.tracker.check();
}

#[test]
fn a_mapping_outlives_the_rule_and_is_decided_anew_after_deletion() {
    let mut net = Box::translating(Some(range(ROUTER, None)), None);
    left(&mut net, (CLIENT, 1));
    net.nat = [Some(range("192.0.2.2", None)), None];
    assert_eq!(left(&mut net, (CLIENT, 1)), "192.0.2.1:1");
    let id = net.tracker.from_place(0).unwrap();
    net.tracker.delete(id, 0, net.now, &mut net.out);
    assert_eq!(left(&mut net, (CLIENT, 1)), "192.0.2.2:1");
}

#[test]
fn a_finished_tcp_connection_gives_its_port_to_one_that_finds_no_other() {
    let mut net = Box::translating(Some(range(ROUTER, Some((7000, 7001)))), None);
    for host in ["10.0.0.5", "10.0.0.6"] {
        net.forward(tcp((host, 9), WEB, &seg(SYN, 1, 0, 0)));
    }
    assert_eq!(net.forward(tcp((CLIENT, 9), WEB, &seg(SYN, 1, 0, 0))).verdict, Verdict::Drop);
    for port in [7000, 7001] {
        net.forward(tcp(WEB, (ROUTER, port), &seg(SYN | ACK, 5, 2, 0)));
    }
    net.forward(tcp(("10.0.0.5", 9), WEB, &seg(ACK, 2, 6, 0)));
    net.forward(tcp(("10.0.0.5", 9), WEB, &seg(RST, 2, 0, 0)));
    // The server could take a SYN with older numbers for the finished one's.
    assert_eq!(net.forward(tcp((CLIENT, 9), WEB, &seg(SYN, 1, 0, 0))).verdict, Verdict::Drop);
    let passed = net.forward(tcp((CLIENT, 9), WEB, &seg(SYN, 100, 0, 0)));
    assert_eq!(passed.verdict, Verdict::Accept);
    assert_eq!(net.tracker.len(), 2);
}

#[test]
fn a_connection_translated_into_itself_does_no_harm() {
    let mut net = Box::translating(Some(range(SERVER, None)), Some(range(CLIENT, None)));
    for _ in 0..3 {
        let passed = net.forward(udp((CLIENT, 80), (SERVER, 80), b""));
        assert_eq!(outline(&passed.bytes), "192.0.2.80:80 > 10.0.0.2:80");
    }
    net.wait(31_000);
    assert!(net.tracker.is_empty());
}
