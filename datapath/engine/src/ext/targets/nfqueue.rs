//! `-j NFQUEUE`: the packet for another program, handed over to the kernel once our own tables are through with it.

use libxt::ext::Families;
use libxt::ext::targets::nfqueue::Nfqueue;

use super::Target;
use crate::ext::{Maker, handover};
use crate::ruleset::Refused;
use crate::ruleset::refused::errno;

pub(super) const MAKER: Maker<Target> = Maker::of::<Nfqueue>(Families::Both, |revision, info, site| {
    let value: Nfqueue = site.decode(revision, info)?;
    // As nfqueue_tg_check().
    if value.total == 0 {
        return Err(Refused::invalid("NFQUEUE: no queue at all"));
    }
    if u32::from(value.queue) + u32::from(value.total) - 1 > u32::from(u16::MAX) {
        return Err(Refused::new(errno::ERANGE, "NFQUEUE: a queue beyond the last"));
    }
    let flags = match revision {
        2 | 3 => info.get(4..6).map_or(0, |flags| u16::from_ne_bytes([flags[0], flags[1]])),
        _ => 0,
    };
    if flags > if revision == 2 { 1 } else { 3 } {
        return Err(Refused::invalid("NFQUEUE: an unknown flag"));
    }
    Ok(Target::Handover(handover::Rule::new(handover::QUEUE, revision, info, info.len(), true, site)))
});
