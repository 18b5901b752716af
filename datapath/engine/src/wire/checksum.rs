//! One's complement sums: the Internet checksum (RFC 1071), its pseudo-header, its incremental change (RFC 1624).

use libxt::family::Af;

use crate::conntrack::Address;

/// An unfolded one's complement sum of 16-bit words, which can be added to piece by piece.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum(u64);

impl Sum {
    /// Adds bytes as big-endian words; an odd last byte counts as a word's upper half, so only the last piece may be odd.
    #[must_use]
    #[inline]
    pub fn bytes(self, bytes: &[u8]) -> Self {
        // Addresses and ports are short, and how long is known where they are summed.
        if bytes.len() < BLOCK { self.few(bytes) } else { self.many(bytes) }
    }

    fn many(mut self, bytes: &[u8]) -> Self {
        let mut blocks = bytes.chunks_exact(BLOCK);
        let mut lanes = [0_u64; 8];
        for block in &mut blocks {
            for (lane, word) in lanes.iter_mut().zip(block.chunks_exact(4)) {
                if let &[a, b, c, d] = word {
                    *lane += u64::from(u32::from_ne_bytes([a, b, c, d]));
                }
            }
        }
        // The sum of words in the machine's order is the sum in network order with its bytes swapped (RFC 1071 section 2).
        let native = lanes.iter().fold(0, |sum, &lane| sum + (lane & 0xffff_ffff) + (lane >> 32));
        self.0 += u64::from(u16::from_be(Self(native).fold()));
        self.few(blocks.remainder())
    }

    #[inline]
    fn few(mut self, bytes: &[u8]) -> Self {
        let mut words = bytes.chunks_exact(4);
        for word in &mut words {
            if let &[a, b, c, d] = word {
                self.0 += u64::from(u32::from_be_bytes([a, b, c, d]));
            }
        }
        match *words.remainder() {
            [a] => self.0 += u64::from(u16::from_be_bytes([a, 0])),
            [a, b] => self.0 += u64::from(u16::from_be_bytes([a, b])),
            [a, b, c] => self.0 += u64::from(u16::from_be_bytes([a, b])) + u64::from(u16::from_be_bytes([c, 0])),
            _ => {}
        }
        self
    }

    /// Adds one word.
    #[must_use]
    pub fn word(self, word: u16) -> Self {
        Self(self.0 + u64::from(word))
    }

    /// Adds the pseudo-header of a transport packet of `length` bytes (RFC 793, RFC 8200 section 8.1).
    #[must_use]
    pub fn pseudo_header(self, af: Af, source: Address, destination: Address, protocol: u8, length: usize) -> Self {
        // An IPv4 address fills four of the sixteen bytes; the zeros behind it add nothing.
        let _ = af;
        let length = u64::try_from(length).unwrap_or(0) & 0xffff_ffff;
        let mut sum = self.bytes(&source.0).bytes(&destination.0);
        sum.0 += u64::from(protocol) + length;
        sum
    }

    /// The sum in 16 bits, not complemented.
    #[inline]
    pub fn fold(self) -> u16 {
        // Each step leaves what carries; after the third there is at most one carry more.
        let sum = (self.0 & 0xffff_ffff) + (self.0 >> 32);
        let sum = (sum & 0xffff) + (sum >> 16);
        let sum = (sum & 0xffff) + (sum >> 16);
        ((sum & 0xffff) + (sum >> 16)) as u16
    }

    /// What goes into a checksum field: the complement of the folded sum.
    pub fn finish(self) -> u16 {
        !self.fold()
    }
}

/// Bytes that are summed at once.
const BLOCK: usize = 32;

/// The checksum of bytes, as it goes into the field that was zero among them.
pub fn checksum(bytes: &[u8]) -> u16 {
    Sum::default().bytes(bytes).finish()
}

/// Whether bytes with their checksum among them add up, on top of `start` (a pseudo-header or nothing).
pub fn verify(start: Sum, bytes: &[u8]) -> bool {
    start.bytes(bytes).fold() == 0xffff
}

/// A checksum field's new value when `old` bytes become `new` ones, by RFC 1624 equation 3. Both are whole words from an
/// even offset.
#[inline]
pub fn update(field: u16, old: &[u8], new: &[u8]) -> u16 {
    let mut sum = u64::from(!field);
    sum += complement(old) + Sum::default().bytes(new).0;
    Sum(sum).finish()
}

/// By how much the sum of all words changes when some bytes become others: worked out once for every checksum over them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Change(u64);

impl Change {
    /// Four bytes from an even offset become others.
    #[inline]
    pub fn word(old: [u8; 4], new: [u8; 4]) -> Self {
        Self(u64::from(!u32::from_be_bytes(old)) + u64::from(u32::from_be_bytes(new)))
    }

    /// Two bytes from an even offset become others.
    #[inline]
    pub fn half(old: [u8; 2], new: [u8; 2]) -> Self {
        Self(u64::from(!u16::from_be_bytes(old)) + u64::from(u16::from_be_bytes(new)))
    }

    /// An IPv6 address becomes another.
    #[inline]
    pub fn address(Address(old): Address, Address(new): Address) -> Self {
        let words = old.as_chunks().0.iter().zip(new.as_chunks().0);
        words.fold(Self(0), |all, (old, new)| all.and(Self::word(*old, *new)))
    }

    /// Both.
    #[must_use]
    #[inline]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }

    /// A checksum field's new value, by RFC 1624 equation 3. As csum_replace4().
    #[inline]
    pub fn of(self, field: u16) -> u16 {
        Sum(u64::from(!field) + self.0).finish()
    }

    /// A partial checksum field's new value: it holds a sum and not a complement.
    #[inline]
    pub fn of_partial(self, field: u16) -> u16 {
        Sum(u64::from(field) + self.0).fold()
    }
}

/// A partial checksum field's new value (`CHECKSUM_PARTIAL`: the pseudo-header's sum, not complemented) when the bytes
/// of the pseudo-header change.
pub fn update_partial(field: u16, old: &[u8], new: &[u8]) -> u16 {
    let mut sum = u64::from(field);
    sum += complement(old) + Sum::default().bytes(new).0;
    Sum(sum).fold()
}

/// The sum of the complemented words.
#[inline]
fn complement(bytes: &[u8]) -> u64 {
    u64::from(Sum::default().bytes(bytes).finish())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The example of RFC 1071 section 3.
    #[test]
    fn the_example_of_rfc_1071_adds_up() {
        assert_eq!(Sum::default().bytes(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]).fold(), 0xddf2);
    }

    /// An IPv4 header taken with tcpdump from a veth: 10.9.0.2 > 10.9.0.1, ICMP.
    #[test]
    fn a_header_with_its_checksum_verifies() {
        let mut header = [0x45, 0, 0, 0x54, 0x1c, 0x46, 0x40, 0, 0x40, 1, 0, 0, 10, 9, 0, 2, 10, 9, 0, 1];
        let sum = checksum(&header);
        header[10..12].copy_from_slice(&sum.to_be_bytes());
        assert!(verify(Sum::default(), &header));
        header[3] ^= 1;
        assert!(!verify(Sum::default(), &header));
    }

    proptest! {
        #[test]
        fn the_sum_is_that_of_all_words(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let word = |pair: &[u8]| Sum::default().word(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)])).0;
            let slowly: u64 = bytes.chunks(2).map(word).sum();
            prop_assert_eq!(Sum::default().bytes(&bytes).fold(), Sum(slowly).fold());
        }

        #[test]
        fn an_incremental_change_equals_a_new_sum(
            mut bytes in proptest::collection::vec(any::<u8>(), 8..64),
            new in any::<[u8; 4]>(),
        ) {
            bytes[0] = 0x45;
            bytes[2..4].fill(0);
            let field = checksum(&bytes);
            let old = [bytes[4], bytes[5], bytes[6], bytes[7]];
            let changed = update(field, &old, &new);
            bytes[4..8].copy_from_slice(&new);
            prop_assert_eq!(changed, checksum(&bytes));
        }
    }
}
