//! Conversations that helpers read: whatever either end says, with and without translation, and what then comes unasked.
#![no_main]

#[path = "tables.rs"]
mod tables;
#[path = "world.rs"]
mod world;

use std::cell::RefCell;

use engine::Engine;
use libfuzzer_sys::fuzz_target;
use libxt::{family::Af, save::split_words};
use tables::InMemory;
use world::World;

/// Helpers with the protocol of their connections, each at a port of its own.
const HELPERS: [(&str, u8); 11] = [
    ("ftp", TCP),
    ("irc", TCP),
    ("pptp", TCP),
    ("sane", TCP),
    ("sip", TCP),
    ("amanda", UDP),
    ("netbios-ns", UDP),
    ("sip", UDP),
    ("snmp", UDP),
    ("snmp_trap", UDP),
    ("tftp", UDP),
];
const TCP: u8 = 6;
const UDP: u8 = 17;
const GRE: u8 = 47;
/// Where helpers' ports begin.
const PORTS: u16 = 2000;
const SERVER: [u8; 4] = [10, 2, 0, 2];
const ROUTER: [u8; 4] = [10, 2, 0, 1];

/// One end of a connection, as it looks from there.
struct End {
    own: ([u8; 4], u16),
    other: ([u8; 4], u16),
    next: u32,
    seen: u32,
}

thread_local! {
    static ENGINE: RefCell<(Engine, World)> = RefCell::new((programmed(), World::default()));
}

fuzz_target!(|data: &[u8]| {
    ENGINE.with_borrow_mut(|pair| {
        let (engine, world) = pair;
        if world.is_old() {
            (*engine, *world) = (programmed(), World::default());
        }
        world.forget(engine);
        let &[first, ref rest @ ..] = data else { return };
        let which = usize::from(first & 15) % HELPERS.len();
        let (_, protocol) = HELPERS[which];
        let port = PORTS + which as u16;
        // Translated at the source, at the destination, or not at all.
        let (client, server) = match first >> 4 & 3 {
            0 => ([10, 1, 0, 2], SERVER),
            1 => ([10, 1, 0, 3], [10, 2, 0, 3]),
            _ => ([10, 3, 0, 2], SERVER),
        };
        let mut ends = [
            End { own: (client, port), other: (server, port), next: 1000, seen: 0 },
            End { own: (server, port), other: (client, port), next: 5000, seen: 0 },
        ];
        if protocol == TCP {
            for (from, flags) in [(0, 2), (1, 0x12), (0, 0x10)] {
                say(engine, world, &mut ends, from, protocol, flags, &[]);
            }
        }
        let mut rest = rest;
        // Each speech: who, two bytes of length, the words.
        while let [who, high, low, words @ ..] = rest {
            let length = usize::from(u16::from_be_bytes([*high & 3, *low])).min(words.len());
            let (words, after) = words.split_at(length);
            match who & 3 {
                from @ (0 | 1) => say(engine, world, &mut ends, usize::from(from), protocol, 0x18, words),
                other => unasked(engine, world, &ends, other == 2, words),
            }
            rest = after;
        }
    });
});

/// One end says something, and the other hears it, if it arrives.
fn say(
    engine: &mut Engine,
    world: &mut World,
    ends: &mut [End; 2],
    from: usize,
    protocol: u8,
    flags: u8,
    words: &[u8],
) {
    let sender = &mut ends[from];
    let packet = match protocol {
        TCP => {
            let mut segment = ports(sender.own.1, sender.other.1);
            segment.extend(sender.next.to_be_bytes());
            segment.extend(sender.seen.to_be_bytes());
            segment.extend([0x50, flags, 0x40, 0, 0, 0, 0, 0]);
            segment.extend(words);
            ip(TCP, sender.own.0, sender.other.0, &segment)
        }
        _ => datagram(sender.own, sender.other, words),
    };
    sender.next = sender.next.wrapping_add(words.len() as u32).wrapping_add(u32::from(flags >> 1 & 1));
    let Some(left) = world.forward(engine, from == 1, &packet) else { return };
    let heard = &mut ends[1 - from];
    let at = |at: usize| u16::from_be_bytes([left[at], left[at + 1]]);
    // Whatever a helper does to it, it stays a packet.
    assert_eq!(usize::from(at(2)), left.len());
    heard.other = ([left[12], left[13], left[14], left[15]], at(20));
    if protocol == TCP {
        let sequence = u32::from_be_bytes([left[24], left[25], left[26], left[27]]);
        heard.seen = sequence.wrapping_add((left.len() - 40) as u32).wrapping_add(u32::from(flags >> 1 & 1));
    } else {
        assert_eq!(usize::from(at(24)), left.len() - 20);
    }
}

/// A first packet that somebody may expect: from an end, of the protocol and to the port that the words say.
fn unasked(engine: &mut Engine, world: &mut World, ends: &[End; 2], back: bool, words: &[u8]) {
    let &[kind, a, b, c, d, ..] = words else { return };
    let (from, to) = match back {
        true => (SERVER, if kind & 4 == 0 { ROUTER } else { ends[0].own.0 }),
        false => (ends[0].own.0, SERVER),
    };
    let (source, destination) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
    let packet = match kind & 3 {
        0 => {
            let mut segment = ports(source, destination);
            segment.extend([0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 0x40, 0, 0, 0, 0, 0]);
            ip(TCP, from, to, &segment)
        }
        1 => ip(GRE, from, to, &[0x30, 1, 0x88, 0x0b, 0, 0, c, d, 0, 0, 0, 1]),
        _ => datagram((from, source), (to, destination), b"media"),
    };
    world.forward(engine, back, &packet);
}

fn datagram(from: ([u8; 4], u16), to: ([u8; 4], u16), words: &[u8]) -> Vec<u8> {
    let mut datagram = ports(from.1, to.1);
    datagram.extend((8 + words.len() as u16).to_be_bytes());
    datagram.extend([0, 0]);
    datagram.extend(words);
    ip(UDP, from.0, to.0, &datagram)
}

fn ports(source: u16, destination: u16) -> Vec<u8> {
    [source.to_be_bytes(), destination.to_be_bytes()].concat()
}

fn ip(protocol: u8, source: [u8; 4], destination: [u8; 4], transport: &[u8]) -> Vec<u8> {
    let [a, b] = (20 + transport.len() as u16).to_be_bytes();
    let mut packet = vec![0x45, 0, a, b, 0, 1, 0x40, 0, 64, protocol, 0, 0];
    packet.extend(source);
    packet.extend(destination);
    packet.extend(transport);
    packet
}

fn programmed() -> Engine {
    let mut engine = tables::engine();
    let mut rules: Vec<String> = (PORTS..)
        .zip(HELPERS)
        .map(|(port, (name, protocol))| {
            format!("-t raw -A PREROUTING -p {protocol} --dport {port} -j CT --helper {name}")
        })
        .collect();
    rules.push("-t nat -A POSTROUTING -s 10.1.0.2 -j SNAT --to-source 10.2.0.1".to_owned());
    rules.push("-t nat -A PREROUTING -d 10.2.0.3 -j DNAT --to-destination 10.2.0.2".to_owned());
    rules.push("-A FORWARD -m helper --helper sip".to_owned());
    for line in rules {
        let mut words = Vec::new();
        split_words(&line, &mut words, 100).unwrap_or_else(|_| panic!("{line}"));
        let mut table = InMemory { engine: &mut engine, af: Af::V4 };
        if let Err((code, why)) = iptables::apply(&mut table, &words, &mut Vec::new()) {
            panic!("{line}: {code} {why}");
        }
    }
    engine
}
