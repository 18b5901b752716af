//! `-m tcpmss`: the maximum segment size that a TCP header announces.

use libxt::ext::Families;
use libxt::ext::matches::tcpmss::Tcpmss;

use super::Match;
use crate::ext::{Maker, Scene};
use crate::wire::tcp::{self, HEADER, option};
use crate::wire::u16_at;

pub(super) const MAKER: Maker<Match> =
    Maker::of::<Tcpmss>(Families::Both, |revision, info, site| Ok(Match::Tcpmss(site.decode(revision, info)?)))
        .protocol(6);

/// As tcpmss_mt(): without the option the inverted form matches; a header that is not all there is dropped.
pub(super) fn matches(value: &Tcpmss, scene: &mut Scene<'_, '_>) -> bool {
    let segment = scene.supposed_segment();
    let Some(header) = tcp::Tcp::parse(segment).filter(|header| header.header_len >= HEADER) else {
        scene.hotdrop = true;
        return false;
    };
    let Some(options) = header.options(segment) else {
        scene.hotdrop = true;
        return false;
    };
    match announced(options) {
        Some(mss) => (value.min..=value.max).contains(&mss) != value.inverted,
        None => value.inverted,
    }
}

/// The first MSS option's size.
fn announced(options: &[u8]) -> Option<u16> {
    let mut at = 0;
    while let Some(&kind) = options.get(at) {
        let length = options.get(at + 1).copied();
        if kind == option::MSS
            && length == Some(4)
            && let Some(mss) = u16_at(options, at + 2)
        {
            return Some(mss);
        }
        at += match length {
            Some(length) if kind >= 2 => usize::from(length).max(1),
            _ => 1,
        };
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_cut_off_by_the_header_announces_nothing() {
        assert_eq!(announced(&[1, 2, 4, 5]), None);
        assert_eq!(announced(&[2, 4, 5, 0xb4]), Some(1460));
        assert_eq!(announced(&[3, 3, 7, 2, 4, 2, 0]), Some(512));
        assert_eq!(announced(&[8]), None);
        assert_eq!(announced(&[9, 0, 2, 4, 2, 0]), Some(512));
    }
}
