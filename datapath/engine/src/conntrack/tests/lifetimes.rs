//! A full table, early drop, and the clock.

use super::*;

fn flood(net: &mut Box, from: u16, count: u16) -> u16 {
    (from..from + count)
        .filter(|port| net.forward(udp((CLIENT, *port), (SERVER, 53), b"q")).verdict == Verdict::Accept)
        .count() as u16
}

#[test]
fn a_full_table_lets_unreplied_connections_go_and_no_assured_ones() {
    let settings = Settings { max: 1500, buckets: 1500, ..Settings::default() };
    let mut net = Box::with(settings.clone());
    assert_eq!(flood(&mut net, 1000, 1500), 1500);
    assert_eq!(flood(&mut net, 20_000, 50), 50);
    // All that may go of a bucket goes.
    let (left, dropped) = (net.tracker.len(), net.tracker.statistics().early_drop as usize);
    assert!(left <= 1500, "{left}");
    assert_eq!(left + dropped, 1550);

    let mut net = Box::with(settings);
    assert_eq!(flood(&mut net, 1000, 1500), 1500);
    for port in 1000..2500 {
        net.forward(udp((SERVER, 53), (CLIENT, port), b"r"));
    }
    net.wait(2500);
    flood(&mut net, 1000, 1500);
    assert_eq!(flood(&mut net, 20_000, 50), 0);
    assert_eq!(net.tracker.len(), 1500);
    assert_eq!(net.tracker.statistics().drop, 50);
}

#[test]
fn a_full_table_is_thinned_out_to_95_percent_a_second_later() {
    // Connections of which half are assured and half may go, but for one bucket's neighbourhood.
    let mut net = Box::with(Settings { max: 1000, buckets: 100_000, ..Settings::default() });
    assert_eq!(flood(&mut net, 1000, 1000), 1000);
    for port in 1000..1500 {
        net.forward(udp((SERVER, 53), (CLIENT, port), b"r"));
    }
    net.wait(2500);
    for port in 1000..1500 {
        net.forward(udp((CLIENT, port), (SERVER, 53), b"q"));
    }
    // With so many buckets few new connections find anything nearby to push out.
    let refused = 50 - flood(&mut net, 20_000, 50);
    assert!(refused > 0);
    assert!(net.tracker.len() >= 990);
    net.wait(999);
    assert!(net.tracker.len() >= 990);
    net.wait(1);
    assert_eq!(net.tracker.len(), 949);
    assert_eq!(flood(&mut net, 30_000, 50), 50);
    // Whoever is assured has stayed.
    for port in 1000..1500 {
        assert_eq!(net.state(udp((SERVER, 53), (CLIENT, port), b"r")), "ESTABLISHED");
    }
}

#[test]
fn closing_connections_make_room_although_they_are_assured() {
    let mut net = Box::with(Settings { max: 100, buckets: 100_000, ..Settings::default() });
    for port in 1..=100 {
        let (client, server) = ((CLIENT, port), (SERVER, 80));
        net.forward(tcp(client, server, &seg(SYN, 1000, 0, 0)));
        net.forward(tcp(server, client, &seg(SYN | ACK, 5000, 1001, 0)));
        net.forward(tcp(client, server, &seg(ACK, 1001, 5001, 0)));
        if port > 50 {
            net.forward(tcp(client, server, &seg(FIN | ACK, 1001, 5001, 0)));
        }
    }
    assert_eq!(flood(&mut net, 20_000, 1), 0);
    net.wait(1000);
    assert_eq!(net.tracker.len(), 94);
    for port in 1..=50 {
        assert_eq!(net.state(tcp((SERVER, 80), (CLIENT, port), &seg(ACK, 5001, 1001, 1))), "ESTABLISHED");
    }
}

#[test]
fn packets_that_never_come_back_do_not_fill_the_table() {
    let mut net = Box::with(Settings { max: 10, buckets: 64, ..Settings::default() });
    for port in 0..20_000 {
        let verdict = net.hook(Hook::Prerouting, &device(2), &mut udp((CLIENT, port), (SERVER, 53), b"q")).1;
        assert_eq!(verdict, Verdict::Accept);
    }
    assert!(net.tracker.is_empty());
    assert_eq!(flood(&mut net, 30_000, 10), 10);
    net.wait(10_000);
    assert_eq!(net.tracker.len(), 10);
}

#[test]
fn every_lifetime_ends_when_it_should() {
    for seconds in [1, 16, 17, 18, 1099, 1100, 70_000, 432_000, 4_500_000, 5_000_000] {
        let mut net = Box::with(Settings { udp: seconds, events: 1, ..Settings::default() });
        net.forward(udp((CLIENT, 1), (SERVER, 2), b""));
        net.events();
        net.wait(u64::from(seconds) * 1000 - 1);
        assert_eq!(net.tracker.len(), 1, "{seconds} s");
        net.wait(600);
        assert!(net.tracker.is_empty(), "{seconds} s");
        assert_eq!(net.events(), [EventKind::Destroy]);
    }
}

#[test]
fn an_expired_entry_is_not_found_before_the_wheel_turns() {
    let mut net = Box::new();
    net.forward(udp((CLIENT, 1), (SERVER, 2), b""));
    net.now.monotonic += 31_000_000_000;
    assert_eq!(net.state(udp((SERVER, 2), (CLIENT, 1), b"")), "NEW");
    assert_eq!(net.events(), [EventKind::New, EventKind::Destroy, EventKind::New]);
}

#[test]
fn one_call_of_expire_does_bounded_work() {
    let mut net = Box::with(Settings { max: 30_000, buckets: 30_000, ..Settings::default() });
    for port in 0..20_000 {
        let mut packet = udp((CLIENT, port), (SERVER, 53), b"");
        let headers = Headers::parse(Af::V4, &packet).unwrap();
        let len = packet.len();
        let packet = Packet {
            checksum: Checksum::Verified,
            ..Packet::new(Af::V4, Hook::Prerouting, Buffer::new(&mut packet, len))
        };
        let tracked = net.tracker.track(&packet, &headers, None, net.now, &mut net.out).unwrap();
        net.tracker.confirm(tracked, net.now, &mut net.out);
    }
    assert_eq!(net.tracker.len(), 20_000);
    net.now.monotonic += 40_000_000_000;
    let mut calls = 0;
    let mut before = net.tracker.len();
    while net.tracker.expire(net.now, &mut net.out) {
        assert!(before - net.tracker.len() <= 4096);
        before = net.tracker.len();
        calls += 1;
        assert!(calls < 100);
    }
    assert!(calls >= 4);
    assert!(net.tracker.is_empty());
    net.tracker.check();
}

#[test]
fn no_event_is_made_while_nobody_listens() {
    let mut net = Box::new();
    net.tracker.set_listening(false);
    net.forward(udp((CLIENT, 1), (SERVER, 2), b""));
    assert!(net.events().is_empty());
}
