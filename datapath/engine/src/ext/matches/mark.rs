//! `-m mark`: compares the packet's mark.

use libxt::ext::Families;
use libxt::ext::matches::mark::Mark;

use super::Match;
use crate::ext::{Maker, Scene};

pub(super) const MAKER: Maker<Match> =
    Maker::of::<Mark>(Families::Both, |revision, info, site| Ok(Match::Mark(site.decode(revision, info)?)));

/// As mark_mt().
pub(super) fn matches(mark: &Mark, scene: &Scene<'_, '_>) -> bool {
    (scene.packet.mark & mark.mask == mark.mark) != mark.inverted
}
