//! ICMP: queries, errors about connections, and their translation.

use super::*;

const C: (&str, u16) = (CLIENT, 5000);
const S: (&str, u16) = (SERVER, 53);
const HOP: &str = "198.51.100.7";

#[test]
fn only_requests_open_and_each_id_is_a_connection() {
    let mut net = Box::new();
    assert_eq!(net.state(query(SERVER, CLIENT, 0, 7)), "INVALID");
    for (kind, state) in
        [(8, "NEW"), (13, "NEW"), (15, "NEW"), (17, "NEW"), (14, "INVALID"), (9, "INVALID"), (19, "INVALID")]
    {
        assert_eq!(Box::new().state(query(CLIENT, SERVER, kind, 7)), state, "type {kind}");
    }
    assert_eq!(net.state(query(CLIENT, SERVER, 8, 7)), "NEW");
    assert_eq!(net.state(query(CLIENT, SERVER, 8, 8)), "NEW");
    assert_eq!(net.state(query(SERVER, CLIENT, 0, 7)), "ESTABLISHED");
    assert_eq!(net.tracker.len(), 2);
    net.wait(31_000);
    assert!(net.tracker.is_empty());
}

#[test]
fn neighbour_discovery_is_untracked_and_other_information_invalid() {
    let (a, b) = ("fd00::2", "fd00::80");
    for kind in [130, 131, 132, 133, 134, 135, 136, 143, 151] {
        assert_eq!(Box::new().state(query(a, b, kind, 0)), "UNTRACKED", "type {kind}");
    }
    for kind in [129, 137, 138, 140, 141, 142, 144, 200] {
        assert_eq!(Box::new().state(query(a, b, kind, 0)), "INVALID", "type {kind}");
    }
    let mut net = Box::new();
    assert_eq!(net.state(query(a, b, 128, 3)), "NEW");
    assert_eq!(net.state(query(b, a, 129, 3)), "ESTABLISHED");
    assert_eq!(Box::new().state(query(a, b, 139, 3)), "NEW");
}

#[test]
fn an_error_is_related_if_it_quotes_a_live_connection_and_goes_to_its_sender() {
    let mut net = Box::new();
    let sent = net.forward(udp(C, S, b"q")).bytes;
    net.wait(10_000);
    assert_eq!(net.state(error(HOP, CLIENT, 11, 0, &sent)), "RELATED");
    assert_eq!(net.timeout(), 20, "an error refreshes nothing");
    // From any router, but not to anybody.
    assert_eq!(net.state(error(SERVER, CLIENT, 3, 3, &sent)), "RELATED");
    assert_eq!(net.state(error(HOP, "10.0.0.3", 3, 3, &sent)), "INVALID");
    assert_eq!(net.state(error(HOP, CLIENT, 3, 3, &udp((CLIENT, 5001), S, b"q"))), "INVALID");
    assert_eq!(net.state(error(HOP, CLIENT, 3, 3, &sent[..23])), "INVALID");
    assert_eq!(net.state(error(HOP, CLIENT, 3, 3, &sent[..24])), "RELATED", "the ports are enough");
    assert_eq!(net.state(error(HOP, CLIENT, 3, 3, &error(HOP, CLIENT, 3, 3, &sent))), "INVALID");
    let mut broken = error(HOP, CLIENT, 3, 3, &sent);
    broken[22] ^= 1;
    assert_eq!(net.state(broken), "INVALID");
    // About the answer, from the client's side.
    assert_eq!(net.state(error(CLIENT, SERVER, 3, 3, &udp(S, C, b"r"))), "RELATED");
}

#[test]
fn an_error_that_quotes_too_little_to_be_translated_back_is_dropped() {
    let mut net = Box::translating(Some(range(ROUTER, Some((7000, 7000)))), None);
    let sent = net.forward(udp(C, S, b"q")).bytes;
    assert_eq!(net.forward(error(HOP, ROUTER, 11, 0, &sent[..27])).verdict, Verdict::Drop);
}

#[test]
fn nothing_is_tracked_behind_no_next_header() {
    assert_eq!(Box::new().state(ip("fd00::2", "fd00::80", 59, &[0; 8], None)), "INVALID");
}

#[test]
fn an_error_about_a_translated_packet_is_translated_back_with_its_quote() {
    for cut in [28, 29] {
        let mut net = Box::translating(Some(range(ROUTER, Some((7000, 7000)))), None);
        let sent = net.forward(udp(C, S, b"q")).bytes;
        assert_eq!(outline(&sent), "192.0.2.1:7000 > 192.0.2.80:53");
        let passed = net.forward(error(HOP, ROUTER, 11, 0, &sent[..cut]));
        assert_eq!(name(passed.tracked), "RELATED");
        assert_eq!(outline(&passed.bytes), "198.51.100.7 > 10.0.0.2 icmp 11 id 0");
        // Every quoted byte is as the client sent it, checksums included.
        assert_eq!(quoted(&passed.bytes), &udp(C, S, b"q")[..cut]);
    }
}

#[test]
fn an_error_from_the_client_about_an_answer_is_translated_too() {
    let mut net = Box::translating(Some(range(ROUTER, None)), None);
    net.forward(udp(C, S, b"q"));
    let answer = net.forward(udp(S, (ROUTER, 5000), b"r")).bytes;
    assert_eq!(outline(&answer), "192.0.2.80:53 > 10.0.0.2:5000");
    let passed = net.forward(error(CLIENT, SERVER, 3, 3, &answer));
    assert_eq!(name(passed.tracked), "RELATED");
    assert_eq!(outline(&passed.bytes), "192.0.2.1 > 192.0.2.80 icmp 3 id 0");
    assert_eq!(quoted(&passed.bytes), &udp(S, (ROUTER, 5000), b"r"));
}

#[test]
fn an_error_of_a_router_behind_dnat_shows_the_original_destination() {
    let mut net = Box::translating(None, Some(range("10.1.1.1", None)));
    let sent = net.forward(udp(C, S, b"q")).bytes;
    assert_eq!(outline(&sent), "10.0.0.2:5000 > 10.1.1.1:53");
    let passed = net.forward(error("10.1.1.254", CLIENT, 3, 1, &sent));
    assert_eq!(outline(&passed.bytes), "192.0.2.80 > 10.0.0.2 icmp 3 id 0");
    assert_eq!(quoted(&passed.bytes), &udp(C, S, b"q"));
}

#[test]
fn the_routers_own_error_for_a_packet_that_died_is_related_and_translated_back() {
    let mut net = Box::translating(Some(range(ROUTER, None)), Some(range("10.1.1.1", None)));
    let arrived = net.arrive(udp(C, S, b"q"));
    let died = arrived.bytes;
    assert_eq!(outline(&died), "10.0.0.2:5000 > 10.1.1.1:53");
    net.answered = arrived.tracked;
    let passed = net.send(error("10.0.0.1", CLIENT, 11, 0, &died));
    assert_eq!(name(passed.tracked), "RELATED");
    assert_eq!(quoted(&passed.bytes), &udp(C, S, b"q"));
    assert!(net.tracker.is_empty());
}

#[test]
fn errors_of_ipv6_are_translated_with_the_pseudo_header() {
    let (client, server, router, hop) = ("fd00::2", "2001:db8::80", "2001:db8::1", "2001:db8::ffff");
    let mut net = Box::translating(Some(range(router, None)), None);
    let sent = net.forward(udp((client, 5000), (server, 53), b"q")).bytes;
    assert_eq!(outline(&sent), "2001:db8::1:5000 > 2001:db8::80:53");
    let passed = net.forward(error(hop, router, 3, 0, &sent));
    assert_eq!(name(passed.tracked), "RELATED");
    assert!(outline(&passed.bytes).starts_with("2001:db8::ffff > fd00::2 icmp 3"));
    assert_eq!(quoted(&passed.bytes), &udp((client, 5000), (server, 53), b"q"));
}

#[test]
fn a_redirect_of_a_translated_connection_is_dropped() {
    let mut net = Box::translating(Some(range(ROUTER, None)), None);
    let sent = net.forward(udp(C, S, b"q")).bytes;
    assert_eq!(net.forward(error(HOP, ROUTER, 5, 1, &sent)).verdict, Verdict::Drop);
}
