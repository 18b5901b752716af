//! Nanoseconds per packet of a connection with a helper behind MASQUERADE, PREROUTING to POSTROUTING: one that tells the helper
//! nothing, and one that announces a connection or is rewritten. The same packet again and again, as if it had got lost.
//! Medians of interleaved rounds; run with `cargo bench -p engine --bench helpers`.

#[path = "../tests/support/mod.rs"]
mod support;

use std::hint::black_box;
use std::time::Instant;

use engine::packet::{Buffer, Checksum};
use engine::{Hook, Packet, Verdict};
use libxt::family::Af;
use support::Router;

const ROUNDS: usize = 9;
const PACKETS: u32 = 20_000;

/// A helper and what is said to it.
struct Case {
    helper: &'static str,
    tcp: bool,
    port: u16,
    /// What is said first; an answer if so marked.
    before: Vec<(bool, Vec<u8>)>,
    /// Carries nothing that the helper looks for.
    idle: Vec<u8>,
    /// Announces or is rewritten; an answer if so marked.
    telling: (bool, Vec<u8>),
}

fn cases() -> Vec<Case> {
    let text = |text: &str| text.replace('\n', "\r\n").into_bytes();
    let case = |helper, tcp, port, idle: Vec<u8>, telling: Vec<u8>| Case {
        helper,
        tcp,
        port,
        before: Vec::new(),
        idle,
        telling: (false, telling),
    };
    let mut started = vec![0; 144];
    started[2] = 1;
    vec![
        Case {
            before: vec![(false, b"Amanda 2.6 REQ\n".to_vec())],
            telling: (true, b"Amanda 2.6 REP\nCONNECT DATA 5001 MESG 5002 INDEX 5003\nOPTIONS x\n".to_vec()),
            ..case("amanda", false, 10080, b"more\n".to_vec(), Vec::new())
        },
        case("ftp", true, 21, text("LIST\n"), text("PORT 10,0,0,2,4,1\n")),
        case(
            "irc",
            true,
            6667,
            text("PRIVMSG #a :hello\n"),
            text("PRIVMSG you :\x01DCC SEND f 167772162 1025 1\x01\n"),
        ),
        Case {
            before: vec![(false, control(1, &[0; 144])), (true, control(2, &started))],
            ..case("pptp", true, 1723, control(5, &[0; 4]), control(7, &[&[0, 7][..], &[0; 154]].concat()))
        },
        Case {
            before: vec![(false, b"\0\0\0\x07\0\0\0\x01".to_vec())],
            telling: (true, b"\0\0\0\0\0\0\x13\x89\0\0\x12\x34\0\0\0\0".to_vec()),
            ..case("sane", true, 6566, b"\0\0\0\x07\0\0\0\x01".to_vec(), Vec::new())
        },
        case("sip", false, 5060, text("\n\n"), text(INVITE)),
        case("snmp", false, 161, trap(b"\x05\0"), trap(b"\x40\x04\x0a\0\0\x02")),
        case("tftp", false, 69, b"\0\x04\0\x01".to_vec(), b"\0\x01file\0octet\0".to_vec()),
    ]
}

const INVITE: &str = "INVITE sip:you@192.0.2.80 SIP/2.0\nVia: SIP/2.0/UDP 10.0.0.2:2048;branch=z9hG4bK1\nFrom: <sip:me@10.0.0.2>;tag=1\n\
    To: <sip:you@192.0.2.80>\nCall-ID: 1@10.0.0.2\nCSeq: 1 INVITE\nContact: <sip:me@10.0.0.2:2048>\n\
    Content-Type: application/sdp\nContent-Length: 107\n\nv=0\no=me 1 1 IN IP4 10.0.0.2\ns=-\nc=IN IP4 10.0.0.2\nt=0 0\n\
    m=audio 4000 RTP/AVP 0\nm=video 4002 RTP/AVP 31\n";

/// A PPTP control message.
fn control(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = 12 + body.len() as u8;
    [&[0, length, 0, 1, 0x1a, 0x2b, 0x3c, 0x4d, 0, kind, 0, 0], body].concat()
}

/// An SNMP request with one value.
fn trap(value: &[u8]) -> Vec<u8> {
    let held = |tag: u8, what: &[u8]| [&[tag, what.len() as u8], what].concat();
    let binding = held(0x30, &[&held(6, b"\x2b\x06\x01"), value].concat());
    let unit = [b"\x02\x02\x12\x34\x02\x01\0\x02\x01\0", &held(0x30, &binding)[..]].concat();
    held(0x30, &[b"\x02\x01\x01", &held(4, b"public")[..], &held(0xa3, &unit)].concat())
}

/// A connection of a helper's.
struct Road {
    router: Router,
    /// Packets with their direction: one that tells nothing, one that does.
    packets: [(bool, Vec<u8>); 2],
}

impl Road {
    fn new(case: &Case) -> Self {
        let mut router = Router::default();
        let protocol = if case.tcp { "tcp" } else { "udp" };
        let assign = format!("-t raw -A PREROUTING -p {protocol} --dport {} -j CT --helper {}", case.port, case.helper);
        router.load(Af::V4, &[&assign, "-t nat -A POSTROUTING -o eth1 -j MASQUERADE"]);
        let mut road = Self { router, packets: [(false, Vec::new()), (false, Vec::new())] };
        // Sequence numbers of both sides.
        let mut next = [1, 1];
        let make = |back: bool, next: [u32; 2], flags: u8, data: &[u8]| {
            let ports = if back { (case.port, 2048) } else { (2048, case.port) };
            let numbers = if back { (next[1], next[0]) } else { (next[0], next[1]) };
            let segment = if case.tcp { support::tcp(ports, numbers, flags, data) } else { support::udp(ports, data) };
            let (from, to) = if back { ("192.0.2.80", "192.0.2.1") } else { ("10.0.0.2", "192.0.2.80") };
            support::ip(from, to, if case.tcp { 6 } else { 17 }, &segment)
        };
        if case.tcp {
            for (back, flags) in [(false, 0x02), (true, 0x12), (false, 0x10)] {
                road.cross(back, &make(back, next, flags, b""));
                next[usize::from(back)] += u32::from(flags >> 1 & 1);
            }
        }
        for (back, data) in &case.before {
            road.cross(*back, &make(*back, next, 0x18, data));
            next[usize::from(*back)] += data.len() as u32;
        }
        let (back, telling) = &case.telling;
        let (idle, telling) = (make(false, next, 0x18, &case.idle), make(*back, next, 0x18, telling));
        // What is asked for here is a word to the helper: a packet without any data shows what is spent on nothing.
        let idle =
            if case.before.iter().any(|(_, data)| *data == case.idle) { make(false, next, 0x10, b"") } else { idle };
        let left = road.cross(*back, &telling);
        let changed = left.get(28..) != telling.get(28..);
        let announced = road.router.engine.tracker().expectation_places() > 0;
        assert!(changed || announced, "{} heard nothing", case.helper);
        road.packets = [(false, idle), (*back, telling)];
        road
    }

    #[inline(never)]
    fn run(&mut self, which: usize, packets: u32) {
        let (back, packet) = std::mem::take(&mut self.packets[which]);
        for _ in 0..packets {
            black_box(self.cross(back, &packet).len());
        }
        self.packets[which] = (back, packet);
    }

    /// A packet crosses the router; how it leaves.
    fn cross(&mut self, back: bool, packet: &[u8]) -> Vec<u8> {
        let Router { engine, now, out, host, .. } = &mut self.router;
        now.monotonic += 1_000;
        let [from, to] = if back { [2, 1] } else { [1, 2] };
        let devices = [&host.devices[from], &host.devices[to]];
        let mut room = [0; 2048];
        room[..packet.len()].copy_from_slice(packet);
        let mut len = packet.len();
        out.clear();
        for (hook, out_device) in [(Hook::Prerouting, None), (Hook::Postrouting, Some(devices[1]))] {
            let mut packet = Packet {
                in_device: Some(devices[0]),
                out_device,
                checksum: Checksum::Verified,
                ..Packet::new(Af::V4, hook, Buffer::new(&mut room, len))
            };
            assert_eq!(engine.packet(&mut packet, *now, &*host, out), Verdict::Accept, "{hook:?}");
            len = packet.data.len();
        }
        room[..len].to_vec()
    }
}

fn main() {
    let cases = cases();
    let mut roads: Vec<Road> = cases.iter().map(Road::new).collect();
    let mut times = vec![[const { Vec::new() }; 2]; cases.len()];
    for _ in 0..ROUNDS {
        for (road, times) in roads.iter_mut().zip(&mut times) {
            for (which, times) in times.iter_mut().enumerate() {
                let start = Instant::now();
                road.run(which, PACKETS);
                times.push(start.elapsed().as_nanos() / u128::from(PACKETS));
            }
        }
    }
    eprintln!("ns a packet of a connection with a helper: one that says nothing, one that announces or is rewritten");
    for (case, times) in cases.iter().zip(&mut times) {
        let [idle, telling] = times.each_mut().map(|times| {
            times.sort_unstable();
            times[ROUNDS / 2]
        });
        eprintln!("{:<8} {idle:>6} {telling:>6}", case.helper);
    }
}
