//! `-j DNAT`: translates the destination of a connection.

use libxt::ext::Families;
use libxt::ext::targets::dnat::Dnat;

use super::{Outcome, Target};
use crate::conntrack::Tracked;
use crate::ext::{Maker, Scene, bit};
use crate::nat::{self, Manip};
use crate::packet::Hook;

pub(super) const MAKER: Maker<Target> = Maker::of::<Dnat>(Families::Both, |revision, info, site| {
    super::check_single_range(revision, info, site)?;
    let value: Dnat = site.decode(revision, info)?;
    Ok(Target::Dnat((&value.range).into()))
})
.table("nat")
.hooks(bit(Hook::Prerouting) | bit(Hook::Output))
.tracks();

/// As xt_dnat_target_v2().
pub(super) fn act(range: &nat::Range, scene: &mut Scene<'_, '_>) -> Outcome {
    let Tracked::Of { id, .. } = scene.tracked else { return Outcome::Continue };
    Outcome::Verdict(nat::setup(scene.tracker, id, range, Manip::Destination, scene.now))
}
