//! Random packets in random order: nothing panics, every chain stays whole, and what NAT does is undone by the answer.

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Step {
    Forward(Vec<u8>),
    Arrive(Vec<u8>),
    Send(Vec<u8>),
    /// An error about the last packet that left.
    Error(u8),
    /// The answer to the last packet that left, as TCP flags or anything.
    Answer(u8),
    Wait(u64),
    Delete(u32),
}

fn host() -> impl Strategy<Value = &'static str> {
    prop_oneof![Just(CLIENT), Just("10.0.0.3"), Just(SERVER), Just(ROUTER)]
}

fn port() -> impl Strategy<Value = u16> {
    prop_oneof![Just(80), Just(600), Just(5000), Just(5001)]
}

/// Any port, often one of few, so that connections get in each other's way; or at the edge of a class.
fn any_port() -> impl Strategy<Value = u16> {
    prop_oneof![
        4 => any::<u16>(),
        4 => 500..504_u16,
        3 => proptest::sample::select(vec![0, 1, 511, 512, 1023, 1024, u16::MAX]),
    ]
}

/// A range of ports, wide or narrow.
fn ports() -> impl Strategy<Value = (u16, u16)> {
    (prop_oneof![1..60_000_u16, 1..505_u16], prop_oneof![Just(500), Just(1), Just(0)])
        .prop_map(|(low, more)| (low, low + more))
}

fn packet() -> impl Strategy<Value = Vec<u8>> {
    let address = || (host(), host());
    prop_oneof![
        4 => (address(), port(), port(), any::<u8>(), 0..4_u32, 0..4_u32, 0..3_usize).prop_map(
            |((from, to), a, b, flags, seq, ack, data)| {
                tcp((from, a), (to, b), &seg(flags & 0x17, 1000 + seq, 1000 + ack, data))
            }
        ),
        3 => (address(), port(), port()).prop_map(|((from, to), a, b)| udp((from, a), (to, b), b"x")),
        2 => (address(), 0..20_u8, 0..3_u16).prop_map(|((from, to), kind, id)| query(from, to, kind, id)),
        1 => (address(), any::<u8>(), proptest::collection::vec(any::<u8>(), 0..40))
            .prop_map(|((from, to), number, transport)| ip(from, to, number, &transport, None)),
        1 => proptest::collection::vec(any::<u8>(), 1..80),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => packet().prop_map(Step::Forward),
        2 => packet().prop_map(Step::Arrive),
        2 => packet().prop_map(Step::Send),
        2 => (0..20_u8).prop_map(Step::Error),
        4 => any::<u8>().prop_map(Step::Answer),
        1 => (0..200_000_u64).prop_map(Step::Wait),
        1 => (0..40_u32).prop_map(Step::Delete),
    ]
}

/// A packet with its addresses and ports turned round.
pub(super) fn turned(bytes: &[u8], flags: u8) -> Option<Vec<u8>> {
    let headers = Headers::parse(Af::V4, bytes)?;
    let transport = bytes.get(headers.transport..headers.end)?;
    let tuple = Tuple::of(Af::V4, headers.protocol, headers.source, headers.destination, transport)?.inverse()?;
    let (from, to) = (tuple.source.ip(Af::V4).to_string(), tuple.destination.ip(Af::V4).to_string());
    match tuple.ports {
        tuple::Ports::Ports { source, destination } if tuple.protocol == protocol::UDP => {
            Some(udp((&from, source), (&to, destination), b"y"))
        }
        tuple::Ports::Ports { source, destination } if tuple.protocol == protocol::TCP => {
            Some(tcp((&from, source), (&to, destination), &seg(flags & 0x17, 1000, 1001, 0)))
        }
        tuple::Ports::Icmp { kind, id, .. } => Some(query(&from, &to, kind, id)),
        _ => None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn a_storm_leaves_the_table_whole(
        steps in proptest::collection::vec(step(), 1..80),
        source in proptest::option::of((host(), proptest::option::of(Just((5000, 5002))))),
        destination in proptest::option::of((host(), proptest::option::of(Just((80, 80))))),
        max in 1..40_u32,
    ) {
        let source = source.map(|(address, ports)| range(address, ports));
        let destination = destination.map(|(address, ports)| range(address, ports));
        let mut net = Box::translating(source, destination);
        net.tracker.set_settings(Settings { max, buckets: 16, ..net.tracker.settings().clone() });
        let mut last = Vec::new();
        for step in steps {
            let bytes = match step {
                Step::Wait(time) => {
                    net.wait(time);
                    continue;
                }
                Step::Delete(place) => {
                    if let Some(id) = net.tracker.from_place(place) {
                        net.tracker.delete(id, 0, net.now, &mut net.out);
                        net.tracker.check();
                    }
                    continue;
                }
                Step::Forward(bytes) => net.forward_any(bytes),
                Step::Arrive(bytes) => net.arrive_any(bytes),
                Step::Send(bytes) => net.send_any(bytes),
                Step::Error(kind) if !last.is_empty() => net.forward_any(error(SERVER, ROUTER, kind, 0, &last)),
                Step::Answer(flags) => match turned(&last, flags) {
                    Some(answer) => net.forward_any(answer),
                    None => continue,
                },
                Step::Error(_) => continue,
            };
            last = bytes;
        }
        assert!(net.tracker.len() <= max as usize);
        net.wait(500_000_000);
        assert!(net.tracker.is_empty());
    }

    #[test]
    fn an_answer_comes_back_as_if_nothing_had_been_translated(
        source in proptest::option::of((host(), proptest::option::of(ports()))),
        destination in proptest::option::of((host(), proptest::option::of(ports()))),
        ports in proptest::collection::vec((any_port(), any_port()), 1..20),
        data in proptest::collection::vec(any::<u8>(), 0..20),
    ) {
        let source = source.map(|(address, ports)| range(address, ports));
        let destination = destination.map(|(address, ports)| range(address, ports));
        let mut net = Box::translating(source, destination);
        for (a, b) in ports {
            let sent = udp((CLIENT, a), (SERVER, b), &data);
            let passed = net.forward(sent.clone());
            if passed.verdict != Verdict::Accept {
                continue;
            }
            outline(&passed.bytes);
            let answer = net.forward(turned(&passed.bytes, 0).unwrap());
            prop_assert_eq!(name(answer.tracked), "ESTABLISHED");
            prop_assert_eq!(outline(&answer.bytes), outline(&turned(&sent, 0).unwrap()));
        }
    }
}

impl Box {
    fn forward_any(&mut self, bytes: Vec<u8>) -> Vec<u8> {
        self.any(&[Hook::Prerouting, Hook::Forward, Hook::Postrouting], bytes)
    }

    fn arrive_any(&mut self, bytes: Vec<u8>) -> Vec<u8> {
        self.any(&[Hook::Prerouting, Hook::Input], bytes)
    }

    fn send_any(&mut self, bytes: Vec<u8>) -> Vec<u8> {
        self.any(&[Hook::Output, Hook::Postrouting], bytes)
    }

    /// As [`Box::through`], for packets that need not stay with one connection.
    fn any(&mut self, hooks: &[Hook], mut bytes: Vec<u8>) -> Vec<u8> {
        for &hook in hooks {
            if self.hook(hook, &device(2), &mut bytes).1 != Verdict::Accept {
                break;
            }
        }
        bytes
    }
}
