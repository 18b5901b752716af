//! Several workers, dumps, deletions, flushes, new settings and time at once, as the daemon's threads do it: each takes the
//! lock for one step, so that everything happens between two hooks of a packet. Afterwards both hashes, all lists and the
//! counts must agree. `XT_STRESS_SECONDS` says how long, 2 if it says nothing.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use super::*;

/// What all threads share.
struct Shared {
    net: Mutex<Box>,
    stop: AtomicBool,
    steps: [AtomicU64; 6],
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Box> {
        self.net.lock().unwrap()
    }

    /// Repeats a step until the time is over, once at least.
    fn repeat(&self, who: usize, mut step: impl FnMut(u64)) {
        for number in 0.. {
            step(number);
            self.steps[who].fetch_add(1, Ordering::Relaxed);
            if self.stop.load(Ordering::Relaxed) {
                break;
            }
            std::thread::yield_now();
        }
    }

    /// A packet goes through its hooks, and the others do theirs in between.
    fn pass(&self, hooks: &[Hook], mut bytes: Vec<u8>) -> Vec<u8> {
        for &hook in hooks {
            let (_, verdict) = self.lock().hook(hook, &device(2), &mut bytes);
            if verdict != Verdict::Accept {
                break;
            }
            std::thread::yield_now();
        }
        bytes
    }
}

/// Xorshift: numbers that look random and cost nothing.
fn draw(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

fn work(shared: &Shared, worker: u64) {
    const FORWARD: [Hook; 3] = [Hook::Prerouting, Hook::Forward, Hook::Postrouting];
    let mut state = 0x9e37_79b9_7f4a_7c15 ^ (worker + 1);
    shared.repeat(0, |_| {
        let number = draw(&mut state);
        let port = 1024 + (number >> 8) as u16 % 6000;
        let host = ["10.0.0.2", "10.0.0.3", "10.0.0.4"][(number >> 32) as usize % 3];
        match number % 16 {
            0..6 => {
                let sent = shared.pass(&FORWARD, udp((host, port), (SERVER, 53), b"q"));
                if let Some(answer) = storm::turned(&sent, 0) {
                    shared.pass(&FORWARD, answer);
                }
            }
            6..11 => {
                let sent = shared.pass(&FORWARD, tcp((host, port), (SERVER, 80), &seg(SYN, 1000, 0, 0)));
                if let Some(answer) = storm::turned(&sent, SYN | ACK) {
                    shared.pass(&FORWARD, answer);
                }
                let flags = [ACK, RST, FIN | ACK, SYN][(number >> 40) as usize % 4];
                shared.pass(&FORWARD, tcp((host, port), (SERVER, 80), &seg(flags, 1001, 1001, 0)));
            }
            11..13 => {
                let sent = shared.pass(&FORWARD, query(host, SERVER, 8, port));
                shared.pass(&FORWARD, error(SERVER, ROUTER, 3, 1, &sent));
            }
            // It dies on its way.
            13 => drop(shared.pass(&FORWARD[..2], udp((host, port), (SERVER, 54), b"q"))),
            14 => drop(shared.pass(&[Hook::Output, Hook::Postrouting], udp((ROUTER, port), (SERVER, 53), b"q"))),
            _ => drop(shared.pass(&[Hook::Prerouting, Hook::Input], udp((host, port), (ROUTER, 53), b"q"))),
        }
    });
}

/// Dumps the table a piece at a time; what a piece shows is found by both its tuples while nobody else does anything.
fn dump(shared: &Shared) {
    shared.repeat(1, |_| {
        let mut place = 0;
        loop {
            let net = shared.lock();
            for _ in 0..64 {
                let Some(id) = net.tracker.from_place(place) else { return };
                place = id.index + 1;
                let Some(entry) = net.tracker.snapshot(id, net.now) else { continue };
                for (tuple, zone) in entry.tuples.iter().zip(entry.zones) {
                    let (found, _) = net.tracker.find(tuple, zone, net.now).unwrap();
                    assert_eq!(found, id, "{tuple:?} leads elsewhere");
                }
            }
            drop(net);
            std::thread::yield_now();
        }
    });
}

#[test]
fn threads_at_once_leave_both_hashes_whole() {
    let seconds = std::env::var("XT_STRESS_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(2);
    let mut net = Box::with(Settings { max: 6000, buckets: 4096, events: 1, ..Settings::default() });
    net.translating = true;
    // The whole table is looked through at the end alone.
    net.checking = false;
    let shared = Shared { net: Mutex::new(net), stop: AtomicBool::new(false), steps: Default::default() };
    std::thread::scope(|scope| {
        let shared = &shared;
        for worker in 0..3 {
            scope.spawn(move || work(shared, worker));
        }
        scope.spawn(|| dump(shared));
        scope.spawn(|| {
            shared.repeat(2, |number| {
                let net = &mut *shared.lock();
                if let Some(id) = net.tracker.from_place((number * 7919 % 6000) as u32) {
                    net.tracker.delete(id, 1, net.now, &mut net.out);
                }
                net.out.clear();
            });
        });
        scope.spawn(|| {
            shared.repeat(3, |number| {
                std::thread::sleep(Duration::from_millis(if number % 8 == 0 { 5 } else { 50 }));
                let net = &mut *shared.lock();
                while let Some(id) = net.tracker.any_from_place(0) {
                    net.tracker.delete(id, 2, net.now, &mut net.out);
                }
                assert!(net.tracker.is_empty());
            });
        });
        scope.spawn(|| {
            shared.repeat(4, |number| {
                std::thread::sleep(Duration::from_millis(3));
                let net = &mut *shared.lock();
                let buckets = [16, 61, 512, 4096, 20_000][number as usize % 5];
                let max = [6000, 300, 6000, 2000][number as usize % 4];
                let acct = number % 3 == 0;
                let settings = Settings { max, buckets, acct, ..net.tracker.settings().clone() };
                net.tracker.set_settings(settings);
                // As a replaced table: other translations for who comes from now on.
                net.nat = [
                    [None, Some(range(ROUTER, None)), Some(range("192.0.2.2", Some((2000, 2100))))]
                        [number as usize % 3],
                    [None, Some(range("192.0.2.81", None))][number as usize % 2],
                ];
                net.template.zones = [[0; 2], [7; 2]][number as usize % 2];
            });
        });
        scope.spawn(|| {
            shared.repeat(5, |_| {
                std::thread::sleep(Duration::from_millis(2));
                let net = &mut *shared.lock();
                net.now.monotonic += 500_000_000;
                net.tracker.expire(net.now, &mut net.out);
            });
        });
        let until = Instant::now() + Duration::from_secs(seconds);
        while Instant::now() < until && !shared.net.is_poisoned() {
            std::thread::sleep(Duration::from_millis(20));
        }
        shared.stop.store(true, Ordering::Relaxed);
    });
    assert!(shared.steps.iter().all(|steps| steps.load(Ordering::Relaxed) > 0));
    let mut net = shared.net.into_inner().unwrap();
    net.tracker.check();
    assert!(net.tracker.len() <= 6000);
    net.wait(1_000_000_000);
    assert!(net.tracker.is_empty());
    assert_eq!(net.tracker.table.extras(), 0);
}
