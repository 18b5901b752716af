//! Two packets of one new flow under way at once: what the kernel resolves in nf_ct_resolve_clash().

use super::*;

const A: (&str, u16) = (CLIENT, 5000);
const B: (&str, u16) = (SERVER, 53);

/// A packet that stands between two hooks, with what is known of it there.
struct Flight {
    bytes: Vec<u8>,
    kept: Option<Tracked>,
}

/// A packet arrives and is led to an address.
fn arrives(net: &mut Box, packet: Vec<u8>, to: Option<&str>) -> Flight {
    net.nat[1] = to.map(|to| range(to, None));
    let mut bytes = packet;
    assert_eq!(net.hook(Hook::Prerouting, &device(2), &mut bytes).1, Verdict::Accept);
    Flight { bytes, kept: net.kept.take() }
}

/// It goes on its way and leaves from an address.
fn leaves(net: &mut Box, flight: Flight, from: Option<&str>) -> (Vec<u8>, Verdict) {
    net.nat[0] = from.map(|from| range(from, None));
    let Flight { mut bytes, kept } = flight;
    for hook in [Hook::Forward, Hook::Postrouting] {
        net.kept = kept;
        let (_, verdict) = net.hook(hook, &device(3), &mut bytes);
        if verdict != Verdict::Accept {
            return (bytes, verdict);
        }
    }
    (bytes, Verdict::Accept)
}

fn counts(net: &Box) -> (u32, u32, u32) {
    let counted = net.tracker.statistics();
    (counted.clash_resolve, counted.insert_failed, counted.drop)
}

#[test]
fn the_second_datagram_joins_the_firsts_connection() {
    let mut net = Box::with(Settings { acct: true, ..Settings::default() });
    let (one, two) = (arrives(&mut net, udp(A, B, b"1"), None), arrives(&mut net, udp(A, B, b"22"), None));
    assert_eq!(leaves(&mut net, one, None).1, Verdict::Accept);
    assert_eq!(leaves(&mut net, two, None).1, Verdict::Accept);
    let [there, back] = net.only().counters.unwrap();
    assert_eq!((there.packets, there.bytes, back.packets), (2, 59, 0));
    assert_eq!(counts(&net), (1, 0, 0));
    assert_eq!(net.events(), [EventKind::New]);
}

#[test]
fn datagrams_from_both_ends_at_once_are_one_connection() {
    let mut net = Box::new();
    let (one, two) = (arrives(&mut net, udp(A, B, b"1"), None), arrives(&mut net, udp(B, A, b"2"), None));
    assert_eq!(leaves(&mut net, one, None).1, Verdict::Accept);
    assert_eq!(leaves(&mut net, two, None).1, Verdict::Accept);
    assert_eq!(net.only().tuples[0].source_port(), 5000);
    assert_eq!(counts(&net), (1, 0, 0));
}

#[test]
fn a_datagram_that_was_led_elsewhere_is_answered_and_hidden() {
    let mut net = Box::translating(None, None);
    net.tracker.set_keeping(true);
    let one = arrives(&mut net, udp(A, (ROUTER, 53), b"1"), Some("192.0.2.10"));
    let two = arrives(&mut net, udp(A, (ROUTER, 53), b"2"), Some("192.0.2.11"));
    let (one, verdict) = leaves(&mut net, one, None);
    assert_eq!((Headers::parse(Af::V4, &one).unwrap().destination.0[3], verdict), (10, Verdict::Accept));
    let (two, verdict) = leaves(&mut net, two, None);
    assert_eq!((Headers::parse(Af::V4, &two).unwrap().destination.0[3], verdict), (11, Verdict::Accept));
    assert_eq!(counts(&net), (1, 0, 0));
    assert_eq!(net.events(), [EventKind::New]);
    // It is not shown, nor kept for a crash.
    let shown = net.tracker.from_place(0).unwrap();
    assert_eq!(net.tracker.from_place(shown.index + 1), None);
    let mut kept = 0;
    net.tracker.changes(|_, record| kept += u32::from(record.is_some()));
    assert_eq!((kept, net.tracker.len()), (1, 2));
    // Both answers reach the client from where it sent to, and later questions go to the first one.
    for (server, port) in [("192.0.2.10", 53), ("192.0.2.11", 53)] {
        let answer = net.forward(udp((server, port), A, b"r"));
        assert_eq!((name(answer.tracked), answer.verdict), ("ESTABLISHED", Verdict::Accept));
        assert_eq!(Headers::parse(Af::V4, &answer.bytes).unwrap().source.0[..4], [192, 0, 2, 1], "{server}");
    }
    let later = net.forward(udp(A, (ROUTER, 53), b"3"));
    assert_eq!(Headers::parse(Af::V4, &later.bytes).unwrap().destination.0[3], 10);
    // However often it is answered, it is never a stream, and goes soon.
    net.wait(900);
    net.forward(udp(("192.0.2.11", 53), A, b"r"));
    assert_eq!(net.tracker.len(), 2);
    net.wait(700);
    assert_eq!(net.tracker.len(), 1);
    assert_eq!(net.only().tuples[1].source.0[3], 10);
}

#[test]
fn two_hosts_with_one_answer_cannot_both_enter() {
    // Two questions that the translation makes one.
    let mut net = Box::translating(None, None);
    let one = arrives(&mut net, udp(A, B, b"1"), None);
    let two = arrives(&mut net, udp(("10.0.0.3", 5000), B, b"2"), None);
    // Bound before the other was in the table.
    for flight in [&one, &two] {
        net.kept = flight.kept;
        net.nat[0] = Some(range(ROUTER, Some((700, 700))));
    }
    let Flight { bytes: mut first, .. } = one;
    assert_eq!(net.hook(Hook::Forward, &device(3), &mut first).1, Verdict::Accept);
    assert_eq!(net.hook(Hook::Postrouting, &device(3), &mut first).1, Verdict::Accept);
    let Flight { bytes: mut second, .. } = two;
    // Nothing is free for it any more.
    assert_eq!(net.hook(Hook::Postrouting, &device(3), &mut second).1, Verdict::Drop);
    assert_eq!(net.tracker.len(), 1);
}

#[test]
fn a_segment_that_loses_the_race_is_dropped() {
    let mut net = Box::translating(None, None);
    let syn = || tcp(A, (ROUTER, 80), &seg(SYN, 1000, 0, 0));
    let one = arrives(&mut net, syn(), Some("192.0.2.10"));
    let two = arrives(&mut net, syn(), Some("192.0.2.11"));
    assert_eq!(leaves(&mut net, one, None).1, Verdict::Accept);
    assert_eq!(leaves(&mut net, two, None).1, Verdict::Drop);
    assert_eq!(counts(&net), (0, 1, 1));
    assert_eq!(net.tracker.len(), 1);
}
