//! On a warmed engine a packet allocates nothing, and a connection takes no more than it should.

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use engine::conntrack::tuple::Ports;
use engine::conntrack::{Address, Draft, Settings, Tracker, Tuple};
use engine::{Effects, Now};
use libxt::family::Af;
use support::{Router, ip, tcp, udp};

struct Counting;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
    /// Bytes that are allocated and not freed.
    static HELD: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.with(|count| count.set(count.get() + 1));
        HELD.with(|held| held.set(held.get().wrapping_add(layout.size())));
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        HELD.with(|held| held.set(held.get().wrapping_sub(layout.size())));
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        COUNT.with(|count| count.set(count.get() + 1));
        HELD.with(|held| held.set(held.get().wrapping_add(size).wrapping_sub(layout.size())));
        // SAFETY: the caller's promise is passed on.
        unsafe { System.realloc(memory, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What the engine allocated while it judged one packet.
fn judged(router: &mut Router, hook: engine::Hook, devices: (u32, u32), bytes: &mut [u8], len: usize) -> u64 {
    let find = |index: u32| router.host.devices.iter().find(|device| device.index == index);
    router.out.clear();
    let mut packet = engine::Packet {
        in_device: find(devices.0),
        out_device: find(devices.1),
        ..engine::Packet::new(Af::V4, hook, engine::packet::Buffer::new(bytes, len))
    };
    let before = COUNT.with(Cell::get);
    router.engine.packet(&mut packet, router.now, &router.host, &mut router.out);
    COUNT.with(Cell::get) - before
}

#[test]
fn a_warmed_engine_allocates_nothing_for_any_packet() {
    let mut router = Router::default();
    router.load(
        Af::V4,
        &[
            "-t raw -A PREROUTING -p udp --dport 9 -j CT --notrack",
            "-t mangle -A PREROUTING -p tcp --dport 80 -j MARK --set-mark 1",
            "-t nat -A PREROUTING -i eth1 -p tcp --dport 8080 -j DNAT --to-destination 10.0.0.9:80",
            "-t nat -A POSTROUTING -o eth1 -j MASQUERADE",
            "-N user",
            "-A user -p tcp -m multiport --dports 22,80,443 -j RETURN",
            "-A user -m limit --limit 5/s -j LOG --log-prefix user: --log-tcp-options",
            "-A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT",
            "-A FORWARD -j user",
            "-A FORWARD -p udp --dport 7 -j REJECT",
        ],
    );
    let round = |router: &mut Router, from: u16| {
        let mut allocated = 0;
        for port in from..from + 400 {
            let packets = [
                (2, 3, ip("10.0.0.2", "192.0.2.80", 6, &tcp((port, 80), (1, 0), 2, b""))),
                (3, 2, ip("192.0.2.80", "192.0.2.1", 6, &tcp((80, port), (9, 2), 0x12, b""))),
                (2, 3, ip("10.0.0.2", "192.0.2.80", 17, &udp((port, 53), b"hello"))),
                (2, 3, ip("10.0.0.2", "192.0.2.80", 17, &udp((port, 9), b"hello"))),
                (2, 3, ip("10.0.0.2", "192.0.2.80", 17, &udp((port, 7), b"hello"))),
                (2, 3, ip("10.0.0.2", "192.0.2.80", 6, &tcp((port, 81), (5, 5), 4, b""))),
            ];
            for (from, to, bytes) in packets {
                for (hook, devices) in [(engine::Hook::Prerouting, (from, 0)), (engine::Hook::Postrouting, (from, to))]
                {
                    let mut room = [0; 512];
                    room[..bytes.len()].copy_from_slice(&bytes);
                    allocated += judged(router, hook, devices, &mut room, bytes.len());
                }
            }
        }
        allocated
    };
    // What is refused leaves entries behind that age out: after some rounds the slab is as large as it gets.
    for _ in 0..20 {
        round(&mut router, 10_000);
        router.wait(support::SECOND);
    }
    for _ in 0..20 {
        assert_eq!(round(&mut router, 10_000), 0, "known connections");
        router.wait(support::SECOND);
    }
    // The same number of connections again, once the first ones are gone: slots are used anew.
    router.wait(500_000 * support::SECOND);
    let fresh = round(&mut router, 20_000);
    assert_eq!(fresh, 0, "new connections");
}

#[test]
fn a_connection_takes_at_most_256_bytes_with_all_that_finds_it() {
    const ENTRIES: u32 = 1 << 17;
    let now = Now { monotonic: support::SECOND, wall: support::SECOND };
    let before = HELD.with(Cell::get);
    // The slots kept free and the buckets are as many for each connection as with a million of them.
    let mut tracker = Tracker::new(Settings { max: ENTRIES, buckets: ENTRIES, ..Settings::default() }, [7; 16]);
    let mut out = Effects::default();
    let mut draft = Draft {
        tuples: [tuple(0); 2],
        zones: [0; 2],
        status: 0,
        timeout: 600,
        mark: 0,
        labels: None,
        protocol: None,
        nat: [None; 2],
        helper: None,
        master: None,
    };
    for number in 0..ENTRIES {
        let original = tuple(number);
        draft.tuples = [original, original.inverse().unwrap()];
        tracker.insert(&draft, 0, now, &mut out).unwrap();
        if number % 1000 == 0 {
            tracker.expire(now, &mut out);
        }
    }
    tracker.expire(now, &mut out);
    let each = (HELD.with(Cell::get) - before) as f64 / f64::from(ENTRIES);
    assert!(each <= 256.0, "{each} bytes");
    // Much less would mean that this looks in the wrong place.
    assert!(each >= 200.0, "{each} bytes");
}

fn tuple(number: u32) -> Tuple {
    let address = |bytes: [u8; 4]| Address::from(std::net::IpAddr::from(bytes));
    let [_, a, b, c] = (number >> 8).to_be_bytes();
    Tuple {
        af: Af::V4,
        protocol: 6,
        source: address([10, a, b, c]),
        destination: address([192, 0, 2, 80]),
        ports: Ports::Ports { source: 1024 + (number & 0xff) as u16, destination: 80 },
    }
}
