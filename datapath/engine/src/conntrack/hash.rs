//! SipHash-1-3 of a few whole words: what tuples are hashed with, several times a packet.
//!
//! The same function as of bytes, but for the bytes left over at the end, of which there are none here.

/// A key, spread over the state as every hash starts from it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Keyed([u64; 4]);

impl Keyed {
    pub(super) fn new(key: [u8; 16]) -> Self {
        let key = u128::from_le_bytes(key);
        let (low, high) = (key as u64, (key >> 64) as u64);
        // The constants spell the function's name for its seed («somepseudorandomlygeneratedbytes»).
        Self([
            low ^ 0x736f_6d65_7073_6575,
            high ^ 0x646f_7261_6e64_6f6d,
            low ^ 0x6c79_6765_6e65_7261,
            high ^ 0x7465_6462_7974_6573,
        ])
    }

    /// The hash of the words in little-endian byte order.
    #[inline]
    pub(super) fn words<const N: usize>(&self, words: [u64; N]) -> u64 {
        let mut state = self.0;
        for word in words {
            state = compress(state, word);
        }
        state = compress(state, (N as u64 * 8) << 56);
        state[2] ^= 0xff;
        let [a, b, c, d] = round(round(round(state)));
        a ^ b ^ c ^ d
    }
}

#[inline]
fn compress(mut state: [u64; 4], word: u64) -> [u64; 4] {
    state[3] ^= word;
    state = round(state);
    state[0] ^= word;
    state
}

#[inline]
const fn round([mut a, mut b, mut c, mut d]: [u64; 4]) -> [u64; 4] {
    a = a.wrapping_add(b);
    c = c.wrapping_add(d);
    b = b.rotate_left(13) ^ a;
    d = d.rotate_left(16) ^ c;
    a = a.rotate_left(32).wrapping_add(d);
    c = c.wrapping_add(b);
    d = d.rotate_left(21) ^ a;
    b = b.rotate_left(17) ^ c;
    [a, b, c.rotate_left(32), d]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use siphasher::sip::SipHasher13;

    use super::*;

    proptest! {
        #[test]
        fn the_hash_is_siphash_1_3_of_the_words_bytes(key: [u8; 16], words: [u64; 5]) {
            let bytes = |words: &[u64]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<_>>();
            let known = SipHasher13::new_with_key(&key);
            let keyed = Keyed::new(key);
            prop_assert_eq!(keyed.words(words), known.hash(&bytes(&words)));
            prop_assert_eq!(keyed.words([words[0], words[1]]), known.hash(&bytes(&words[..2])));
        }
    }
}
