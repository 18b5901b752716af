//! `-j LOG`: writes a line about the packet and goes on.

use libxt::ext::Families;
use libxt::ext::targets::log::Log;

use super::{Outcome, Target};
use crate::ext::{Maker, Scene};
use crate::log;
use crate::ruleset::Refused;

pub(super) const MAKER: Maker<Target> = Maker::of::<Log>(Families::Both, |revision, info, site| {
    // As log_tg_check().
    let &[level, ..] = info else { return Err(Refused::invalid("LOG: too short")) };
    if level >= 8 {
        return Err(Refused::invalid("LOG: the level is above 7"));
    }
    if info.get(31) != Some(&0) {
        return Err(Refused::invalid("LOG: the prefix does not end"));
    }
    Ok(Target::Log(site.decode(revision, info)?))
});

/// As log_tg().
pub(super) fn act(value: &Log, scene: &mut Scene<'_, '_>) -> Outcome {
    let prefix = value.prefix.as_bytes();
    match std::str::from_utf8(prefix) {
        Ok(prefix) => log::line(scene, value.level, value.flags, format_args!("{prefix}")),
        Err(_) => log::line(scene, value.level, value.flags, format_args!("{}", prefix.escape_ascii())),
    }
    Outcome::Continue
}
