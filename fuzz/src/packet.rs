//! Packets: a sequence of them, at any hook, through rules that ask for everything.
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

const RULES: &str = include_str!("packet.rules");

thread_local! {
    // Programming the tables costs more than a run; connections are forgotten by the clock.
    static ENGINE: RefCell<(Engine, World)> = RefCell::new((programmed(), World::default()));
}

fuzz_target!(|data: &[u8]| {
    ENGINE.with_borrow_mut(|pair| {
        let (engine, world) = pair;
        if world.is_old() {
            (*engine, *world) = (programmed(), World::default());
        }
        world.forget(engine);
        let mut rest = data;
        // Each packet: hook and device, mark and time, two bytes of length, the bytes.
        while let [hook, time, high, low, bytes @ ..] = rest {
            let length = usize::from(u16::from_be_bytes([*high & 7, *low])).min(bytes.len());
            let (bytes, after) = bytes.split_at(length);
            world.send(engine, *hook, *time, bytes);
            rest = after;
        }
    });
});

fn programmed() -> Engine {
    let mut engine = tables::engine();
    for line in RULES.lines().filter(|l| !l.is_empty() && !l.starts_with('#')) {
        let (af, line) = match line.strip_prefix("6 ") {
            Some(line) => (Af::V6, line),
            None => (Af::V4, line),
        };
        let mut words = Vec::new();
        split_words(line, &mut words, 100).unwrap_or_else(|_| panic!("{line}"));
        if let Err((code, why)) = iptables::apply(&mut InMemory { engine: &mut engine, af }, &words, &mut Vec::new()) {
            panic!("{line}: {code} {why}");
        }
    }
    engine
}
