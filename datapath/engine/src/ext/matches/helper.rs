//! `-m helper`: connections that a helper expected.

use libxt::ext::Families;
use libxt::ext::matches::helper::Helper;

use super::Match;
use crate::conntrack::Tracked;
use crate::ext::{Maker, Scene};

pub(super) const MAKER: Maker<Match> =
    Maker::of::<Helper>(Families::Both, |revision, info, site| Ok(Match::Helper(site.decode(revision, info)?)))
        .tracks();

/// As helper_mt(): the helper of the connection that announced this one. A name that it begins with is enough; no name at all
/// is any helper's.
pub(super) fn matches(helper: &Helper, scene: &Scene<'_, '_>) -> bool {
    let Tracked::Of { id, .. } = scene.tracked else { return helper.name.inverted };
    let Some(master) = scene.tracker.master_helper(id) else { return helper.name.inverted };
    let wanted = helper.name.value.as_bytes();
    (wanted.is_empty() || wanted.starts_with(scene.tracker.helper_name(master).as_bytes())) != helper.name.inverted
}
