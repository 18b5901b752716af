//! `-m devgroup`: the groups of the devices that a packet comes in and goes out by.

use libxt::ext::Families;
use libxt::ext::matches::devgroup::Devgroup;
use libxt::value::condition::Condition;
use libxt::value::mark::Masked;

use super::Match;
use crate::ext::{Maker, Scene, bit};
use crate::packet::{Device, Hook};
use crate::ruleset::Refused;

pub(super) const MAKER: Maker<Match> = Maker::of::<Devgroup>(Families::Both, |revision, info, site| {
    let value: Devgroup = site.decode(revision, info)?;
    // As devgroup_mt_checkentry().
    let flags = info.first_chunk().map_or(0, |flags| u32::from_ne_bytes(*flags));
    if flags & !0x0f != 0 {
        return Err(Refused::invalid("devgroup: an unknown condition"));
    }
    let only = |hooks: &[Hook]| site.hooks & !hooks.iter().fold(0, |all, hook| all | bit(*hook)) == 0;
    if value.source.is_some() && !only(&[Hook::Prerouting, Hook::Input, Hook::Forward]) {
        return Err(Refused::invalid("devgroup: --src-group needs a hook with an input device"));
    }
    if value.destination.is_some() && !only(&[Hook::Forward, Hook::Output, Hook::Postrouting]) {
        return Err(Refused::invalid("devgroup: --dst-group needs a hook with an output device"));
    }
    Ok(Match::Devgroup(value))
});

/// As devgroup_mt().
pub(super) fn matches(value: &Devgroup, scene: &Scene<'_, '_>) -> bool {
    holds(&value.source, scene.packet.in_device) && holds(&value.destination, scene.packet.out_device)
}

fn holds(asked: &Option<Condition<Masked>>, device: Option<&Device>) -> bool {
    asked.as_ref().is_none_or(|asked| {
        let group = device.map_or(0, |device| device.group);
        asked.holds((group ^ asked.value.value) & asked.value.mask == 0)
    })
}
