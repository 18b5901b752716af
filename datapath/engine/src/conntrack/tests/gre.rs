//! GRE, as the kernel's router judged the same packets.

use super::*;

fn gre(transport: &[u8]) -> Vec<u8> {
    ip(CLIENT, SERVER, protocol::GRE, transport, None)
}

fn back(transport: &[u8]) -> Vec<u8> {
    ip(SERVER, CLIENT, protocol::GRE, transport, None)
}

#[test]
fn plain_gre_is_one_connection_for_each_pair_whatever_the_key() {
    let mut net = Box::new();
    assert_eq!(net.state(gre(&[0x20, 0, 8, 0, 0, 0, 0, 5])), "NEW");
    assert_eq!(net.state(gre(&[0x20, 0, 8, 0, 0, 0, 0, 6])), "NEW");
    assert_eq!((net.tracker.len(), net.timeout()), (1, 30));
    assert_eq!(net.state(back(&[0x20, 0, 8, 0, 0, 0, 0, 9])), "ESTABLISHED");
    assert_eq!(net.state(gre(&[0x20, 0, 8, 0, 0, 0, 0, 5])), "ESTABLISHED");
    assert_eq!(net.timeout(), 180);
    assert_ne!(net.only().status & status::ASSURED, 0);
}

#[test]
fn enhanced_gre_is_told_apart_by_call_id_and_must_carry_ppp() {
    let mut net = Box::new();
    assert_eq!(net.state(gre(&[0x30, 1, 0x88, 0x0b, 0, 4, 0, 7])), "NEW");
    assert_eq!(net.state(gre(&[0x30, 1, 0x88, 0x0b, 0, 4, 0, 8])), "NEW");
    assert_eq!(net.tracker.len(), 2);
    assert_eq!(net.state(gre(&[0x30, 1, 8, 0, 0, 4, 0, 9])), "INVALID");
    // One that is cut is taken for plain.
    assert_eq!(net.state(gre(&[0x30, 1])), "NEW");
}

#[test]
fn other_protocols_are_one_connection_for_each_pair() {
    for number in [33, 50, 51, 253] {
        let mut net = Box::new();
        assert_eq!(net.state(ip(CLIENT, SERVER, number, &[9; 8], None)), "NEW");
        assert_eq!(net.timeout(), 600);
        assert_eq!(net.state(ip(SERVER, CLIENT, number, &[9; 8], None)), "ESTABLISHED", "protocol {number}");
        assert_eq!(net.tracker.len(), 1);
    }
}

/// As random sequences found it in the kernel.
#[test]
fn how_long_it_lives_is_settled_at_its_birth() {
    let mut net = Box::new();
    let plain = |from, to| ip(from, to, protocol::GRE, &[0x20, 0, 8, 0, 0, 0, 0, 1], None);
    net.state(plain(CLIENT, SERVER));
    net.tracker.set_settings(Settings { gre: 5, gre_stream: 6, ..net.tracker.settings().clone() });
    net.state(plain(CLIENT, SERVER));
    assert_eq!(net.timeout(), 30);
    net.state(plain(SERVER, CLIENT));
    net.state(plain(CLIENT, SERVER));
    assert_eq!(net.timeout(), 180);
    net.wait(181_000);
    net.state(plain(CLIENT, SERVER));
    assert_eq!(net.timeout(), 5);
}
