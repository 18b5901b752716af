//! What ctnetlink does: insert, change, delete, walk.

use super::*;
use crate::effects::Subject;

fn draft(protocol: u8, nat: [Option<Range>; 2]) -> Draft {
    let original = Tuple::of(
        Af::V4,
        protocol,
        Address::from(CLIENT.parse::<IpAddr>().unwrap()),
        Address::from(SERVER.parse::<IpAddr>().unwrap()),
        &[0x13, 0x88, 0, 80],
    )
    .unwrap();
    Draft {
        tuples: [original, original.inverse().unwrap()],
        zones: [0; 2],
        status: 0,
        timeout: 50,
        mark: 9,
        labels: None,
        protocol: None,
        nat,
        helper: None,
        master: None,
    }
}

#[test]
fn an_inserted_connection_is_found_changed_and_deleted_with_its_events() {
    let mut net = Box::new();
    let draft = draft(protocol::UDP, [None; 2]);
    let id = net.tracker.insert(&draft, 77, net.now, &mut net.out).unwrap();
    assert_eq!(net.tracker.insert(&draft, 77, net.now, &mut net.out), Err(Refusal::Exists));
    assert_eq!((net.only().mark, net.timeout()), (9, 50));
    let change = Change { mark: Some((0x10, 0xf0)), timeout: Some(7), ..Change::default() };
    net.tracker.update(id, &change, 77, net.now, &mut net.out).unwrap();
    assert_eq!((net.only().mark, net.timeout()), (0x19, 7));
    assert!(net.tracker.delete(id, 77, net.now, &mut net.out));
    assert!(!net.tracker.delete(id, 77, net.now, &mut net.out));
    assert_eq!(net.tracker.update(id, &change, 77, net.now, &mut net.out), Err(Refusal::Missing));
    assert!(net.out.events.iter().all(|event| event.port == 77));
    assert_eq!(timeout_of(&net.out.events[2]), Some(7), "a connection deleted in its life had time left");
    assert_eq!(net.events(), [EventKind::New, EventKind::Update, EventKind::Destroy]);
    net.wait(6000);
}

fn timeout_of(event: &Event) -> Option<u32> {
    match &event.subject {
        Subject::Connection { entry, .. } => entry.timeout,
        Subject::Expectation(_) => None,
    }
}

#[test]
fn only_what_is_inserted_by_hand_counts_as_inserted() {
    let mut net = Box::new();
    net.state(udp((SERVER, 7), (CLIENT, 8), b"x"));
    assert_eq!((net.tracker.len(), net.tracker.statistics().insert), (1, 0));
    net.tracker.insert(&draft(protocol::UDP, [None; 2]), 77, net.now, &mut net.out).unwrap();
    assert_eq!((net.tracker.len(), net.tracker.statistics().insert), (2, 1));
}

#[test]
fn an_inserted_tcp_connection_is_liberal_about_windows_if_it_says_so() {
    let mut net = Box::new();
    let draft = Draft {
        protocol: Some(ProtocolState::Tcp { state: 3, scales: [0; 2], flags: [8; 2] }),
        ..draft(protocol::TCP, [None; 2])
    };
    net.tracker.insert(&draft, 1, net.now, &mut net.out).unwrap();
    assert_eq!(net.state(tcp((CLIENT, 5000), (SERVER, 80), &seg(ACK, 1, 1, 10))), "NEW");
    assert_eq!(net.state(tcp((SERVER, 80), (CLIENT, 5000), &seg(ACK, 900_000, 4, 10))), "ESTABLISHED");
    assert_eq!(net.state(tcp((CLIENT, 5000), (SERVER, 80), &seg(ACK, 500_000, 1, 10))), "ESTABLISHED");
}

#[test]
fn an_inserted_connection_can_be_translated() {
    let mut net = Box::translating(None, None);
    let draft = draft(protocol::UDP, [Some(range(ROUTER, None)), None]);
    net.tracker.insert(&draft, 1, net.now, &mut net.out).unwrap();
    let passed = net.forward(udp((CLIENT, 5000), (SERVER, 80), b"q"));
    assert_eq!(outline(&passed.bytes), "192.0.2.1:5000 > 192.0.2.80:80");
}

#[test]
fn bits_that_say_what_happened_cannot_be_cleared() {
    let mut net = Box::new();
    net.forward(udp((CLIENT, 1), (SERVER, 2), b""));
    net.forward(udp((SERVER, 2), (CLIENT, 1), b""));
    let id = net.tracker.from_place(0).unwrap();
    let mut update = |status| {
        net.tracker.update(id, &Change { status: Some(status), ..Change::default() }, 0, net.now, &mut net.out)
    };
    assert_eq!(update(status::CONFIRMED), Err(Refusal::Busy));
    assert_eq!(update(status::SEEN_REPLY | status::CONFIRMED | status::DYING), Err(Refusal::Busy));
    assert_eq!(update(status::SEEN_REPLY | status::CONFIRMED | status::ASSURED), Ok(()));
    assert_ne!(net.only().status & status::ASSURED, 0);
}

#[test]
fn a_deleted_connections_packets_on_their_way_still_get_out() {
    let mut net = Box::translating(Some(range(ROUTER, None)), None);
    net.forward(udp((CLIENT, 1), (SERVER, 2), b"q"));
    let mut reply = udp((SERVER, 2), (ROUTER, 1), b"r");
    net.hook(Hook::Prerouting, &device(2), &mut reply);
    let id = net.tracker.from_place(0).unwrap();
    net.tracker.delete(id, 5, net.now, &mut net.out);
    let (tracked, verdict) = net.hook(Hook::Postrouting, &device(2), &mut reply);
    assert_eq!((name(tracked), verdict), ("ESTABLISHED", Verdict::Accept));
    assert_eq!(outline(&reply), "192.0.2.80:2 > 10.0.0.2:1");
    assert_eq!(net.state(udp((SERVER, 2), (ROUTER, 1), b"r")), "NEW");
}

#[test]
fn a_walk_meets_every_connection_once() {
    let mut net = Box::new();
    for port in 0..700 {
        net.forward(udp((CLIENT, port), (SERVER, 2), b""));
    }
    let (mut place, mut met) = (0, 0);
    while let Some(id) = net.tracker.from_place(place) {
        assert!(net.tracker.snapshot(id, net.now).is_some());
        met += 1;
        place = id.index + 1;
    }
    assert_eq!((met, net.tracker.len()), (700, 700));
}

#[test]
fn while_chains_move_to_other_buckets_connections_come_stay_and_go() {
    let mut net = Box::translating(Some(range(ROUTER, None)), None);
    let (client, router) = ((CLIENT, 2050), (ROUTER, 2050));
    for port in 2000..2300 {
        net.template.zones = [port % 3; 2];
        net.forward(udp((CLIENT, port), (SERVER, 2), b""));
    }
    net.checking = false;
    for buckets in [3000, 77, 1000] {
        net.tracker.set_settings(Settings { buckets, max: 10_000, ..net.tracker.settings().clone() });
        // It says that more is due as long as some have not moved, and does a little of it each time.
        let (mut rounds, mut more) = (0, true);
        while more {
            let port = 10_000 + rounds;
            let new = ((CLIENT, port), (SERVER, 3));
            net.template.zones = [1; 2];
            assert_eq!(net.state(udp(client, (SERVER, 2), b"")), "NEW");
            assert_eq!(net.state(udp(new.0, new.1, b"")), "NEW");
            assert_eq!(net.tracker.len(), 301);
            net.tracker.check();
            let Tracked::Of { id, .. } = net.forward(udp(new.0, new.1, b"")).tracked else { panic!() };
            more = net.tracker.expire(net.now, &mut net.out);
            net.tracker.check();
            assert!(net.tracker.delete(id, 0, net.now, &mut net.out));
            rounds += 1;
        }
        assert!(rounds > 1, "{buckets} buckets at once");
    }
    net.template.zones = [1; 2];
    assert_eq!(net.state(udp((SERVER, 2), router, b"")), "ESTABLISHED");
}
