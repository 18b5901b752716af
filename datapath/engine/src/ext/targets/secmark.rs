//! `-j SECMARK`: a security module's mark. Without such a module the kernel refuses every rule; with one no verdict could give
//! packets the mark, so all are refused here.

use libxt::ext::Families;
use libxt::ext::targets::secmark::Secmark;

use super::Target;
use crate::ext::Maker;
use crate::ruleset::Refused;
use crate::ruleset::refused::errno;

pub(super) const MAKER: Maker<Target> = Maker::of::<Secmark>(Families::Both, |revision, info, site| {
    // As secmark_tg_check() and checkentry_lsm().
    if !["mangle", "security"].contains(&site.table) {
        return Err(Refused::invalid("SECMARK: may stand only in the tables mangle and security"));
    }
    site.decode::<Secmark>(revision, info)?;
    Err(Refused::new(errno::ENOENT, "SECMARK: the datapath cannot give a packet the security module's mark"))
});
