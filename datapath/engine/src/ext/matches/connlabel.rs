//! `-m connlabel`: a label of the connection, which the match can set as well.

use libxt::ext::Families;
use libxt::ext::matches::connlabel::Connlabel;

use super::Match;
use crate::conntrack::Tracked;
use crate::ext::{Maker, Scene};
use crate::ruleset::Refused;
use crate::ruleset::refused::errno;

pub(super) const MAKER: Maker<Match> = Maker::of::<Connlabel>(Families::Both, |revision, info, site| {
    // As connlabel_mt_check() and nf_connlabels_get().
    if info.get(2..4).is_none_or(|options| u16::from_ne_bytes([options[0], options[1]]) & !3 != 0) {
        return Err(Refused::invalid("connlabel: an unknown option"));
    }
    let value: Connlabel = site.decode(revision, info)?;
    if value.bit >= LABELS {
        return Err(Refused::new(errno::ERANGE, "connlabel: labels are bits 0 to 127"));
    }
    Ok(Match::Connlabel(value))
})
.tracks();

/// As connlabel_mt().
pub(super) fn matches(value: &Connlabel, scene: &mut Scene<'_, '_>) -> bool {
    let Tracked::Of { id, .. } = scene.tracked else { return value.inverted };
    let Some(labels) = scene.tracker.labels(id) else { return value.inverted };
    let has = labels >> value.bit & 1 != 0 || value.set && scene.tracker.set_label(id, value.bit as u8);
    has != value.inverted
}

/// `XT_CONNLABEL_MAXBIT` and one.
const LABELS: u16 = 128;
