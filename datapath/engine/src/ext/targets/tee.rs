//! `-j TEE`: a copy of the packet for another host, handed over to the kernel.

use libxt::ext::Families;
use libxt::ext::targets::tee::Tee;

use super::Target;
use crate::ext::{Maker, handover};
use crate::ruleset::Refused;

pub(super) const MAKER: Maker<Target> = Maker::of::<Tee>(Families::Both, |revision, info, site| {
    let value: Tee = site.decode(revision, info)?;
    // As tee_tg_check().
    if value.gateway == [0; 16] {
        return Err(Refused::invalid("TEE: no gateway"));
    }
    if value.device.0.last().is_none_or(|last| *last != 0) {
        return Err(Refused::invalid("TEE: the device's name does not end"));
    }
    Ok(Target::Handover(handover::Rule::new(handover::TEE, revision, info, KEPT, false, site)))
})
.kept(|_| KEPT);

/// Bytes of struct xt_tee_tginfo before the kernel's own pointer.
const KEPT: usize = 32;
