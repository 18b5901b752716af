//! `-j CT`: says how a packet's connection is to be tracked, or that it is not.

use libxt::ext::Families;
use libxt::ext::targets::ct::Ct;

use super::{Lay, Outcome, Target};
use crate::conntrack::{Template, Tracked};
use crate::ext::{Maker, Scene};
use crate::ruleset::Refused;
use crate::ruleset::refused::errno;

/// `CT --notrack` alone does not start tracking, everything else does.
pub(super) const MAKER: Maker<Target> = Maker::of::<Ct>(Families::Both, |revision, info, site| {
    let value: Ct = site.decode(revision, info)?;
    // As xt_ct_tg_check(). Helpers and the policies of timeouts are looked for when the table is installed.
    if !value.notrack && !value.helper.is_empty() && site.protocol().is_none() {
        return Err(Refused::new(errno::ENOENT, "CT: a helper needs a rule that names a protocol, not inverted"));
    }
    if !value.notrack && !value.timeout.is_empty() && site.protocol().is_none() {
        return Err(Refused::invalid("CT: a timeout policy needs a rule that names a protocol, not inverted"));
    }
    let protocol = site.protocol().unwrap_or(0);
    Ok(Target::Ct(Box::new(Lay { value, helper: None, protocol, timeouts: None })))
})
.table("raw")
.kept(|revision| if revision == 0 { 32 } else { 64 })
.tracks();

/// As xt_ct_target(): a packet that is known already stays what it is.
pub(super) fn act(Lay { value, helper, timeouts, .. }: &Lay, scene: &mut Scene<'_, '_>) -> Outcome {
    if scene.tracked != Tracked::Unseen || scene.template.is_some() || scene.orphaned {
        return Outcome::Continue;
    }
    if value.notrack {
        scene.tracked = Tracked::Untracked;
        return Outcome::Continue;
    }
    let zone = if value.zone.from_mark { scene.packet.mark as u16 } else { value.zone.id };
    let both = value.zone.original == value.zone.reply;
    let zones = [if both || value.zone.original { zone } else { 0 }, if both || value.zone.reply { zone } else { 0 }];
    let events = (value.events != 0).then_some(value.events as u16);
    let expect_events = (value.expectation_events != 0).then_some(value.expectation_events as u16);
    scene.template =
        Some(Template { zones, events, expect_events, helper: *helper, timeouts: *timeouts, proxied: false });
    Outcome::Continue
}
