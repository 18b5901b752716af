//! `-j DNPT`: rewrites the prefix of the destination address, without state (RFC 6296).

use libxt::ext::Families;
use libxt::ext::targets::npt::{Dnpt, Npt};

use super::snpt::{End, Mapping};
use super::{Outcome, Target};
use crate::ext::{Maker, Scene, bit};
use crate::packet::Hook;

pub(super) const MAKER: Maker<Target> = Maker::of::<Dnpt>(Families::V6, |revision, info, site| {
    let Npt(prefixes): Dnpt = site.decode(revision, info)?;
    Ok(Target::Dnpt(Box::new(Mapping::new(&prefixes)?)))
})
.table("mangle")
.hooks(bit(Hook::Prerouting) | bit(Hook::Output))
.kept(|_| 34);

/// As ip6t_dnpt_tg().
pub(super) fn act(mapping: &Mapping, scene: &mut Scene<'_, '_>) -> Outcome {
    mapping.rewrite(End::Destination, scene)
}
