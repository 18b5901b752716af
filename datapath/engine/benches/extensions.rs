//! Nanoseconds that each extension's rule takes of a packet: a match by many rules in a row, a target by one packet that meets
//! it. What the packet costs without the rule is taken off. Medians of interleaved rounds; more than a microsecond is flagged.
//!
//! `cargo bench -p engine --bench extensions`; with a name behind `--`, that extension alone.

#[path = "extension/rules.rs"]
mod rules;
#[path = "../tests/support/mod.rs"]
mod support;

use std::hint::black_box;
use std::time::Instant;

use engine::packet::{Buffer, Checksum};
use engine::{Hook, Packet};
use libxt::family::Af;
use rules::{MATCHES, Measured, Sent, TARGETS};
use support::Router;

/// Rounds of which the median counts.
const ROUNDS: usize = 7;
/// Rules of a match in a row.
const COPIES: usize = 64;
/// Nanoseconds beyond which an extension is flagged.
const SLOW: f64 = 1_000.0;

fn main() {
    let forgotten = rules::forgotten();
    assert!(forgotten.is_empty(), "no rule for {forgotten:?}");
    let wanted = std::env::args().skip(1).find(|word| !word.starts_with("--"));
    let mut slow = Vec::new();
    for (kind, copies, list) in [("match", COPIES, MATCHES), ("target", 1, TARGETS)] {
        for rule in list.iter().filter(|rule| wanted.as_ref().is_none_or(|name| name == rule.name)) {
            let cost = cost(rule, copies);
            let flag = if cost > SLOW { "  more than 1 us" } else { "" };
            eprintln!("{kind:<6} {:<12} {cost:>9.1} ns{flag}", rule.name);
            if cost > SLOW {
                slow.push(rule.name);
            }
        }
    }
    match slow.as_slice() {
        [] => eprintln!("none takes more than 1 us"),
        slow => eprintln!("more than 1 us: {}", slow.join(" ")),
    }
}

/// Median nanoseconds of one rule.
fn cost(rule: &Measured, copies: usize) -> f64 {
    // New connections fill the table: fewer of them.
    let packets = if matches!(rule.sent, Sent::New | Sent::Syn) { 2_000 } else { 4_000 * 64 / (copies as u32 + 63) };
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        for (times, copies) in times.iter_mut().zip([0, copies]) {
            let mut road = Road::new(rule, copies);
            road.run(packets / 8);
            let start = Instant::now();
            road.run(packets);
            times.push(start.elapsed().as_nanos() as f64 / f64::from(packets));
        }
    }
    let [without, with] = times.map(|mut times| {
        times.sort_unstable_by(f64::total_cmp);
        times[ROUNDS / 2]
    });
    (with - without).max(0.0) / copies as f64
}

/// A router and the packet that meets its rules.
struct Road {
    router: Router,
    hook: Hook,
    sent: Sent,
    packet: Vec<u8>,
    number: u32,
}

impl Road {
    fn new(rule: &Measured, copies: usize) -> Self {
        let mut router = Router::default();
        let words: Vec<&str> = rule.line.split(' ').collect();
        let chain = words[1];
        let table = words.iter().position(|word| *word == "-t").map_or("filter", |at| words[at + 1]);
        // What the rule needs is there without it as well: tracking, translation, an estimator.
        let line = |more: &str| format!("-A {chain} -t {table} {more}");
        let usual = ["-A OUTPUT -p 253 -m conntrack --ctstate NEW", "-t nat -A POSTROUTING -p 253 -j MASQUERADE"];
        if rule.line.contains("FORWARD") || table == "nat" || rule.name == "CT" {
            router.load(rule.af, &usual[..if rule.af == Af::V4 { 2 } else { 1 }]);
        }
        if rule.name == "rateest" {
            let name = "-A FORWARD -t mangle -j RATEEST --rateest-name a --rateest-interval 1s --rateest-ewmalog 8s";
            router.load(rule.af, &[name]);
        }
        // The chain is walked in either case.
        router.load(rule.af, &[&line("-p 253")]);
        let words = rule.words();
        for _ in 0..copies {
            let words = words.iter().map(String::as_str).collect();
            router.try_load_words(rule.af, words).unwrap_or_else(|errno| panic!("{}: errno {errno}", rule.line));
        }
        let hook = match chain {
            "PREROUTING" => Hook::Prerouting,
            "INPUT" => Hook::Input,
            "FORWARD" => Hook::Forward,
            "OUTPUT" => Hook::Output,
            _ => Hook::Postrouting,
        };
        let mut road = Self { router, hook, sent: rule.sent, packet: packet(rule), number: 0 };
        if rule.sent == Sent::Tcp && hook != Hook::Prerouting {
            road.run(1);
        }
        road
    }

    #[inline(never)]
    fn run(&mut self, packets: u32) {
        let devices = |hook: Hook| match hook {
            Hook::Prerouting | Hook::Input => [Some(1), None],
            Hook::Output => [None, Some(2)],
            _ => [Some(1), Some(2)],
        };
        for _ in 0..packets {
            self.number += 1;
            let mut room = [0; 512];
            let len = self.packet.len();
            room[..len].copy_from_slice(&self.packet);
            if matches!(self.sent, Sent::New | Sent::Syn) {
                // Another host each time.
                let [_, high, middle, low] = self.number.to_be_bytes();
                room[13..16].copy_from_slice(&[high, middle, low]);
            }
            let Router { engine, now, out, host, .. } = &mut self.router;
            let first = if self.hook == Hook::Output { Hook::Output } else { Hook::Prerouting };
            let mut mark = 0;
            let af = if room[0] >> 4 == 6 { Af::V6 } else { Af::V4 };
            let both = [first, self.hook];
            for hook in &both[usize::from(first == self.hook)..] {
                let [from, to] = devices(*hook);
                out.clear();
                let mut packet = Packet {
                    in_device: from.map(|at: usize| &host.devices[at]),
                    out_device: to.map(|at: usize| &host.devices[at]),
                    mark,
                    checksum: Checksum::Verified,
                    ..Packet::new(af, *hook, Buffer::new(&mut room, len))
                };
                black_box(engine.packet(&mut packet, *now, &*host, out));
                mark = packet.mark;
            }
        }
    }
}

fn packet(rule: &Measured) -> Vec<u8> {
    let (source, destination) = match rule.af {
        Af::V4 => ("10.0.0.2", "192.0.2.80"),
        Af::V6 => ("2001:db8::2", "2001:db8:1::80"),
    };
    let data = [b'.'; 128];
    let (protocol, segment) = match rule.sent {
        Sent::Udp | Sent::New => (17, support::udp((1024, 53), &data)),
        Sent::Syn => (6, options(support::tcp((1024, 80), (1, 0), 2, b""))),
        Sent::Tcp => (6, options(support::tcp((1024, 80), (1, 1), 0x10, &data))),
        Sent::Other(protocol, bytes) => (protocol, bytes.to_vec()),
    };
    support::ip(source, destination, protocol, &segment)
}

/// MSS, SACK permitted, timestamps, window scale.
fn options(mut segment: Vec<u8>) -> Vec<u8> {
    segment.splice(20..20, [2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7]);
    segment[12] = 10 << 4;
    segment
}
