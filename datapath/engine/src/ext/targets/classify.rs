//! `-j CLASSIFY`: sets the packet's priority, by which queueing disciplines put it into a class.

use libxt::ext::Families;
use libxt::ext::targets::classify::Classify;

use super::{Outcome, Target};
use crate::ext::{Maker, Scene, bit};
use crate::packet::Hook;

pub(super) const MAKER: Maker<Target> =
    Maker::of::<Classify>(Families::Both, |revision, info, site| Ok(Target::Classify(site.decode(revision, info)?)))
        .hooks(bit(Hook::Forward) | bit(Hook::Output) | bit(Hook::Postrouting));

/// As classify_tg().
pub(super) fn act(value: &Classify, scene: &mut Scene<'_, '_>) -> Outcome {
    scene.packet.priority = Some(value.priority);
    Outcome::Continue
}
