//! `-m string`: a pattern somewhere in the packet.

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
    let bytes = scene.packet.data.bytes();
    let end = usize::from(value.to).min(bytes.len());
    let pattern = value.pattern.get(..usize::from(value.len)).unwrap_or_default();
    let found = bytes
        .get(usize::from(value.from)..end)
        .is_some_and(|room| room.windows(pattern.len().max(1)).any(|window| same(window, pattern, value.ignore_case)));
    found != value.inverted
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
    fn letters_are_folded_as_the_kernel_folds_them() {
        assert!(same(b"GeT", b"gEt", true));
        assert!(!same(b"GeT", b"gEt", false));
        assert!(same(&[0xe4], &[0xc4], true));
        assert!(!same(&[0xf7], &[0xd7], true));
    }
}
