//! A million connections in the tracker alone: bytes of an entry with everything that finds it, and nanoseconds of a new one,
//! of a packet that finds its own, and of one that ends. Run with `cargo bench -p engine --bench entries`.

use std::fs;
use std::hint::black_box;
use std::time::Instant;

use engine::conntrack::{Settings, Tracked, Tracker};
use engine::packet::{Buffer, Checksum, Device};
use engine::wire::Headers;
use engine::{Effects, Hook, Now, Packet, Verdict};
use libxt::family::Af;

const ENTRIES: u32 = 1_000_000;

struct Router {
    tracker: Tracker,
    now: Now,
    out: Effects,
    device: Device,
}

fn main() {
    let before = resident();
    // As many buckets as entries, as the kernel has them.
    let settings = Settings { max: ENTRIES, buckets: ENTRIES, events: 1, ..Settings::default() };
    let now = Now { monotonic: 1_000_000_000_000, wall: 1_700_000_000_000_000_000 };
    let device = Device { index: 2, name: [0; 16], loopback: false, mtu: 1500, group: 0, hardware: 1 };
    let mut router = Router { tracker: Tracker::new(settings, [7; 16]), now, out: Effects::default(), device };

    let insert = router.each(0..ENTRIES);
    assert_eq!(router.tracker.len(), ENTRIES as usize);
    let bytes = (resident() - before) as f64 / f64::from(ENTRIES);
    // Another place of the table each time, so that the processor's caches hold little of it.
    let lookup = router.each((0..ENTRIES).map(|number| (u64::from(number) * 7919 % u64::from(ENTRIES)) as u32));
    assert_eq!(router.tracker.len(), ENTRIES as usize);

    router.now.monotonic += 1_000_000_000_000;
    let (start, mut longest) = (Instant::now(), 0);
    loop {
        let piece = Instant::now();
        let more = router.tracker.expire(router.now, &mut router.out);
        longest = longest.max(piece.elapsed().as_micros());
        if !more {
            break;
        }
    }
    let expiry = start.elapsed().as_nanos() / u128::from(ENTRIES);
    assert!(router.tracker.is_empty());
    eprintln!("{ENTRIES} entries in the tracker alone: {bytes:.1} bytes an entry, buckets and free slots included");
    eprintln!(
        "ns an entry: new {insert}, found again {lookup}, expired {expiry} (packets wait for a piece of {longest} us)"
    );
}

impl Router {
    /// A datagram of each flow arrives and leaves; nanoseconds of one.
    fn each(&mut self, flows: impl ExactSizeIterator<Item = u32>) -> u128 {
        let (count, start) = (flows.len() as u128, Instant::now());
        for flow in flows {
            self.pass(&mut datagram(flow));
        }
        start.elapsed().as_nanos() / count
    }

    fn pass(&mut self, bytes: &mut [u8]) {
        self.now.monotonic += 1000;
        if self.now.monotonic.is_multiple_of(1_000_000) {
            self.tracker.expire(self.now, &mut self.out);
        }
        let len = bytes.len();
        let Some(headers) = Headers::parse(Af::V4, bytes) else { return };
        let packet = Packet {
            in_device: Some(&self.device),
            out_device: Some(&self.device),
            checksum: Checksum::Verified,
            ..Packet::new(Af::V4, Hook::Prerouting, Buffer::new(bytes, len))
        };
        let Ok(tracked) = self.tracker.track(&packet, &headers, None, self.now, &mut self.out) else { return };
        assert!(matches!(tracked, Tracked::Of { .. }));
        assert_eq!(self.tracker.confirm(tracked, self.now, &mut self.out), Verdict::Accept);
        black_box(packet.data.bytes());
    }
}

/// A UDP datagram of a flow: 28 bytes, without a UDP checksum to look at.
fn datagram(flow: u32) -> [u8; 28] {
    let mut bytes = [0; 28];
    bytes[..12].copy_from_slice(&[0x45, 0, 0, 28, 0, 0, 0x40, 0, 64, 17, 0, 0]);
    let [_, a, b, c] = (flow / 50_000 + 2).to_be_bytes();
    bytes[12..16].copy_from_slice(&[10, a, b, c]);
    bytes[16..20].copy_from_slice(&[198, 51, 100, 1]);
    let sum = engine::wire::checksum::checksum(&bytes[..20]);
    bytes[10..12].copy_from_slice(&sum.to_be_bytes());
    let port = u16::try_from(flow % 50_000 + 1024).unwrap_or(0);
    bytes[20..22].copy_from_slice(&port.to_be_bytes());
    bytes[22..24].copy_from_slice(&53_u16.to_be_bytes());
    bytes[24..26].copy_from_slice(&8_u16.to_be_bytes());
    bytes
}

/// Bytes of the process that are in memory.
fn resident() -> u64 {
    let text = fs::read_to_string("/proc/self/smaps_rollup").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("Rss:")).unwrap_or_default();
    let number = line.split_ascii_whitespace().next().and_then(|number| number.parse::<u64>().ok());
    number.unwrap_or(0) * 1024
}
