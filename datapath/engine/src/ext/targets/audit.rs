//! `-j AUDIT`: a record of the packet in the kernel's audit log, handed over to the kernel.

use libxt::ext::Families;
use libxt::ext::targets::audit::Audit;

use super::Target;
use crate::ext::{Maker, handover};
use crate::ruleset::Refused;
use crate::ruleset::refused::errno;

pub(super) const MAKER: Maker<Target> = Maker::of::<Audit>(Families::Both, |revision, info, site| {
    // As audit_tg_check().
    if site.decode::<Audit>(revision, info).is_err() {
        return Err(Refused::new(errno::ERANGE, "AUDIT: an unknown type of record"));
    }
    Ok(Target::Handover(handover::Rule::new("AUDIT", revision, info, 1, false, site)))
});
