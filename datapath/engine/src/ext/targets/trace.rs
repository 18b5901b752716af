//! `-j TRACE`: from here on every rule the packet matches is logged.

use libxt::ext::Families;
use libxt::ext::targets::trace::Trace;

use super::{Outcome, Target};
use crate::ext::{Maker, Scene};

pub(super) const MAKER: Maker<Target> = Maker::of::<Trace>(Families::Both, |_, _, _| Ok(Target::Trace)).table("raw");

/// As trace_tg().
pub(super) fn act(scene: &mut Scene<'_, '_>) -> Outcome {
    scene.traced = true;
    Outcome::Continue
}
