//! Packets of a batch meet all their first hooks before any meets its next one: none may be taken for another's.

mod support;

use engine::{Hook, Verdict};
use libxt::family::Af;
use std::collections::BTreeSet;

use support::{Router, ip, udp};

const FLOWS: u16 = 300;

fn router() -> Router {
    let mut router = Router::default();
    router.load(
        Af::V4,
        &["-t nat -A POSTROUTING -o eth1 -j MASQUERADE", "-A FORWARD -m conntrack --ctstate INVALID -j DROP"],
    );
    router
}

/// Two hosts use the same ports towards the same server, so that every other one is given another port.
fn packet(flow: u16) -> Vec<u8> {
    let host = if flow.is_multiple_of(2) { "10.0.0.2" } else { "10.0.0.3" };
    ip(host, "192.0.2.80", 17, &udp((2000 + flow / 2, 53), &flow.to_be_bytes()))
}

fn answer(left: &[u8], flow: u16) -> Vec<u8> {
    let port = u16::from_be_bytes([left[20], left[21]]);
    ip("192.0.2.80", "192.0.2.1", 17, &udp((53, port), &flow.to_be_bytes()))
}

/// The first hook of all, then the second of all, the last first.
fn batch(router: &mut Router, [from, to]: [u32; 2], packets: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let first = |packet: &Vec<u8>| {
        let seen = router.at(Hook::Prerouting, (from, 0), packet, 0);
        assert_eq!(seen.verdict, Verdict::Accept);
        seen.bytes
    };
    let between: Vec<Vec<u8>> = packets.iter().map(first).collect();
    let second = |packet: &Vec<u8>| {
        let seen = router.at(Hook::Postrouting, (from, to), packet, 0);
        assert_eq!(seen.verdict, Verdict::Accept);
        seen.bytes
    };
    let mut left: Vec<Vec<u8>> = between.iter().rev().map(second).collect();
    left.reverse();
    left
}

#[test]
fn packets_of_a_large_batch_keep_their_connections() {
    let mut router = router();
    let packets: Vec<Vec<u8>> = (0..FLOWS).map(packet).collect();
    let left = batch(&mut router, [2, 3], &packets);
    let ports: BTreeSet<_> = left.iter().map(|left| left[20..22].to_vec()).collect();
    assert_eq!(ports.len(), usize::from(FLOWS));
    let answers: Vec<Vec<u8>> = (0..FLOWS).map(|flow| answer(&left[usize::from(flow)], flow)).collect();
    for _ in 0..2 {
        for (flow, back) in (0..FLOWS).zip(batch(&mut router, [3, 2], &answers)) {
            assert_eq!(back[16..24], [&packet(flow)[12..16], &[0, 53], &packet(flow)[20..22]].concat());
        }
        assert_eq!(batch(&mut router, [2, 3], &packets), left);
    }
    assert_eq!(router.engine.tracker().len(), usize::from(FLOWS));
}

#[test]
fn a_packet_whose_connection_ends_on_its_way_is_still_translated() {
    let mut router = router();
    let left = batch(&mut router, [2, 3], &[packet(0)]);
    batch(&mut router, [3, 2], &[answer(&left[0], 0)]);
    let between = router.at(Hook::Prerouting, (2, 0), &packet(0), 0);
    let id = router.engine.tracker().from_place(0).unwrap();
    router.engine.tracker_mut().delete(id, 0, router.now, &mut router.out);
    let seen = router.at(Hook::Postrouting, (2, 3), &between.bytes, 0);
    assert_eq!((seen.verdict, seen.bytes), (Verdict::Accept, left[0].clone()));
    assert_eq!(router.engine.tracker().len(), 0);
}

#[test]
fn of_a_burst_that_opens_a_translated_flow_every_packet_is_translated_and_leaves() {
    for (target, ports) in
        [("MASQUERADE", 1), ("MASQUERADE --random-fully", 4), ("SNAT --to-source 192.0.2.1:7000-7001", 1)]
    {
        let mut router = Router::default();
        router.load(Af::V4, &[&format!("-t nat -A POSTROUTING -p udp -j {target}"), "-t mangle -A FORWARD -p udp"]);
        // Of so many some are no longer known at the end, and leave as others do.
        let mut long: Vec<_> = (0..100_u32)
            .map(|number| {
                router.at(
                    Hook::Prerouting,
                    (2, 0),
                    &ip("10.0.0.2", "192.0.2.2", 17, &udp((2000, 53), &number.to_be_bytes())),
                    0,
                )
            })
            .collect();
        for hook in [Hook::Forward, Hook::Postrouting] {
            long = long.iter().map(|seen| router.at(hook, (2, 3), &seen.bytes, 0)).collect();
        }
        assert!(
            long.iter().all(|seen| seen.verdict == Verdict::Accept && seen.bytes[12..16] == [192, 0, 2, 1]),
            "{target}"
        );
        let burst = [b"a", b"b", b"c", b"d"].map(|data| ip("10.0.0.2", "192.0.2.2", 17, &udp((1000, 53), data)));
        let mut burst = burst.map(|packet| router.at(Hook::Prerouting, (2, 0), &packet, 0));
        for hook in [Hook::Forward, Hook::Postrouting] {
            burst = burst.map(|seen| router.at(hook, (2, 3), &seen.bytes, 0));
        }
        let left: Vec<_> = burst.iter().filter(|seen| seen.verdict == Verdict::Accept).collect();
        assert_eq!(left.len(), 4, "{target}");
        assert!(left.iter().all(|seen| seen.bytes[12..16] == [192, 0, 2, 1]), "{target}: {left:?}");
        let different: BTreeSet<_> = left.iter().map(|seen| seen.bytes[20..22].to_vec()).collect();
        assert_eq!(different.len(), ports, "{target}");
    }
}
