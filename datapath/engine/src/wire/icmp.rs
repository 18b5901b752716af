//! The ICMP header (RFC 792).

use super::u16_at;

/// Bytes of the header, with the four whose meaning depends on the type.
pub const HEADER: usize = 8;
/// Byte offset of the checksum.
pub const CHECKSUM: usize = 2;
/// Byte offset of the identifier of requests and replies.
pub const ID: usize = 4;

/// Type numbers.
pub mod kind {
    /// Echo reply.
    pub const ECHO_REPLY: u8 = 0;
    /// Destination unreachable.
    pub const UNREACHABLE: u8 = 3;
    /// Source quench.
    pub const SOURCE_QUENCH: u8 = 4;
    /// Redirect.
    pub const REDIRECT: u8 = 5;
    /// Echo request.
    pub const ECHO: u8 = 8;
    /// Time exceeded.
    pub const TIME_EXCEEDED: u8 = 11;
    /// Parameter problem.
    pub const PARAMETER_PROBLEM: u8 = 12;
    /// Timestamp request.
    pub const TIMESTAMP: u8 = 13;
    /// Timestamp reply.
    pub const TIMESTAMP_REPLY: u8 = 14;
    /// Information request.
    pub const INFO: u8 = 15;
    /// Information reply.
    pub const INFO_REPLY: u8 = 16;
    /// Address mask request.
    pub const ADDRESS: u8 = 17;
    /// Address mask reply.
    pub const ADDRESS_REPLY: u8 = 18;
    /// The highest type the kernel gives a name (`NR_ICMP_TYPES`).
    pub const LAST: u8 = 18;
}

/// An ICMP header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Icmp {
    /// Type.
    pub kind: u8,
    /// Code.
    pub code: u8,
    /// Checksum.
    pub checksum: u16,
    /// Identifier of requests and replies.
    pub id: u16,
    /// Sequence number of requests and replies; next-hop MTU of «fragmentation needed».
    pub sequence: u16,
}

/// Whether the kernel answers a message of this type with no error: it knows these as no error (`icmp_pointers`), and calls
/// all others one, router discovery and what has no meaning included.
pub const fn is_never_answered(kind: u8) -> bool {
    !matches!(kind, kind::ECHO_REPLY | kind::ECHO | kind::TIMESTAMP..=kind::LAST)
}

impl Icmp {
    /// The header at the start of a segment.
    pub fn parse(segment: &[u8]) -> Option<Self> {
        let &[kind, code, ..] = segment.first_chunk::<HEADER>()?;
        Some(Self {
            kind,
            code,
            checksum: u16_at(segment, CHECKSUM)?,
            id: u16_at(segment, ID)?,
            sequence: u16_at(segment, 6)?,
        })
    }

    /// Whether it quotes another packet, as `icmp_is_err()`.
    pub const fn is_error(&self) -> bool {
        is_error(self.kind)
    }
}

/// Whether the type is one that quotes the packet it is about.
pub const fn is_error(kind: u8) -> bool {
    matches!(
        kind,
        kind::UNREACHABLE | kind::SOURCE_QUENCH | kind::REDIRECT | kind::TIME_EXCEEDED | kind::PARAMETER_PROBLEM
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_told_from_requests() {
        let request = Icmp::parse(&[8, 0, 0x12, 0x34, 0, 7, 0, 1]).unwrap();
        assert_eq!((request.kind, request.id, request.sequence, request.is_error()), (8, 7, 1, false));
        assert!(Icmp::parse(&[3, 4, 0, 0, 0, 0, 5, 0]).unwrap().is_error());
        assert_eq!(Icmp::parse(&[8, 0, 0, 0, 0, 0, 0]), None);
    }
}
