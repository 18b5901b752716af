//! A datapath that dies in the middle of a call: the next one expects the same, and leads it to the same places.

use super::*;
use crate::conntrack::expect::Expected;

/// A router behind which messages are said, and which keeps what it knows.
fn keeping(mut net: Box) -> Box {
    net.tracker.set_keeping(true);
    // What there was before is noted by the next packet of it.
    net.forward(tcp(HERE, THERE, &seg(ACK, 100, 500, 0)));
    net
}

fn all(net: &Box) -> Vec<(u32, Expected)> {
    let found = (0..net.tracker.expectation_places()).filter_map(|at| net.tracker.expectation(at, net.now));
    let mut found: Vec<_> = found.map(|found| (found.id, found.expected)).collect();
    found.sort_unstable_by_key(|(id, _)| *id);
    found
}

/// Another process takes over, twice.
fn crashed(net: Box) -> Box {
    let before = all(&net);
    assert!(!before.is_empty());
    let net = net.crash().crash();
    assert_eq!(all(&net), before);
    net
}

/// The server opens a connection to the router; where it arrives.
fn opens(net: &mut Box, from: u16, to: u16) -> String {
    net.template.helper = None;
    let left = net.forward(tcp((SERVER, from), (ROUTER, to), &seg(SYN, 99, 0, 0)));
    assert_eq!(name(left.tracked), "RELATED");
    outline(&left.bytes)
}

#[test]
fn media_and_h245_that_a_call_announced_before_a_crash_come_behind_it() {
    let mut net = keeping(call(Some(ROUTER)));
    net.forward(says(HERE, THERE, &seg(ACK, 100, 500, 0), &bytes(SETUP)));
    let mut net = crashed(net);
    assert_eq!(ports(&net), [5000, 5001, 5002, 5003, 6000]);
    for port in [5000, 5001, 5002, 5003] {
        let left = net.forward(udp((SERVER, 7000), (ROUTER, port), b"rtp"));
        let wanted = ("RELATED", format!("192.0.2.80:7000 > 10.0.0.2:{port}"));
        assert_eq!((name(left.tracked), outline(&left.bytes)), wanted);
    }
    // H.245 comes, and is read itself, before another crash and behind it.
    let (inner, outer, server) = ((CLIENT, 6000), (ROUTER, 6000), (SERVER, 3000));
    assert_eq!(opens(&mut net, 3000, 6000), "192.0.2.80:3000 > 10.0.0.2:6000");
    net.forward(tcp(inner, server, &seg(SYN | ACK, 499, 100, 0)));
    net.forward(tcp(server, outer, &seg(ACK, 100, 500, 0)));
    net.forward(says(server, outer, &seg(ACK, 100, 500, 0), &framed(&bytes(ACKNOWLEDGED))));
    assert_eq!(ports(&net), [7000, 7001]);
    let mut net = crashed(net);
    let left = net.forward(says(inner, server, &seg(ACK, 500, 100, 0), &framed(&bytes(DATA))));
    assert_eq!(said(&left.bytes), framed(&forged(DATA, CLIENT, ROUTER)));
    assert_eq!(ports(&net), [1503, 7000, 7001]);
    // T.120 may come in several connections.
    let mut net = crashed(net);
    for port in [4000, 4001] {
        assert_eq!(opens(&mut net, port, 1503), format!("192.0.2.80:{port} > 10.0.0.2:1503"));
    }
}

#[test]
fn a_call_that_was_forwarded_before_a_crash_goes_on_behind_it() {
    let mut net = keeping(call(Some(ROUTER)));
    net.forward(says(HERE, THERE, &seg(ACK, 100, 500, 0), &bytes(FORWARD)));
    let mut net = crashed(net);
    assert_eq!(opens(&mut net, 3000, 1720), "192.0.2.80:3000 > 10.0.0.3:1720");
    // The new connection is a call, too.
    let (inner, server) = (("10.0.0.3", 1720), (SERVER, 3000));
    net.forward(tcp(inner, server, &seg(SYN | ACK, 499, 100, 0)));
    net.forward(tcp(server, (ROUTER, 1720), &seg(ACK, 100, 500, 0)));
    let left = net.forward(says(inner, server, &seg(ACK, 500, 100, 0), &forged(CONNECT, SERVER, "10.0.0.3")));
    assert_eq!(said(&left.bytes), forged(CONNECT, SERVER, ROUTER));
    assert_eq!(ports(&net), [6000]);
}

#[test]
fn who_registered_before_a_crash_is_called_behind_it() {
    let mut net = registrar(Some(ROUTER));
    net.tracker.set_keeping(true);
    net.forward(udp((CLIENT, 1719), (SERVER, 1719), &bytes(REGISTER)));
    net.forward(udp((SERVER, 1719), (ROUTER, 1719), &bytes(REGISTERED)));
    let mut net = crashed(net);
    for port in [3000, 3001] {
        assert_eq!(opens(&mut net, port, 1720), format!("192.0.2.80:{port} > 10.0.0.2:1720"));
    }
    assert_eq!(net.state(tcp(("192.0.2.81", 3000), (ROUTER, 1720), &seg(SYN, 1, 0, 0))), "NEW");
}
