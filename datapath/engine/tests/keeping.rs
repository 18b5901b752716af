//! Connections that outlive their engine: kept records, and another engine made of them.

mod support;

use std::collections::BTreeMap;

use engine::conntrack::keep::{Record, Restored};
use engine::conntrack::policy::Policy;
use engine::conntrack::{Draft, Snapshot};
use libxt::family::Af;
use libxt::value::text::Text;
use proptest::prelude::*;
use support::{Router, SECOND, addresses, echo, ip, tcp, udp};
use zerocopy::{FromBytes, IntoBytes};

const RULES: &[&str] = &[
    "-P FORWARD DROP",
    "-A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT",
    "-A FORWARD -i eth0 -j ACCEPT",
    "-A FORWARD -m conntrack --ctstate DNAT -j ACCEPT",
    "-t mangle -A PREROUTING -j CONNMARK --set-mark 7",
    "-t nat -A PREROUTING -i eth1 -p tcp --dport 8080 -j DNAT --to-destination 10.0.0.9:80",
    "-t nat -A POSTROUTING -o eth1 -j MASQUERADE",
];

/// What the keeper of the records has.
type Kept = BTreeMap<u32, Record>;

fn router() -> Router {
    let mut router = Router::default();
    router.engine.tracker_mut().set_keeping(true);
    router.load(Af::V4, RULES);
    router
}

fn keep(router: &mut Router, kept: &mut Kept) {
    router.engine.tracker_mut().changes(|index, record| {
        match record {
            Some(record) => kept.insert(index, *record),
            None => kept.remove(&index),
        };
    });
}

fn restore(kept: &Kept, from: &Router) -> (Router, Restored) {
    let mut router = router();
    router.now = from.now;
    let restored = router.engine.restore(kept.iter().map(|(index, record)| (*index, *record)), from.now);
    (router, restored)
}

fn entries(router: &Router) -> Vec<Snapshot> {
    let tracker = router.engine.tracker();
    let mut place = 0;
    let mut all = Vec::new();
    while let Some(id) = tracker.from_place(place) {
        place = id.index + 1;
        all.extend(tracker.snapshot(id, router.now));
    }
    all
}

fn syn(port: u16) -> Vec<u8> {
    ip("10.0.0.2", "192.0.2.80", 6, &tcp((port, 80), (100, 0), 0x02, b""))
}

/// Some connections, one of each kind.
fn talk(router: &mut Router) {
    assert!(router.forward(2, 3, &syn(40_000)).is_some());
    let masqueraded = addresses(&router.forward(2, 3, &syn(40_001)).expect("it passes")).0.to_string();
    for (flags, numbers) in [(0x12, (500, 101)), (0x10, (501, 101))] {
        assert!(
            router.forward(3, 2, &ip("192.0.2.80", &masqueraded, 6, &tcp((80, 40_001), numbers, flags, b""))).is_some()
        );
    }
    let ack = ip("10.0.0.2", "192.0.2.80", 6, &tcp((40_001, 80), (101, 501), 0x10, b""));
    assert!(router.forward(2, 3, &ack).is_some());
    assert!(router.forward(2, 3, &ip("10.0.0.2", "192.0.2.53", 17, &udp((5_000, 53), b"q"))).is_some());
    assert!(router.forward(2, 3, &ip("10.0.0.2", "192.0.2.1", 1, &echo(8, 77))).is_some());
    assert!(router.forward(2, 3, &ip("10.0.0.2", "192.0.2.1", 99, &[0; 8])).is_some());
    let outside = ip("192.0.2.80", &masqueraded, 6, &tcp((3_000, 8_080), (1, 0), 0x02, b""));
    assert!(router.forward(3, 2, &outside).is_some());
}

#[test]
fn restored_connections_are_those_that_were_kept() {
    let (mut before, mut kept) = (router(), Kept::new());
    talk(&mut before);
    keep(&mut before, &mut kept);
    assert_eq!(kept.len(), 6);
    let (after, restored) = restore(&kept, &before);
    assert_eq!(restored, Restored { taken: 6, ..Restored::default() });
    let plain = |router: &Router| {
        let mut all = entries(router);
        // Windows are not judged any more, which the flags of both directions say.
        for entry in &mut all {
            if let engine::conntrack::ProtocolState::Tcp { flags, .. } = &mut entry.protocol {
                *flags = flags.map(|flags| flags & !0x08);
            }
        }
        all
    };
    assert_eq!(plain(&after), plain(&before));
}

#[test]
fn a_restored_child_has_its_master_and_its_timeout_policy_again() {
    let policy = |router: &Router| {
        let settings = router.engine.tracker().settings();
        let mut policy = Policy::new(Text::cut("short"), Af::V4, 17, settings).unwrap();
        assert!(policy.set(1, 7));
        policy
    };
    let rule = "-t raw -A PREROUTING -p udp --dport 9 -j CT --timeout short";
    let (mut before, mut kept) = (router(), Kept::new());
    talk(&mut before);
    // One that is gone before leaves its place.
    let mut gone = policy(&before);
    gone.name = Text::cut("gone");
    before.engine.tracker_mut().put_policy(gone).unwrap();
    let short = policy(&before);
    before.engine.tracker_mut().put_policy(short).unwrap();
    let id = before.engine.tracker().find_policy(b"gone").unwrap().0;
    before.engine.tracker_mut().remove_policy(id);
    before.load(Af::V4, &[rule]);
    assert!(before.forward(2, 3, &ip("10.0.0.2", "192.0.2.53", 17, &udp((5_001, 9), b"q"))).is_some());
    let master = entries(&before)[0].tuples[0];
    let child = engine::conntrack::Tuple {
        ports: engine::conntrack::tuple::Ports::Ports { source: 1, destination: 2 },
        ..master
    };
    let draft = Draft {
        tuples: [child, child.inverse().unwrap()],
        zones: [0; 2],
        status: 0,
        timeout: 500,
        mark: 0,
        labels: Some(5),
        protocol: None,
        nat: [None; 2],
        helper: None,
        master: Some(master),
    };
    let now = before.now;
    before.engine.tracker_mut().set_labelling(true);
    before.engine.tracker_mut().insert(&draft, 0, now, &mut engine::Effects::default()).unwrap();
    keep(&mut before, &mut kept);

    let mut after = router();
    after.now = before.now;
    let number = before.engine.tracker().find_policy(b"short").unwrap().0.number();
    let short = policy(&after);
    after.engine.tracker_mut().restore_policy(number, short);
    after.load(Af::V4, &[rule]);
    let restored = after.engine.restore(kept.iter().map(|(index, record)| (*index, *record)), now);
    assert_eq!(restored, Restored { taken: 8, ..Restored::default() });
    let find = |router: &Router, destination: u16| {
        entries(router)
            .into_iter()
            .find(|entry| entry.tuples[0].ports.ends().1 == destination)
            .unwrap_or_else(|| panic!("no entry to port {destination}"))
    };
    assert_eq!((find(&after, 2).master, find(&after, 2).labels), (Some(master), Some(5)));
    let masters = |router: &Router| entries(router).into_iter().find(|entry| entry.tuples[0] == master).unwrap().uses;
    assert_eq!((masters(&before), masters(&after)), (2, 2));
    // The next packet has the policy's timeout, not that of all.
    assert_eq!(find(&after, 9).timeout, Some(7));
    after.wait(3 * SECOND);
    assert!(after.forward(2, 3, &ip("10.0.0.2", "192.0.2.53", 17, &udp((5_001, 9), b"q"))).is_some());
    assert_eq!(find(&after, 9).timeout, Some(7));
    after.wait(600_000 * SECOND);
    assert!(entries(&after).is_empty());
}

#[test]
fn a_restored_translation_works_both_ways_and_far_beyond_the_window_it_had() {
    let (mut before, mut kept) = (router(), Kept::new());
    talk(&mut before);
    keep(&mut before, &mut kept);
    let (mut after, _) = restore(&kept, &before);
    let data = ip("10.0.0.2", "192.0.2.80", 6, &tcp((40_001, 80), (900_000_000, 800_000_000), 0x18, b"x"));
    let left = after.forward(2, 3, &data).unwrap();
    let (router, server) = addresses(&left);
    assert_ne!(router.to_string(), "10.0.0.2");
    let answer =
        ip(&server.to_string(), &router.to_string(), 6, &tcp((80, 40_001), (800_000_000, 900_000_001), 0x18, b"yz"));
    assert_eq!(addresses(&after.forward(3, 2, &answer).unwrap()).1.to_string(), "10.0.0.2");
    let inside = ip("10.0.0.9", "192.0.2.80", 6, &tcp((80, 3_000), (1, 2), 0x12, b""));
    assert_eq!(addresses(&after.forward(2, 3, &inside).unwrap()).0, router);
    assert_eq!(entries(&after).len(), 6, "nothing new began");
}

#[test]
fn what_ended_is_forgotten_and_what_ran_out_stays_so() {
    let (mut before, mut kept) = (router(), Kept::new());
    talk(&mut before);
    keep(&mut before, &mut kept);
    before.wait(40 * SECOND);
    let (after, restored) = restore(&kept, &before);
    assert_eq!((restored.expired, restored.refused), (2, 0), "UDP and ICMP without an answer");
    assert_eq!(entries(&after).len(), 4);
    keep(&mut before, &mut kept);
    assert_eq!(kept.len(), 4);
}

#[test]
fn a_timeout_is_written_again_when_it_moved_far() {
    let (mut router, mut kept) = (router(), Kept::new());
    talk(&mut router);
    keep(&mut router, &mut kept);
    let again = ip("10.0.0.2", "192.0.2.1", 99, &[0; 8]);
    for (wait, written) in [(SECOND, 0), (9 * SECOND, 1), (SECOND, 0)] {
        router.wait(wait);
        keep(&mut router, &mut kept);
        assert!(router.forward(2, 3, &again).is_some());
        let mut count = 0;
        router.engine.tracker_mut().changes(|_, _| count += 1);
        assert_eq!(count, written);
    }
}

#[test]
fn a_restored_table_takes_and_ends_connections_as_any_other() {
    let (mut before, mut kept) = (router(), Kept::new());
    talk(&mut before);
    keep(&mut before, &mut kept);
    let (mut after, _) = restore(&kept, &before);
    for port in 0..1_000 {
        assert!(after.forward(2, 3, &syn(1_000 + port)).is_some());
    }
    assert_eq!(entries(&after).len(), 1_006);
    after.wait(6 * 86_400 * SECOND);
    assert!(entries(&after).is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn records_of_any_bytes_are_refused_or_taken(
        noise in prop::collection::vec((0u32..600, prop::array::uniform32(any::<u8>()), 0usize..200), 1..40),
        seed in any::<[u8; 32]>(),
    ) {
        let (mut before, mut kept) = (router(), Kept::new());
        talk(&mut before);
        keep(&mut before, &mut kept);
        let sound: Vec<Record> = kept.values().copied().collect();
        let mut records = Vec::new();
        for (number, (index, bytes, at)) in noise.iter().enumerate() {
            let mut record = sound[number % sound.len()];
            let all = record.as_mut_bytes();
            let end = (at + bytes.len()).min(all.len());
            let flip = usize::from(seed[number % 32]) % 32;
            for (byte, noise) in all[*at..end].iter_mut().zip(bytes).take(flip) {
                *byte ^= noise;
            }
            records.push((*index, Record::read_from_bytes(all).unwrap()));
        }
        let count = records.iter().filter(|(_, record)| record.used != 0).count();
        let mut after = router();
        after.now = before.now;
        let restored = after.engine.restore(records, before.now);
        prop_assert_eq!((restored.taken + restored.expired + restored.refused) as usize, count);
        prop_assert_eq!(after.engine.tracker().len(), restored.taken as usize);
        for round in 0..2 {
            for port in 39_990..40_010 {
                after.forward(2, 3, &syn(port));
                after.forward(3, 2, &ip("192.0.2.80", "192.0.2.1", 6, &tcp((80, port), (500, 101), 0x12, b"")));
            }
            after.forward(2, 3, &ip("10.0.0.2", "192.0.2.53", 17, &udp((5_000, 53), b"q")));
            after.forward(2, 3, &ip("10.0.0.2", "192.0.2.1", 1, &echo(8, 77)));
            after.wait(round * 10 * SECOND);
        }
        after.wait(30 * 86_400 * SECOND);
    }
}
