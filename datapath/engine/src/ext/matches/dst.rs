//! `-m dst`: the IPv6 destination options header.

use libxt::ext::Families;
use libxt::ext::matches::options_header::Dst;

use super::{Match, hbh};
use crate::ext::Maker;

pub(super) const MAKER: Maker<Match> = Maker::of::<Dst>(Families::V6, |revision, info, site| {
    let Dst(value) = site.decode(revision, info)?;
    Ok(Match::Dst(Box::new(hbh::check(value, info)?)))
});
