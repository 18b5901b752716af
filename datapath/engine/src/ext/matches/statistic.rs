//! `-m statistic`: packets by chance, or one of every so many.

use libxt::ext::Families;
use libxt::ext::matches::statistic::{self, Mode};

use super::Match;
use crate::ext::{Maker, Scene};
use crate::ruleset::Refused;

pub(super) const MAKER: Maker<Match> = Maker::of::<statistic::Statistic>(Families::Both, |revision, info, site| {
    // As statistic_mt_check(): a known mode, no flag but the inversion.
    let half = |at: usize| info.get(at..).and_then(|rest| rest.first_chunk()).map(|half| u16::from_ne_bytes(*half));
    if half(0).is_none_or(|mode| mode > 1) || half(2).is_none_or(|flags| flags & !1 != 0) {
        return Err(Refused::invalid("statistic: an unknown mode or flag"));
    }
    let value: statistic::Statistic = site.decode(revision, info)?;
    // nth.count, where the command left what is to go before the first hit.
    let count = info.get(12..).and_then(|rest| rest.first_chunk()).map_or(0, |word| u32::from_ne_bytes(*word));
    Ok(Match::Statistic(Statistic { value, count }))
})
.kept(|_| 16);

/// What is chosen, and where in its round the counter stands.
#[derive(Debug)]
pub struct Statistic {
    value: statistic::Statistic,
    count: u32,
}

/// As statistic_mt().
pub(super) fn matches(statistic: &mut Statistic, scene: &mut Scene<'_, '_>) -> bool {
    let chosen = match statistic.value.mode {
        Mode::Random => scene.random.draw() & 0x7fff_ffff < statistic.value.probability,
        Mode::Nth => {
            let every = statistic.value.every;
            statistic.count = if statistic.count == every { 0 } else { statistic.count.wrapping_add(1) };
            statistic.count == 0
        }
    };
    chosen != statistic.value.inverted
}
