//! From chains and rules to the blob, and the counters back into place (`TC_COMMIT` of libiptc).

use zerocopy::IntoBytes;

use super::{CounterMap, During, Leads, Refused, Stored, Table};
use crate::abi::{self, Counters, CountersInfo, ErrorTarget, Offsets, Replace, StandardTarget, TargetHead};
use crate::backend::Backend;
use crate::value::header::Header;

impl Table {
    /// Writes the table back if it was changed. The old table's counters are added to the new one's afterwards, so
    /// that packets counted between reading and writing are not lost.
    ///
    /// # Errors
    /// `EAGAIN` ([`Refused::is_stale`]) if somebody else changed the table since it was read: nothing was written. The
    /// kernel itself notices another number of entries only; that the number is the same and the layout is not, is
    /// asked for before. A change within one layout by somebody who does not take the lock cannot be seen.
    pub fn commit(&self, backend: &mut dyn Backend) -> Result<(), Refused> {
        if !self.changed {
            return Ok(());
        }
        if Self::info(backend, &self.name)? != self.info {
            return Err(Refused::new(During::Commit, libc::EAGAIN));
        }
        let plan = self.plan().ok_or_else(|| Refused::new(During::Commit, libc::ENOMEM))?;
        let mut blob = self.blob(&plan).ok_or_else(|| Refused::new(During::Commit, libc::ENOMEM))?;
        let mut old = vec![Counters::default(); self.info.num_entries as usize];
        if let Err(error) = backend.replace(&mut blob, &mut old) {
            return Err(Refused::from_io(During::Commit, &error, backend.reason()));
        }
        drop(blob);
        let counters = self.counters(&plan, &old).ok_or_else(|| Refused::new(During::Commit, libc::ENOMEM))?;
        match backend.add_counters(&counters) {
            Ok(()) => Ok(()),
            // The next one has put a table of another length in already: this one stood, and there is nothing left to
            // add to. (libiptc tells of a failure here, and its caller might try again what is done.)
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => Ok(()),
            Err(error) => Err(Refused::from_io(During::Commit, &error, backend.reason())),
        }
    }

    /// `struct ipt_replace` with its entries, as the next [`Table::commit`] would send it.
    pub fn to_blob(&self) -> Option<Vec<u8>> {
        self.blob(&self.plan()?)
    }

    /// Where every chain will stand.
    fn plan(&self) -> Option<Plan> {
        let mut plan = Plan { starts: vec![0; self.chains.len()], entries: 0, size: 0 };
        for id in self.chains() {
            let chain = self.chain(id);
            if chain.hook.is_none() {
                plan.entries += 1;
                plan.size = plan.size.checked_add(self.head_len())?;
            }
            *plan.starts.get_mut(id.0 as usize)? = plan.size;
            for rule in &chain.rules {
                plan.size = plan.size.checked_add(usize::from(rule.len))?;
            }
            plan.entries += chain.rules.len() + 1;
            plan.size = plan.size.checked_add(self.foot_len())?;
        }
        plan.entries += 1;
        plan.size = plan.size.checked_add(self.head_len())?;
        Some(plan)
    }

    fn blob(&self, plan: &Plan) -> Option<Vec<u8>> {
        let head = size_of::<Replace>();
        let mut replace = Replace {
            name: abi::name_field(&self.name)?,
            valid_hooks: self.info.valid_hooks,
            num_entries: u32::try_from(plan.entries).ok()?,
            size: u32::try_from(plan.size).ok()?,
            num_counters: self.info.num_entries,
            ..Replace::default()
        };
        let mut blob = Vec::with_capacity(head.checked_add(plan.size)?);
        blob.resize(head, 0);
        for id in self.chains() {
            let chain = self.chain(id);
            match chain.hook {
                None => self.push_error(&mut blob, &chain.name)?,
                Some(hook) => *replace.hook_entry.get_mut(hook)? = u32::try_from(blob.len() - head).ok()?,
            }
            for &rule in &chain.rules {
                self.push_rule(&mut blob, rule, plan, head)?;
            }
            let (verdict, counters) = match chain.hook {
                Some(hook) => {
                    *replace.underflow.get_mut(hook)? = u32::try_from(blob.len() - head).ok()?;
                    (chain.verdict, chain.counters)
                }
                None => (abi::RETURN, chain.counters),
            };
            self.push_foot(&mut blob, verdict, counters)?;
        }
        self.push_error(&mut blob, abi::ERROR_TARGET)?;
        blob.get_mut(..head)?.copy_from_slice(replace.as_bytes());
        Some(blob)
    }

    fn push_rule(&self, blob: &mut Vec<u8>, rule: Stored, plan: &Plan, head: usize) -> Option<()> {
        let start = blob.len();
        blob.extend_from_slice(self.bytes_of(rule));
        let goal = match rule.leads {
            Leads::Verdict | Leads::Module => return Some(()),
            Leads::Next => blob.len() - head,
            Leads::Chain(id) => *plan.starts.get(id.0 as usize)?,
        };
        let verdict_from_end = size_of::<StandardTarget>() - size_of::<TargetHead>();
        let at = blob.len().checked_sub(verdict_from_end).filter(|&at| at >= start)?;
        blob.get_mut(at..at + 4)?.copy_from_slice(&i32::try_from(goal).ok()?.to_ne_bytes());
        Some(())
    }

    /// The entry before a user chain, or the one at the end of the table.
    fn push_error(&self, blob: &mut Vec<u8>, name: &str) -> Option<()> {
        let size = size_of::<ErrorTarget>();
        let head =
            TargetHead { size: u16::try_from(size).ok()?, name: abi::name_field(abi::ERROR_TARGET)?, revision: 0 };
        let target = ErrorTarget { head, errorname: abi::name_field(name)?, pad: [0; 2] };
        self.push_entry(blob, Counters::default(), target.as_bytes())
    }

    /// The entry at the end of a chain: a policy, or the return from a user chain.
    fn push_foot(&self, blob: &mut Vec<u8>, verdict: i32, counters: Counters) -> Option<()> {
        let size = u16::try_from(size_of::<StandardTarget>()).ok()?;
        let head = TargetHead { size, ..TargetHead::default() };
        self.push_entry(blob, counters, StandardTarget { head, verdict, pad: 0 }.as_bytes())
    }

    fn push_entry(&self, blob: &mut Vec<u8>, counters: Counters, target: &[u8]) -> Option<()> {
        let (start, entry_len) = (blob.len(), abi::entry_len(self.af));
        let offsets = Offsets {
            target: u16::try_from(entry_len).ok()?,
            next: u16::try_from(entry_len + target.len()).ok()?,
            counters,
            ..Offsets::default()
        };
        blob.resize(start + entry_len, 0);
        abi::write_entry(self.af, &Header::any(self.af), &offsets, blob.get_mut(start..)?)?;
        blob.extend_from_slice(target);
        Some(())
    }

    /// `struct xt_counters_info` with what every entry of the new table starts from.
    fn counters(&self, plan: &Plan, old: &[Counters]) -> Option<Vec<u8>> {
        let info = CountersInfo {
            name: abi::name_field(&self.name)?,
            num_counters: u32::try_from(plan.entries).ok()?,
            pad: 0,
        };
        let mut blob = info.as_bytes().to_vec();
        blob.reserve(plan.entries.checked_mul(size_of::<Counters>())?);
        for id in self.chains() {
            let chain = self.chain(id);
            if chain.hook.is_none() {
                blob.extend_from_slice(Counters::default().as_bytes());
            }
            for &rule in &chain.rules {
                let own = |bytes: &[u8]| abi::read_entry(self.af, bytes).map(|(_, offsets)| offsets.counters);
                let counters = rule.map.resolve(old, || own(self.bytes_of(rule)).unwrap_or_default());
                blob.extend_from_slice(counters.as_bytes());
            }
            let policy = match chain.hook {
                Some(_) => chain.map.resolve(old, || chain.counters),
                None => Counters::default(),
            };
            blob.extend_from_slice(policy.as_bytes());
        }
        blob.extend_from_slice(Counters::default().as_bytes());
        Some(blob)
    }

    fn head_len(&self) -> usize {
        abi::entry_len(self.af) + size_of::<ErrorTarget>()
    }

    fn foot_len(&self) -> usize {
        abi::entry_len(self.af) + size_of::<StandardTarget>()
    }
}

/// The layout of the table to be written.
struct Plan {
    /// For each chain: where its first rule stands, which is where jumps go.
    starts: Vec<usize>,
    entries: usize,
    size: usize,
}

impl CounterMap {
    fn resolve(self, old: &[Counters], own: impl FnOnce() -> Counters) -> Counters {
        let kept = |number: usize| old.get(number).copied().unwrap_or_default();
        match self {
            Self::Fresh => Counters::default(),
            Self::Kept(number) => kept(number),
            Self::Zeroed(number) => {
                let (kept, own) = (kept(number), own());
                Counters { packets: kept.packets.wrapping_sub(own.packets), bytes: kept.bytes.wrapping_sub(own.bytes) }
            }
            Self::Set => own(),
        }
    }
}
