//! `-j SET`: puts what the packet says into a set of ipset, or takes it out.

use libxt::ext::Families;
use libxt::ext::targets::set::Set;
use libxt::value::ipset::Lookup;

use super::{Outcome, Target};
use crate::ext::matches::set::{check_dimensions, element};
use crate::ext::{Maker, Scene};
use crate::host::SetAct;
use crate::ruleset::Refused;
use crate::ruleset::refused::errno;

/// Whether there are such sets is asked where tables are loaded, see [`SetUse`](crate::ruleset::SetUse).
pub(super) const MAKER: Maker<Target> = Maker::of::<Set>(Families::Both, |revision, info, site| {
    check_dimensions(revision, info, 0)?;
    check_dimensions(revision, info, size_of::<u32>())?;
    let value: Set = site.decode(revision, info)?;
    if value.map.is_some() {
        return Err(Refused::new(errno::EOPNOTSUPP, "SET: the kernel tells nobody what an entry maps to"));
    }
    Ok(Target::Set(Box::new(value)))
});

/// As set_target_v3().
pub(super) fn act(value: &Set, scene: &Scene<'_, '_>) -> Outcome {
    let apply = |lookup: &Lookup, act| {
        if lookup.is_some() {
            scene.host.set(lookup.index, act, &element(lookup, scene));
        }
    };
    let timeout = Some(value.timeout).filter(|seconds| *seconds != u32::MAX).map(|seconds| seconds.min(LONGEST));
    apply(&value.add, SetAct::Add { exist: value.exist, timeout });
    apply(&value.delete, SetAct::Delete);
    Outcome::Continue
}

/// `IPSET_MAX_TIMEOUT` in seconds.
const LONGEST: u32 = (u32::MAX >> 1) / 1000;
