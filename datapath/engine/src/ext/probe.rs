//! Rules that only the kernel itself can judge, of a packet as it stands before the rule: conditions on counters of a set's
//! entry, sets of networks that grow, counters with a quota.
//!
//! The kernel is sent a packet that looks like the one at hand as far as these ask, meets its own match or target there, and
//! never arrives; what became of it is the answer.

use libxt::family::Af;

use super::stores::Stores;
use super::{Scene, Site};
use crate::host::{Likeness, Mapped};
use crate::ruleset::Refused;
use crate::ruleset::refused::errno;

/// One of the kernel's matches or targets with its info.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// The family.
    pub af: Af,
    /// What it is.
    pub kind: Kind,
    /// Its name.
    pub name: &'static str,
    /// Its revision.
    pub revision: u8,
    /// The info, with the kernel's own fields zero.
    pub info: Vec<u8>,
}

/// Which of both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A match, which answers.
    Match,
    /// A target, which does something.
    Target,
    /// A target that gives the packet a mark or a priority, and stands in the table `mangle` alone.
    Mapping,
}

/// A rule's use of it, if it cannot do without.
#[derive(Debug)]
pub struct Rule {
    probe: Probe,
    wanted: bool,
    index: Option<usize>,
}

impl Rule {
    /// A rule with this match or target, of whose info the kernel keeps what follows `kept` bytes for itself.
    pub(crate) fn new(kind: Kind, name: &'static str, revision: u8, info: &[u8], kept: usize, site: &Site<'_>) -> Self {
        let mut info = info.to_vec();
        if let Some(tail) = info.get_mut(kept..) {
            tail.fill(0);
        }
        Self { probe: Probe { af: site.af, kind, name, revision, info }, wanted: false, index: None }
    }

    /// The rule is left to the kernel.
    pub(crate) fn want(&mut self) {
        self.wanted = true;
    }

    /// Whether it is left to the kernel.
    pub(crate) fn is_wanted(&self) -> bool {
        self.wanted
    }

    /// What the kernel is to judge.
    pub(crate) fn probe(&self) -> Option<&Probe> {
        Some(&self.probe).filter(|_| self.wanted)
    }

    /// Its number, once the kernel is ready.
    fn ready(&self, scene: &Scene<'_, '_>) -> Option<u8> {
        let ready = |index: &usize| scene.stores.probing.get(*index).copied().unwrap_or(false);
        self.index.filter(ready).and_then(number)
    }

    /// Finds or takes a number.
    pub(crate) fn open(&mut self, stores: &mut Stores) -> Result<(), Refused> {
        if !self.wanted {
            return Ok(());
        }
        let known = self.index.filter(|index| stores.probes.name(*index));
        let index = match known.or_else(|| stores.probes.position(|probe| *probe == self.probe)) {
            Some(index) => {
                stores.probes.name(index);
                index
            }
            None => {
                let index = stores.probes.put(self.probe.clone());
                // It may have been another's.
                if let Some(ready) = stores.probing.get_mut(index) {
                    *ready = false;
                }
                index
            }
        };
        self.index = Some(index);
        number(index).map(drop).ok_or(TOO_MANY)
    }
}

/// Has the kernel judge the packet as it stands; what a target does has no answer.
pub(crate) fn ask(rule: &Rule, scene: &Scene<'_, '_>) -> bool {
    rule.ready(scene).is_some_and(|number| scene.host.probe(number, &likeness(scene)))
}

/// Has the kernel say what a target of its would make of the packet.
pub(crate) fn map(rule: &Rule, scene: &Scene<'_, '_>) -> Option<Mapped> {
    scene.host.map(rule.ready(scene)?, &likeness(scene))
}

fn likeness<'a>(scene: &'a Scene<'_, '_>) -> Likeness<'a> {
    let bytes = scene.packet.data.bytes();
    let shown = scene.headers.transport.saturating_add(SHOWN).min(bytes.len());
    let head = bytes.get(..shown).unwrap_or_default();
    let device = scene.packet.in_device.or(scene.packet.out_device);
    Likeness { af: scene.headers.af, head, length: bytes.len(), mark: scene.packet.mark, device }
}

/// The number of a place.
pub(crate) fn number(index: usize) -> Option<u8> {
    u8::try_from(index.checked_add(1)?).ok()
}

/// Ports, or type and code of ICMP: what sets ask of the transport header.
const SHOWN: usize = 4;

const TOO_MANY: Refused = Refused::new(
    errno::ENOSPC,
    "no more than 255 different rules can be left to the kernel (set with counters, SET into networks or with --map-set, nfacct with a quota)",
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_rules_share_a_number_and_what_is_not_left_to_the_kernel_has_none() {
        let mut stores = Stores::new([0; 16]);
        let rule = |info: u8| {
            let probe = Probe { af: Af::V4, kind: Kind::Match, name: "set", revision: 4, info: vec![info] };
            Rule { probe, wanted: info != 0, index: None }
        };
        let (mut none, mut first, mut second) = (rule(0), rule(1), rule(1));
        for rule in [&mut none, &mut first, &mut second] {
            rule.open(&mut stores).unwrap();
        }
        assert_eq!((none.index, first.index, second.index), (None, Some(0), Some(0)));
        for info in 2..=255 {
            rule(info).open(&mut stores).unwrap();
        }
        let mut more = rule(1);
        more.probe.revision = 3;
        assert_eq!(more.open(&mut stores).unwrap_err().errno, errno::ENOSPC);
    }
}
