//! Packet bytes: one file per protocol, each with its view, its parser and its emitter; and [`Headers`], what all
//! later code knows of a packet's outline.
//!
//! Every parser is total: it takes any bytes, reads none that are not there, and answers `None` for what is too short
//! or contradicts itself.

pub mod checksum;

use libxt::family::Af;

use crate::conntrack::Address;
use crate::conntrack::tuple::protocol;

pub mod icmp;
pub mod icmpv6;
pub mod ipv4;
pub mod ipv6;
pub mod partial;
pub mod sctp;
pub(crate) mod segment;
pub mod tcp;
pub mod udp;

/// The outline of a packet: what the network header says and where the transport header starts.
///
/// Parsed once per packet, parsed again only after its bytes changed shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Headers {
    /// The family.
    pub af: Af,
    /// Source address.
    pub source: Address,
    /// Destination address.
    pub destination: Address,
    /// The transport protocol: for IPv6 the one after all extension headers.
    pub protocol: u8,
    /// Where the transport header starts, in bytes from the network header.
    pub transport: usize,
    /// Where the packet ends according to its own length field (never past the bytes there are).
    pub end: usize,
    /// TOS or traffic class.
    pub tos: u8,
    /// TTL or hop limit.
    pub ttl: u8,
    /// Its place among fragments; `None` for a whole packet.
    pub fragment: Option<Fragment>,
    /// IPv6: the chain of extension headers ends before it reaches a transport protocol; `protocol` is the last header
    /// that was named and `transport` where it should have stood.
    pub cut: bool,
}

/// A fragment's place in its datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// Identification.
    pub id: u32,
    /// Offset in bytes of this piece in the fragmentable part.
    pub offset: u16,
    /// Whether more follow.
    pub more: bool,
}

impl Headers {
    /// The outline of a packet of `af`; `None` for what the kernel's `ip_rcv`/`ipv6_rcv` would have thrown away.
    pub fn parse(af: Af, bytes: &[u8]) -> Option<Self> {
        match af {
            Af::V4 => ipv4::outline(bytes),
            Af::V6 => ipv6::outline(bytes),
        }
    }

    /// The transport header and what follows it, up to the packet's own end.
    pub fn segment<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        bytes.get(self.transport..self.end).unwrap_or_default()
    }

    /// The same, to change.
    pub fn segment_mut<'a>(&self, bytes: &'a mut [u8]) -> &'a mut [u8] {
        bytes.get_mut(self.transport..self.end).unwrap_or_default()
    }

    /// The segment before and behind a checksum that the kernel may leave to a device (`CHECKSUM_PARTIAL`): TCP's, UDP's and
    /// SCTP's. Where there is none, all of it is before.
    pub fn around_sum<'a>(&self, bytes: &'a [u8]) -> (&'a [u8], &'a [u8]) {
        let segment = self.segment(bytes);
        let sum = match self.protocol {
            _ if self.fragment_offset() != 0 => None,
            protocol::TCP => Some(16..18),
            protocol::UDP => Some(6..8),
            protocol::SCTP => Some(8..12),
            _ => None,
        };
        let parts = sum.and_then(|sum| Some((segment.get(..sum.start)?, segment.get(sum.end..)?)));
        parts.unwrap_or((segment, &[]))
    }

    /// The offset among fragments in bytes; 0 for a whole packet.
    pub fn fragment_offset(&self) -> u16 {
        self.fragment.map_or(0, |fragment| fragment.offset)
    }
}

/// The 16-bit number in network byte order at `at`.
pub fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// The 32-bit number in network byte order at `at`.
pub fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// Writes a 16-bit number in network byte order at `at`; nothing if it does not fit.
pub fn set_u16(bytes: &mut [u8], at: usize, value: u16) {
    if let Some(to) = bytes.get_mut(at..).and_then(|rest| rest.first_chunk_mut()) {
        *to = value.to_be_bytes();
    }
}

/// Writes a 32-bit number in network byte order at `at`; nothing if it does not fit.
pub fn set_u32(bytes: &mut [u8], at: usize, value: u32) {
    if let Some(to) = bytes.get_mut(at..).and_then(|rest| rest.first_chunk_mut()) {
        *to = value.to_be_bytes();
    }
}
