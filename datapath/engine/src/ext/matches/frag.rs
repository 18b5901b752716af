//! `-m frag`: the IPv6 fragment header.

use libxt::ext::Families;
use libxt::ext::matches::frag::{F_FIRST, F_LAST, F_MORE, F_RESERVED, Frag};

use super::Match;
use crate::ext::{Maker, Scene};
use crate::ruleset::Refused;
use crate::wire::{ipv6, u16_at, u32_at};

pub(super) const MAKER: Maker<Match> = Maker::of::<Frag>(Families::V6, |revision, info, site| {
    // As frag_mt6_check(): no inversion but IP6T_FRAG_INV_MASK.
    if info.get(13).is_none_or(|inverted| inverted & !3 != 0) {
        return Err(Refused::invalid("frag: an unknown inversion"));
    }
    Ok(Match::Frag(site.decode(revision, info)?))
});

/// As frag_mt6(), which never looks at the length: a packet without the header does not match, one whose headers are cut is
/// dropped.
pub(super) fn matches(frag: &Frag, scene: &mut Scene<'_, '_>) -> bool {
    let bytes = scene.packet.data.bytes();
    let header = match ipv6::find(bytes, ipv6::FRAGMENT) {
        Ok(Some(link)) => bytes.get(link.at..),
        Ok(None) => return false,
        Err(_cut) => None,
    };
    let read = header.and_then(|header| Some((*header.get(1)?, u16_at(header, 2)?, u32_at(header, 4)?)));
    match read {
        Some((reserved, place, id)) => holds(frag, reserved, place, id),
        None => {
            scene.hotdrop = true;
            false
        }
    }
}

fn holds(frag: &Frag, reserved: u8, place: u16, id: u32) -> bool {
    let [least, most] = frag.ids.value;
    let asked = |flag| frag.flags & flag != 0;
    frag.ids.holds((least..=most).contains(&id))
        && !(asked(F_RESERVED) && (reserved != 0 || place & 6 != 0))
        && !(asked(F_FIRST) && place & !7 != 0)
        && !(asked(F_MORE) && place & 1 == 0)
        && !(asked(F_LAST) && place & 1 != 0)
}

#[cfg(test)]
mod tests {
    use libxt::value::condition::Condition;

    use super::*;

    #[test]
    fn first_more_last_and_reserved_are_told_from_two_fields() {
        let with = |flags| Frag { flags, ..Frag::default() };
        assert!(holds(&with(F_FIRST | F_MORE), 0, 1, 7) && !holds(&with(F_FIRST), 0, 9, 7));
        assert!(holds(&with(F_LAST), 0, 16, 7) && !holds(&with(F_LAST), 0, 17, 7));
        assert!(holds(&with(F_RESERVED), 0, 9, 7));
        assert!(!holds(&with(F_RESERVED), 1, 9, 7) && !holds(&with(F_RESERVED), 0, 0xa, 7));
        let range = |inverted| Frag { ids: Condition::new([5, 7], inverted), ..Frag::default() };
        assert!(holds(&range(false), 0, 0, 7) && !holds(&range(true), 0, 0, 5) && holds(&range(true), 0, 0, 8));
    }
}
