//! Messages with random mistakes.

use std::io;

use lab::{frame::Ip, suite::Test, twin::Side};

use super::super::dialogue::Dialogue;
use super::super::{Stage, client, play, server_to_router};
use super::media::{Channel, Data, audio};
use super::ras::Ras;
use super::signal::{Kind, Signal, framed, signal};
use super::{INNER, OUTER, SERVER, place};

const Q931: &str = "-t raw -A PREROUTING -p tcp --dport 1720 -j CT --helper Q.931";
const RAS: &str = "-t raw -A PREROUTING -p udp --dport 1719 -j CT --helper RAS";
const SNAT: &str = "-t nat -A POSTROUTING -o wan0 -j SNAT --to-source 10.2.0.1";

/// Connections, and messages of each.
const CALLS: usize = 12;
const MESSAGES: usize = 25;

pub(crate) const TESTS: &[Test] = &[
    ("random_mistakes_in_h323_calls_are_read_as_the_original_reads_them", || {
        play(&[Q931, SNAT], |s| {
            let mut draw = Draw::default();
            for number in 0..CALLS as u16 {
                // What others said may have it go elsewhere.
                let Ok(mut call) = Dialogue::open(s, Side::Lan, &client(), 2000 + number, 1720) else { continue };
                let kind = draw.one(&Kind::SPEAKING);
                let port = 4000 + number * 10;
                for _ in 0..MESSAGES {
                    let back = draw.below(6) == 0;
                    let address = if back { SERVER } else { INNER };
                    let mut message = drawn_signal(&mut draw, kind, address, port).call();
                    draw.spoil(&mut message);
                    // As if what is there now were what was meant.
                    let at = message.iter().position(|octet| *octet == 0x7e);
                    if let Some(at) = at.filter(|at| at + 4 < message.len() && draw.below(4) > 0) {
                        let length = (message.len() - at - 3) as u16;
                        message[at + 1..at + 3].copy_from_slice(&length.to_be_bytes());
                    }
                    let text = framed(&message);
                    call.tries(s, back, &text)?;
                }
                s.list()?;
                // Or another call's port would be taken, and one be drawn.
                call.tries(s, false, b".")?;
                s.command(&["conntrack", "-F", "expect"])?;
            }
            Ok(())
        })
    }),
    ("random_mistakes_in_h323_registrations_are_read_as_the_original_reads_them", || {
        play(&[RAS, SNAT], |s| {
            let mut draw = Draw::default();
            for round in 0..CALLS * MESSAGES {
                let back = draw.below(3) == 0;
                let mut message = drawn_ras(&mut draw, if back { OUTER } else { INNER });
                draw.spoil(&mut message);
                let (side, ip): (Side, Ip) = if back { (Side::Wan, server_to_router()) } else { (Side::Lan, client()) };
                send(s, side, &ip.udp(1719, 1719, &message))?;
                if round % MESSAGES == 0 {
                    s.list()?;
                }
            }
            s.list()
        })
    }),
];

fn send(s: &mut Stage, side: Side, packet: &[u8]) -> io::Result<()> {
    s.send(vec![lab::twin::Crossing { side, packet: packet.to_vec() }]).map(drop)
}

fn drawn_signal(draw: &mut Draw, kind: Kind, address: [u8; 4], port: u16) -> Signal {
    let rich = draw.coin();
    let channel = |draw: &mut Draw| {
        let data = draw.one(&[Data::G711, Data::G723, Data::H263, Data::T120, Data::Buffered, Data::Own]);
        let reverse = draw.coin().then(|| [Some(place(address, port)), None]);
        let stack = draw.coin().then(|| place(address, port + 4));
        Channel { data, reverse, stack, rich: draw.coin(), ..audio(place(address, port + 2)) }
    };
    let mut said = Signal { rich, reason: draw.below(7) as u32, ..signal(kind) };
    said.h245 = draw.coin().then(|| place(address, port + 6));
    said.called = draw.coin().then(|| place(SERVER, 1720));
    said.calling = draw.coin().then(|| place(address, 1720));
    said.alternative = draw.coin().then(|| place([10, 1, 0, 3], port + 8));
    said.fast_start = (0..draw.below(3)).map(|_| channel(draw).open()).collect();
    said.tunnelled = (0..draw.below(3))
        .map(|_| {
            let channel = channel(draw);
            if draw.coin() { channel.request() } else { channel.acknowledge() }
        })
        .collect();
    said.other = (draw.below(4) == 0).then(|| draw.below(20));
    said
}

fn drawn_ras(draw: &mut Draw, address: [u8; 4]) -> Vec<u8> {
    let (calls, ras) = (place(address, 1720), place(address, 1719));
    let seconds = draw.coin().then(|| 1000 + draw.below(1000) as u32);
    let message = match draw.below(10) {
        0 => Ras::GatekeeperRequest(ras),
        1 => Ras::GatekeeperConfirm(place(address, 1718)),
        2 | 3 => Ras::RegistrationRequest(vec![calls; 1 + draw.below(3)], vec![ras], seconds),
        4 => Ras::RegistrationConfirm(vec![calls], seconds),
        5 => Ras::UnregistrationRequest(vec![calls]),
        6 => Ras::AdmissionRequest(Some(calls), Some(calls)),
        7 => Ras::AdmissionConfirm(calls),
        8 => Ras::LocationConfirm(calls),
        _ => Ras::Information(ras, vec![calls]),
    };
    message.bytes(draw.coin())
}

/// Random numbers, the same each time.
struct Draw(u64);

impl Default for Draw {
    fn default() -> Self {
        // The same mistakes each time, unless somebody looks for others.
        Self(std::env::var("LAB_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1))
    }
}

impl Draw {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % most
    }

    fn coin(&mut self) -> bool {
        self.below(2) == 0
    }

    fn one<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }

    /// Some octets become others, go, or come; of one message in three none do.
    fn spoil(&mut self, message: &mut Vec<u8>) {
        if self.below(3) == 0 {
            return;
        }
        for _ in 0..=self.below(3) {
            let at = self.below(message.len().max(1));
            match self.below(6) {
                0 if at < message.len() => drop(message.remove(at)),
                1 => message.insert(at.min(message.len()), self.below(256) as u8),
                2 => message.truncate(at.max(20)),
                _ => {
                    let bit = 1 << self.below(8);
                    if let Some(octet) = message.get_mut(at) {
                        *octet ^= bit;
                    }
                }
            }
        }
    }
}
