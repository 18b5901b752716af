//! Random sequences of everything that is not TCP: two hosts that ask and answer, repeat themselves, lose and swap packets,
//! quote each other in errors, and strangers that send what is cut, does not add up or means nothing.

use std::net::IpAddr;

use crate::{
    frame::{Ip, UDP, View, checksum, set16},
    random::Random,
    twin::{Crossing, Side},
};

/// What a sequence is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Udp,
    UdpLite,
    Icmp,
    Sctp,
    Gre,
    Plain,
}

/// A random sequence between a client and a server of one family.
pub fn datagrams(random: &mut Random, client: IpAddr, server: IpAddr) -> Vec<Crossing> {
    let kind = random.choose(&[
        Kind::Udp,
        Kind::Udp,
        Kind::UdpLite,
        Kind::Icmp,
        Kind::Icmp,
        Kind::Sctp,
        Kind::Sctp,
        Kind::Gre,
        Kind::Plain,
    ]);
    let mut talk = Talk {
        kind,
        ends: [Ip::between(client, server), Ip::between(server, client)],
        tags: [random.bits() as u32, random.bits() as u32],
        step: 0,
        sane: random.one_in(2),
    };
    let mut all: Vec<Crossing> = Vec::new();
    for _ in 0..3 + random.below(5) {
        let again = random.below(if talk.sane { 20 } else { 8 }) == 0;
        let next = match all.last() {
            Some(last) if again => last.clone(),
            _ => talk.next(random, &all),
        };
        all.push(next);
    }
    // Some are lost, some overtake others.
    if !talk.sane && all.len() > 3 {
        let at = 1 + random.below(all.len() as u64 - 2) as usize;
        match random.below(3) {
            0 => drop(all.remove(at)),
            1 => all.swap(at, at + 1),
            _ => {}
        }
    }
    all
}

struct Talk {
    kind: Kind,
    /// From client and from server.
    ends: [Ip; 2],
    /// SCTP's tags, each of the packets towards the other end.
    tags: [u32; 2],
    step: usize,
    sane: bool,
}

impl Talk {
    fn next(&mut self, random: &mut Random, before: &[Crossing]) -> Crossing {
        let first = before.is_empty();
        let from = if first && self.sane { 0 } else { usize::from(random.one_in(2)) };
        let (side, mut packet) = match self.kind {
            Kind::Udp => (from, self.udp(random, from)),
            Kind::UdpLite => (from, self.udplite(random, from)),
            Kind::Icmp => self.icmp(random, from, before),
            Kind::Sctp => self.sctp(random, from),
            Kind::Gre => (from, self.gre(random, from)),
            Kind::Plain => (from, self.ends[from].packet(random.choose(&[253, 253, 253, 50, 2]), b"anything")),
        };
        self.step += 1;
        // An error about what was sent before, in the other direction.
        if let (true, Some(about)) = (random.below(12) == 0, before.last()) {
            return self.error(random, about);
        }
        if !self.sane && random.below(10) == 0 {
            packet = self.broken(random, side, &packet);
        }
        Crossing { side: if side == 0 { Side::Lan } else { Side::Wan }, packet }
    }

    fn udp(&self, random: &mut Random, from: usize) -> Vec<u8> {
        let ports = if from == 0 { (4000, 53) } else { (53, 4000) };
        let mut packet = self.ends[from].udp(ports.0, ports.1, data(random));
        let header = header(&packet);
        match random.below(if self.sane { 40 } else { 8 }) {
            0 => set16(&mut packet, header + 6, 0),
            1 => set16(&mut packet, header + 6, random.u16()),
            2 => set16(&mut packet, header + 4, random.choose(&[0, 7, 8, 9, 200])),
            _ => {}
        }
        packet
    }

    fn udplite(&self, random: &mut Random, from: usize) -> Vec<u8> {
        let ports: (u16, u16) = if from == 0 { (4000, 53) } else { (53, 4000) };
        let mut bytes = [ports.0.to_be_bytes(), ports.1.to_be_bytes(), [0; 2], [0; 2]].concat();
        bytes.extend(data(random));
        if random.below(4) == 0 {
            set16(&mut bytes, 4, random.choose(&[8, 9, 3, 300]));
        }
        // The kernel sums the pseudo-header as UDP's; what RFC 3828 calls right is wrong there.
        let number = if random.below(8) == 0 { 136 } else { u32::from(UDP) };
        let whole = self.ends[from].packet(136, &[]);
        let addresses = if whole[0] >> 4 == 4 { &whole[12..20] } else { &whole[8..40] };
        let pseudo: u32 = addresses.chunks(2).map(|two| u32::from(two[0]) << 8 | u32::from(two[1])).sum();
        let covered = usize::from(u16::from_be_bytes([bytes[4], bytes[5]])).clamp(0, bytes.len());
        let covered = if covered == 0 { bytes.len() } else { covered };
        let sum = checksum(pseudo + number + bytes.len() as u32, &bytes[..covered]);
        set16(&mut bytes, 6, sum);
        self.ends[from].packet(136, &bytes)
    }

    fn icmp(&self, random: &mut Random, from: usize, before: &[Crossing]) -> (usize, Vec<u8>) {
        let six = self.ends[0].source.is_ipv6();
        let asked = before.last().is_some_and(|last| last.side == Side::Lan);
        let (from, kind) = match (six, self.sane) {
            (false, true) => {
                if asked && random.below(3) != 0 {
                    (1, 0)
                } else {
                    (0, 8)
                }
            }
            (true, true) => {
                if asked && random.below(3) != 0 {
                    (1, 129)
                } else {
                    (0, 128)
                }
            }
            (false, false) => (from, random.choose(&[8, 8, 0, 0, 13, 14, 15, 16, 17, 18, 5, 9, 99])),
            (true, false) => (from, random.choose(&[128, 128, 129, 129, 130, 133, 135, 137, 139, 140, 143, 200])),
        };
        let id = random.choose(&[7_u32, 7, 7, 8]);
        let code = if random.below(if self.sane { 40 } else { 8 }) == 0 { 1 } else { 0 };
        let mut packet = self.ends[from].icmp(kind, code, id << 16 | 1, data(random));
        if !self.sane && random.below(10) == 0 {
            let header = header(&packet);
            set16(&mut packet, header + 2, random.u16());
        }
        (from, packet)
    }

    fn sctp(&self, random: &mut Random, from: usize) -> (usize, Vec<u8>) {
        const WINDOW: [u8; 12] = [0, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 9];
        const COOKIE: &[u8] = b"cook";
        const DATA: &[u8] = &[0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, b'd', b'a', b't', b'a'];
        // An association begins as they do, then anything may come.
        let regular = [(0, 1), (1, 2), (0, 10), (1, 11), (0, 0), (1, 3)];
        let (from, kind) = match regular.get(self.step) {
            Some(&next) if self.sane => next,
            _ => (from, random.choose(&[0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 14, 63])),
        };
        let opening = [&self.tags[from].to_be_bytes()[..], &WINDOW].concat();
        let value: &[u8] = match kind {
            1 | 2 => &opening,
            0 => DATA,
            10 => COOKIE,
            3 => &[0, 0, 0, 9, 0, 1, 0, 0, 0, 0, 0, 0],
            4 | 5 => &[0, 1, 0, 8, 1, 2, 3, 4],
            7 => &[0, 0, 0, 9],
            _ => &[],
        };
        let tag = match (kind, random.below(if self.sane { 20 } else { 5 })) {
            (1, 1..) => 0,
            (_, 0) => random.choose(&[0, 1, self.tags[0], self.tags[1]]),
            _ => self.tags[1 - from],
        };
        let flags = u8::from(matches!(kind, 6 | 14) && random.below(4) == 0);
        let tag = if flags == 1 { self.tags[from] } else { tag };
        let ports = if from == 0 { (4000, 53) } else { (53, 4000) };
        let mut chunks = vec![(kind, flags, value)];
        if !self.sane && random.below(6) == 0 {
            chunks.push((random.choose(&[0, 3, 6, 1, 11]), 0, DATA));
        }
        let mut packet = self.ends[from].sctp(ports.0, ports.1, tag, &chunks);
        if !self.sane && random.below(12) == 0 {
            let header = header(&packet);
            set16(&mut packet, header + 8, random.u16());
        }
        (from, packet)
    }

    fn gre(&self, random: &mut Random, from: usize) -> Vec<u8> {
        let key = random.choose(&[1, 1, 2]);
        let plain = [0x20, 0, 8, 0, 0, 0, 0, key, 1, 2, 3, 4];
        let enhanced = [0x30, 1, 0x88, 0x0b, 0, 4, 0, key, 0, 0, 0, 1, 1, 2, 3, 4];
        match random.below(if self.sane { 4 } else { 6 }) {
            0..3 => self.ends[from].packet(47, &plain),
            3 => self.ends[from].packet(47, &enhanced),
            4 => self.ends[from].packet(47, &[0x30, 1, 8, 0, 0, 4, 0, key]),
            _ => self.ends[from].packet(47, &[random.u16() as u8, random.u16() as u8, 8, 0]),
        }
    }

    /// An error from whom the last packet went to, or from another one on its way.
    fn error(&self, random: &mut Random, about: &Crossing) -> Crossing {
        let from = usize::from(about.side == Side::Lan);
        let quote = about.packet.get(..about.packet.len().min(header(&about.packet) + 8 + random.below(30) as usize));
        let quote = quote.unwrap_or_default();
        let six = self.ends[0].source.is_ipv6();
        let (kind, code) = if six {
            random.choose(&[(1, 4), (1, 0), (3, 0), (4, 1), (2, 0)])
        } else {
            random.choose(&[(3, 3), (3, 1), (11, 0), (12, 0), (4, 0), (5, 1)])
        };
        let packet = self.ends[from].icmp(kind, code, 0, quote);
        Crossing { side: if from == 0 { Side::Lan } else { Side::Wan }, packet }
    }

    /// The same cut short behind the IP header.
    fn broken(&self, random: &mut Random, from: usize, packet: &[u8]) -> Vec<u8> {
        let Some(view) = View::of(packet) else { return packet.to_vec() };
        let length = random.below(view.payload.len().min(20) as u64 + 1) as usize;
        self.ends[from].packet(view.protocol, &view.payload[..length])
    }
}

fn data(random: &mut Random) -> &'static [u8] {
    random.choose(&[b"", b"x", b"four", b"a longer question"])
}

/// Where the IP header ends.
fn header(packet: &[u8]) -> usize {
    if packet.first().is_some_and(|first| first >> 4 == 6) { 40 } else { 20 }
}
