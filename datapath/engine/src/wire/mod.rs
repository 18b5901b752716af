//! Packet bytes: one file per protocol, each with its view, its parser and its emitter; and [`Headers`], what all
//! later code knows of a packet's outline.

use libxt::family::Af;

use crate::conntrack::Address;

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
