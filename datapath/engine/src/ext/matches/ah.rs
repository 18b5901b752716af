//! `-m ah`: the authentication header; in IPv6 one of the extension headers.

use libxt::ext::Families;
use libxt::ext::matches::ah::{Ah4, Ah6};

use super::Match;
use crate::ext::{Maker, Scene};
use crate::ruleset::Refused;
use crate::wire::{ipv6, u16_at, u32_at};

pub(super) const MAKER4: Maker<Match> = Maker::of::<Ah4>(Families::V4, |revision, info, site| {
    // As ah_mt_check(): no inversion but IPT_AH_INV_SPI.
    if info.get(8).is_none_or(|inverted| inverted & !1 != 0) {
        return Err(Refused::invalid("ah: an unknown inversion"));
    }
    Ok(Match::Ah4(site.decode(revision, info)?))
})
.protocol(ipv6::AUTHENTICATION);

pub(super) const MAKER6: Maker<Match> = Maker::of::<Ah6>(Families::V6, |revision, info, site| {
    // As ah_mt6_check(): no inversion but IP6T_AH_INV_SPI and IP6T_AH_INV_LEN.
    if info.get(13).is_none_or(|inverted| inverted & !3 != 0) {
        return Err(Refused::invalid("ah: an unknown inversion"));
    }
    Ok(Match::Ah6(site.decode(revision, info)?))
});

/// Bytes of the fixed part of the header.
const HEADER: usize = 12;

/// As ah_mt(): what is too short for a header is dropped.
pub(super) fn matches4(ah: &Ah4, scene: &mut Scene<'_, '_>) -> bool {
    if scene.headers.fragment_offset() != 0 {
        return false;
    }
    let segment = scene.segment();
    let Some(index) = u32_at(segment, 4).filter(|_| segment.len() >= HEADER) else {
        scene.hotdrop = true;
        return false;
    };
    let spis = ah.spi.value;
    ah.spi.holds((spis.min..=spis.max).contains(&index))
}

/// As ah_mt6(): a packet without the header does not match, one whose headers are cut is dropped.
pub(super) fn matches6(ah: &Ah6, scene: &mut Scene<'_, '_>) -> bool {
    let bytes = scene.packet.data.bytes();
    let found = match ipv6::find(bytes, ipv6::AUTHENTICATION) {
        Ok(Some(link)) => bytes.get(link.at..).filter(|header| header.len() >= HEADER),
        Ok(None) => return false,
        Err(_cut) => None,
    };
    let read = found.and_then(|header| {
        let length = (u32::from(*header.get(1)?) + 2) * 4;
        header.get(..length as usize)?;
        Some((length, u16_at(header, 2)?, u32_at(header, 4)?))
    });
    let Some((length, reserved, index)) = read else {
        scene.hotdrop = true;
        return false;
    };
    let spis = ah.spi.value;
    ah.spi.holds((spis.min..=spis.max).contains(&index))
        && (ah.length.value == 0 || ah.length.holds(ah.length.value == length))
        && !(ah.reserved && reserved != 0)
}
