//! The UDP header (RFC 768), and UDP-Lite's (RFC 3828), which has the same shape.

use super::u16_at;

/// Bytes of the header.
pub const HEADER: usize = 8;
/// Byte offset of the checksum.
pub const CHECKSUM: usize = 6;

/// A UDP header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Udp {
    /// Source port.
    pub source: u16,
    /// Destination port.
    pub destination: u16,
    /// Length of header and payload as the sender said it.
    pub length: u16,
    /// Checksum, 0 if the sender made none (IPv4).
    pub checksum: u16,
}

impl Udp {
    /// The header at the start of a segment.
    pub fn parse(segment: &[u8]) -> Option<Self> {
        Some(Self {
            source: u16_at(segment, 0)?,
            destination: u16_at(segment, 2)?,
            length: u16_at(segment, 4)?,
            checksum: u16_at(segment, CHECKSUM)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seven_bytes_are_no_header() {
        assert_eq!(Udp::parse(&[0, 53, 4, 0, 0, 8, 0]), None);
        assert_eq!(
            Udp::parse(&[0, 53, 4, 0, 0, 8, 0xab, 0xcd]),
            Some(Udp { source: 53, destination: 1024, length: 8, checksum: 0xabcd })
        );
    }
}
