//! `-j SNAT`: translates the source of a connection.

use libxt::ext::Families;
use libxt::ext::targets::snat::Snat;

use super::{Outcome, Target};
use crate::conntrack::Tracked;
use crate::ext::{Maker, Scene, bit};
use crate::nat::{self, Manip};
use crate::packet::Hook;

pub(super) const MAKER: Maker<Target> = Maker::of::<Snat>(Families::Both, |revision, info, site| {
    super::check_single_range(revision, info, site)?;
    let value: Snat = site.decode(revision, info)?;
    Ok(Target::Snat((&value.range).into()))
})
.table("nat")
.hooks(bit(Hook::Postrouting) | bit(Hook::Input))
.tracks();

/// As xt_snat_target_v2().
pub(super) fn act(range: &nat::Range, scene: &mut Scene<'_, '_>) -> Outcome {
    let Tracked::Of { id, .. } = scene.tracked else { return Outcome::Continue };
    Outcome::Verdict(nat::setup(scene.tracker, id, range, Manip::Source, scene.now))
}
