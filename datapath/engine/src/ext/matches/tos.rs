//! `-m tos`: compares the TOS byte or the IPv6 traffic class.

use libxt::ext::Families;
use libxt::ext::matches::tos::Tos;

use super::Match;
use crate::ext::{Maker, Scene};

pub(super) const MAKER: Maker<Match> =
    Maker::of::<Tos>(Families::Both, |revision, info, site| Ok(Match::Tos(site.decode(revision, info)?)));

/// As tos_mt().
pub(super) fn matches(tos: &Tos, scene: &Scene<'_, '_>) -> bool {
    (scene.headers.tos & tos.tos.mask == tos.tos.value) != tos.inverted
}
