//! `-m connmark`: compares the connection's mark.

use libxt::ext::Families;
use libxt::ext::matches::connmark::Connmark;

use super::Match;
use crate::ext::{Maker, Scene};

pub(super) const MAKER: Maker<Match> =
    Maker::of::<Connmark>(Families::Both, |revision, info, site| Ok(Match::Connmark(site.decode(revision, info)?)))
        .tracks();

/// As connmark_mt().
pub(super) fn matches(value: &Connmark, scene: &Scene<'_, '_>) -> bool {
    let mark = match scene.connection() {
        Some((connection, _)) => connection.mark(),
        // A template has no mark.
        None if scene.has_template() => 0,
        None => return false,
    };
    (mark & value.mask == value.mark) != value.inverted
}
