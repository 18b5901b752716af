//! `-m esp`: the security parameter index of an ESP packet.

use libxt::ext::Families;
use libxt::ext::matches::esp::Esp;

use super::Match;
use crate::ext::{Maker, Scene};
use crate::ruleset::Refused;
use crate::wire::u32_at;

pub(super) const MAKER: Maker<Match> = Maker::of::<Esp>(Families::Both, |revision, info, site| {
    // As esp_mt_check(): no inversion but XT_ESP_INV_SPI.
    if info.get(8).is_none_or(|inverted| inverted & !1 != 0) {
        return Err(Refused::invalid("esp: an unknown inversion"));
    }
    Ok(Match::Esp(site.decode(revision, info)?))
})
.protocol(50);

/// Bytes of an ESP header before its payload.
const HEADER: usize = 8;

/// As esp_mt(): what is too short for a header is dropped.
pub(super) fn matches(esp: &Esp, scene: &mut Scene<'_, '_>) -> bool {
    if scene.headers.fragment_offset() != 0 {
        return false;
    }
    let segment = scene.segment();
    let Some(index) = u32_at(segment, 0).filter(|_| segment.len() >= HEADER) else {
        scene.hotdrop = true;
        return false;
    };
    let spis = esp.spi.value;
    esp.spi.holds((spis.min..=spis.max).contains(&index))
}
