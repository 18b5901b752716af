//! `-j CONNSECMARK`: the security module's mark from packet to connection or back. Where there is no such module nothing has a
//! mark, and the rule has the packets tracked and counted.

use libxt::ext::Families;
use libxt::ext::targets::connsecmark::Connsecmark;

use super::Target;
use crate::ext::Maker;
use crate::ruleset::Refused;

pub(super) const MAKER: Maker<Target> = Maker::of::<Connsecmark>(Families::Both, |revision, info, site| {
    // As connsecmark_tg_check().
    if !["mangle", "security"].contains(&site.table) {
        return Err(Refused::invalid("CONNSECMARK: may stand only in the tables mangle and security"));
    }
    site.decode::<Connsecmark>(revision, info)?;
    Ok(Target::Connsecmark)
})
.tracks();
