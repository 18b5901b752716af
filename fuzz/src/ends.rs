//! Both ends of a conversation: what they send, and what they make of what arrives.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub const TCP: u8 = 6;
pub const UDP: u8 = 17;
pub const GRE: u8 = 47;

/// Who talks, of one family.
pub struct Places {
    /// Translated to the router's address.
    pub translated: IpAddr,
    /// Calls the server by its alias.
    pub other: IpAddr,
    /// Not translated.
    pub plain: IpAddr,
    pub server: IpAddr,
    /// Translated to the server's address.
    pub alias: IpAddr,
    /// The router's second device.
    pub router: IpAddr,
    /// Somebody who takes no part.
    pub third: IpAddr,
}

/// One end of a connection, as it looks from there.
pub struct End {
    pub own: (IpAddr, u16),
    pub other: (IpAddr, u16),
    pub next: u32,
    pub seen: u32,
}

/// How a segment is sent.
#[derive(Clone, Copy, Default)]
pub struct Way {
    /// Of TCP.
    pub flags: u8,
    /// With blocks of SACK.
    pub blocks: bool,
    /// What is said next stands in the same place.
    pub again: bool,
}

impl Places {
    /// Those of IPv6 or IPv4.
    pub fn of(six: bool) -> Self {
        let at = |network: u8, host: u8| match six {
            true => IpAddr::V6(Ipv6Addr::new(0xfd00 + u16::from(network), 0, 0, 0, 0, 0, 0, u16::from(host))),
            false => IpAddr::V4(Ipv4Addr::new(10, network, 0, host)),
        };
        Self {
            translated: at(1, 2),
            other: at(1, 3),
            plain: at(3, 2),
            server: at(2, 2),
            alias: at(2, 3),
            router: at(2, 1),
            third: at(9, 9),
        }
    }
}

impl End {
    /// What this end sends.
    pub fn packet(&self, protocol: u8, way: Way, summed: bool, words: &[u8]) -> Vec<u8> {
        let mut segment = [self.own.1.to_be_bytes(), self.other.1.to_be_bytes()].concat();
        let at = if protocol == TCP {
            let options: &[u32] = if way.blocks { &[0x0101_0512, 0, 4, 8, 90] } else { &[] };
            segment.extend(self.next.to_be_bytes());
            segment.extend(self.seen.to_be_bytes());
            segment.extend([0x50 + (options.len() as u8) * 16, way.flags, 0x40, 0, 0, 0, 0, 0]);
            for (at, option) in options.iter().enumerate() {
                let moved = if at == 0 { *option } else { option.wrapping_add(self.seen) };
                segment.extend(moved.to_be_bytes());
            }
            16
        } else {
            segment.extend((8 + words.len() as u16).to_be_bytes());
            segment.extend([0, 0]);
            6
        };
        segment.extend(words);
        if summed {
            let sum = match sum(protocol, self.own.0, self.other.0, &segment) {
                0 => u16::MAX,
                sum => sum,
            };
            segment[at..at + 2].copy_from_slice(&sum.to_be_bytes());
        }
        ip(protocol, self.own.0, self.other.0, &segment)
    }

    /// What arrives here. Whatever a helper does to it, it stays a packet.
    pub fn hear(&mut self, protocol: u8, six: bool, opens: bool, summed: bool, packet: &[u8]) {
        let at = |at: usize| u16::from_be_bytes([packet[at], packet[at + 1]]);
        let header = if six { 40 } else { 20 };
        let (source, destination) = match six {
            true => {
                assert_eq!(usize::from(at(4)), packet.len() - header);
                let address = |at: usize| IpAddr::from(<[u8; 16]>::try_from(&packet[at..at + 16]).expect("sixteen"));
                (address(8), address(24))
            }
            false => {
                assert_eq!(usize::from(at(2)), packet.len());
                let address = |at: usize| IpAddr::from([packet[at], packet[at + 1], packet[at + 2], packet[at + 3]]);
                (address(12), address(16))
            }
        };
        self.other = (source, at(header));
        // Who was called by an alias answers as himself.
        self.own = (destination, at(header + 2));
        let segment = &packet[header..];
        if summed {
            assert_eq!(sum(protocol, source, destination, segment), 0, "{packet:02x?}");
        }
        if protocol == TCP {
            let sequence = u32::from_be_bytes([segment[4], segment[5], segment[6], segment[7]]);
            let length = segment.len() - usize::from(segment[12] >> 4) * 4;
            self.seen = sequence.wrapping_add(length as u32).wrapping_add(u32::from(opens));
        } else {
            assert_eq!(usize::from(at(header + 4)), segment.len());
        }
    }
}

/// A packet around what the transport carries.
pub fn ip(protocol: u8, source: IpAddr, destination: IpAddr, transport: &[u8]) -> Vec<u8> {
    let length = transport.len() as u16;
    match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let [a, b] = (20 + length).to_be_bytes();
            let head = [0x45, 0, a, b, 0, 1, 0x40, 0, 64, protocol, 0, 0];
            [&head[..], &source.octets(), &destination.octets(), transport].concat()
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            let [a, b] = length.to_be_bytes();
            let head = [0x60, 0, 0, 0, a, b, protocol, 64];
            [&head[..], &source.octets(), &destination.octets(), transport].concat()
        }
        _ => unreachable!("one family"),
    }
}

/// The sum over a segment and its pseudo header; 0 of one that holds its own.
fn sum(protocol: u8, source: IpAddr, destination: IpAddr, segment: &[u8]) -> u16 {
    let octets = |address| match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    let [a, b] = (segment.len() as u16).to_be_bytes();
    let all = [&octets(source)[..], &octets(destination), &[0, protocol, a, b], segment].concat();
    let mut sum: u32 = 0;
    for pair in all.chunks(2) {
        sum += u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or(0));
    }
    while sum >> 16 != 0 {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}
