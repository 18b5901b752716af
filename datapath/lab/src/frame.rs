//! Packets as bytes: built whole or deliberately broken, read back, and told in words.

use std::{
    fmt::Write as _,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use crate::link::Mac;

/// The fields of an IPv4 or IPv6 header that tests set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ip {
    /// Source address; its family is the packet's.
    pub source: IpAddr,
    /// Destination address, of the same family.
    pub destination: IpAddr,
    /// TTL or hop limit.
    pub ttl: u8,
    /// TOS or traffic class.
    pub tos: u8,
    /// IPv4 identification.
    pub id: u16,
    /// IPv4 flags and fragment offset as in the header: `0x4000` is DF.
    pub fragment: u16,
    /// IPv4 options, a multiple of four bytes.
    pub options: Vec<u8>,
}

/// The fields of a TCP header.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tcp {
    /// Source port.
    pub source: u16,
    /// Destination port.
    pub destination: u16,
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgement number.
    pub ack: u32,
    /// Flags, see [`Tcp::SYN`] and its siblings.
    pub flags: u8,
    /// Window, unscaled.
    pub window: u16,
    /// Options, a multiple of four bytes.
    pub options: Vec<u8>,
}

/// What a packet says of itself, as far as its bytes reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View<'a> {
    /// Source address.
    pub source: IpAddr,
    /// Destination address.
    pub destination: IpAddr,
    /// The protocol behind the IP header (IPv6 extension headers are not skipped).
    pub protocol: u8,
    /// Fragment offset in bytes.
    pub offset: u16,
    /// Everything behind the IP header.
    pub payload: &'a [u8],
}

/// ICMP's protocol number.
pub const ICMP: u8 = 1;
/// TCP's protocol number.
pub const TCP: u8 = 6;
/// UDP's protocol number.
pub const UDP: u8 = 17;
/// SCTP's protocol number.
pub const SCTP: u8 = 132;
/// ICMPv6's protocol number.
pub const ICMPV6: u8 = 58;

impl Ip {
    /// A plain header: TTL 64, no flags.
    pub fn between(source: impl Into<IpAddr>, destination: impl Into<IpAddr>) -> Self {
        let (source, destination) = (source.into(), destination.into());
        Self { source, destination, ttl: 64, tos: 0, id: 0x1234, fragment: 0, options: Vec::new() }
    }

    /// The header with a payload behind it; lengths and the IPv4 checksum are right.
    pub fn packet(&self, protocol: u8, payload: &[u8]) -> Vec<u8> {
        match (self.source, self.destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => self.packet4(source, destination, protocol, payload),
            (IpAddr::V6(source), IpAddr::V6(destination)) => self.packet6(source, destination, protocol, payload),
            _ => Vec::new(),
        }
    }

    fn packet4(&self, source: Ipv4Addr, destination: Ipv4Addr, protocol: u8, payload: &[u8]) -> Vec<u8> {
        let header = 20 + self.options.len();
        let mut bytes = Vec::with_capacity(header + payload.len());
        bytes.extend([0x40 | u8::try_from(header / 4).unwrap_or(15), self.tos]);
        bytes.extend(low16(header + payload.len()).to_be_bytes());
        bytes.extend(self.id.to_be_bytes());
        bytes.extend(self.fragment.to_be_bytes());
        bytes.extend([self.ttl, protocol, 0, 0]);
        bytes.extend(source.octets());
        bytes.extend(destination.octets());
        bytes.extend(&self.options);
        let sum = checksum(0, &bytes);
        set16(&mut bytes, 10, sum);
        bytes.extend(payload);
        bytes
    }

    fn packet6(&self, source: Ipv6Addr, destination: Ipv6Addr, protocol: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(40 + payload.len());
        bytes.extend((0x6000_0000 | (u32::from(self.tos) << 20)).to_be_bytes());
        bytes.extend(low16(payload.len()).to_be_bytes());
        bytes.extend([protocol, self.ttl]);
        bytes.extend(source.octets());
        bytes.extend(destination.octets());
        bytes.extend(payload);
        bytes
    }

    fn pseudo(&self, protocol: u8, length: usize) -> u32 {
        let addresses = match (self.source, self.destination) {
            (IpAddr::V4(s), IpAddr::V4(d)) => sum(&s.octets()) + sum(&d.octets()),
            (IpAddr::V6(s), IpAddr::V6(d)) => sum(&s.octets()) + sum(&d.octets()),
            _ => 0,
        };
        addresses + u32::from(protocol) + u32::from(low16(length))
    }

    /// A UDP datagram.
    pub fn udp(&self, source: u16, destination: u16, data: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(8 + data.len());
        bytes.extend(source.to_be_bytes());
        bytes.extend(destination.to_be_bytes());
        bytes.extend(low16(8 + data.len()).to_be_bytes());
        bytes.extend([0, 0]);
        bytes.extend(data);
        let sum = match checksum(self.pseudo(UDP, bytes.len()), &bytes) {
            0 => 0xffff,
            sum => sum,
        };
        set16(&mut bytes, 6, sum);
        self.packet(UDP, &bytes)
    }

    /// A TCP segment.
    pub fn tcp(&self, tcp: &Tcp, data: &[u8]) -> Vec<u8> {
        let header = 20 + tcp.options.len();
        let mut bytes = Vec::with_capacity(header + data.len());
        bytes.extend(tcp.source.to_be_bytes());
        bytes.extend(tcp.destination.to_be_bytes());
        bytes.extend(tcp.seq.to_be_bytes());
        bytes.extend(tcp.ack.to_be_bytes());
        bytes.extend([u8::try_from(header / 4).unwrap_or(15) << 4, tcp.flags]);
        bytes.extend(tcp.window.to_be_bytes());
        bytes.extend([0; 4]);
        bytes.extend(&tcp.options);
        bytes.extend(data);
        let sum = checksum(self.pseudo(TCP, bytes.len()), &bytes);
        set16(&mut bytes, 16, sum);
        self.packet(TCP, &bytes)
    }

    /// An SCTP packet of chunks: type, flags, value.
    pub fn sctp(&self, source: u16, destination: u16, tag: u32, chunks: &[(u8, u8, &[u8])]) -> Vec<u8> {
        let mut bytes = [source.to_be_bytes(), destination.to_be_bytes()].concat();
        bytes.extend(tag.to_be_bytes());
        bytes.extend([0; 4]);
        for (kind, flags, value) in chunks {
            bytes.extend([*kind, *flags]);
            bytes.extend(low16(4 + value.len()).to_be_bytes());
            bytes.extend(*value);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
        let sum = crc32c(&bytes).to_le_bytes();
        bytes.get_mut(8..12).unwrap_or_default().copy_from_slice(&sum);
        self.packet(SCTP, &bytes)
    }

    /// An ICMP or ICMPv6 message, by the family of the addresses; `rest` is the second word of its header.
    pub fn icmp(&self, kind: u8, code: u8, rest: u32, data: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(8 + data.len());
        bytes.extend([kind, code, 0, 0]);
        bytes.extend(rest.to_be_bytes());
        bytes.extend(data);
        let (protocol, pseudo) = match self.source {
            IpAddr::V4(_) => (ICMP, 0),
            IpAddr::V6(_) => (ICMPV6, self.pseudo(ICMPV6, bytes.len())),
        };
        let sum = checksum(pseudo, &bytes);
        set16(&mut bytes, 2, sum);
        self.packet(protocol, &bytes)
    }
}

impl Tcp {
    /// FIN.
    pub const FIN: u8 = 1;
    /// SYN.
    pub const SYN: u8 = 2;
    /// RST.
    pub const RST: u8 = 4;
    /// PSH.
    pub const PSH: u8 = 8;
    /// ACK.
    pub const ACK: u8 = 16;
    /// URG.
    pub const URG: u8 = 32;

    /// A segment between two ports with a middling window.
    pub fn segment(source: u16, destination: u16, flags: u8, seq: u32, ack: u32) -> Self {
        Self { source, destination, seq, ack, flags, window: 8192, options: Vec::new() }
    }
}

impl<'a> View<'a> {
    /// Reads the IP header; `None` if it is cut or of neither version.
    pub fn of(packet: &'a [u8]) -> Option<Self> {
        match packet.first()? >> 4 {
            4 => {
                let header = usize::from(packet.first()? & 15) * 4;
                let word = |at: usize| Some(u32::from_be_bytes(packet.get(at..at + 4)?.try_into().ok()?));
                let total = usize::from(get16(packet, 2)?).min(packet.len());
                Some(Self {
                    source: IpAddr::V4(Ipv4Addr::from_bits(word(12)?)),
                    destination: IpAddr::V4(Ipv4Addr::from_bits(word(16)?)),
                    protocol: *packet.get(9)?,
                    offset: (get16(packet, 6)? & 0x1fff) * 8,
                    payload: packet.get(header..total)?,
                })
            }
            6 => {
                let octets = |at: usize| <[u8; 16]>::try_from(packet.get(at..at + 16)?).ok();
                let total = (usize::from(get16(packet, 4)?) + 40).min(packet.len());
                Some(Self {
                    source: IpAddr::V6(Ipv6Addr::from(octets(8)?)),
                    destination: IpAddr::V6(Ipv6Addr::from(octets(24)?)),
                    protocol: *packet.get(6)?,
                    offset: 0,
                    payload: packet.get(40..total)?,
                })
            }
            _ => None,
        }
    }

    /// Source and destination port of TCP and UDP.
    pub fn ports(&self) -> Option<(u16, u16)> {
        let has = matches!(self.protocol, TCP | UDP) && self.offset == 0;
        has.then(|| Some((get16(self.payload, 0)?, get16(self.payload, 2)?))).flatten()
    }

    /// Type and code of ICMP and ICMPv6.
    pub fn icmp(&self) -> Option<(u8, u8)> {
        let has = matches!(self.protocol, ICMP | ICMPV6) && self.offset == 0;
        has.then(|| Some((*self.payload.first()?, *self.payload.get(1)?))).flatten()
    }

    /// The packet quoted by an ICMP error.
    pub fn quoted(&self) -> Option<Self> {
        let error = matches!((self.protocol, self.icmp()?), (ICMP, (3 | 4 | 5 | 11 | 12, _)) | (ICMPV6, (1..=4, _)));
        error.then(|| View::of(self.payload.get(8..)?)).flatten()
    }

    /// The header fields of a TCP segment.
    pub fn tcp(&self) -> Option<Tcp> {
        let word = |at: usize| Some(u32::from_be_bytes(self.payload.get(at..at + 4)?.try_into().ok()?));
        if self.protocol != TCP || self.offset != 0 {
            return None;
        }
        Some(Tcp {
            source: get16(self.payload, 0)?,
            destination: get16(self.payload, 2)?,
            seq: word(4)?,
            ack: word(8)?,
            flags: *self.payload.get(13)?,
            window: get16(self.payload, 14)?,
            options: self.payload.get(20..usize::from(*self.payload.get(12)? >> 4) * 4).unwrap_or_default().to_vec(),
        })
    }
}

/// Puts an Ethernet header before a packet; its type follows the IP version.
pub fn ethernet(to: Mac, from: Mac, packet: &[u8]) -> Vec<u8> {
    let kind: u16 = if packet.first().is_some_and(|b| b >> 4 == 6) { 0x86dd } else { 0x0800 };
    [&to[..], &from[..], &kind.to_be_bytes()[..], packet].concat()
}

/// The hardware address to which a packet for a device goes: its own, a group's, or that of all of its network (whose last byte
/// is 255).
pub fn hardware(packet: &[u8], own: Mac) -> Mac {
    match View::of(packet).map(|view| view.destination) {
        Some(IpAddr::V4(to)) if to.octets()[3] == 255 => [255; 6],
        Some(IpAddr::V4(to)) if to.is_multicast() => {
            let [_, b, c, d] = to.octets();
            [1, 0, 0x5e, b & 0x7f, c, d]
        }
        Some(IpAddr::V6(to)) if to.is_multicast() => {
            let [.., a, b, c, d] = to.octets();
            [0x33, 0x33, a, b, c, d]
        }
        _ => own,
    }
}

/// Cuts an IPv4 packet into fragments whose payloads have at most `size` bytes (rounded down to a multiple of eight).
pub fn fragments4(packet: &[u8], size: usize) -> Vec<Vec<u8>> {
    let Some(header) = packet.first().map(|b| usize::from(b & 15) * 4) else { return Vec::new() };
    parts(packet.len().saturating_sub(header), size).map(|part| fragment4(packet, &part)).collect()
}

/// Cuts an IPv6 packet without extension headers into fragments with a fragment header.
pub fn fragments6(packet: &[u8], size: usize, id: u32) -> Vec<Vec<u8>> {
    parts(packet.len().saturating_sub(40), size).map(|part| fragment6(packet, 40, id, &part)).collect()
}

/// A part of what a packet carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Where it begins, in bytes; fragments can only say multiples of eight.
    pub offset: usize,
    /// How many bytes it has. What the packet does not have is made up.
    pub length: usize,
    /// Whether it says that more follow.
    pub more: bool,
}

/// One after the other, at most `size` bytes each.
fn parts(total: usize, size: usize) -> impl Iterator<Item = Part> {
    let size = (size / 8 * 8).max(8);
    (0..total).step_by(size).map(move |offset| {
        let length = size.min(total - offset);
        Part { offset, length, more: offset + length < total }
    })
}

/// A fragment of an IPv4 packet.
pub fn fragment4(packet: &[u8], part: &Part) -> Vec<u8> {
    let header = packet.first().map_or(20, |b| usize::from(b & 15) * 4).min(packet.len());
    let mut bytes = packet.get(..header).unwrap_or_default().to_vec();
    let flags = get16(packet, 6).unwrap_or_default() & 0x4000 | if part.more { 0x2000 } else { 0 };
    set16(&mut bytes, 2, low16(header + part.length));
    set16(&mut bytes, 6, flags | low16(part.offset / 8));
    sum4(&mut bytes);
    bytes.extend(take(packet, header, part));
    bytes
}

/// A fragment of an IPv6 packet whose first `header` bytes are repeated before every fragment header.
pub fn fragment6(packet: &[u8], header: usize, id: u32, part: &Part) -> Vec<u8> {
    let mut bytes = packet.get(..header).unwrap_or_default().to_vec();
    let (mut named_at, mut at) = (6, 40);
    while at < header {
        named_at = at;
        at += (usize::from(bytes.get(at + 1).copied().unwrap_or_default()) + 1) * 8;
    }
    let next = bytes.get(named_at).copied().unwrap_or_default();
    if let Some(named) = bytes.get_mut(named_at) {
        *named = 44;
    }
    set16(&mut bytes, 4, low16(header - 40 + 8 + part.length));
    bytes.extend([next, 0]);
    bytes.extend((low16(part.offset) & !7 | u16::from(part.more)).to_be_bytes());
    bytes.extend(id.to_be_bytes());
    bytes.extend(take(packet, header, part));
    bytes
}

/// Puts extension headers, by number and whole bytes (the first is filled in), between the IPv6 header and what follows it.
pub fn extend6(packet: &[u8], headers: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = packet.get(..40).unwrap_or_default().to_vec();
    let mut named_at = 6;
    let mut next = packet.get(6).copied().unwrap_or_default();
    for (number, header) in headers {
        if let Some(named) = bytes.get_mut(named_at) {
            *named = *number;
        }
        named_at = bytes.len();
        bytes.extend(header);
    }
    if let Some(named) = bytes.get_mut(named_at) {
        std::mem::swap(named, &mut next);
    }
    bytes.extend(packet.get(40..).unwrap_or_default());
    let length = low16(bytes.len() - 40);
    set16(&mut bytes, 4, length);
    bytes
}

/// Writes the checksum of an IPv4 header.
pub fn sum4(packet: &mut [u8]) {
    let header = packet.first().map_or(20, |b| usize::from(b & 15) * 4);
    set16(packet, 10, 0);
    let sum = checksum(0, packet.get(..header).unwrap_or_default());
    set16(packet, 10, sum);
}

fn take(packet: &[u8], header: usize, part: &Part) -> Vec<u8> {
    (0..part.length).map(|n| packet.get(header + part.offset + n).copied().unwrap_or(0xee)).collect()
}

/// The Internet checksum of some bytes, with a sum to begin from.
pub fn checksum(begin: u32, bytes: &[u8]) -> u16 {
    let mut total = begin + sum(bytes);
    while total > 0xffff {
        total = (total & 0xffff) + (total >> 16);
    }
    !low16(total as usize)
}

/// SCTP's checksum of bytes (CRC32c, RFC 9260 appendix A).
fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc: u32, _| (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg()))
    })
}

/// A packet in a line of words, for messages of failed comparisons.
pub fn describe(packet: &[u8]) -> String {
    let mut line = String::new();
    let Some(view) = View::of(packet) else {
        return format!("{} bytes that are no IP packet", packet.len());
    };
    let _ = write!(line, "{} > {} ", view.source, view.destination);
    match (view.tcp(), view.ports(), view.icmp()) {
        (Some(tcp), ..) => {
            let _ = write!(line, "tcp {} > {} flags ", tcp.source, tcp.destination);
            for (bit, letter) in "FSRPAUEC".chars().enumerate() {
                if tcp.flags & (1 << bit) != 0 {
                    line.push(letter);
                }
            }
            let _ = write!(line, " seq {} ack {} win {}", tcp.seq, tcp.ack, tcp.window);
        }
        (_, Some((source, destination)), _) => {
            let _ = write!(line, "udp {source} > {destination}");
        }
        (_, _, Some((kind, code))) => {
            let _ = write!(line, "icmp type {kind} code {code}");
            if let Some(quoted) = view.quoted() {
                let _ = write!(line, " quoting {} > {} {:?}", quoted.source, quoted.destination, quoted.ports());
            }
        }
        _ => {
            let _ = write!(line, "protocol {} offset {}", view.protocol, view.offset);
        }
    }
    if let (44, &[next, _, high, low, ..]) = (view.protocol, view.payload) {
        let place = u16::from_be_bytes([high, low]);
        let _ = write!(line, " of {next} at {}{}", place & !7, if place & 1 == 1 { " with more" } else { "" });
    }
    if packet.first().is_some_and(|b| b >> 4 == 4) && packet.get(6).is_some_and(|b| b & 0x20 != 0) {
        line.push_str(" with more");
    }
    let _ = write!(line, " ({} bytes)", packet.len());
    line
}

/// Sixteen bits at a place, in network order.
pub fn get16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

/// Sets sixteen bits at a place; does nothing beyond the end.
pub fn set16(bytes: &mut [u8], at: usize, value: u16) {
    if let Some(place) = bytes.get_mut(at..at + 2) {
        place.copy_from_slice(&value.to_be_bytes());
    }
}

fn sum(bytes: &[u8]) -> u32 {
    bytes.chunks(2).map(|c| u32::from(c[0]) << 8 | u32::from(c.get(1).copied().unwrap_or(0))).sum()
}

fn low16(number: usize) -> u16 {
    (number & 0xffff) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_built_packet_has_checksums_that_add_up_to_zero() {
        let ip = Ip::between([10, 0, 0, 1], [10, 0, 0, 2]);
        let packet = ip.udp(1000, 53, b"odd");
        assert_eq!(checksum(0, &packet[..20]), 0);
        assert_eq!(checksum(ip.pseudo(UDP, 11), &packet[20..]), 0);
        let view = View::of(&packet).unwrap();
        assert_eq!(view.ports(), Some((1000, 53)));
    }

    #[test]
    fn fragments_carry_the_payload_once_and_in_order() {
        let packet = Ip::between([10, 0, 0, 1], [10, 0, 0, 2]).udp(1, 2, &[7; 100]);
        let parts = fragments4(&packet, 48);
        let offsets: Vec<_> = parts.iter().map(|p| View::of(p).unwrap().offset).collect();
        assert_eq!(offsets, [0, 48, 96]);
        let joined: Vec<u8> = parts.iter().flat_map(|p| View::of(p).unwrap().payload.to_vec()).collect();
        assert_eq!(joined, &packet[20..]);
    }
}
