//! `-m helper`: connections that a helper expected.

use libxt::ext::Families;
use libxt::ext::matches::helper::Helper;

use super::Match;
use crate::ext::{Maker, Scene};

pub(super) const MAKER: Maker<Match> =
    Maker::of::<Helper>(Families::Both, |revision, info, site| Ok(Match::Helper(site.decode(revision, info)?)))
        .tracks();

/// As helper_mt(): a connection without a master is no helper's, and none has one as long as `-j CT --helper` is refused.
pub(super) fn matches(helper: &Helper, _scene: &Scene<'_, '_>) -> bool {
    helper.name.inverted
}
