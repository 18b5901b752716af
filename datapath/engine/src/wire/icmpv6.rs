//! The ICMPv6 header (RFC 4443).

use super::icmp::Icmp;

/// Bytes of the header, with the four whose meaning depends on the type.
pub const HEADER: usize = 8;
/// Byte offset of the checksum.
pub const CHECKSUM: usize = 2;

/// Type numbers.
pub mod kind {
    /// Destination unreachable.
    pub const UNREACHABLE: u8 = 1;
    /// Packet too big.
    pub const TOO_BIG: u8 = 2;
    /// Time exceeded.
    pub const TIME_EXCEEDED: u8 = 3;
    /// Parameter problem.
    pub const PARAMETER_PROBLEM: u8 = 4;
    /// Echo request.
    pub const ECHO: u8 = 128;
    /// Echo reply.
    pub const ECHO_REPLY: u8 = 129;
    /// Redirect.
    pub const REDIRECT: u8 = 137;
    /// Node information query.
    pub const NODE_QUERY: u8 = 139;
    /// Node information reply.
    pub const NODE_REPLY: u8 = 140;
}

/// Whether the type is one that quotes the packet it is about (`ICMPV6_INFOMSG_MASK` not set).
pub const fn is_error(kind: u8) -> bool {
    kind < 128
}

/// The header at the start of a segment: it has ICMP's shape.
pub fn parse(segment: &[u8]) -> Option<Icmp> {
    Icmp::parse(segment)
}
