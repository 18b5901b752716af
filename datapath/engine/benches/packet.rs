//! Nanoseconds per forwarded packet of the whole engine, PREROUTING to POSTROUTING, with an office's rules and with many
//! rules ahead of the deciding one. Medians of interleaved rounds. `nat-…` and `ahead-0` have no rules but MASQUERADE and one
//! for the state; with 1,000 flows the table is in the processor's caches, with 50,000 it is not. `the-bench-itself` is in all
//! of them: it makes each packet and moves the clock.
//!
//! `cargo bench -p engine --bench packet`; with the name of a case and a number behind `--`, that case judges so many
//! packets once and nothing is timed, which is for counting instructions.

#[path = "../tests/support/mod.rs"]
mod support;

use std::hint::black_box;
use std::time::Instant;

use engine::packet::{Buffer, Checksum};
use engine::{Device, Hook, Packet, Verdict};
use libxt::family::Af;
use support::Router;

const ROUNDS: usize = 9;
/// Connections in the table while established ones are measured, if a case does not say otherwise.
const FLOWS: u32 = 50_000;

/// A way of measuring: its name, the rules it needs, the packets of a round and whose they are.
struct Case {
    name: &'static str,
    rules: Rules,
    packets: u32,
    fresh: bool,
    tcp: bool,
    /// The packets are answers.
    back: bool,
    /// Connections in the table.
    flows: u32,
    /// All hooks, or PREROUTING alone.
    whole: bool,
}

enum Rules {
    /// No table at all: what the bench itself takes of every case.
    Nothing,
    /// The demo's, as far as they see such packets.
    Office,
    /// So many rules ahead that miss by their source address.
    Addresses(u32),
    /// So many that miss by `-m udp --dport`.
    Ports(u32),
}

const CASES: &[Case] = &[
    case("established-udp", Rules::Office, 50_000),
    Case { tcp: true, ..case("established-tcp", Rules::Office, 50_000) },
    Case { fresh: true, ..case("new-udp", Rules::Office, 20_000) },
    Case { flows: 1, ..case("the-bench-itself", Rules::Nothing, 50_000) },
    Case { flows: 1, ..case("nat-one-flow", Rules::Addresses(0), 50_000) },
    Case { flows: 1, whole: false, ..case("nat-one-flow-prerouting", Rules::Addresses(0), 50_000) },
    Case { flows: 1_000, ..case("nat-1000-flows", Rules::Addresses(0), 50_000) },
    Case { flows: 1_000, whole: false, ..case("nat-1000-flows-prerouting", Rules::Addresses(0), 50_000) },
    Case { flows: 1_000, back: true, ..case("nat-1000-flows-answers", Rules::Addresses(0), 50_000) },
    Case { flows: 1_000, tcp: true, ..case("nat-1000-flows-tcp", Rules::Addresses(0), 50_000) },
    Case { whole: false, ..case("ahead-0-prerouting", Rules::Addresses(0), 50_000) },
    case("ahead-0", Rules::Addresses(0), 50_000),
    case("addresses-10", Rules::Addresses(10), 20_000),
    case("addresses-100", Rules::Addresses(100), 20_000),
    case("addresses-1000", Rules::Addresses(1_000), 5_000),
    case("addresses-10000", Rules::Addresses(10_000), 500),
    case("ports-10", Rules::Ports(10), 20_000),
    case("ports-100", Rules::Ports(100), 20_000),
    case("ports-1000", Rules::Ports(1_000), 5_000),
    case("ports-10000", Rules::Ports(10_000), 500),
];

const fn case(name: &'static str, rules: Rules, packets: u32) -> Case {
    Case { name, rules, packets, fresh: false, tcp: false, back: false, flows: FLOWS, whole: true }
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    if let [name, count] = words.as_slice() {
        let case = CASES.iter().find(|case| case.name == name).unwrap_or_else(|| panic!("no case {name}"));
        let count = count.parse().unwrap_or_else(|_| panic!("{count} is no number"));
        let mut road = Road::new(case);
        road.run(count);
        return;
    }
    let mut roads: Vec<Road> = CASES.iter().map(Road::new).collect();
    let mut times = vec![Vec::new(); CASES.len()];
    for _ in 0..ROUNDS {
        for ((road, case), times) in roads.iter_mut().zip(CASES).zip(&mut times) {
            if case.fresh {
                *road = Road::new(case);
            }
            let start = Instant::now();
            road.run(case.packets);
            times.push(start.elapsed().as_nanos() as f64 / f64::from(case.packets));
        }
    }
    let mut none = 0.0;
    for (case, times) in CASES.iter().zip(&mut times) {
        times.sort_unstable_by(f64::total_cmp);
        let median = times[ROUNDS / 2];
        let (Rules::Addresses(ahead) | Rules::Ports(ahead)) = case.rules else {
            eprintln!("{:<26} {median:>9.0} ns", case.name);
            continue;
        };
        if ahead == 0 {
            none = median;
            eprintln!("{:<26} {median:>9.0} ns", case.name);
        } else {
            eprintln!("{:<26} {median:>9.0} ns {:>6.2} ns a rule", case.name, (median - none) / f64::from(ahead));
        }
    }
}

/// A router and the packets that cross it.
struct Road {
    router: Router,
    fresh: bool,
    packet: Vec<u8>,
    /// The last packet as it left.
    left: [u8; 128],
    /// The answer to the packet of each flow, if those are what is sent.
    answers: Vec<[u8; 128]>,
    flows: u32,
    whole: bool,
    sent: u32,
}

impl Road {
    fn new(case: &Case) -> Self {
        let mut router = Router::default();
        // As a datapath runs if nobody says otherwise.
        router.engine.tracker_mut().set_keeping(true);
        match case.rules {
            Rules::Nothing => {}
            Rules::Office => router.load(Af::V4, OFFICE),
            Rules::Addresses(ahead) => few(&mut router, ahead, |number| {
                format!("-s 172.{}.{}.{} -j DROP", 16 + number / 65536, number / 256 % 256, number % 256)
            }),
            Rules::Ports(ahead) => {
                few(&mut router, ahead, |number| format!("-p udp --dport {} -j DROP", 10_000 + number % 50_000))
            }
        }
        let segment =
            if case.tcp { support::tcp((1024, 80), (1, 1), 0x10, b"") } else { support::udp((1024, 5355), &[0; 36]) };
        let packet = support::ip("10.0.0.2", "192.0.2.80", if case.tcp { 6 } else { 17 }, &segment);
        let (fresh, flows) = (case.fresh, case.flows);
        let mut road = Self { router, fresh, packet, left: [0; 128], answers: Vec::new(), flows, whole: true, sent: 0 };
        if !case.fresh {
            for flow in 0..flows {
                road.pass(flow);
                road.answer();
                if case.back {
                    road.answers.push(road.turned());
                }
            }
        }
        road.whole = case.whole;
        road
    }

    /// A function of its own, so that what it costs can be told from what the start costs.
    #[inline(never)]
    fn run(&mut self, packets: u32) {
        for _ in 0..packets {
            // Another flow each time, so that the table is not in the cache.
            let flow = if self.fresh { self.sent } else { self.sent.wrapping_mul(7919) % self.flows };
            self.sent += 1;
            match self.answers.get(flow as usize) {
                Some(&answer) => {
                    self.tick();
                    self.cross(&mut { answer }, [2, 1]);
                }
                None => self.pass(flow),
            }
        }
    }

    /// A microsecond passes.
    fn tick(&mut self) {
        self.router.now.monotonic += 1_000;
        if self.router.now.monotonic.is_multiple_of(1_000_000) {
            self.router.engine.expire(self.router.now, &self.router.host, &mut self.router.out);
        }
    }

    fn pass(&mut self, flow: u32) {
        self.tick();
        let mut bytes = [0; 128];
        let len = self.packet.len();
        bytes[..len].copy_from_slice(&self.packet);
        let [_, host, high, low] = flow.to_be_bytes();
        bytes[13..16].copy_from_slice(&[0, host, high]);
        // Every host talks to servers of its own, so that no translated port clashes.
        bytes[16..20].copy_from_slice(&[198, 51, host, high]);
        bytes[20..22].copy_from_slice(&(2_048 + u16::from(low)).to_be_bytes());
        self.cross(&mut bytes, [1, 2]);
        self.left = bytes;
    }

    /// The other end answers the last packet, so that its connection is established. No checksum is looked at.
    fn answer(&mut self) {
        self.cross(&mut self.turned(), [2, 1]);
    }

    /// The answer to the last packet.
    fn turned(&self) -> [u8; 128] {
        let mut bytes = self.left;
        for at in 0..4 {
            bytes.swap(12 + at, 16 + at);
        }
        for at in 0..2 {
            bytes.swap(20 + at, 22 + at);
        }
        bytes
    }

    /// Takes a packet from one device to another.
    fn cross(&mut self, bytes: &mut [u8], [from, to]: [usize; 2]) {
        let Router { engine, now, out, host, .. } = &mut self.router;
        let devices: [&Device; 2] = [&host.devices[from], &host.devices[to]];
        let len = self.packet.len();
        out.clear();
        let mut mark = 0;
        let hooks = [(Hook::Prerouting, None), (Hook::Postrouting, Some(devices[1]))];
        for (hook, out_device) in hooks.into_iter().take(if self.whole { 2 } else { 1 }) {
            let mut packet = Packet {
                in_device: Some(devices[0]),
                out_device,
                mark,
                checksum: Checksum::Verified,
                ..Packet::new(Af::V4, hook, Buffer::new(bytes, len))
            };
            let verdict = engine.packet(&mut packet, *now, &*host, out);
            assert_eq!(verdict, Verdict::Accept, "{hook:?}");
            mark = packet.mark;
        }
        engine.tracker_mut().changes(|_, record| {
            black_box(record);
        });
        black_box(&bytes);
    }
}

fn few(router: &mut Router, ahead: u32, rule: impl Fn(u32) -> String) {
    router.load(Af::V4, &["-P FORWARD DROP", "-t nat -A POSTROUTING -o eth1 -j MASQUERADE"]);
    let mut rules: Vec<String> = (0..ahead).map(rule).collect();
    rules.push("-m conntrack --ctstate NEW,ESTABLISHED,RELATED -j ACCEPT".into());
    router.load_at_once(Af::V4, "FORWARD", &rules);
}

const OFFICE: &[&str] = &[
    "-P INPUT DROP",
    "-P FORWARD DROP",
    "-N LOGDROP",
    "-A LOGDROP -m limit --limit 3/min --limit-burst 8 -j LOG --log-prefix fw-drop",
    "-A LOGDROP -j DROP",
    "-N BADTCP",
    "-A BADTCP -p tcp --tcp-flags ALL NONE -j LOGDROP",
    "-A BADTCP -p tcp --tcp-flags SYN,FIN SYN,FIN -j LOGDROP",
    "-A BADTCP -p tcp --tcp-flags SYN,RST SYN,RST -j LOGDROP",
    "-A BADTCP -j RETURN",
    "-N OUTBOUND",
    "-A OUTBOUND ! -s 10.0.0.0/8 -j LOGDROP",
    "-A OUTBOUND -p tcp -m multiport --dports 80,443,7000:7010 -m conntrack --ctstate NEW -j ACCEPT",
    "-A OUTBOUND -p udp -m multiport --dports 53,123,5355,33434:33534 -m conntrack --ctstate NEW -j ACCEPT",
    "-A FORWARD -i eth0 -o eth1",
    "-A FORWARD -i eth1 -o eth0",
    "-A FORWARD -p tcp -j BADTCP",
    "-A FORWARD -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu",
    "-A FORWARD -p icmp -m conntrack --ctstate RELATED -j ACCEPT",
    "-A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT",
    "-A FORWARD -m conntrack --ctstate INVALID -j DROP",
    "-A FORWARD -i eth0 -o eth1 -g OUTBOUND",
    "-t mangle -A PREROUTING -i eth0 -p tcp --dport 80 -j MARK --set-mark 1",
    "-t mangle -A PREROUTING -i eth0 -p tcp --dport 7000:7010 -j MARK --set-mark 2",
    "-t mangle -A PREROUTING -m mark ! --mark 0 -j CONNMARK --save-mark",
    "-t mangle -A FORWARD -m mark --mark 1",
    "-t mangle -A POSTROUTING -o eth1 -p udp --dport 53 -j TOS --set-tos Minimize-Delay",
    "-t raw -A PREROUTING -i eth0 -p udp --dport 514 -j CT --notrack",
    "-t nat -A PREROUTING -i eth1 -p tcp --dport 8080 -j DNAT --to-destination 10.0.0.9:80",
    "-t nat -A PREROUTING -i eth0 -p udp --dport 53 -j REDIRECT --to-ports 5300",
    "-t nat -A POSTROUTING -o eth1 -s 10.0.0.0/8 ! -d 10.0.0.0/8 -j MASQUERADE",
];
