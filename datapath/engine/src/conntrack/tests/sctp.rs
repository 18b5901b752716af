//! SCTP: associations, tags, heartbeats.

use super::*;
use crate::wire::sctp;

const HERE: (&str, u16) = (CLIENT, 100);
const THERE: (&str, u16) = (SERVER, 200);

/// A packet of chunks (type, flags, value) that carries a tag.
pub(super) fn packet(from: (&str, u16), to: (&str, u16), tag: u32, chunks: &[(u8, u8, &[u8])]) -> Vec<u8> {
    let mut bytes = [from.1.to_be_bytes(), to.1.to_be_bytes()].concat();
    bytes.extend(tag.to_be_bytes());
    bytes.extend([0; 4]);
    for (kind, flags, value) in chunks {
        bytes.extend([*kind, *flags]);
        bytes.extend(u16::try_from(4 + value.len()).unwrap().to_be_bytes());
        bytes.extend(*value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
    let sum = sctp::checksum(&bytes).unwrap();
    bytes[8..12].copy_from_slice(&sum.to_le_bytes());
    ip(from.0, to.0, protocol::SCTP, &bytes, None)
}

fn init(tag: u32) -> Vec<u8> {
    let mut value = tag.to_be_bytes().to_vec();
    value.extend([0; 12]);
    value
}

fn forth(tag: u32, kind: u8, value: &[u8]) -> Vec<u8> {
    packet(HERE, THERE, tag, &[(kind, 0, value)])
}

fn back(tag: u32, kind: u8, value: &[u8]) -> Vec<u8> {
    packet(THERE, HERE, tag, &[(kind, 0, value)])
}

fn state(net: &Box) -> (u8, [u32; 2]) {
    match net.only().protocol {
        ProtocolState::Sctp { state, tags } => (state, tags),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_association_begins_lives_and_ends() {
    let mut net = Box::new();
    assert_eq!(net.state(forth(0, 1, &init(11))), "NEW");
    assert_eq!((state(&net), net.timeout()), ((1, [0, 11]), 10));
    assert_eq!(net.state(back(11, 2, &init(22))), "ESTABLISHED");
    assert_eq!(state(&net), (2, [22, 11]));
    net.state(forth(22, 10, b"cookie"));
    assert_eq!(state(&net).0, 3);
    net.state(back(11, 11, b""));
    assert_eq!((state(&net).0, net.only().status & status::ASSURED), (4, status::ASSURED));
    assert_eq!(net.state(forth(22, 0, b"data")), "ESTABLISHED");
    assert_eq!(net.state(forth(23, 0, b"data")), "INVALID");
    net.state(forth(22, 7, b"1234"));
    assert_eq!(state(&net).0, 5);
    net.state(back(11, 8, b""));
    assert_eq!(state(&net).0, 7);
    net.state(forth(22, 14, b""));
    assert_eq!((state(&net).0, net.timeout()), (1, 10));
    use EventKind::{New, Update};
    assert_eq!(net.events(), [New, Update, Update, Update, Update, Update, Update]);
}

#[test]
fn only_what_begins_something_is_new() {
    for (kind, value, wanted) in
        [(0, &[][..], "INVALID"), (6, b"", "INVALID"), (11, b"", "INVALID"), (4, b"", "NEW"), (8, b"", "NEW")]
    {
        assert_eq!(Box::new().state(forth(5, kind, value)), wanted, "{kind}");
    }
    assert_eq!(Box::new().state(forth(1, 1, &init(9))), "INVALID", "INIT has no tag");
    assert_eq!(Box::new().state(forth(0, 1, b"")), "INVALID", "INIT is cut");
    let both = packet(HERE, THERE, 0, &[(1, 0, &init(9)), (0, 0, b"data")]);
    assert_eq!(Box::new().state(both), "INVALID", "INIT stands alone");
    let mut broken = forth(0, 1, &init(9));
    broken[28] ^= 1;
    assert_eq!(Box::new().state(broken), "INVALID", "the sum is wrong");
    assert_eq!(Box::new().state(ip(CLIENT, SERVER, protocol::SCTP, &[0; 11], None)), "INVALID");
}

#[test]
fn both_ends_may_begin_at_once() {
    let mut net = Box::new();
    net.state(forth(0, 1, &init(11)));
    assert_eq!(net.state(back(0, 1, &init(22))), "ESTABLISHED");
    assert_eq!(state(&net).1, [22, 11]);
    assert_eq!(net.state(back(11, 2, &init(33))), "INVALID", "the tag is given out already");
    assert_eq!(net.state(back(11, 2, &init(22))), "ESTABLISHED");
    net.state(forth(22, 10, b"cookie"));
    net.state(back(11, 11, b""));
    assert_eq!(state(&net), (4, [22, 11]));
}

#[test]
fn a_second_path_lives_by_heartbeats() {
    let mut net = Box::new();
    assert_eq!(net.state(forth(7, 4, b"1234")), "NEW");
    assert_eq!((state(&net), net.timeout()), ((8, [7, 0]), 30));
    assert_eq!(net.state(back(9, 5, b"1234")), "ESTABLISHED");
    assert_eq!(state(&net), (4, [7, 9]));
    assert_eq!(net.state(forth(7, 0, b"data")), "ESTABLISHED");
    // One with another tag passes, keeps nothing alive, and its answer shows who was right.
    net.wait(5_000);
    let before = net.timeout();
    assert_eq!(net.state(forth(8, 4, b"1234")), "ESTABLISHED");
    assert_eq!(net.timeout(), before);
    assert_eq!(net.state(back(10, 5, b"1234")), "ESTABLISHED");
    assert_eq!(state(&net).1, [0, 10]);
}

#[test]
fn an_abort_needs_the_right_tag() {
    let mut net = Box::new();
    net.state(forth(0, 1, &init(11)));
    net.state(back(11, 2, &init(22)));
    assert_eq!(net.state(back(22, 6, b"")), "INVALID");
    assert_eq!(net.state(packet(THERE, HERE, 22, &[(6, 1, b"")])), "ESTABLISHED", "the T bit reflects");
    assert_eq!(state(&net).0, 1);
}

#[test]
fn ports_are_translated_under_a_sum_that_stays_right() {
    let mut net = Box::translating(Some(range(ROUTER, None)), None);
    let left = net.forward(forth(0, 1, &init(11)));
    assert_eq!(outline(&left.bytes), "192.0.2.1:100 > 192.0.2.80:200");
    assert!(sctp::adds_up(&left.bytes[20..]));
    let answer = packet(THERE, (ROUTER, 100), 11, &[(2, 0, &init(22))]);
    let back = net.forward(answer);
    assert!(sctp::adds_up(&back.bytes[20..]));
    assert_eq!(outline(&back.bytes), "192.0.2.80:200 > 10.0.0.2:100");
}

/// As random sequences found it in the kernel.
#[test]
fn a_heartbeats_answer_that_comes_first_tells_its_senders_own_tag() {
    const HEARTBEAT: u8 = 4;
    const HEARTBEAT_ACK: u8 = 5;
    const SHUTDOWN: u8 = 7;
    let mut net = Box::new();
    assert_eq!(net.state(forth(7, HEARTBEAT_ACK, &[])), "NEW");
    assert_eq!(state(&net).1, [7, 0]);
    assert_eq!(net.state(back(7, SHUTDOWN, &[0; 4])), "INVALID");
    assert_eq!(net.state(back(9, HEARTBEAT, &[])), "ESTABLISHED");
    assert_eq!(state(&net).1, [7, 9]);
}
