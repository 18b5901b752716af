//! `-m nfacct`: counts the packet in a counter of the kernel's, and matches always, or if it has a quota, once that is used up.

use libxt::ext::Families;
use libxt::ext::matches::nfacct::Nfacct;
use libxt::value::text::Text;

use super::Match;
use crate::ext::handover::{self, COUNTER};
use crate::ext::probe::{self, Kind};
use crate::ext::stores::Stores;
use crate::ext::{Maker, Scene};
use crate::ruleset::Refused;

/// A rule with the match.
#[derive(Debug)]
pub struct Rule {
    name: Text<32>,
    /// Behind all tables, as long as there is no quota.
    counting: handover::Rule,
    /// At once, since the quota makes the answer.
    pub(super) judging: probe::Rule,
}

/// Whether there is such a counter, and whether it has a quota, is asked where tables are loaded.
pub(super) const MAKER: Maker<Match> = Maker::of::<Nfacct>(Families::Both, |revision, info, site| {
    let value: Nfacct = site.decode(revision, info)?;
    Ok(Match::Nfacct(Box::new(Rule {
        name: value.name,
        counting: handover::Rule::new(COUNTER, revision, info, KEPT, false, site),
        judging: probe::Rule::new(Kind::Match, COUNTER, revision, info, KEPT, site),
    })))
})
.kept(|_| KEPT);

impl Rule {
    /// The counter's name.
    pub(super) fn name(&self) -> &[u8] {
        self.name.as_bytes()
    }

    pub(super) fn open(&mut self, stores: &mut Stores) -> Result<(), Refused> {
        if self.judging.is_wanted() { self.judging.open(stores) } else { self.counting.open(stores) }
    }
}

/// As nfacct_mt().
pub(super) fn matches(rule: &Rule, scene: &mut Scene<'_, '_>) -> bool {
    if rule.judging.is_wanted() { probe::ask(&rule.judging, scene) } else { handover::count(&rule.counting, scene) }
}

/// Bytes before the kernel's own.
const KEPT: usize = 32;
