//! `-j DSCP`: sets the differentiated services code point.

use libxt::ext::Families;
use libxt::ext::targets::dscp::Dscp;
use libxt::value::dscp;

use super::{Outcome, Target, tos};
use crate::ext::{Maker, Scene};
use crate::ruleset::Refused;
use crate::ruleset::refused::errno;

pub(super) const MAKER: Maker<Target> = Maker::of::<Dscp>(Families::Both, |revision, info, site| {
    let value: Dscp = site.decode(revision, info)?;
    if value.dscp > dscp::MAX {
        return Err(Refused::new(errno::EDOM, "DSCP: the code point is more than 63"));
    }
    Ok(Target::Dscp(value))
})
.table("mangle");

/// As dscp_tg() and dscp_tg6(): the two ECN bits stay.
pub(super) fn act(value: &Dscp, scene: &mut Scene<'_, '_>) -> Outcome {
    let ecn = scene.headers.tos & 3;
    tos::rewrite(scene, value.dscp << 2 | ecn);
    Outcome::Continue
}
