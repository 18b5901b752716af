//! Bob Jenkins' hash as the kernel has it (`linux/jhash.h`): for what must hash on this machine as on others.

/// Hashes any number of words. As jhash2().
pub fn words(words: &[u32], seed: u32) -> u32 {
    let begin = BEGIN.wrapping_add((words.len() as u32) << 2).wrapping_add(seed);
    let mut state = [begin; 3];
    let mut rest = words;
    while let [a, b, c, after @ ..] = rest
        && !after.is_empty()
    {
        add(&mut state, &[*a, *b, *c]);
        mix(&mut state);
        rest = after;
    }
    if rest.is_empty() {
        return state[2];
    }
    add(&mut state, rest);
    finish(state)
}

/// Hashes three words. As jhash_3words(), which differs from [`words`] by nothing.
pub fn three(a: u32, b: u32, c: u32, seed: u32) -> u32 {
    words(&[a, b, c], seed)
}

/// Brings a hash into `0..limit`. As reciprocal_scale().
pub const fn scale(hash: u32, limit: u32) -> u32 {
    ((hash as u64 * limit as u64) >> 32) as u32
}

fn add(state: &mut [u32; 3], words: &[u32]) {
    for (to, word) in state.iter_mut().zip(words) {
        *to = to.wrapping_add(*word);
    }
}

/// As __jhash_mix().
fn mix([a, b, c]: &mut [u32; 3]) {
    for shifts in [[4, 6, 8], [16, 19, 4]] {
        let [first, second, third] = shifts;
        *a = a.wrapping_sub(*c) ^ c.rotate_left(first);
        *c = c.wrapping_add(*b);
        *b = b.wrapping_sub(*a) ^ a.rotate_left(second);
        *a = a.wrapping_add(*c);
        *c = c.wrapping_sub(*b) ^ b.rotate_left(third);
        *b = b.wrapping_add(*a);
    }
}

/// As __jhash_final().
fn finish([mut a, mut b, mut c]: [u32; 3]) -> u32 {
    let step = |to: &mut u32, from: u32, shift: u32| *to = (*to ^ from).wrapping_sub(from.rotate_left(shift));
    step(&mut c, b, 14);
    step(&mut a, c, 11);
    step(&mut b, a, 25);
    step(&mut c, b, 16);
    step(&mut a, c, 4);
    step(&mut b, a, 14);
    step(&mut c, b, 24);
    c
}

/// `JHASH_INITVAL`.
const BEGIN: u32 = 0xdead_beef;

#[cfg(test)]
mod tests {
    use super::*;

    /// What the hash's author gives for no bytes at all; the kernel's comparison covers the rest.
    #[test]
    fn nothing_hashes_to_where_it_begins() {
        assert_eq!(words(&[], 0), 0xdead_beef);
        assert_eq!(words(&[], 0xdead_beef), 0xbd5b_7dde);
    }

    #[test]
    fn every_word_counts() {
        let hashes: std::collections::BTreeSet<u32> =
            (0..8).map(|at| words(&[[0; 8], [1; 8]].concat()[at..], 0)).collect();
        assert_eq!(hashes.len(), 8);
        assert_eq!(three(1, 2, 3, 4), words(&[1, 2, 3], 4));
    }

    #[test]
    fn a_scaled_hash_stays_below_its_limit() {
        assert_eq!(scale(u32::MAX, 7), 6);
        assert_eq!(scale(0, 7), 0);
        assert_eq!(scale(1 << 31, 32), 16);
    }
}
