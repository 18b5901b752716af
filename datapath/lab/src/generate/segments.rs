//! Random TCP sequences: two ends that behave, misbehave, lose track of each other, and strangers between them.

use crate::{frame::Tcp, random::Random, twin::Side};

/// A segment on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// From which side.
    pub side: Side,
    /// The header.
    pub header: Tcp,
    /// How many bytes it carries.
    pub data: usize,
}

/// A random sequence between a port of the client's and one of the server's.
pub fn segments(random: &mut Random, client: u16, server: u16) -> Vec<Sent> {
    let mut ends = Ends { next: [random.bits() as u32, random.bits() as u32], port: [client, server] };
    let steps = 3 + random.below(10);
    let sane = random.one_in(2);
    let mut all: Vec<Sent> = Vec::new();
    for step in 0..steps {
        let again = random.below(if sane { 24 } else { 8 }) == 0;
        let sent = match all.last() {
            Some(last) if again => last.clone(),
            _ if sane && step < 3 => ends.open(random, step),
            _ => ends.any(random, sane),
        };
        all.push(sent);
    }
    all
}

struct Ends {
    /// The next sequence number of each.
    next: [u32; 2],
    port: [u16; 2],
}

impl Ends {
    /// One of the three segments of a handshake.
    fn open(&mut self, random: &mut Random, step: u64) -> Sent {
        match step {
            0 => self.make(random, 0, Tcp::SYN, 0, true),
            1 => self.make(random, 1, Tcp::SYN | Tcp::ACK, 0, true),
            _ => self.make(random, 0, Tcp::ACK, 0, true),
        }
    }

    /// Whatever comes to mind.
    fn any(&mut self, random: &mut Random, sane: bool) -> Sent {
        const KNOWN: [u8; 12] = [
            Tcp::SYN,
            Tcp::SYN | Tcp::ACK,
            Tcp::ACK,
            Tcp::ACK,
            Tcp::ACK | Tcp::PSH,
            Tcp::ACK | Tcp::PSH,
            Tcp::FIN | Tcp::ACK,
            Tcp::FIN | Tcp::ACK,
            Tcp::RST,
            Tcp::RST | Tcp::ACK,
            Tcp::FIN,
            0,
        ];
        let flags = match random.below(30) {
            0 => random.u16() as u8,
            _ if sane => random.choose(&KNOWN[2..10]),
            _ => random.choose(&KNOWN),
        };
        let data = if random.one_in(2) { random.below(9) as usize } else { 0 };
        let from = usize::from(random.one_in(2));
        let exact = !random.one_in(if sane { 6 } else { 2 });
        self.make(random, from, flags, data, exact)
    }

    fn make(&mut self, random: &mut Random, from: usize, flags: u8, data: usize, exact: bool) -> Sent {
        let near = |random: &mut Random, number: u32| match random.below(8) {
            0 => number.wrapping_sub(1),
            1 => number.wrapping_add(1),
            2 => number.wrapping_sub(8192),
            3 => number.wrapping_add(8192 + random.below(4) as u32),
            4 => number.wrapping_add(70_000),
            5 => number.wrapping_sub(70_000),
            6 => random.bits() as u32,
            _ => 0,
        };
        let (mut seq, mut ack) = (self.next[from], self.next[1 - from]);
        if !exact {
            match random.below(3) {
                0 => seq = near(random, seq),
                1 => ack = near(random, ack),
                _ => (seq, ack) = (near(random, seq), near(random, ack)),
            }
        }
        let mut header = Tcp::segment(self.port[from], self.port[1 - from], flags, seq, ack);
        if flags & Tcp::ACK == 0 && !random.one_in(4) {
            header.ack = 0;
        }
        header.window = random.choose(&[0, 1, 512, 8192, 8192, 8192, 65_535]);
        header.options = options(random, flags, self.next[1 - from]);
        if exact {
            let length = data as u32 + u32::from(flags & Tcp::SYN != 0) + u32::from(flags & Tcp::FIN != 0);
            self.next[from] = seq.wrapping_add(length);
        }
        Sent { side: if from == 0 { Side::Lan } else { Side::Wan }, header, data }
    }
}

/// Options, most of them whole.
fn options(random: &mut Random, flags: u8, other: u32) -> Vec<u8> {
    let mut all = Vec::new();
    if flags & Tcp::SYN != 0 {
        for (one, bytes) in [(3, &[2, 4, 5, 0xb4][..]), (2, &[1, 3, 3, 7]), (2, &[1, 1, 4, 2])] {
            if !random.one_in(one) {
                all.extend(bytes);
            }
        }
        if random.one_in(12) {
            all.extend([1, 3, 3, random.u16() as u8]);
        }
    } else if random.one_in(6) {
        let start = other.wrapping_add(random.below(20) as u32);
        all.extend([1, 1, 5, 10]);
        all.extend(start.to_be_bytes());
        all.extend(start.wrapping_add(random.below(3000) as u32).to_be_bytes());
    } else if random.one_in(6) {
        all.extend([1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2]);
    } else if random.one_in(60) {
        all.extend([5, random.u16() as u8, 1, 2]);
    }
    all
}
