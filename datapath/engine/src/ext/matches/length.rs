//! `-m length`: how long the packet is, network header included.

use libxt::ext::Families;
use libxt::ext::matches::length::Length;

use super::Match;
use crate::ext::{Maker, Scene};

pub(super) const MAKER: Maker<Match> =
    Maker::of::<Length>(Families::Both, |revision, info, site| Ok(Match::Length(site.decode(revision, info)?)));

/// As length_mt() and length_mt6().
pub(super) fn matches(length: &Length, scene: &Scene<'_, '_>) -> bool {
    (usize::from(length.min)..=usize::from(length.max)).contains(&scene.headers.end) != length.inverted
}
