//! `-j SET`: puts what the packet says into a set of ipset, takes it out, or takes a mark and a priority from there.

use libxt::ext::targets::set::Set;
use libxt::ext::{Extension, Families};
use libxt::value::ipset::Lookup;

use super::{Outcome, Target};
use crate::ext::matches::set::{check_dimensions, element};
use crate::ext::probe::{self, Kind};
use crate::ext::{Maker, Scene, Site, bit};
use crate::host::SetAct;
use crate::packet::Hook;
use crate::ruleset::refused::errno;
use crate::ruleset::{Refused, SetUse};

/// A rule with the target.
#[derive(Debug)]
pub struct Rule {
    value: Set,
    /// What only the kernel can do: choose the network of an address, count in a set of sets, say what an entry maps to.
    pub(super) probe: probe::Rule,
}

/// Whether there are such sets is asked where tables are loaded, see [`SetUse`].
pub(super) const MAKER: Maker<Target> = Maker::of::<Set>(Families::Both, |revision, info, site| {
    check_dimensions(revision, info, 0)?;
    check_dimensions(revision, info, size_of::<u32>())?;
    let value: Set = site.decode(revision, info)?;
    if value.map.is_some() {
        check_mapping(&value, site)?;
    }
    let kind = if value.map.is_some() { Kind::Mapping } else { Kind::Target };
    let mut probe = probe::Rule::new(kind, Set::NAME, revision, info, info.len(), site);
    if kind == Kind::Mapping {
        probe.want();
    }
    Ok(Target::Set(Box::new(Rule { value, probe })))
});

/// As set_target_v3_checkentry(). A transmit queue is nothing that a verdict could give.
fn check_mapping(value: &Set, site: &Site<'_>) -> Result<(), Refused> {
    if site.table != "mangle" {
        return Err(Refused::invalid("SET: --map-set belongs into the table mangle"));
    }
    let leaving = bit(Hook::Forward) | bit(Hook::Output) | bit(Hook::Postrouting);
    if (value.map_priority || value.map_queue) && site.hooks & !leaving != 0 {
        return Err(Refused::invalid("SET: --map-prio and --map-queue belong into FORWARD, OUTPUT and POSTROUTING"));
    }
    if value.map_queue {
        return Err(Refused::new(errno::EOPNOTSUPP, "SET: no verdict gives a packet a transmit queue"));
    }
    Ok(())
}

impl Rule {
    /// The sets it changes, and the one it takes marks from.
    pub(super) fn sets(&self) -> impl Iterator<Item = SetUse> {
        let named = [(self.value.add, true), (self.value.delete, true), (self.value.map, false)];
        let named = named.into_iter().filter(|(lookup, _)| lookup.is_some());
        named.map(|(lookup, changes)| SetUse { index: lookup.index, changes, reads: !changes })
    }
}

/// As set_target_v3().
pub(super) fn act(rule: &Rule, scene: &mut Scene<'_, '_>) -> Outcome {
    if rule.value.map.is_some() {
        if let Some(mapped) = probe::map(&rule.probe, scene) {
            scene.packet.mark = mapped.mark;
            scene.packet.priority = mapped.priority.or(scene.packet.priority);
        }
        return Outcome::Continue;
    }
    if rule.probe.is_wanted() {
        probe::ask(&rule.probe, scene);
        return Outcome::Continue;
    }
    let value = &rule.value;
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
