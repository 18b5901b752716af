//! One tuple in zones by the thousand: each packet finds its own connection in a few steps.

use super::*;

const A: (&str, u16) = (CLIENT, 5000);
const B: (&str, u16) = (SERVER, 53);
const ZONES: u16 = 4000;

fn tenant(net: &mut Box, zone: u16) {
    net.template = Template { zones: [zone; 2], ..Template::default() };
}

/// What is done for each zone, and how many nodes were looked at for it, on average.
fn for_each(net: &mut Box, mut step: impl FnMut(&mut Box, u16)) -> u64 {
    let before = net.tracker.table.looked();
    for zone in 1..=ZONES {
        step(net, zone);
    }
    (net.tracker.table.looked() - before) / u64::from(ZONES)
}

#[test]
fn zones_by_the_thousand_find_their_own_in_a_few_steps() {
    let mut net = Box::with(Settings { buckets: 8192, events: 1, ..Settings::default() });
    net.checking = false;
    for translating in [false, true] {
        (net.translating, net.nat[0]) = (translating, translating.then(|| range(ROUTER, Some((700, 700)))));
        let to = if translating { (ROUTER, 700) } else { A };
        let begun = for_each(&mut net, |net, zone| {
            tenant(net, zone);
            assert_eq!(net.state(udp(A, B, b"q")), "NEW", "{zone}");
        });
        assert_eq!(net.tracker.len(), usize::from(ZONES));
        net.tracker.check();
        let answered = for_each(&mut net, |net, zone| {
            tenant(net, zone);
            let answer = net.forward(udp(B, to, b"r"));
            assert_eq!(name(answer.tracked), "ESTABLISHED");
            let Tracked::Of { id, .. } = answer.tracked else { return };
            assert_eq!(net.tracker.get(id).unwrap().zones(), [zone; 2]);
            assert_eq!(Headers::parse(Af::V4, &answer.bytes).unwrap().destination.0[..4], [10, 0, 0, 2]);
        });
        let errors = for_each(&mut net, |net, zone| {
            tenant(net, zone);
            let quoted = udp(to, B, b"q");
            assert_eq!(name(net.forward(error(SERVER, to.0, 3, 1, &quoted)).tracked), "RELATED");
        });
        // Packets of which nothing is kept in mind are found by any of them.
        let recalled = for_each(&mut net, |net, zone| {
            tenant(net, zone);
            let mut packet = udp(A, B, b"q");
            net.hook(Hook::Prerouting, &device(2), &mut packet);
            net.kept = None;
            assert_eq!(name(net.hook(Hook::Forward, &device(3), &mut packet).0), "ESTABLISHED");
        });
        let deleted = for_each(&mut net, |net, zone| {
            let tuple = Tuple::of(
                Af::V4,
                protocol::UDP,
                Address::from(CLIENT.parse::<IpAddr>().unwrap()),
                Address::from(SERVER.parse::<IpAddr>().unwrap()),
                &[0x13, 0x88, 0, 53, 0, 8, 0, 0],
            );
            let (id, _) = net.tracker.find(&tuple.unwrap(), zone, net.now).unwrap();
            assert!(net.tracker.delete(id, 0, net.now, &mut net.out));
        });
        assert!(net.tracker.is_empty());
        let steps = [begun, answered, errors, recalled, deleted];
        assert!(steps.iter().all(|&steps| steps < 60), "{steps:?}");
        net.wait(6000);
        assert_eq!(net.tracker.table.zones().count(), 0);
        net.tracker.check();
    }
}

#[test]
fn a_zone_of_one_direction_alone_keeps_answers_apart_by_their_ports() {
    let mut net = Box::translating(Some(range(ROUTER, None)), None);
    let mut ports = Vec::new();
    for zone in 1..=20 {
        net.template = Template { zones: [zone, 0], ..Template::default() };
        let passed = net.forward(udp(A, B, b"q"));
        assert_eq!(name(passed.tracked), "NEW");
        ports.push(u16::from_be_bytes([passed.bytes[20], passed.bytes[21]]));
    }
    net.template = Template::default();
    for (port, zone) in ports.iter().zip(1..) {
        let Tracked::Of { id, relation, .. } = net.forward(udp(B, (ROUTER, *port), b"r")).tracked else { panic!() };
        assert_eq!((relation, net.tracker.get(id).unwrap().zones()), (Relation::Established, [zone, 0]));
    }
    ports.sort_unstable();
    ports.dedup();
    assert_eq!(ports.len(), 20);
}
