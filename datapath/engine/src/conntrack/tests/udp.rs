//! UDP and its timeouts.

use super::*;

const A: (&str, u16) = (CLIENT, 5000);
const B: (&str, u16) = (SERVER, 53);

#[test]
fn a_flow_is_new_then_established_then_assured_after_two_seconds() {
    let mut net = Box::new();
    assert_eq!(net.state(udp(A, B, b"q")), "NEW");
    assert_eq!(net.timeout(), 30);
    assert_eq!(net.state(udp(A, B, b"q")), "NEW");
    assert_eq!(net.state(udp(B, A, b"r")), "ESTABLISHED");
    assert_eq!(net.state(udp(A, B, b"q")), "ESTABLISHED");
    assert_eq!(net.events(), [EventKind::New, EventKind::Update]);
    assert_eq!(net.timeout(), 30);
    net.wait(2100);
    assert_eq!(net.state(udp(A, B, b"q")), "ESTABLISHED");
    assert_eq!(net.timeout(), 120);
    assert_ne!(net.only().status & status::ASSURED, 0);
    assert_eq!(net.events(), [EventKind::Update]);
    net.wait(120_300);
    assert_eq!(net.events(), [EventKind::Destroy]);
    assert!(net.tracker.is_empty());
}

#[test]
fn lengths_beyond_the_packet_or_below_the_header_are_invalid() {
    let mut net = Box::new();
    for (len, state) in [(9_u16, "INVALID"), (7, "INVALID"), (0, "INVALID"), (8, "NEW")] {
        let mut packet = udp(A, B, b"");
        packet[24..26].copy_from_slice(&len.to_be_bytes());
        packet[26..28].fill(0);
        assert_eq!(net.state(packet), state, "length {len}");
    }
}

/// As sent through a router with the kernel's tracking, the checksum being over 12 or over all 20 bytes.
#[test]
fn a_length_shorter_than_the_packet_is_fine_if_the_checksum_covers_everything() {
    for (covered, state) in [(12, "INVALID"), (20, "NEW")] {
        let mut transport = vec![b'q'; 20];
        transport[..8].copy_from_slice(&[0x13, 0x88, 0, 53, 0, 12, 0, 0]);
        let sum = udp_sum(&transport, covered);
        transport[6..8].copy_from_slice(&sum.to_be_bytes());
        assert_eq!(Box::new().state(ip(CLIENT, SERVER, protocol::UDP, &transport, None)), state, "{covered} bytes");
    }
}

fn udp_sum(transport: &[u8], covered: usize) -> u16 {
    let address = |text: &str| Address::from(text.parse::<IpAddr>().unwrap());
    Sum::default()
        .pseudo_header(Af::V4, address(CLIENT), address(SERVER), protocol::UDP, covered)
        .bytes(&transport[..covered])
        .finish()
}

#[test]
fn a_bad_checksum_is_invalid_only_when_arriving_and_only_if_checked() {
    let mut packet = udp(A, B, b"q");
    packet[28] ^= 1;
    let mut net = Box::new();
    assert_eq!(net.state(packet.clone()), "INVALID");
    assert_eq!(name(net.send(packet.clone()).tracked), "NEW");
    let mut net = Box::with(Settings { checksum: false, ..net.tracker.settings().clone() });
    assert_eq!(net.state(packet), "NEW");
}

#[test]
fn a_first_packet_that_dies_leaves_neither_entry_nor_event() {
    let mut net = Box::new();
    assert_eq!(name(net.arrive(udp(A, B, b"q")).tracked), "NEW");
    assert!(net.tracker.is_empty());
    assert!(net.events().is_empty());
    assert_eq!(net.state(udp(B, A, b"r")), "NEW");
    net.wait(6000);
    assert_eq!(net.events(), [EventKind::New]);
}

#[test]
fn two_first_packets_in_flight_end_up_in_one_connection() {
    let mut net = Box::new();
    let (mut one, mut two) = (udp(A, B, b"1"), udp(A, B, b"2"));
    net.hook(Hook::Prerouting, &device(2), &mut one);
    net.hook(Hook::Prerouting, &device(2), &mut two);
    assert_eq!(net.hook(Hook::Postrouting, &device(3), &mut one).1, Verdict::Accept);
    assert_eq!(net.hook(Hook::Postrouting, &device(3), &mut two).1, Verdict::Accept);
    assert_eq!(net.tracker.len(), 1);
}

#[test]
fn counters_and_times_are_kept_when_asked_for() {
    let mut net = Box::with(Settings { acct: true, timestamp: true, ..Settings::default() });
    net.forward(udp(A, B, b"four"));
    net.forward(udp(B, A, b"reply"));
    net.forward(udp(A, B, b"four"));
    let only = net.only();
    let [there, back] = only.counters.unwrap();
    assert_eq!((there.packets, there.bytes, back.packets, back.bytes), (2, 64, 1, 33));
    assert_eq!(only.times, Some([net.now.wall, 0]));
}

#[test]
fn a_packet_over_loopback_is_tracked_once() {
    let mut net = Box::translating(None, Some(range("127.0.0.1", Some((8080, 8080)))));
    let lo = device(1);
    let mut packet = udp(("127.0.0.1", 4000), ("127.0.0.1", 80), b"q");
    let (first, _) = net.hook(Hook::Output, &lo, &mut packet);
    net.hook(Hook::Postrouting, &lo, &mut packet);
    assert_eq!(outline(&packet), "127.0.0.1:4000 > 127.0.0.1:8080");
    let (again, _) = net.hook(Hook::Prerouting, &lo, &mut packet);
    assert_eq!(first, again);
    assert_eq!(net.hook(Hook::Input, &lo, &mut packet).0, first);
    assert_eq!(outline(&packet), "127.0.0.1:4000 > 127.0.0.1:8080");
    let mut reply = udp(("127.0.0.1", 8080), ("127.0.0.1", 4000), b"r");
    for hook in [Hook::Output, Hook::Postrouting, Hook::Prerouting, Hook::Input] {
        let (tracked, verdict) = net.hook(hook, &lo, &mut reply);
        assert_eq!((name(tracked), verdict), ("ESTABLISHED", Verdict::Accept), "{hook:?}");
    }
    assert_eq!(outline(&reply), "127.0.0.1:80 > 127.0.0.1:4000");
    assert_eq!(net.tracker.len(), 1);
}
