//! `-j NFLOG`: a copy of the packet for the programs that listen to a log group, handed over to the kernel.

use libxt::ext::Families;
use libxt::ext::targets::nflog::Nflog;

use super::Target;
use crate::ext::{Maker, handover};
use crate::ruleset::Refused;

pub(super) const MAKER: Maker<Target> = Maker::of::<Nflog>(Families::Both, |revision, info, site| {
    let value: Nflog = site.decode(revision, info)?;
    // As nflog_tg_check().
    if info.get(FLAGS).is_none_or(|flags| flags & !1 != 0) || info.get(FLAGS + 1).is_none_or(|flags| *flags != 0) {
        return Err(Refused::invalid("NFLOG: an unknown flag"));
    }
    if value.prefix.0.last().is_none_or(|last| *last != 0) {
        return Err(Refused::invalid("NFLOG: the prefix does not end"));
    }
    Ok(Target::Handover(handover::Rule::new("NFLOG", revision, info, info.len(), false, site)))
});

/// Where the flags stand in struct xt_nflog_info.
const FLAGS: usize = 8;
