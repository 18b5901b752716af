//! `-m string`: a pattern somewhere in the packet.

use core::ops::Range;

use libxt::ext::Families;
use libxt::ext::matches::string::StringMatch;

use super::Match;
use crate::ext::{Maker, Scene};
use crate::ruleset::Refused;
use crate::ruleset::refused::errno;

pub(super) const MAKER: Maker<Match> = Maker::of::<StringMatch>(Families::Both, |revision, info, site| {
    let value: StringMatch = site.decode(revision, info)?;
    check(&value)?;
    Ok(Match::String(Box::new(value)))
})
.kept(|_| 152);

/// As string_mt_check() and textsearch_prepare().
fn check(value: &StringMatch) -> Result<(), Refused> {
    if value.from > value.to {
        return Err(Refused::invalid("string: --from lies behind --to"));
    }
    if usize::from(value.len) > value.pattern.len() || value.len == 0 {
        return Err(Refused::invalid("string: the pattern is empty or too long"));
    }
    match value.algorithm.as_bytes() {
        b"bm" | b"kmp" => {}
        // Its pattern is a list of tokens, which no text is.
        b"fsm" => return Err(Refused::invalid("string: the algorithm fsm takes no text")),
        _ => return Err(Refused::new(errno::ENOENT, "string: the algorithm is neither bm nor kmp")),
    }
    Ok(())
}

/// As string_mt(): the whole pattern lies between `from` and `to`, both counted from the network header.
pub(super) fn matches(value: &StringMatch, scene: &Scene<'_, '_>) -> bool {
    let data = &scene.packet.data;
    let (from, end) = (usize::from(value.from), usize::from(value.to).min(data.len()));
    let pattern = value.pattern.get(..usize::from(value.len)).unwrap_or_default();
    let holds = |range: Range<usize>| {
        let room = data.bytes().get(range).unwrap_or_default();
        holds(room, pattern, value.ignore_case)
    };
    let found = match value.algorithm.as_bytes() {
        b"bm" => stretches(from..end, data.seams()).any(holds),
        _ => holds(from..end),
    };
    found != value.inverted
}

/// A range in its parts between seams: as bm_find() goes from one of the kernel's buffers to the next and sees nothing that
/// stands in two.
fn stretches(range: Range<usize>, seams: impl Iterator<Item = usize>) -> impl Iterator<Item = Range<usize>> {
    let mut from = range.start;
    let inside = range.start..range.end;
    let seams = seams.filter(move |seam| inside.contains(seam)).chain([range.end]);
    seams.map(move |seam| core::mem::replace(&mut from, seam)..seam)
}

/// Whether the pattern stands anywhere in some bytes. Most places already differ in the first one.
fn holds(room: &[u8], pattern: &[u8], ignore_case: bool) -> bool {
    let Some(&first) = pattern.first() else { return false };
    room.windows(pattern.len()).any(|window| {
        let begins = |byte: u8| byte == first || ignore_case && upper(byte) == upper(first);
        window.first().is_some_and(|byte| begins(*byte)) && same(window, pattern, ignore_case)
    })
}

/// The kernel folds Latin-1's letters as well as ASCII's.
fn same(window: &[u8], pattern: &[u8], ignore_case: bool) -> bool {
    if !ignore_case {
        return window == pattern;
    }
    window.iter().zip(pattern).all(|(&one, &other)| upper(one) == upper(other))
}

/// As toupper() of lib/ctype.c.
const fn upper(byte: u8) -> u8 {
    match byte {
        b'a'..=b'z' | 0xe0..=0xf6 | 0xf8..=0xfe => byte - 32,
        _ => byte,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_found_at_the_beginning_in_the_middle_and_at_the_end() {
        for place in [0, 1, 5, 10] {
            let mut room = *b"nnnnnnnnnnnnnn";
            room[place..place + 4].copy_from_slice(b"nEed");
            assert!(holds(&room, b"nEed", false) && holds(&room, b"Need", true) && !holds(&room, b"need", false));
            assert!(!holds(&room[..place + 3], b"nEed", false));
        }
        assert!(!holds(b"nee", b"need", true) && !holds(b"", b"n", false));
    }

    #[test]
    fn fragments_are_searched_one_by_one() {
        let parts = |range, seams: &[usize]| {
            stretches(range, seams.iter().copied()).map(|part| (part.start, part.end)).collect::<Vec<_>>()
        };
        assert_eq!(parts(28..148, &[52, 132]), [(28, 52), (52, 132), (132, 148)]);
        assert_eq!(parts(60..100, &[52, 132]), [(60, 100)]);
        assert_eq!(parts(0..40, &[]), [(0, 40)]);
    }

    #[test]
    fn letters_are_folded_as_the_kernel_folds_them() {
        assert!(same(b"GeT", b"gEt", true));
        assert!(!same(b"GeT", b"gEt", false));
        assert!(same(&[0xe4], &[0xc4], true));
        assert!(!same(&[0xf7], &[0xd7], true));
    }
}
