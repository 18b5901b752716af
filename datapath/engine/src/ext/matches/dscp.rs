//! `-m dscp`: compares the differentiated services code point.

use libxt::ext::Families;
use libxt::ext::matches::dscp::Dscp;
use libxt::value::dscp;

use super::Match;
use crate::ext::{Maker, Scene};
use crate::ruleset::Refused;
use crate::ruleset::refused::errno;

pub(super) const MAKER: Maker<Match> = Maker::of::<Dscp>(Families::Both, |revision, info, site| {
    let value: Dscp = site.decode(revision, info)?;
    if value.dscp > dscp::MAX {
        return Err(Refused::new(errno::EDOM, "dscp: the code point is more than 63"));
    }
    Ok(Match::Dscp(value))
});

/// As dscp_mt().
pub(super) fn matches(value: &Dscp, scene: &Scene<'_, '_>) -> bool {
    (scene.headers.tos >> 2 == value.dscp) != value.inverted
}
