//! SCTP (RFC 9260): the common header, chunks, and the checksum.

use super::u32_at;

/// Bytes of the common header.
pub const HEADER: usize = 12;
/// Byte offset of the verification tag.
pub const TAG: usize = 4;
/// Byte offset of the checksum.
pub const CHECKSUM: usize = 8;

/// Chunk types.
pub mod chunk {
    /// Payload.
    pub const DATA: u8 = 0;
    /// Begins an association.
    pub const INIT: u8 = 1;
    /// Answers INIT.
    pub const INIT_ACK: u8 = 2;
    /// Acknowledges.
    pub const SACK: u8 = 3;
    /// Asks whether a path lives.
    pub const HEARTBEAT: u8 = 4;
    /// Answers HEARTBEAT.
    pub const HEARTBEAT_ACK: u8 = 5;
    /// Ends at once.
    pub const ABORT: u8 = 6;
    /// Ends in order.
    pub const SHUTDOWN: u8 = 7;
    /// Answers SHUTDOWN.
    pub const SHUTDOWN_ACK: u8 = 8;
    /// Something is wrong.
    pub const ERROR: u8 = 9;
    /// Gives the cookie of INIT ACK back.
    pub const COOKIE_ECHO: u8 = 10;
    /// Answers COOKIE ECHO.
    pub const COOKIE_ACK: u8 = 11;
    /// Answers SHUTDOWN ACK.
    pub const SHUTDOWN_COMPLETE: u8 = 14;
}

/// A chunk of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk<'a> {
    /// See [`chunk`].
    pub kind: u8,
    /// The flags.
    pub flags: u8,
    /// Its length field.
    pub length: u16,
    /// What follows the chunk's own header, up to the packet's end.
    pub rest: &'a [u8],
}

/// The chunks behind a common header, up to one that says it has no length, or that is cut.
pub fn chunks(packet: &[u8]) -> impl Iterator<Item = Chunk<'_>> {
    let mut at = HEADER;
    core::iter::from_fn(move || {
        let &[kind, flags, high, low] = packet.get(at..)?.first_chunk()?;
        let length = usize::from(u16::from_be_bytes([high, low]));
        if length == 0 {
            return None;
        }
        let rest = packet.get(at + 4..).unwrap_or_default();
        at += length.next_multiple_of(4);
        Some(Chunk { kind, flags, length: length as u16, rest })
    })
}

/// Whether the checksum of a packet with a whole common header is right.
pub fn adds_up(packet: &[u8]) -> bool {
    let Some(sum) = u32_at(packet, CHECKSUM) else { return false };
    checksum(packet).is_some_and(|right| right == sum.swap_bytes())
}

/// The checksum as a little-endian number: CRC32c over the packet with the field taken as zero. `None` if there is no whole
/// header.
pub fn checksum(packet: &[u8]) -> Option<u32> {
    let (head, rest) = (packet.get(..CHECKSUM)?, packet.get(HEADER..)?);
    Some(!crc(crc(crc(!0, head), &[0; 4]), rest))
}

/// CRC32c, eight bytes at a time.
fn crc(start: u32, bytes: &[u8]) -> u32 {
    let (words, rest) = bytes.as_chunks::<8>();
    let mut crc = start;
    for &[a, b, c, d, e, f, g, h] in words {
        let [w, x, y, z] = (crc ^ u32::from_le_bytes([a, b, c, d])).to_le_bytes();
        crc = TABLES[7][w as usize]
            ^ TABLES[6][x as usize]
            ^ TABLES[5][y as usize]
            ^ TABLES[4][z as usize]
            ^ TABLES[3][e as usize]
            ^ TABLES[2][f as usize]
            ^ TABLES[1][g as usize]
            ^ TABLES[0][h as usize];
    }
    rest.iter().fold(crc, |crc, &byte| TABLES[0][(crc as u8 ^ byte) as usize] ^ (crc >> 8))
}

/// What a byte does to the sum when so many bytes follow it.
static TABLES: [[u32; 256]; 8] = tables();

const fn tables() -> [[u32; 256]; 8] {
    const POLYNOMIAL: u32 = 0x82f6_3b78;
    let mut tables = [[0; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = (crc >> 1) ^ (POLYNOMIAL & (crc & 1).wrapping_neg());
            bit += 1;
        }
        tables[0][byte] = crc;
        byte += 1;
    }
    let mut table = 1;
    while table < 8 {
        let mut byte = 0;
        while byte < 256 {
            let before = tables[table - 1][byte];
            tables[table][byte] = tables[0][(before & 0xff) as usize] ^ (before >> 8);
            byte += 1;
        }
        table += 1;
    }
    tables
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_of_the_nine_digits_is_the_one_everybody_knows() {
        assert_eq!(!crc(!0, b"123456789"), 0xe306_9283);
    }

    #[test]
    fn chunks_end_where_one_has_no_length() {
        let mut packet = vec![0; HEADER];
        packet.extend([1, 0, 0, 5, 9, 0, 0, 0, 3, 7, 0, 4, 6, 0, 0, 0, 6, 0, 0, 4]);
        let all: Vec<_> = chunks(&packet).map(|chunk| (chunk.kind, chunk.flags)).collect();
        assert_eq!(all, [(1, 0), (3, 7)]);
        assert_eq!(chunks(&packet[..3]).count(), 0);
    }
}
