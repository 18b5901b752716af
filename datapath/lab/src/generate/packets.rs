//! Random talk between hosts on both sides: first packets, answers to what was seen, and what should never be sent.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{
    calls::{GRE, gre},
    dialogues::{Helper, asked},
    fragments::fragments,
    protocols,
};
use crate::{
    frame::{ICMP, ICMPV6, Ip, TCP, Tcp, UDP, View, set16, sum4},
    random::Random,
    twin::{Crossing, Side},
};

/// The hosts and flows of one case.
#[derive(Debug)]
pub(super) struct Talk {
    six: bool,
    ways: Ways,
    flows: Vec<Flow>,
    id: u16,
    /// Hosts do as they should but for a few: connections live to their end.
    calm: bool,
}

/// What the rules of the case make of its talk.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ways {
    /// Long datagrams are left out, and wrong checksums.
    pub(super) short: bool,
    /// Connections are tracked.
    pub(super) tracked: bool,
    /// One packet in so many leaves in fragments.
    pub(super) torn: u64,
    /// Connections may be led to the router itself.
    pub(super) redirected: bool,
    /// Prefixes are translated: in an error that a program on the router wrote header and all the kernel does not find the quote
    /// (`rawv6_send_hdrinc()` leaves the transport header at the network header).
    pub(super) prefixes: bool,
    /// The router says nothing of its own: what comes back to it over loopback is through with the kernel within a jiffy, and
    /// `connlimit` counts otherwise then.
    pub(super) silent: bool,
    /// Connections may have this one.
    pub(super) helper: Option<&'static Helper>,
}

#[derive(Clone, Copy, Debug)]
struct Flow {
    side: Side,
    source: IpAddr,
    destination: IpAddr,
    protocol: u8,
    sport: u16,
    dport: u16,
}

impl Talk {
    /// Two to five flows, or half so many times as many, and some that share a port with another or meet it from the other side.
    pub(super) fn new(random: &mut Random, six: bool, ways: Ways, long: u64) -> Self {
        let mut flows = Vec::new();
        for number in 0..(2 + random.below(4)) * long.div_ceil(2) {
            let side = match random.below(8) {
                0 if !ways.silent => Side::Own,
                1 | 2 => Side::Wan,
                _ => Side::Lan,
            };
            let (near, far) = match side {
                Side::Lan => (1, 2),
                Side::Wan => (2, 1),
                Side::Own if random.one_in(2) => (1, 2),
                Side::Own => (2, 1),
            };
            let host = |network: u16, host: u16| match six {
                true => IpAddr::V6(Ipv6Addr::new(0xfd00 + network, 0, 0, 0, 0, 0, 0, host)),
                false => IpAddr::V4(Ipv4Addr::new(10, network as u8, 0, host as u8)),
            };
            // Host 1 is the router itself.
            let to = match random.below(8) {
                0 => host(near, 1),
                1 => host(far, 1),
                n => host(far, 2 + (n % 2) as u16),
            };
            // Its own packets carry the address of the device they leave by, or the other one.
            let source = match side {
                Side::Own => host(random.choose(&[far, far, far, near]), 1),
                _ => host(near, 2 + random.below(2) as u16),
            };
            flows.push(Flow {
                side,
                source,
                destination: to,
                protocol: match random.one_in(if ways.tracked { 8 } else { 2 }) {
                    true => protocols::rare(random, six, ways.tracked),
                    false => random.choose(&[TCP, TCP, TCP, UDP, UDP, if six { ICMPV6 } else { ICMP }]),
                },
                sport: 20_000 + 100 * number as u16 + random.below(50) as u16,
                dport: random.choose(&[22, 53, 80, 113, 443, 8080]),
            });
        }
        if random.one_in(4)
            && !ways.helper.is_some_and(|helper| helper.names_ports)
            && let Some(first) = flows.iter().copied().find(|flow| flow.side != Side::Own)
        {
            let to_host = first.destination != other_host(first.destination);
            flows.push(match random.below(3) {
                // Another host from the same port.
                0 => Flow { source: other_host(first.source), ..first },
                // The same host and port, towards another host.
                1 if to_host => Flow { destination: other_host(first.destination), ..first },
                // Both open towards each other.
                _ => Flow {
                    side: if first.side == Side::Lan { Side::Wan } else { Side::Lan },
                    source: first.destination,
                    destination: first.source,
                    sport: first.dport,
                    dport: first.sport,
                    ..first
                },
            });
        }
        Self { six, ways, flows, id: random.u16(), calm: random.one_in(2) }
    }

    /// How many rounds there are to be.
    pub(super) fn rounds(&self, random: &mut Random) -> u64 {
        if self.calm { 8 + random.below(6) } else { 4 + random.below(4) }
    }

    /// The packets of one round: new ones, and answers to what left in the round before.
    pub(super) fn round(&mut self, random: &mut Random, number: u64, seen: &[Crossing]) -> Vec<Crossing> {
        let mut packets = Vec::new();
        for crossing in seen {
            self.listen(crossing.side, &crossing.packet);
            if random.one_in(if self.calm { 12 } else { 5 }) {
                continue;
            }
            if let Some(answer) = self.answer(random, &crossing.packet) {
                self.put(random, &mut packets, crossing.side, answer);
            }
            if random.one_in(if self.calm { 20 } else { 6 })
                && let Some(error) = self.error(random, &crossing.packet)
            {
                // A program on the router may say so as well.
                let own = random.one_in(8) && !self.ways.prefixes && !self.ways.silent;
                let side = if own { Side::Own } else { crossing.side };
                self.put(random, &mut packets, side, error);
            }
        }
        for flow in self.flows.clone() {
            if number == 0 || random.one_in(if self.calm { 6 } else { 3 }) {
                let first = number == 0 || random.one_in(3);
                let packet = self.speak(random, &flow, first);
                self.put(random, &mut packets, flow.side, packet);
            }
        }
        if packets.len() > 1 && random.one_in(5) {
            let (one, other) = (random.below(packets.len() as u64), random.below(packets.len() as u64));
            packets.swap(one as usize, other as usize);
        }
        packets
    }

    /// Adds a packet: usually whole, sometimes in fragments, sometimes broken, sometimes twice.
    fn put(&self, random: &mut Random, packets: &mut Vec<Crossing>, side: Side, packet: Vec<u8>) {
        let mut pieces = vec![packet];
        match random.below(24) {
            0 => damage(random, &mut pieces[0], self.six, self.ways.short),
            1 => pieces.push(pieces[0].clone()),
            2 | 3 if self.six => pieces[0] = protocols::extend(random, &pieces[0]),
            // What this machine sends itself in fragments the kernel joins once, not again when they come back over loopback.
            _ if side != Side::Own && pieces[0].len() > 60 && random.one_in(self.ways.torn) => {
                pieces = fragments(random, &pieces[0], self.six, self.ways.redirected);
            }
            _ => {}
        }
        packets.extend(pieces.into_iter().map(|packet| Crossing { side, packet }));
    }

    fn ip(&mut self, random: &mut Random, source: IpAddr, destination: IpAddr) -> Ip {
        self.id = self.id.wrapping_add(1).max(1);
        let mut ip = Ip::between(source, destination);
        ip.id = self.id;
        if random.one_in(6) {
            ip.tos = random.choose(&[0x08, 0x10, 0x48, 0xb8, 0xff]);
        }
        ip.ttl = random.choose(&[64, 64, 64, 64, 63, 62, 128, 2, 1]);
        if !self.six && random.one_in(30) {
            ip.options = vec![1, 1, 1, 0];
            // What the router writes into a record of the route before it passes the packet on is not seen at FORWARD.
            // Nor does the router know of options that its own raw socket sends.
            let last = |address| if let IpAddr::V4(host) = address { host.octets()[3] } else { 0 };
            if last(destination) == 1 && last(source) != 1 && random.one_in(2) {
                let length = random.choose(&[7u8, 11, 15]);
                ip.options = vec![7, length, random.choose(&[4, 8, length + 1])];
                ip.options.resize(usize::from(length).next_multiple_of(4), 0);
            }
        }
        ip
    }

    fn data(&self, random: &mut Random) -> Vec<u8> {
        let length = random.choose(&[0u64, 1, 7, 40, 120, 300]);
        let length = if self.ways.short { length.min(40) } else { length };
        (0..length).map(|n| n as u8 ^ 0x55).collect()
    }

    /// What an end says: of the helper's protocol, if there is one, where it can be reached.
    /// Of the ports its own is the first.
    fn words(&self, random: &mut Random, protocol: u8, own: IpAddr, ports: [u16; 2]) -> Vec<u8> {
        match self.ways.helper.filter(|helper| helper.protocol == protocol && !self.ways.short) {
            Some(helper) if !random.one_in(4) => {
                // A port that no other flow has.
                let [one, other] = ports;
                let port = one.max(other).saturating_add(50 + 3 * random.below(2) as u16);
                helper.say(random, SocketAddr::new(own, port), one)
            }
            _ => self.data(random),
        }
    }

    /// Whoever is told where to connect to does so, as long as there are not too many.
    fn listen(&mut self, side: Side, packet: &[u8]) {
        let Some(helper) = self.ways.helper.filter(|_| self.flows.len() < FLOWS && side != Side::Own) else { return };
        let Some(view) = View::of(packet).filter(|view| view.protocol == helper.protocol) else { return };
        let Some((_, own)) = view.ports() else { return };
        let header = match view.tcp() {
            Some(tcp) => 20 + tcp.options.len(),
            None => 8,
        };
        let words = view.payload.get(header..);
        let Some((protocol, to)) = words.and_then(|words| asked(words, view.source)) else { return };
        let flow = Flow {
            side,
            source: view.destination,
            destination: to.ip(),
            protocol,
            sport: own.wrapping_add(1000),
            dport: to.port(),
        };
        if to.ip().is_ipv4() == view.destination.is_ipv4() && !self.flows.iter().any(|known| known.same(&flow)) {
            self.flows.push(flow);
        }
    }

    /// Something from the side that opened the flow.
    fn speak(&mut self, random: &mut Random, flow: &Flow, first: bool) -> Vec<u8> {
        let ip = self.ip(random, flow.source, flow.destination);
        let data = self.words(random, flow.protocol, flow.source, [flow.sport, flow.dport]);
        match flow.protocol {
            TCP if first => {
                let begin = random.choose(&[1000, 1000, 1000, 1000, 900_000, u32::MAX - 3]);
                let mut tcp = Tcp::segment(flow.sport, flow.dport, Tcp::SYN, begin, 0);
                if random.one_in(2) {
                    tcp.options = vec![2, 4, 5, 0xb4, 1, 3, 3, 7, 4, 2, 1, 1];
                }
                if random.one_in(8) {
                    tcp.flags =
                        random.choose(&[0, Tcp::ACK, Tcp::FIN, Tcp::SYN | Tcp::FIN, Tcp::RST, Tcp::SYN | Tcp::ACK]);
                }
                ip.tcp(&tcp, b"")
            }
            TCP => {
                let flags = random.choose(&[Tcp::ACK, Tcp::ACK | Tcp::PSH, Tcp::FIN | Tcp::ACK, Tcp::RST, Tcp::SYN]);
                let seq = 1001u32.wrapping_add(random.choose(&[0, 0, 0, 1, 500, 100_000, u32::MAX]));
                ip.tcp(&Tcp::segment(flow.sport, flow.dport, flags, seq, 5001), &data)
            }
            UDP => ip.udp(flow.sport, flow.dport, &data),
            ICMP => {
                let kind = random.choose(&[8, 8, 8, 8, 13, 0, 3]);
                ip.icmp(kind, 0, u32::from(flow.sport) << 16 | 1, &data)
            }
            ICMPV6 => ip.icmp(random.choose(&[128, 128, 128, 129]), 0, u32::from(flow.sport) << 16 | 1, &data),
            GRE => ip.packet(GRE, &gre(random, flow.dport)),
            rare => ip.packet(rare, &protocols::payload(random, rare, [flow.sport, flow.dport])),
        }
    }

    /// What the host that got the packet might say.
    fn answer(&mut self, random: &mut Random, packet: &[u8]) -> Option<Vec<u8>> {
        let view = View::of(packet)?;
        let ip = self.ip(random, view.destination, view.source);
        if let Some(seen) = view.tcp() {
            let length = (view.payload.len() as u32).saturating_sub(20 + seen.options.len() as u32);
            let next = seen.seq.wrapping_add(length).wrapping_add(u32::from(seen.flags & 3 != 0));
            let ports = |flags, seq, ack| Tcp::segment(seen.destination, seen.source, flags, seq, ack);
            let strange = if self.calm { 60 } else { 12 };
            let mood = match random.below(strange) {
                n if n >= 12 => 4 + n % 8,
                n => n,
            };
            let tcp = match (seen.flags, mood) {
                (f, _) if f & Tcp::RST != 0 => return None,
                (_, 0) => ports(Tcp::RST | Tcp::ACK, seen.ack, next),
                (_, 1) => ports(Tcp::RST, seen.ack.wrapping_add(random.choose(&[0, 1, 5, 70_000])), 0),
                (_, 2) => ports(Tcp::ACK, seen.ack.wrapping_add(random.choose(&[1000, 1 << 20])), next.wrapping_add(7)),
                // Both open at once, each with a number of its own.
                (Tcp::SYN, 5) => ports(Tcp::SYN, 5000, 0),
                (Tcp::SYN, _) => ports(Tcp::SYN | Tcp::ACK, 5000, next),
                (_, 3) => ports(Tcp::FIN | Tcp::ACK, seen.ack, next),
                (f, 10) if f & Tcp::FIN != 0 => ports(Tcp::FIN | Tcp::ACK, seen.ack, next),
                (f, 4..=7) if f & Tcp::SYN == 0 => ports(Tcp::ACK | Tcp::PSH, seen.ack, next),
                _ => ports(Tcp::ACK, seen.ack, next),
            };
            let ports = [seen.destination, seen.source];
            let talks = tcp.flags & Tcp::PSH != 0;
            let data = if talks { self.words(random, TCP, view.destination, ports) } else { Vec::new() };
            return Some(ip.tcp(&tcp, &data));
        }
        match (view.protocol, view.ports(), view.icmp()) {
            (UDP, Some((source, destination)), _) => {
                let words = self.words(random, UDP, view.destination, [destination, source]);
                // A TFTP server goes on from another port.
                let asked = self.ways.helper.is_some() && view.payload.get(8..10) == Some(&[0, 1]);
                let from = if asked && random.one_in(2) { destination.wrapping_add(3000) } else { destination };
                Some(ip.udp(from, source, &words))
            }
            (ICMP, _, Some((8, _))) => Some(ip.packet(ICMP, &reply(view.payload, 0))),
            (ICMPV6, _, Some((128, _))) => {
                let rest = view.payload.get(4..8)?.try_into().ok()?;
                Some(ip.icmp(129, 0, u32::from_be_bytes(rest), view.payload.get(8..)?))
            }
            _ => None,
        }
    }

    /// An ICMP error about a packet, from the host that got it or from one on the way.
    fn error(&mut self, random: &mut Random, packet: &[u8]) -> Option<Vec<u8>> {
        let view = View::of(packet)?;
        if view.icmp().is_some_and(|(kind, _)| !matches!(kind, 0 | 8 | 128 | 129)) {
            return None;
        }
        let from = match (random.one_in(3), view.destination) {
            (true, IpAddr::V4(_)) => IpAddr::V4(Ipv4Addr::new(10, 2, 0, 7)),
            (true, IpAddr::V6(_)) => IpAddr::V6(Ipv6Addr::new(0xfd02, 0, 0, 0, 0, 0, 0, 7)),
            (false, address) => address,
        };
        let ip = self.ip(random, from, view.source);
        let header = if self.six { 40 } else { 20 };
        let cut = random.below(packet.len() as u64 + 1) as usize;
        let most = random.choose(&[header + 8, header + 4, cut, cut, 200, 500]).min(packet.len());
        let quote = packet.get(..most)?;
        let (kind, code) = match self.six {
            true => random.choose(&[(1, 4), (3, 0), (1, 1), (2, 0), (1, 0), (1, 3), (3, 1), (4, 0), (4, 1), (100, 0)]),
            false => random.choose(&[
                (3, 3),
                (3, 1),
                (11, 0),
                (3, 4),
                (12, 0),
                (3, 0),
                (3, 2),
                (3, 13),
                (4, 0),
                (5, 0),
                (5, 1),
                (11, 1),
                (12, 1),
            ]),
        };
        let rest = match (self.six, kind, code) {
            (false, 3, 4) | (true, 2, 0) => 1400,
            (false, 5, _) => 0x0a02_0009,
            (false, 12, _) => 9 << 24,
            _ => 0,
        };
        let mut error = ip.icmp(kind, code, rest, quote);
        if random.one_in(16)
            && let Some(byte) = error.last_mut()
        {
            *byte ^= 1;
        }
        Some(error)
    }
}

impl Flow {
    fn same(&self, other: &Self) -> bool {
        let ends = |flow: &Self| (flow.source, flow.destination, flow.sport, flow.dport);
        ends(self) == ends(other)
    }
}

/// So many flows make a case long enough.
const FLOWS: usize = 40;

/// Host 2 for 3 and the other way round; the router stays.
fn other_host(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(host) if host.octets()[3] > 1 => IpAddr::V4(Ipv4Addr::from_bits(host.to_bits() ^ 1)),
        IpAddr::V6(host) if host.segments()[7] > 1 => IpAddr::V6(Ipv6Addr::from_bits(host.to_bits() ^ 1)),
        router => router,
    }
}

/// Breaks one thing that a sender could break.
fn damage(random: &mut Random, packet: &mut Vec<u8>, six: bool, summed: bool) {
    let header = if six { 40 } else { packet.first().map_or(20, |b| usize::from(b & 15) * 4) };
    match random.below(5) {
        // A wrong byte in the transport header or behind it, under a checksum that no longer fits: unless a rule's change of the
        // IP header makes up for it.
        0 | 1 if !summed => {
            let at = header + random.below((packet.len().saturating_sub(header)).max(1) as u64) as usize;
            if let Some(byte) = packet.get_mut(at) {
                *byte ^= 1 << random.below(8);
            }
        }
        // The packet ends early, and its IP header says so.
        0..=3 => {
            let keep = header + random.below((packet.len().saturating_sub(header)).max(1) as u64) as usize;
            packet.truncate(keep);
            match six {
                true => set16(packet, 4, (keep - header) as u16),
                false => {
                    set16(packet, 2, keep as u16);
                    sum4(packet);
                }
            }
        }
        // TCP's data offset, or the length of a UDP datagram.
        _ => {
            let at = header + if packet.get(if six { 6 } else { 9 }) == Some(&TCP) { 12 } else { 5 };
            if let Some(byte) = packet.get_mut(at) {
                *byte = random.choose(&[0, 0x10, 0x40, 0xf0, 0xff]);
            }
        }
    }
}

/// An echo reply to an ICMP echo request, its checksum adjusted.
fn reply(request: &[u8], kind: u8) -> Vec<u8> {
    let mut bytes = request.to_vec();
    if let Some(first) = bytes.first_mut() {
        *first = kind;
    }
    set16(&mut bytes, 2, 0);
    let sum = crate::frame::checksum(0, &bytes);
    set16(&mut bytes, 2, sum);
    bytes
}
