//! Expectations with a hand-moved clock.

use std::net::IpAddr;

use libxt::family::Af;

use super::*;
use crate::conntrack::tests::{Box, CLIENT, ROUTER, SERVER, device, name, range, udp};
use crate::conntrack::tuple::{Ports, protocol};
use crate::conntrack::{Address, ConnId, Direction, Draft, Refusal, Snapshot, Tracked, Tuple, status};
use crate::effects::Subject;
use crate::helper::user::Name;
use crate::{Hook, Verdict, helper};

fn address(text: &str) -> Address {
    text.parse::<IpAddr>().unwrap().into()
}

fn tuple(from: (&str, u16), to: (&str, u16)) -> Tuple {
    Tuple {
        af: Af::V4,
        protocol: protocol::UDP,
        source: address(from.0),
        destination: address(to.0),
        ports: Ports::Ports { source: from.1, destination: to.1 },
    }
}

/// A router with a TFTP connection made by hand, marked 9.
pub(super) fn router() -> (Box, ConnId) {
    let mut net = Box::new();
    net.tracker.set_awaiting_news(true);
    let master = make(&mut net, 5000);
    net.events();
    (net, master)
}

pub(super) fn make(net: &mut Box, port: u16) -> ConnId {
    let original = tuple((CLIENT, port), (SERVER, 69));
    let draft = Draft {
        tuples: [original, original.inverse().unwrap()],
        zones: [0; 2],
        status: 0,
        timeout: 1000,
        mark: 9,
        labels: None,
        protocol: None,
        nat: [None; 2],
        helper: helper::find(b"tftp", Af::V4, protocol::UDP),
        master: None,
    };
    net.tracker.insert(&draft, 1, net.now, &mut net.out).unwrap()
}

/// From the server, any port, to the client's port.
pub(super) fn answer(port: u16) -> Expected {
    Expected::new(Some(address(SERVER)), None, tuple((SERVER, 0), (CLIENT, port)))
}

pub(super) fn entries(net: &Box) -> Vec<Snapshot> {
    let (mut all, mut place) = (Vec::new(), 0);
    while let Some(id) = net.tracker.from_place(place) {
        all.extend(net.tracker.snapshot(id, net.now));
        place = id.index + 1;
    }
    all
}

/// What happened, an `x` before what happened to expectations.
fn news(net: &mut Box) -> Vec<String> {
    let tell = |event: crate::effects::Event| match event.subject {
        Subject::Connection { .. } => format!("{:?}", event.kind),
        Subject::Expectation(_) => format!("x{:?}", event.kind),
    };
    net.out.events.drain(..).map(tell).collect()
}

#[test]
fn all_packets_on_their_way_together_belong_to_the_expected_connection() {
    let (mut net, master) = router();
    net.tracker.expect(master, answer(5000), net.now, &mut net.out).unwrap();
    let packets = [b"1", b"2"].map(|data| net.arrive(udp((SERVER, 3000), (CLIENT, 5000), data)));
    assert_eq!(packets.each_ref().map(|packet| name(packet.tracked)), ["RELATED"; 2]);
    for mut packet in packets {
        assert_eq!(net.hook(Hook::Postrouting, &device(2), &mut packet.bytes).1, Verdict::Accept);
    }
    assert_eq!(net.tracker.len(), 2);
    assert_eq!(news(&mut net), ["xNew", "xDestroy", "New"]);
}

#[test]
fn an_expected_connection_whose_first_packet_was_dropped_is_not_expected_again() {
    let (mut net, master) = router();
    net.tracker.expect(master, answer(5000), net.now, &mut net.out).unwrap();
    let dropped = net.arrive(udp((SERVER, 3000), (CLIENT, 5000), b"1"));
    net.tracker.die(dropped.tracked);
    assert_eq!(net.state(udp((SERVER, 3000), (CLIENT, 5000), b"2")), "NEW");
}

#[test]
fn an_expected_connection_is_related_has_its_masters_mark_and_uses_the_expectation_up() {
    let (mut net, master) = router();
    net.tracker.expect(master, answer(5000), net.now, &mut net.out).unwrap();
    assert_eq!(net.state(udp((SERVER, 1), (CLIENT, 5001), b"x")), "NEW");
    assert_eq!(news(&mut net), ["xNew", "New"]);
    assert_eq!(net.state(udp((SERVER, 2), (CLIENT, 5000), b"x")), "RELATED");
    assert_eq!(news(&mut net), ["xDestroy", "New"]);
    assert_eq!(net.state(udp((SERVER, 2), (CLIENT, 5000), b"x")), "RELATED");
    assert_eq!(net.state(udp((CLIENT, 5000), (SERVER, 2), b"x")), "ESTABLISHED");
    assert_eq!(net.state(udp((SERVER, 2), (CLIENT, 5000), b"x")), "ESTABLISHED");
    assert_eq!(net.state(udp((SERVER, 3), (CLIENT, 5000), b"x")), "NEW");
    let all = entries(&net);
    let child = all.iter().find(|entry| entry.master.is_some()).unwrap();
    assert_eq!(child.master, Some(tuple((CLIENT, 5000), (SERVER, 69))));
    assert_eq!((child.mark, child.status & status::EXPECTED), (9, status::EXPECTED));
    let of_master = all.iter().find(|entry| entry.helper.is_some()).unwrap();
    assert_eq!((of_master.uses, of_master.helper), (2, Some(Name::cut("tftp"))));
    let counts = net.tracker.statistics();
    assert_eq!((counts.expect_new, counts.expect_create, counts.expect_delete), (1, 1, 1));
    net.wait(200_000);
    assert_eq!(entries(&net)[0].uses, 1, "a child that is gone holds nobody");
}

#[test]
fn the_source_counts_as_far_as_the_mask_says() {
    let (mut net, master) = router();
    let mut expected = answer(5000);
    expected.source_mask = Address::from("255.255.255.0".parse::<IpAddr>().unwrap());
    expected.port_mask = 0xff00;
    expected.tuple = expected.tuple.with_source_port(0x1200);
    net.tracker.expect(master, expected, net.now, &mut net.out).unwrap();
    assert_eq!(net.state(udp(("192.0.3.9", 0x1234), (CLIENT, 5000), b"x")), "NEW");
    assert_eq!(net.state(udp(("192.0.2.9", 0x1334), (CLIENT, 5000), b"x")), "NEW");
    assert_eq!(net.state(udp(("192.0.2.9", 0x1234), (CLIENT, 5000), b"x")), "RELATED");
}

#[test]
fn a_permanent_expectation_stays_and_an_inactive_one_waits() {
    let (mut net, master) = router();
    let flagged = |flags| Expected { flags, ..answer(5000) };
    net.tracker.expect(master, flagged(flag::INACTIVE), net.now, &mut net.out).unwrap();
    assert_eq!(net.state(udp((SERVER, 1), (CLIENT, 5000), b"x")), "NEW");
    // The same again takes the place of the one that is there.
    net.tracker.expect(master, flagged(flag::PERMANENT), net.now, &mut net.out).unwrap();
    assert_eq!(net.state(udp((SERVER, 2), (CLIENT, 5000), b"x")), "RELATED");
    assert_eq!(net.state(udp((SERVER, 3), (CLIENT, 5000), b"x")), "RELATED");
    assert_eq!(news(&mut net), ["xNew", "New", "xDestroy", "xNew", "New", "New"]);
}

#[test]
fn what_is_expected_dies_with_its_master_and_after_its_time() {
    let (mut net, master) = router();
    net.tracker.expect(master, answer(5000), net.now, &mut net.out).unwrap();
    net.wait(299_000);
    assert_eq!(news(&mut net), ["xNew"]);
    assert_eq!(net.tracker.expectation(0, net.now).unwrap().timeout, 1);
    net.wait(1_200);
    assert_eq!(news(&mut net), ["xDestroy"]);
    net.tracker.expect(master, answer(5000), net.now, &mut net.out).unwrap();
    net.tracker.delete(master, 7, net.now, &mut net.out);
    assert_eq!(news(&mut net), ["xNew", "Destroy", "xDestroy"]);
    assert_eq!(net.tracker.expect(master, answer(5000), net.now, &mut net.out), Err(Refusal::Shutdown));
    net.wait(6_000);
    assert_eq!(net.tracker.table.extras(), 0);
}

#[test]
fn an_expectation_that_nobody_looked_at_in_time_is_over_all_the_same() {
    let (mut net, master) = router();
    net.tracker.expect(master, answer(5000), net.now, &mut net.out).unwrap();
    net.now.monotonic += 301 * SECOND;
    assert_eq!(net.state(udp((SERVER, 1), (CLIENT, 5000), b"x")), "NEW");
    assert_eq!(net.tracker.find_expectation(&tuple((SERVER, 1), (CLIENT, 5000)), 0, net.now), None);
}

#[test]
fn a_class_that_is_full_forgets_its_oldest() {
    let (mut net, master) = router();
    for port in [5000, 5001, 5002] {
        net.tracker.expect(master, answer(port), net.now, &mut net.out).unwrap();
    }
    // TFTP may expect one.
    assert_eq!(news(&mut net), ["xNew", "xDestroy", "xNew", "xDestroy", "xNew"]);
    assert!(net.tracker.find_expectation(&tuple((SERVER, 1), (CLIENT, 5002)), 0, net.now).is_some());
    assert!(net.tracker.find_expectation(&tuple((SERVER, 1), (CLIENT, 5000)), 0, net.now).is_none());
}

#[test]
fn two_masters_cannot_expect_the_same_packets() {
    let (mut net, master) = router();
    let other = make(&mut net, 6000);
    net.tracker.expect(master, answer(5000), net.now, &mut net.out).unwrap();
    assert_eq!(net.tracker.expect(other, answer(5000), net.now, &mut net.out), Err(Refusal::Busy));
    let wider = Expected { source_mask: Address::default(), ..answer(5000) };
    assert_eq!(net.tracker.expect(other, wider, net.now, &mut net.out), Err(Refusal::Busy));
    net.tracker.expect(other, answer(6000), net.now, &mut net.out).unwrap();
    net.tracker.settings.expect_max = 2;
    let third = make(&mut net, 7000);
    assert_eq!(net.tracker.expect(third, answer(7000), net.now, &mut net.out), Err(Refusal::TooMany));
}

#[test]
fn an_expected_connection_is_translated_as_its_master_is() {
    let mut net = Box::translating(Some(range(ROUTER, None)), None);
    let sent = net.forward(udp((CLIENT, 5000), (SERVER, 69), b"x"));
    let Tracked::Of { id, .. } = sent.tracked else { panic!("{sent:?}") };
    net.tracker.assign(id.index, helper::find(b"tftp", Af::V4, protocol::UDP));
    // What goes to the router's port 5000 is for the client's.
    let back = tuple((SERVER, 0), (ROUTER, 5000));
    let expected = Expected {
        follow: Follow::Master,
        direction: Direction::Reply,
        saved: (Address::default(), 5000),
        ..Expected::new(Some(address(SERVER)), None, back)
    };
    net.tracker.expect(id, expected, net.now, &mut net.out).unwrap();
    net.nat = [None; 2];
    let passed = net.forward(udp((SERVER, 1234), (ROUTER, 5000), b"y"));
    assert_eq!(name(passed.tracked), "RELATED");
    assert_eq!(passed.bytes, udp((SERVER, 1234), (CLIENT, 5000), b"y"));
    let answered = net.forward(udp((CLIENT, 5000), (SERVER, 1234), b"z"));
    assert_eq!(answered.bytes, udp((ROUTER, 5000), (SERVER, 1234), b"z"));
}

#[test]
fn by_hand_an_expectation_needs_a_master_with_a_helper() {
    let (mut net, _) = router();
    let wanted = Wanted {
        tuple: tuple((SERVER, 0), (CLIENT, 5000)),
        mask: (address("255.255.255.255"), 0),
        master: tuple((SERVER, 69), (CLIENT, 5000)),
        zone: 0,
        flags: flag::USERSPACE,
        class: None,
        function: None,
        nat: None,
    };
    let mut ask = |wanted: &Wanted<'_>| net.tracker.make_expectation(wanted, 7, net.now, &mut net.out);
    assert_eq!(ask(&Wanted { master: tuple((SERVER, 69), (CLIENT, 1)), ..wanted.clone() }), Err(Refusal::Missing));
    let classed = Wanted { class: Some(1), ..wanted.clone() };
    assert_eq!(ask(&classed), Err(Refusal::Invalid));
    assert_eq!(ask(&Wanted { function: Some(b"nonsense"), ..wanted.clone() }), Err(Refusal::Invalid));
    assert_eq!(ask(&wanted), Ok(()));
    let found = net.tracker.find_expectation(&tuple((SERVER, 8), (CLIENT, 5000)), 0, net.now).unwrap();
    assert_eq!((found.expected.flags, found.helper, found.timeout), (0, Some(Name::cut("tftp")), 300));
    let there = found.expected.tuple;
    net.tracker.change_expectation(&there, 0, Some(20), net.now);
    assert_eq!(net.tracker.expectation(0, net.now).unwrap().timeout, 20);
    let mut delete = |id| net.tracker.delete_expectation(&there, 0, id, 7, net.now, &mut net.out);
    assert_eq!(delete(Some(found.id ^ 1)), Err(Refusal::Missing));
    assert_eq!(delete(Some(found.id)), Ok(()));
    assert_eq!(delete(None), Err(Refusal::Missing));
    net.tracker.make_expectation(&wanted, 7, net.now, &mut net.out).unwrap();
    net.tracker.delete_expectations(Some(b"ftp"), 7, net.now, &mut net.out);
    assert!(net.tracker.expectation(0, net.now).is_some());
    net.tracker.delete_expectations(Some(b"tftp"), 7, net.now, &mut net.out);
    assert!(net.tracker.expectation(0, net.now).is_none());
}

const SECOND: u64 = 1_000_000_000;
