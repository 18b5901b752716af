//! SYNPROXY in the engine alone: what the lab cannot time or lose.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod support;

use engine::conntrack::keep::Record;
use engine::{Hook, Verdict};
use libxt::family::Af;
use support::{Router, SECOND, ip, tcp};

const RULES: &[&str] = &[
    "-t raw -A PREROUTING -i eth0 -p tcp --tcp-flags FIN,SYN,RST,ACK SYN -j CT --notrack",
    "-A FORWARD -i eth0 -p tcp -m conntrack --ctstate INVALID,UNTRACKED -j SYNPROXY --timestamp --sack-perm --wscale 7 --mss 1460",
    "-A FORWARD -m conntrack --ctstate INVALID -j DROP",
];
const SYN: u8 = 2;
const ACK: u8 = 16;

fn router() -> Router {
    let mut router = Router::default();
    let mut settings = router.engine.tracker().settings().clone();
    settings.tcp.loose = false;
    router.engine.configure(settings);
    router.engine.tracker_mut().set_keeping(true);
    router.load(Af::V4, RULES);
    router
}

/// A segment with a timestamp.
fn segment(ports: (u16, u16), numbers: (u32, u32), flags: u8, times: (u32, u32)) -> Vec<u8> {
    let options = [&[1, 1, 8, 10][..], &times.0.to_be_bytes(), &times.1.to_be_bytes()].concat();
    let mut segment = tcp(ports, numbers, flags, &options);
    segment[12] = 0x80;
    segment
}

fn from_client(numbers: (u32, u32), flags: u8, times: (u32, u32)) -> Vec<u8> {
    ip("10.0.0.2", "192.0.2.80", 6, &segment((1234, 80), numbers, flags, times))
}

fn from_server(numbers: (u32, u32), flags: u8, times: (u32, u32)) -> Vec<u8> {
    ip("192.0.2.80", "10.0.0.2", 6, &segment((80, 1234), numbers, flags, times))
}

fn word(packet: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(packet[20 + at..24 + at].try_into().unwrap())
}

/// Sequence, acknowledgement, and what stands last: timestamp and echo.
fn told(packet: &[u8]) -> [u32; 4] {
    [4, 8, packet.len() - 28, packet.len() - 24].map(|at| word(packet, at))
}

/// What the engine sends leaves by a device.
fn leave(router: &mut Router, packet: &[u8]) -> Option<Vec<u8>> {
    let to = if packet[16] == 10 { 2 } else { 3 };
    router.emit(to, packet)
}

/// The cookie and the time that the client is told.
fn answered(router: &mut Router) -> (u32, u32) {
    assert_eq!(router.forward(2, 3, &from_client((1000, 0), SYN, (3, 0))), None);
    let [answer] = router.sent().try_into().unwrap();
    assert_eq!((answer[33], word(&answer, 8)), (SYN | ACK, 1001));
    assert!(leave(router, &answer).is_some());
    (word(&answer, 4), word(&answer, 24))
}

/// The SYN for the server, and what follows from its answer: the ACK for the server and the one for the client, as they leave.
fn opened(router: &mut Router, cookie: u32, time: u32) -> [Vec<u8>; 2] {
    assert_eq!(router.forward(2, 3, &from_client((1001, cookie.wrapping_add(1)), ACK, (4, time))), None);
    let [question] = router.sent().try_into().unwrap();
    assert_eq!((question[33], told(&question)), (SYN, [1000, cookie, 4, time]));
    assert!(leave(router, &question).is_some());
    assert_eq!(router.forward(3, 2, &from_server((5000, 1001), SYN | ACK, (70, 4))), None);
    let [server, client] = router.sent().try_into().unwrap();
    [leave(router, &server).unwrap(), leave(router, &client).unwrap()]
}

#[test]
fn numbers_and_times_of_both_sides_are_those_that_each_knows() {
    let mut router = router();
    let (cookie, time) = answered(&mut router);
    let [server, client] = opened(&mut router, cookie, time);
    let ahead = 70u32.wrapping_sub(time);
    // What is echoed to the server the kernel moves once too often.
    assert_eq!(told(&server), [1001, 5001, 4, 70u32.wrapping_add(ahead)]);
    assert_eq!(told(&client), [cookie.wrapping_add(1), 1001, time, 4]);
    let seen = router.forward(3, 2, &from_server((5001, 1001), ACK, (75, 4))).unwrap();
    assert_eq!(told(&seen), [cookie.wrapping_add(1), 1001, time.wrapping_add(5), 4]);
    let seen = router.forward(2, 3, &from_client((1001, cookie.wrapping_add(1)), ACK, (6, time))).unwrap();
    assert_eq!(told(&seen), [1001, 5001, 6, 70]);
    let mut text = String::new();
    router.engine.write_openings(&mut text);
    assert!(text.ends_with("00000000\t00000001\t00000000\t00000001\t00000000\t00000000\n"), "{text}");
}

#[test]
fn a_flood_of_openings_does_not_cost_the_one_that_is_under_way() {
    let mut router = router();
    let (cookie, time) = answered(&mut router);
    router.forward(2, 3, &from_client((1001, cookie.wrapping_add(1)), ACK, (4, time)));
    let [question] = router.sent().try_into().unwrap();
    for number in 0..8_000u16 {
        let [high, low] = number.to_be_bytes();
        let syn = ip(&format!("10.7.{high}.{low}"), "192.0.2.80", 6, &tcp((7, 80), (7, 0), SYN, b""));
        assert_eq!(router.forward(2, 3, &syn), None);
        assert_eq!(router.sent().len(), 1);
    }
    leave(&mut router, &question).unwrap();
    assert_eq!(router.forward(3, 2, &from_server((5000, 1001), SYN | ACK, (70, 4))), None);
    assert_eq!(router.sent().len(), 2);
}

#[test]
fn a_cookie_is_too_old_after_two_minutes() {
    let mut router = router();
    let (cookie, time) = answered(&mut router);
    router.wait(121 * SECOND);
    assert_eq!(router.forward(2, 3, &from_client((1001, cookie.wrapping_add(1)), ACK, (4, time))), None);
    assert_eq!(router.sent(), Vec::<Vec<u8>>::new());
}

#[test]
fn an_ack_to_the_client_that_is_late_is_moved_all_the_same() {
    let mut router = router();
    let (cookie, time) = answered(&mut router);
    router.forward(2, 3, &from_client((1001, cookie.wrapping_add(1)), ACK, (4, time)));
    let [question] = router.sent().try_into().unwrap();
    leave(&mut router, &question).unwrap();
    router.forward(3, 2, &from_server((5000, 1001), SYN | ACK, (70, 4)));
    let [server, client] = router.sent().try_into().unwrap();
    // Longer than it is remembered whose they are.
    router.wait(3 * SECOND);
    leave(&mut router, &server).unwrap();
    assert_eq!(told(&leave(&mut router, &client).unwrap())[0], cookie.wrapping_add(1));
}

#[test]
fn a_proxied_connection_outlives_its_engine() {
    let mut old = router();
    let (cookie, time) = answered(&mut old);
    opened(&mut old, cookie, time);
    let mut kept: Vec<(u32, Record)> = Vec::new();
    old.engine.tracker_mut().changes(|index, record| kept.extend(record.map(|record| (index, *record))));
    let mut new = router();
    new.now = old.now;
    assert_eq!(new.engine.restore(kept, old.now).taken, 1);
    let seen = new.forward(3, 2, &from_server((5001, 1001), ACK, (75, 4))).unwrap();
    assert_eq!(told(&seen), [cookie.wrapping_add(1), 1001, time.wrapping_add(5), 4]);
}

#[test]
fn it_answers_openings_of_tcp_where_packets_pass_or_end() {
    let mut router = Router::default();
    let mut refused = |line: &str| router.try_load(Af::V4, line).unwrap_err();
    assert_eq!(refused("-A FORWARD -j SYNPROXY --mss 1460"), 22);
    assert_eq!(refused("-A OUTPUT -p tcp -j SYNPROXY --mss 1460"), 22);
    router.load(Af::V4, &["-A INPUT -p tcp -j SYNPROXY --mss 1460", "-A INPUT -j DROP"]);
    assert!(router.engine.tracks(Af::V4));
    let mut broken = ip("10.0.0.2", "10.0.0.1", 6, &tcp((1, 80), (7, 0), SYN, b""));
    broken[36] ^= 1;
    for packet in [&broken[..], &broken[..40], &ip("10.0.0.2", "10.0.0.1", 6, &[0; 12])] {
        let seen = router.at(Hook::Prerouting, (2, 0), packet, 0);
        let seen = router.at(Hook::Input, (2, 0), &seen.bytes, 0);
        assert_eq!((seen.verdict, router.sent().len()), (Verdict::Drop, 0));
    }
}
