//! Conversations that helpers read: whatever either end says, with and without translation, and what then comes unasked.
#![no_main]

#[path = "ends.rs"]
mod ends;
#[path = "tables.rs"]
mod tables;
#[path = "world.rs"]
mod world;

use std::cell::RefCell;
use std::net::IpAddr;

use ends::{End, GRE, Places, TCP, UDP, Way};
use engine::Engine;
use libfuzzer_sys::fuzz_target;
use libxt::{family::Af, save::split_words};
use tables::InMemory;
use world::World;

/// Helpers with the protocol of their connections, each at a port of its own. The corpus names them by their numbers, so new
/// ones go behind the others.
const HELPERS: [(&str, u8); 13] = [
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
    ("RAS", UDP),
    ("Q.931", TCP),
];
/// Where helpers' ports begin.
const PORTS: u16 = 2000;
/// Conversations at a time: the first, and what is expected because of it.
const CONVERSATIONS: usize = 4;

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
        let places = Places::of(first & 64 != 0);
        // Translated at the source, at the destination, or not at all.
        let (client, server) = match first >> 4 & 3 {
            0 => (places.translated, places.server),
            1 => (places.other, places.alias),
            _ => (places.plain, places.server),
        };
        let summed = first & 128 != 0;
        let mut all = vec![Conversation::open(engine, world, protocol, (client, port), (server, port), false, summed)];
        let mut rest = rest;
        // Each speech: who and how, two bytes of length, the words.
        while let [who, high, low, words @ ..] = rest {
            let length = usize::from(u16::from_be_bytes([*high & 3, *low])).min(words.len());
            let (words, after) = words.split_at(length);
            let at = usize::from(who >> 2 & 3) % all.len();
            match who & 3 {
                from @ (0 | 1) => all[at].say(engine, world, usize::from(from), who >> 4, words),
                other => {
                    let more = unasked(engine, world, &places, client, other == 2, summed, words);
                    all.extend(more.filter(|_| all.len() < CONVERSATIONS));
                }
            }
            rest = after;
        }
    });
});

/// A connection, by both of its ends: who opened it first.
struct Conversation {
    protocol: u8,
    ends: [End; 2],
    /// The opener is behind the router's second device.
    back: bool,
    /// Checksums are there, and have to be right when packets leave.
    summed: bool,
}

impl Conversation {
    /// Opens one.
    fn open(
        engine: &mut Engine,
        world: &mut World,
        protocol: u8,
        from: (IpAddr, u16),
        to: (IpAddr, u16),
        back: bool,
        summed: bool,
    ) -> Self {
        let ends = [End { own: from, other: to, next: 1000, seen: 0 }, End { own: to, other: from, next: 5000, seen: 0 }];
        let mut conversation = Self { protocol, ends, back, summed };
        if protocol == TCP {
            for (from, flags) in [(0, 2), (1, 0x12), (0, 0x10)] {
                conversation.send(engine, world, from, Way { flags, ..Way::default() }, &[]);
            }
        }
        conversation
    }

    /// One end says something: at once, in two parts, with options, or again later, by the bits of `how`.
    fn say(&mut self, engine: &mut Engine, world: &mut World, from: usize, how: u8, words: &[u8]) {
        let way = Way { flags: 0x18, blocks: how & 2 != 0, again: how & 1 != 0 };
        let cut = if how & 4 != 0 { words.len() / 2 } else { words.len() };
        let (now, later) = words.split_at(cut);
        self.send(engine, world, from, way, now);
        if !later.is_empty() {
            self.send(engine, world, from, way, later);
        }
    }

    /// A packet of one end, and the other hears it, if it arrives.
    fn send(&mut self, engine: &mut Engine, world: &mut World, from: usize, way: Way, words: &[u8]) {
        let packet = self.ends[from].packet(self.protocol, way, self.summed, words);
        let opens = way.flags & 2 != 0;
        if !way.again {
            self.ends[from].next = self.ends[from].next.wrapping_add(words.len() as u32 + u32::from(opens));
        }
        if let Some(left) = world.forward(engine, (from == 1) != self.back, &packet) {
            let to = self.ends[1 - from].own.0;
            self.ends[1 - from].hear(self.protocol, to.is_ipv6(), opens, self.summed, &left);
        }
    }
}

/// A first packet that somebody may expect: from an end, of the protocol and to the port that the words say. Perhaps what it
/// opens goes on.
fn unasked(
    engine: &mut Engine,
    world: &mut World,
    places: &Places,
    client: IpAddr,
    back: bool,
    summed: bool,
    words: &[u8],
) -> Option<Conversation> {
    let &[kind, a, b, c, d, ..] = words else { return None };
    let (from, to) = match back {
        true => (places.server, if kind & 4 == 0 { places.router } else { client }),
        false => (client, places.server),
    };
    let from = if kind & 16 == 0 { from } else { places.third };
    let (source, destination) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
    let protocol = match kind & 3 {
        0 => TCP,
        1 => {
            let packet = ends::ip(GRE, from, to, &[0x30, 1, 0x88, 0x0b, 0, 0, c, d, 0, 0, 0, 1]);
            world.forward(engine, back, &packet);
            return None;
        }
        _ => UDP,
    };
    let mut more = Conversation::open(engine, world, protocol, (from, source), (to, destination), back, summed);
    if protocol == UDP {
        more.say(engine, world, 0, 0, b"media");
    }
    (kind & 8 != 0).then_some(more)
}

fn programmed() -> Engine {
    let mut engine = tables::engine();
    for af in [Af::V4, Af::V6] {
        let places = Places::of(af == Af::V6);
        let mut rules: Vec<String> = (PORTS..)
            .zip(HELPERS)
            .map(|(port, (name, protocol))| {
                format!("-t raw -A PREROUTING -p {protocol} --dport {port} -j CT --helper {name}")
            })
            .collect();
        rules.push(format!("-t nat -A POSTROUTING -s {} -j SNAT --to-source {}", places.translated, places.router));
        rules.push(format!("-t nat -A PREROUTING -d {} -j DNAT --to-destination {}", places.alias, places.server));
        rules.push("-A FORWARD -m helper --helper sip".to_owned());
        for line in rules {
            load(&mut engine, af, &line);
        }
    }
    engine
}

/// Loads a rule, unless the family has no such helper.
fn load(engine: &mut Engine, af: Af, line: &str) {
    let mut words = Vec::new();
    split_words(line, &mut words, 100).unwrap_or_else(|_| panic!("{line}"));
    let done = iptables::apply(&mut InMemory { engine, af }, &words, &mut Vec::new());
    if let Err((code, why)) = done {
        assert!(af == Af::V6 && line.contains("--helper"), "{line}: {code} {why}");
    }
}
