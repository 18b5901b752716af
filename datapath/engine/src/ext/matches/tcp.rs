//! `-m tcp`: ports, flags and the presence of an option.

use libxt::ext::Families;
use libxt::ext::matches::tcp::Tcp;

use super::Match;
use crate::ext::{Maker, Scene};
use crate::ruleset::Refused;
use crate::wire::tcp::{self, HEADER};

pub(super) const MAKER: Maker<Match> = Maker::of::<Tcp>(Families::Both, |revision, info, site| {
    // As tcp_mt_check(): no inversion but XT_TCP_INV_MASK.
    if info.get(11).is_none_or(|inverted| inverted & !0x0f != 0) {
        return Err(Refused::invalid("tcp: an unknown inversion"));
    }
    Ok(Match::Tcp(site.decode(revision, info)?))
})
.protocol(6);

/// As tcp_mt(): what is too short for a header is dropped, and so is a fragment that could rewrite one.
pub(super) fn matches(tcp: &Tcp, scene: &mut Scene<'_, '_>) -> bool {
    let offset = scene.headers.fragment_offset();
    if offset != 0 {
        scene.hotdrop |= offset == 8 && scene.af() == libxt::family::Af::V4;
        return false;
    }
    let segment = scene.segment();
    let Some(header) = tcp::Tcp::parse(segment) else {
        scene.hotdrop = true;
        return false;
    };
    let (source, destination) = (tcp.source.value, tcp.destination.value);
    if !tcp.source.holds((source.min..=source.max).contains(&header.source))
        || !tcp.destination.holds((destination.min..=destination.max).contains(&header.destination))
        || !tcp.flags.holds(header.flags & tcp.flags.value.mask.0 == tcp.flags.value.compared.0)
    {
        return false;
    }
    if tcp.option.value == 0 {
        return true;
    }
    if header.header_len == HEADER {
        return tcp.option.inverted;
    }
    match header.options(segment) {
        Some(options) => tcp.option.holds(has(options, tcp.option.value)),
        None => {
            scene.hotdrop = true;
            false
        }
    }
}

/// As tcp_find_option(): an END does not end the search, a length of zero counts as one.
fn has(options: &[u8], wanted: u8) -> bool {
    let mut at = 0;
    while let Some(&kind) = options.get(at) {
        if kind == wanted {
            return true;
        }
        at += match options.get(at + 1) {
            Some(&length) if kind >= 2 => usize::from(length).max(1),
            _ => 1,
        };
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_search_for_an_option_never_leaves_the_header() {
        assert!(has(&[1, 1, 8, 10], 8));
        assert!(!has(&[2, 255, 8, 0], 8));
        assert!(!has(&[2], 8));
        assert!(has(&[0, 0, 0, 3], 3));
        assert!(has(&[9, 0, 4, 2], 4));
    }
}
