//! The editing operations, each with libiptc's errno where it refuses.

use super::{Chain, ChainId, CounterMap, Destination, During, Leads, NewRule, Refused, Stored, Table, verdict_number};
use crate::abi::{self, Counters};
use crate::backend::Backend;
use crate::blob::{self, Entry};
use crate::octets;

impl Table {
    /// `-A`.
    pub fn append(&mut self, chain: &str, rule: &NewRule<'_>) -> Result<(), Refused> {
        let id = self.existing(chain, During::Edit)?;
        let stored = self.store(rule, During::Edit)?;
        self.chain_mut(id).rules.push_back(stored);
        Ok(())
    }

    /// `-I`: before rule `number`, counted from 0; one past the last appends.
    pub fn insert(&mut self, chain: &str, rule: &NewRule<'_>, number: usize) -> Result<(), Refused> {
        let id = self.existing(chain, During::Insert)?;
        if number > self.chain(id).rules.len() {
            return Err(Refused::new(During::Insert, libc::E2BIG));
        }
        let stored = self.store(rule, During::Insert)?;
        self.chain_mut(id).rules.insert(number, stored);
        Ok(())
    }

    /// `-R`: rule `number`, counted from 0.
    pub fn replace(&mut self, chain: &str, rule: &NewRule<'_>, number: usize) -> Result<(), Refused> {
        let id = self.existing(chain, During::Replace)?;
        if number >= self.chain(id).rules.len() {
            return Err(Refused::new(During::Replace, libc::E2BIG));
        }
        let stored = self.store(rule, During::Replace)?;
        let old = std::mem::replace(&mut self.chain_mut(id).rules[number], stored);
        self.forget(old);
        Ok(())
    }

    /// `-C`: whether a rule equal in all that is the user's stands in the chain.
    pub fn check(&self, chain: &str, rule: &NewRule<'_>) -> Result<(), Refused> {
        self.position(chain, rule).map(|_| ())
    }

    /// `-D` with a rule: the first that is equal in all that is the user's.
    pub fn delete(&mut self, chain: &str, rule: &NewRule<'_>) -> Result<(), Refused> {
        let (id, number) = self.position(chain, rule)?;
        self.remove(id, number);
        Ok(())
    }

    /// `-D` with a number, counted from 0.
    pub fn delete_number(&mut self, chain: &str, number: usize) -> Result<(), Refused> {
        let id = self.existing(chain, During::DeleteNumber)?;
        if number >= self.chain(id).rules.len() {
            return Err(Refused::new(During::DeleteNumber, libc::E2BIG));
        }
        self.remove(id, number);
        Ok(())
    }

    /// `-F` of one chain.
    pub fn flush(&mut self, chain: &str) -> Result<(), Refused> {
        let id = self.existing(chain, During::Edit)?;
        let rules = std::mem::take(&mut self.chain_mut(id).rules);
        for rule in rules {
            self.forget(rule);
        }
        self.changed = true;
        Ok(())
    }

    /// `-Z` of one chain: its rules' counters and its policy's.
    pub fn zero(&mut self, chain: &str) -> Result<(), Refused> {
        let id = self.existing(chain, During::Edit)?;
        let chain = self.chain_mut(id);
        chain.map = chain.map.zeroed();
        for rule in &mut chain.rules {
            rule.map = rule.map.zeroed();
        }
        self.changed = true;
        Ok(())
    }

    /// `-Z` of one rule, counted from 1 as libiptc does here.
    pub fn zero_number(&mut self, chain: &str, number: usize) -> Result<(), Refused> {
        let id = self.existing(chain, During::Zero)?;
        let index = number.checked_sub(1);
        let Some(rule) = index.and_then(|index| self.chain_mut(id).rules.get_mut(index)) else {
            return Err(Refused::new(During::Zero, libc::E2BIG));
        };
        rule.map = rule.map.zeroed();
        self.changed = true;
        Ok(())
    }

    /// `-N`.
    pub fn create(&mut self, chain: &str) -> Result<(), Refused> {
        let refused = |errno| Refused::new(During::Create, errno);
        if self.find(chain).is_some() || verdict_number(chain).is_some() {
            return Err(refused(libc::EEXIST));
        }
        let len = octets::len(chain);
        if len >= abi::TABLE_NAME_LEN || len >= abi::FUNCTION_NAME_LEN {
            return Err(refused(libc::EINVAL));
        }
        let id = ChainId(u32::try_from(self.chains.len()).map_err(|_| refused(libc::ENOMEM))?);
        self.chains.push(Chain::new(chain, None));
        self.by_name.insert(chain.to_owned(), id);
        self.changed = true;
        Ok(())
    }

    /// `-X` of one chain.
    pub fn delete_chain(&mut self, chain: &str) -> Result<(), Refused> {
        let refused = |errno| Refused::new(During::Edit, errno);
        let id = self.existing(chain, During::Edit)?;
        let found = self.chain(id);
        if found.hook.is_some() {
            return Err(refused(libc::EINVAL));
        }
        if found.references > 0 {
            return Err(refused(libc::EMLINK));
        }
        if !found.rules.is_empty() {
            return Err(refused(libc::ENOTEMPTY));
        }
        // Its place in the list stays behind, empty and without a name: identifiers of other chains keep their meaning.
        self.by_name.remove(chain);
        self.changed = true;
        Ok(())
    }

    /// `-E`.
    pub fn rename(&mut self, chain: &str, new: &str) -> Result<(), Refused> {
        let refused = |errno| Refused::new(During::Edit, errno);
        if self.find(new).is_some() || verdict_number(new).is_some() {
            return Err(refused(libc::EEXIST));
        }
        let id = self.existing(chain, During::Edit)?;
        if self.chain(id).hook.is_some() {
            return Err(refused(libc::ENOENT));
        }
        if octets::len(new) >= abi::FUNCTION_NAME_LEN {
            return Err(refused(libc::EINVAL));
        }
        self.by_name.remove(chain);
        self.by_name.insert(new.to_owned(), id);
        self.chain_mut(id).name = new.to_owned();
        self.changed = true;
        Ok(())
    }

    /// `-P`, and the policy's counters; without counters they start at zero.
    pub fn set_policy(&mut self, chain: &str, policy: &str, counters: Option<Counters>) -> Result<(), Refused> {
        let refused = |errno| Refused::new(During::SetPolicy, errno);
        let id = self.existing(chain, During::SetPolicy)?;
        if self.chain(id).hook.is_none() {
            return Err(refused(libc::ENOENT));
        }
        let verdict = match policy {
            "ACCEPT" => abi::ACCEPT,
            "DROP" => abi::DROP,
            _ => return Err(refused(libc::EINVAL)),
        };
        let chain = self.chain_mut(id);
        chain.verdict = verdict;
        chain.map = match counters {
            Some(counters) => {
                chain.counters = counters;
                CounterMap::Set
            }
            None => CounterMap::Fresh,
        };
        self.changed = true;
        Ok(())
    }

    /// After a commit that came too late: takes the place of the table as it stands now, whose rules all go. Only for a
    /// table that was emptied first, of which nothing old is left but the policies not set since.
    pub fn supersede(&mut self, backend: &mut dyn Backend) -> Result<(), Refused> {
        let fresh = Self::open(backend, &self.name)?;
        for (own, theirs) in self.builtin.clone().into_iter().zip(&fresh.builtin) {
            let (own, theirs) = (self.chain_mut(own), fresh.chain(*theirs));
            if matches!(own.map, CounterMap::Kept(_) | CounterMap::Zeroed(_)) {
                (own.verdict, own.counters, own.map) = (theirs.verdict, theirs.counters, theirs.map);
            }
        }
        self.info = fresh.info;
        Ok(())
    }

    fn existing(&self, chain: &str, during: During) -> Result<ChainId, Refused> {
        self.find(chain).ok_or_else(|| Refused::new(during, libc::ENOENT))
    }

    /// Puts a rule's bytes into the buffer and counts its jump.
    fn store(&mut self, rule: &NewRule<'_>, during: During) -> Result<Stored, Refused> {
        let leads = self.leads(rule.destination, during)?;
        let len = u16::try_from(rule.bytes.len()).map_err(|_| Refused::new(during, libc::EINVAL))?;
        let start = self.bytes.len();
        self.bytes.extend_from_slice(rule.bytes);
        if let Leads::Chain(id) = leads {
            self.chain_mut(id).references += 1;
        }
        self.changed = true;
        Ok(Stored { start, len, leads, map: CounterMap::Set })
    }

    fn leads(&self, destination: Destination<'_>, during: During) -> Result<Leads, Refused> {
        Ok(match destination {
            Destination::Next => Leads::Next,
            Destination::Verdict => Leads::Verdict,
            Destination::Module => Leads::Module,
            Destination::Chain(name) => {
                let id = self.existing(name, during)?;
                if self.chain(id).hook.is_some() {
                    // Nothing may jump to a built-in chain.
                    return Err(Refused::new(during, libc::EINVAL));
                }
                Leads::Chain(id)
            }
        })
    }

    fn remove(&mut self, id: ChainId, number: usize) {
        if let Some(rule) = self.chain_mut(id).rules.remove(number) {
            self.forget(rule);
        }
        self.changed = true;
    }

    fn forget(&mut self, rule: Stored) {
        if let Leads::Chain(id) = rule.leads {
            let chain = self.chain_mut(id);
            chain.references = chain.references.saturating_sub(1);
        }
    }

    fn position(&self, chain: &str, rule: &NewRule<'_>) -> Result<(ChainId, usize), Refused> {
        let refused = |errno| Refused::new(During::DeleteRule, errno);
        let id = self.existing(chain, During::DeleteRule)?;
        let leads = self.leads(rule.destination, During::DeleteRule)?;
        let wanted = blob::entry_at(self.af, rule.bytes, 0).map_err(|_| refused(libc::EINVAL))?;
        let same = |stored: &Stored| {
            usize::from(stored.len) == rule.bytes.len()
                && stored.leads == leads
                && Entry::again(self.af, self.bytes_of(*stored))
                    .is_some_and(|entry| is_same(&entry, &wanted, leads, rule.user_sizes))
        };
        // Upstream looks the target up among the chains first, and then forgets what it was doing.
        let missing = match leads {
            Leads::Next | Leads::Verdict => During::DeleteRule,
            Leads::Chain(_) | Leads::Module => During::Edit,
        };
        let number = self.chain(id).rules.iter().position(same);
        let number = number.ok_or_else(|| Refused::new(missing, libc::ENOENT))?;
        Ok((id, number))
    }
}

impl CounterMap {
    pub(super) fn zeroed(self) -> Self {
        match self {
            Self::Kept(number) => Self::Zeroed(number),
            other => other,
        }
    }
}

/// As `is_same()` with the mask that `make_delete_mask()` builds: header, names, sizes, and the user's info bytes.
fn is_same(entry: &Entry<'_>, wanted: &Entry<'_>, leads: Leads, user_sizes: &[u16]) -> bool {
    if entry.header != wanted.header || entry.offsets.target != wanted.offsets.target {
        return false;
    }
    let mut sizes = user_sizes.iter().copied().map(usize::from);
    let mut user = |info: &[u8]| sizes.next().unwrap_or(usize::MAX).min(info.len());
    let mut others = wanted.matches();
    for ours in entry.matches() {
        let Some(theirs) = others.next() else { return false };
        let end = user(theirs.info);
        if ours.name != theirs.name
            || ours.info.len() != theirs.info.len()
            || ours.info.get(..end) != theirs.info.get(..end)
        {
            return false;
        }
    }
    if others.next().is_some() {
        return false;
    }
    let (ours, theirs) = (entry.target(), wanted.target());
    match leads {
        Leads::Next | Leads::Chain(_) => true,
        Leads::Verdict => entry.verdict() == wanted.verdict(),
        Leads::Module => {
            let end = user(theirs.info);
            ours.name == theirs.name
                && ours.info.len() == theirs.info.len()
                && ours.info.get(..end) == theirs.info.get(..end)
        }
    }
}
