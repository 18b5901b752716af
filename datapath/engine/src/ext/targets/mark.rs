//! `-j MARK`: sets bits of the packet's mark.

use libxt::ext::Families;
use libxt::ext::targets::mark::Mark;

use super::{Outcome, Target};
use crate::ext::{Maker, Scene};

pub(super) const MAKER: Maker<Target> =
    Maker::of::<Mark>(Families::Both, |revision, info, site| Ok(Target::Mark(site.decode(revision, info)?)));

/// As mark_tg().
pub(super) fn act(mark: &Mark, scene: &mut Scene<'_, '_>) -> Outcome {
    scene.packet.mark = scene.packet.mark & !mark.mask ^ mark.mark;
    Outcome::Continue
}
