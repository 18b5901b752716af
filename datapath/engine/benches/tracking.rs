//! Nanoseconds per packet of connection tracking and NAT alone: an established translated flow among many, and new
//! connections. Medians of interleaved rounds; run with `cargo bench -p engine`.

use std::hint::black_box;
use std::time::Instant;

use engine::conntrack::{Address, Settings, Tracked, Tracker};
use engine::nat::{self, Manip, Range};
use engine::packet::{Buffer, Checksum, Device};
use engine::wire::Headers;
use engine::{Effects, Hook, Now, Packet, Verdict};
use libxt::family::Af;

const ROUNDS: usize = 9;
const PACKETS: u32 = 50_000;
/// Connections in the table while established flows are measured.
const FLOWS: u32 = 50_000;

struct Router {
    tracker: Tracker,
    now: Now,
    out: Effects,
    device: Device,
    range: Range,
}

fn main() {
    let mut established = Router::new();
    for flow in 0..FLOWS {
        established.pass(&mut datagram(flow));
    }
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        let start = Instant::now();
        for packet in 0..PACKETS {
            // Another flow each time, so that the table is not in the cache.
            established.pass(&mut datagram(packet.wrapping_mul(7919) % FLOWS));
        }
        times[0].push(start.elapsed().as_nanos() / u128::from(PACKETS));

        let mut fresh = Router::new();
        let start = Instant::now();
        for flow in 0..PACKETS {
            fresh.pass(&mut datagram(flow));
        }
        times[1].push(start.elapsed().as_nanos() / u128::from(PACKETS));
        assert_eq!(fresh.tracker.len(), PACKETS as usize);
    }
    for (name, times) in ["established, translated", "new, translated"].iter().zip(&mut times) {
        times.sort_unstable();
        eprintln!("{name}: {} ns a packet (of {FLOWS} flows)", times[ROUNDS / 2]);
    }
}

impl Router {
    fn new() -> Self {
        let address = Address::from(std::net::IpAddr::from([192, 0, 2, 1]));
        let settings = Settings { events: 1, ..Settings::default() };
        let now = Now { monotonic: 1_000_000_000_000, wall: 1_700_000_000_000_000_000 };
        let mut router = Self {
            tracker: Tracker::new(settings, [7; 16]),
            now,
            out: Effects::default(),
            device: Device { index: 2, name: [0; 16], loopback: false, mtu: 1500, group: 0, hardware: 1 },
            range: Range { flags: nat::flags::MAP_IPS, min_address: address, max_address: address, ..Range::default() },
        };
        router.tracker.expire(now, &mut router.out);
        router
    }

    /// PREROUTING and POSTROUTING in one go, as a forwarded packet is judged.
    fn pass(&mut self, bytes: &mut [u8]) {
        self.now.monotonic += 1000;
        if self.now.monotonic.is_multiple_of(1_000_000) {
            self.tracker.expire(self.now, &mut self.out);
        }
        let len = bytes.len();
        let Some(mut headers) = Headers::parse(Af::V4, bytes) else { return };
        let mut packet = Packet {
            in_device: Some(&self.device),
            out_device: Some(&self.device),
            checksum: Checksum::Verified,
            ..Packet::new(Af::V4, Hook::Prerouting, Buffer::new(bytes, len))
        };
        let tracker = &mut self.tracker;
        let Ok(tracked) = tracker.track(&packet, &headers, None, self.now, &mut self.out) else { return };
        let Tracked::Of { id, .. } = tracked else { return };
        if nat::needs_binding(tracker, id, Manip::Destination) {
            nat::null_binding(tracker, id, Manip::Destination, self.now);
        }
        nat::translate(tracker, tracked, &mut packet, &mut headers, self.now, &mut self.out);
        packet.hook = Hook::Postrouting;
        if nat::needs_binding(tracker, id, Manip::Source) {
            nat::setup(tracker, id, &self.range, Manip::Source, self.now);
        }
        nat::translate(tracker, tracked, &mut packet, &mut headers, self.now, &mut self.out);
        assert_eq!(tracker.confirm(tracked, self.now, &mut self.out), Verdict::Accept);
        black_box(packet.data.bytes());
    }
}

/// A UDP datagram of a flow: 64 bytes, without a UDP checksum to look at.
fn datagram(flow: u32) -> [u8; 64] {
    let mut bytes = [0; 64];
    bytes[..12].copy_from_slice(&[0x45, 0, 0, 64, 0, 0, 0x40, 0, 64, 17, 0, 0]);
    let [_, a, b, c] = (flow / 40_000 + 2).to_be_bytes();
    bytes[12..16].copy_from_slice(&[10, a, b, c]);
    // Every host talks to a server of its own, so that no translated port clashes.
    bytes[16..20].copy_from_slice(&[198, 51, 100, c]);
    let sum = engine::wire::checksum::checksum(&bytes[..20]);
    bytes[10..12].copy_from_slice(&sum.to_be_bytes());
    let port = u16::try_from(flow % 40_000 + 1024).unwrap_or(0);
    bytes[20..22].copy_from_slice(&port.to_be_bytes());
    bytes[22..24].copy_from_slice(&53_u16.to_be_bytes());
    bytes[24..26].copy_from_slice(&44_u16.to_be_bytes());
    bytes[26..28].copy_from_slice(&1_u16.to_be_bytes());
    bytes
}
