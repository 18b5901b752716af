//! `-m multiport`: up to fifteen ports or ranges.

use libxt::ext::Families;
use libxt::ext::matches::multiport::{Multiport, Which};

use super::Match;
use crate::ext::{Maker, Scene};
use crate::ruleset::Refused;
use crate::wire::u16_at;

pub(super) const MAKER: Maker<Match> = Maker::of::<Multiport>(Families::Both, |revision, info, site| {
    // As multiport_mt_check(): a protocol with ports, a known mode, no more places than there are.
    if !matches!(site.protocol(), Some(6 | 17 | 33 | 132 | 136)) {
        return Err(Refused::invalid("multiport: the rule must name a protocol that has ports"));
    }
    let &[mode, count, ..] = info else { return Err(Refused::invalid("multiport: too short")) };
    if mode > 2 || count > 15 {
        return Err(Refused::invalid("multiport: an unknown mode or too many ports"));
    }
    if !has_sound_ranges(info, count.into()) {
        return Err(Refused::invalid("multiport: a range without an end, or one that ends before it starts"));
    }
    Ok(Match::Multiport(site.decode(revision, info)?))
});

/// Each place that starts a range is followed by one that does not and is not below it.
fn has_sound_ranges(info: &[u8], count: usize) -> bool {
    let port = |place: usize| {
        let bytes = info.get(2 + place * 2..).and_then(|rest| rest.first_chunk());
        bytes.map(|bytes| u16::from_ne_bytes(*bytes))
    };
    let starts = |place: usize| info.get(32 + place).is_some_and(|starts| *starts != 0);
    (0..count).filter(|&place| starts(place)).all(|place| {
        let end = place + 1;
        end < count && !starts(end) && port(place) <= port(end)
    })
}

/// As multiport_mt().
pub(super) fn matches(multiport: &Multiport, scene: &mut Scene<'_, '_>) -> bool {
    if scene.headers.fragment_offset() != 0 {
        return false;
    }
    let segment = scene.segment();
    let (Some(source), Some(destination)) = (u16_at(segment, 0), u16_at(segment, 2)) else {
        scene.hotdrop = true;
        return false;
    };
    let listed = |port: u16| multiport.ports.iter().any(|ports| (ports.min..=ports.max).contains(&port));
    let fits = match multiport.which {
        Which::Source => listed(source),
        Which::Destination => listed(destination),
        Which::Either => listed(source) || listed(destination),
    };
    fits != multiport.inverted
}
