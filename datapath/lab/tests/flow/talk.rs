//! Flows: what both ends send, how a router shows it, and what is read of that.

use std::{fmt, net::IpAddr};

use lab::{
    frame::{ICMP, ICMPV6, Ip, SCTP, TCP, Tcp, UDP, View, checksum, get16, set16},
    random::Random,
};

/// UDPLite.
const UDPLITE: u8 = 136;
/// Generic routing encapsulation.
pub(crate) const GRE: u8 = 47;
/// A protocol that nobody knows.
pub(crate) const UNKNOWN: u8 = 99;

/// Addresses and ports as a packet shows them. Of ICMP the first port is the id and the second type and code; of what has
/// neither both are 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Tuple {
    pub(crate) protocol: u8,
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    pub(crate) ports: (u16, u16),
}

/// What one flow begins with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flow {
    /// By which its packets are told from others'.
    pub(crate) number: u32,
    pub(crate) tuple: Tuple,
    /// Whose it is: the zone it is in, if rules say so.
    pub(crate) tenant: u8,
    /// UDP without a checksum.
    pub(crate) unsummed: bool,
}

/// A connection in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Entry {
    pub(crate) original: Tuple,
    pub(crate) reply: Tuple,
    pub(crate) zones: [u16; 2],
}

impl Tuple {
    /// As an answer.
    pub(crate) fn inverse(self) -> Self {
        let (first, second) = self.ports;
        let ports = match self.protocol {
            ICMP | ICMPV6 => (first, answer(second)),
            _ => (second, first),
        };
        Self { source: self.destination, destination: self.source, ports, ..self }
    }

    /// Whether it is of ICMP, whose id both sides share.
    pub(crate) fn echoes(self) -> bool {
        matches!(self.protocol, ICMP | ICMPV6)
    }

    /// Whether translation may change its ports.
    pub(crate) fn ported(self) -> bool {
        self.echoes() || matches!(self.protocol, TCP | UDP | UDPLITE | SCTP)
    }
}

/// Echo request and reply.
fn answer(kind: u16) -> u16 {
    match kind >> 8 {
        8 => 0,
        0 => 8 << 8,
        128 => 129 << 8,
        _ => 128 << 8,
    }
}

impl fmt::Display for Tuple {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, second) = self.ports;
        write!(f, "{} {},{first} > {},{second}", self.protocol, self.source, self.destination)
    }
}

/// A host of one of the two networks.
pub(crate) fn host(six: bool, network: u8, host: u8) -> IpAddr {
    if six {
        IpAddr::from([0xfd00 | u16::from(network), 0, 0, 0, 0, 0, 0, u16::from(host)])
    } else {
        IpAddr::from([10, network, 0, host])
    }
}

impl Flow {
    /// One of many clients' that talk to few servers from few ports.
    pub(crate) fn draw(random: &mut Random, number: u32, six: bool, outer: bool) -> Self {
        let protocol =
            random.choose(&[UDP, UDP, TCP, TCP, if six { ICMPV6 } else { ICMP }, UDPLITE, SCTP, GRE, UNKNOWN]);
        let source = host(six, 1, 2 + random.below(7) as u8);
        let destination =
            if outer && random.one_in(4) { host(six, 2, 1) } else { host(six, 2, 2 + random.below(6) as u8) };
        let from = match random.below(8) {
            0 => 100 + random.below(8),
            1 => 600 + random.below(8),
            2 => 7_000 + random.below(4),
            _ => 20_000 + random.below(40),
        } as u16;
        let ports = match protocol {
            GRE | UNKNOWN => (0, 0),
            ICMP => (from, 8 << 8),
            ICMPV6 => (from, 128 << 8),
            _ => (from, random.choose(&[53, 80, 80, 5_001, 5_003])),
        };
        let tenant = random.below(3) as u8;
        let unsummed = protocol == UDP && !six && random.one_in(6);
        Self { number, tuple: Tuple { protocol, source, destination, ports }, tenant, unsummed }
    }

    /// The first packet, or its answer, as it looks with these addresses and so many hops left.
    pub(crate) fn packet(&self, tuple: Tuple, reply: bool, hops: u8) -> Vec<u8> {
        let ip = Ip { ttl: hops, tos: self.tenant << 4, ..Ip::between(tuple.source, tuple.destination) };
        let (from, to) = tuple.ports;
        let number = self.number.to_be_bytes();
        match tuple.protocol {
            UDP => {
                let mut packet = ip.udp(from, to, &number);
                if self.unsummed {
                    let at = packet.len() - number.len() - 2;
                    set16(&mut packet, at, 0);
                }
                packet
            }
            TCP if reply => ip.tcp(&Tcp::segment(from, to, Tcp::SYN | Tcp::ACK, self.number, self.number + 1), b""),
            TCP => ip.tcp(&Tcp::segment(from, to, Tcp::SYN, self.number, 0), b""),
            SCTP => {
                let init = [&[0, 0, 0, 1, 0, 0, 0x80, 0, 0, 1, 0, 1][..], &number].concat();
                ip.sctp(from, to, 0, &[(1, 0, &init)])
            }
            ICMP | ICMPV6 => ip.icmp((to >> 8) as u8, 0, u32::from(from) << 16, &number),
            UDPLITE => {
                let mut bytes = [from.to_be_bytes(), to.to_be_bytes(), [0; 2], [0; 2]].concat();
                bytes.extend(number);
                // The kernel takes the sum for right with UDP's number in the pseudo-header.
                let addresses = ip.packet(UDP, &[]);
                let addresses = if addresses.len() == 20 { &addresses[12..] } else { &addresses[8..] };
                let begin = u32::from(!checksum(u32::from(UDP) + bytes.len() as u32, addresses));
                let sum = checksum(begin, &bytes);
                set16(&mut bytes, 6, if sum == 0 { 0xffff } else { sum });
                ip.packet(UDPLITE, &bytes)
            }
            // Plain, of version 0.
            GRE => ip.packet(GRE, &[&[0, 0, 0x65, 0x58][..], &number].concat()),
            other => ip.packet(other, &number),
        }
    }
}

/// Whose packet it is.
pub(crate) fn number(packet: &[u8]) -> Option<u32> {
    let view = View::of(packet)?;
    let bytes = match view.protocol {
        TCP => view.payload.get(4..)?,
        _ => view.payload.get(view.payload.len().checked_sub(4)?..)?,
    };
    bytes.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
}

/// The entry of a line of `conntrack -L`.
pub(crate) fn entry(line: &str) -> Option<Entry> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let protocol = words.iter().find_map(|word| word.parse().ok())?;
    let second = words.iter().rposition(|word| word.starts_with("src="))?;
    let (original, reply) = words.split_at(second);
    let tuple = |words: &[&str]| {
        let value = |key: &str| words.iter().find_map(|word| word.strip_prefix(key));
        let number = |key: &str| value(key).and_then(|value| value.parse::<u16>().ok());
        let ports = match (number("sport="), number("id=")) {
            (Some(from), _) => (from, number("dport=")?),
            (None, Some(id)) => (id, number("type=")? << 8 | number("code=")?),
            _ => (0, 0),
        };
        let (source, destination) = (value("src=")?.parse().ok()?, value("dst=")?.parse().ok()?);
        Some(Tuple { protocol, source, destination, ports })
    };
    let zone = |key: &str| words.iter().find_map(|word| word.strip_prefix(key)?.parse::<u16>().ok());
    let zones = match zone("zone=") {
        Some(both) => [both; 2],
        None => [zone("zone-orig=").unwrap_or(0), zone("zone-reply=").unwrap_or(0)],
    };
    Some(Entry { original: tuple(original)?, reply: tuple(reply)?, zones })
}

/// The two ports of a packet, for messages.
pub(crate) fn tell(packet: &[u8]) -> String {
    let ends =
        View::of(packet).map(|view| (view.source, view.destination, get16(view.payload, 0), get16(view.payload, 2)));
    format!("{ends:?} {packet:02x?}")
}
