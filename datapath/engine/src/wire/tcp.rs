//! The TCP header and its options (RFC 9293).

use super::{u16_at, u32_at};

/// Bytes of a header without options.
pub const HEADER: usize = 20;
/// Byte offset of data offset (upper half) and reserved bits.
pub const OFFSET: usize = 12;
/// Byte offset of the flags.
pub const FLAGS: usize = 13;
/// Byte offset of the checksum.
pub const CHECKSUM: usize = 16;

/// The flag bits, as they stand in byte [`FLAGS`].
pub mod flag {
    /// No more data from the sender.
    pub const FIN: u8 = 0x01;
    /// Synchronise sequence numbers.
    pub const SYN: u8 = 0x02;
    /// Reset.
    pub const RST: u8 = 0x04;
    /// Push.
    pub const PSH: u8 = 0x08;
    /// The acknowledgement number counts.
    pub const ACK: u8 = 0x10;
    /// The urgent pointer counts.
    pub const URG: u8 = 0x20;
    /// ECN echo.
    pub const ECE: u8 = 0x40;
    /// Congestion window reduced.
    pub const CWR: u8 = 0x80;
}

/// Option numbers.
pub mod option {
    /// End of the list.
    pub const END: u8 = 0;
    /// Padding.
    pub const NOP: u8 = 1;
    /// Maximum segment size.
    pub const MSS: u8 = 2;
    /// Window scale.
    pub const WINDOW_SCALE: u8 = 3;
    /// Selective acknowledgement permitted.
    pub const SACK_PERMITTED: u8 = 4;
    /// Selective acknowledgement.
    pub const SACK: u8 = 5;
    /// Timestamps.
    pub const TIMESTAMP: u8 = 8;
}

/// A TCP header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tcp {
    /// Source port.
    pub source: u16,
    /// Destination port.
    pub destination: u16,
    /// Sequence number.
    pub sequence: u32,
    /// Acknowledgement number.
    pub acknowledgement: u32,
    /// Bytes of header and options as the sender said it; may be less than 20 or past the segment.
    pub header_len: usize,
    /// See [`flag`].
    pub flags: u8,
    /// The four bits beside the data offset.
    pub reserved: u8,
    /// Window, not scaled.
    pub window: u16,
    /// Checksum.
    pub checksum: u16,
    /// Urgent pointer.
    pub urgent: u16,
}

impl Tcp {
    /// The fixed part of the header at the start of a segment.
    pub fn parse(segment: &[u8]) -> Option<Self> {
        let bytes = segment.first_chunk::<HEADER>()?;
        Some(Self {
            source: u16_at(bytes, 0)?,
            destination: u16_at(bytes, 2)?,
            sequence: u32_at(bytes, 4)?,
            acknowledgement: u32_at(bytes, 8)?,
            header_len: usize::from(bytes[OFFSET] >> 4) * 4,
            flags: bytes[FLAGS],
            reserved: bytes[OFFSET] & 15,
            window: u16_at(bytes, 14)?,
            checksum: u16_at(bytes, CHECKSUM)?,
            urgent: u16_at(bytes, 18)?,
        })
    }

    /// The bytes of the options, if header and segment hold them all.
    pub fn options<'a>(&self, segment: &'a [u8]) -> Option<&'a [u8]> {
        segment.get(HEADER..self.header_len)
    }
}

/// One option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpOption<'a> {
    /// Its number.
    pub kind: u8,
    /// What follows its length byte.
    pub data: &'a [u8],
    /// Where it starts among the options' bytes.
    pub at: usize,
}

/// The options one after the other, without END and NOP; ends at END and before one whose length cannot be right.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Options<'a> {
    /// Over the bytes between the fixed header and the payload.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }
}

impl<'a> Iterator for Options<'a> {
    type Item = TcpOption<'a>;

    fn next(&mut self) -> Option<TcpOption<'a>> {
        loop {
            let at = self.at;
            match *self.bytes.get(at)? {
                option::END => return None,
                option::NOP => self.at += 1,
                kind => {
                    let length = usize::from(*self.bytes.get(at + 1)?);
                    let data = self.bytes.get(at + 2..at + length)?;
                    self.at += length;
                    return Some(TcpOption { kind, data, at });
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_length_zero_or_one_or_past_the_end_stop_the_walk() {
        assert_eq!(Options::new(&[2, 0, 5, 6]).next(), None);
        assert_eq!(Options::new(&[2, 1, 5, 6]).next(), None);
        assert_eq!(Options::new(&[2, 5, 5, 6]).next(), None);
        assert_eq!(Options::new(&[8]).next(), None);
        assert_eq!(Options::new(&[]).next(), None);
    }

    #[test]
    fn the_walk_steps_over_padding_and_ends_at_end() {
        let options: Vec<_> = Options::new(&[1, 1, 2, 4, 5, 0xb4, 4, 2, 0, 3, 3, 7]).collect();
        assert_eq!(options.len(), 2);
        assert_eq!(options[0], TcpOption { kind: 2, data: &[5, 0xb4], at: 2 });
        assert_eq!(options[1], TcpOption { kind: 4, data: &[], at: 6 });
    }

    #[test]
    fn options_are_there_only_if_the_segment_holds_them() {
        let mut segment = [0; 24];
        segment[OFFSET] = 0x60;
        let tcp = Tcp::parse(&segment).unwrap();
        assert_eq!(tcp.options(&segment), Some(&[0; 4][..]));
        assert_eq!(tcp.options(&segment[..22]), None);
        segment[OFFSET] = 0x40;
        assert_eq!(Tcp::parse(&segment).unwrap().options(&segment), None);
        assert_eq!(Tcp::parse(&segment[..19]), None);
    }
}
