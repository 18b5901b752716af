//! `-j IDLETIMER`: winds a timer of the kernel's up again, handed over to the kernel.

use libxt::ext::Families;
use libxt::ext::targets::idletimer::Idletimer;

use super::Target;
use crate::ext::{Maker, handover};
use crate::ruleset::Refused;
use crate::ruleset::refused::errno;

pub(super) const MAKER: Maker<Target> = Maker::of::<Idletimer>(Families::Both, |revision, info, site| {
    let value: Idletimer = site.decode(revision, info)?;
    // As idletimer_tg_helper() and idletimer_tg_checkentry_v1().
    if value.timeout == 0 {
        return Err(Refused::invalid("IDLETIMER: no time at all"));
    }
    if value.timeout >= i32::MAX as u32 / 1000 {
        return Err(Refused::invalid("IDLETIMER: a time beyond any timer's"));
    }
    if value.label.0[0] == 0 || value.label.0.last().is_none_or(|last| *last != 0) {
        return Err(Refused::invalid("IDLETIMER: the label is empty or does not end"));
    }
    let own = |at: usize| info.get(at).copied().unwrap_or(0);
    if revision == 1 && own(SEND_MESSAGE) != 0 {
        return Err(Refused::new(errno::EOPNOTSUPP, "IDLETIMER: nobody sends messages"));
    }
    if revision == 1 && own(handover::TIMER_TYPE) > 1 {
        return Err(Refused::invalid("IDLETIMER: an unknown type of timer"));
    }
    let name = value.label.as_bytes();
    // As idletimer_check_sysfs_name(), and sysfs itself.
    if [&b"power"[..], b"subsystem", b"uevent"].contains(&name) || name.contains(&b'/') {
        return Err(Refused::invalid("IDLETIMER: no file of sysfs can have this name"));
    }
    Ok(Target::Handover(handover::Rule::new(handover::TIMER, revision, info, kept(revision), false, site)))
})
.kept(kept);

/// Bytes of struct idletimer_tg_info and struct idletimer_tg_info_v1 before the kernel's own pointer.
const fn kept(revision: u8) -> usize {
    if revision == 0 { 32 } else { 40 }
}

/// Where struct idletimer_tg_info_v1 has it.
const SEND_MESSAGE: usize = 32;
