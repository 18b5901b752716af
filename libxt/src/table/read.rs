//! From a backend's answer to chains and rules (`TC_INIT` and `parse_table()` of libiptc).

use std::collections::{BTreeMap, VecDeque};

use zerocopy::{FromBytes, IntoBytes};

use super::{Chain, ChainId, CounterMap, During, HOOK_NAMES, Leads, Refused, Stored, Table};
use crate::abi::{self, Counters, GetEntries, GetInfo};
use crate::backend::{Backend, Get};
use crate::blob::{self, Entry};
use crate::family::Af;

impl Table {
    /// Reads table `name` from where tables live.
    pub fn open(backend: &mut dyn Backend, name: &str) -> Result<Self, Refused> {
        let refused = |errno| Refused::new(During::Open, errno);
        let field = abi::name_field::<{ abi::TABLE_NAME_LEN }>(name).ok_or_else(|| refused(libc::EINVAL))?;
        // The table may change between the two questions; the kernel then says EAGAIN to the second.
        for _ in 0..ATTEMPTS {
            let info = Self::info(backend, name)?;
            let mut answer = GetEntries { name: field, size: info.size, pad: 0 }.as_bytes().to_vec();
            match backend.get(Get::Entries, &mut answer) {
                Ok(()) => return Self::from_entries(backend.af(), name, info, answer),
                Err(error) if error.raw_os_error() == Some(libc::EAGAIN) => (),
                Err(error) => return Err(Refused::from_io(During::Open, &error, backend.reason())),
            }
        }
        Err(refused(libc::EAGAIN))
    }

    /// The table's layout as it stands now.
    pub(super) fn info(backend: &mut dyn Backend, name: &str) -> Result<GetInfo, Refused> {
        let refused = |errno| Refused::new(During::Open, errno);
        let name = abi::name_field(name).ok_or_else(|| refused(libc::EINVAL))?;
        let mut answer = GetInfo { name, ..GetInfo::default() }.as_bytes().to_vec();
        if let Err(error) = backend.get(Get::Info, &mut answer) {
            return Err(Refused::from_io(During::Open, &error, backend.reason()));
        }
        GetInfo::read_from_prefix(&answer).map(|(info, _)| info).map_err(|_| refused(libc::EINVAL))
    }

    /// The table in an answer to `GET_ENTRIES`, whose head is still before the entries.
    fn from_entries(af: Af, name: &str, info: GetInfo, mut bytes: Vec<u8>) -> Result<Self, Refused> {
        let refused = || Refused::new(During::Open, libc::EINVAL);
        let head = size_of::<GetEntries>();
        bytes.truncate(head.saturating_add(info.size as usize));
        let mut reader = Reader::default();
        let table = bytes.get(head..).ok_or_else(refused)?;
        for entry in blob::entries(af, table) {
            let entry = entry.map_err(|_| refused())?;
            reader.read(&entry, &info, head, table.len()).ok_or_else(refused)?;
        }
        reader.close().ok_or_else(refused)?;
        reader.resolve_jumps().ok_or_else(refused)?;
        let mut builtin = Vec::new();
        let mut by_name = BTreeMap::new();
        for (number, chain) in reader.chains.iter().enumerate() {
            let id = ChainId(u32::try_from(number).map_err(|_| refused())?);
            if by_name.insert(chain.name.clone(), id).is_some() {
                return Err(refused());
            }
            if chain.hook.is_some() {
                builtin.push(id);
            }
        }
        let name = name.to_owned();
        Ok(Self { af, name, info, bytes, chains: reader.chains, builtin, by_name, changed: false })
    }
}

/// The walk's state: chains so far, and what is needed to tell where jumps lead.
#[derive(Default)]
struct Reader {
    chains: Vec<Chain>,
    /// Where each chain begins, in ascending order as the walk goes.
    heads: Vec<usize>,
    jumps: Vec<Jump>,
    entries: usize,
    open: bool,
    ended: bool,
}

struct Jump {
    chain: usize,
    rule: usize,
    offset: usize,
}

impl Reader {
    fn read(&mut self, entry: &Entry<'_>, info: &GetInfo, head: usize, size: usize) -> Option<()> {
        let index = self.entries;
        self.entries += 1;
        if entry.end() == size {
            self.ended = true;
            return self.close();
        }
        let target = entry.target();
        if target.name == abi::ERROR_TARGET {
            let name = target.error_name()?;
            self.close()?;
            self.start(&name, None, entry.offset);
            return Some(());
        }
        if let Some(hook) = hook_at(info, entry.offset) {
            self.close()?;
            self.start(HOOK_NAMES[hook], Some(hook), entry.offset);
        }
        let number = self.chains.len().checked_sub(1)?;
        let chain = self.chains.last_mut()?;
        let leads = match target.verdict() {
            None => Leads::Module,
            Some(verdict) if verdict < 0 => Leads::Verdict,
            Some(verdict) if verdict as usize == entry.end() => Leads::Next,
            Some(verdict) => {
                self.jumps.push(Jump { chain: number, rule: chain.rules.len(), offset: verdict as usize });
                Leads::Verdict
            }
        };
        let len = u16::try_from(entry.bytes.len()).ok()?;
        chain.rules.push_back(Stored {
            start: head.checked_add(entry.offset)?,
            len,
            leads,
            map: CounterMap::Kept(index),
        });
        // Until the chain is closed every rule may be its policy.
        chain.verdict = target.verdict().unwrap_or(0);
        chain.counters = entry.counters();
        Some(())
    }

    fn start(&mut self, name: &str, hook: Option<usize>, offset: usize) {
        self.chains.push(Chain::new(name, hook));
        self.heads.push(offset);
        self.open = true;
    }

    /// The last rule of a chain is its policy, or the RETURN at the end of a user chain.
    ///
    /// With every change of the table a policy's counters start anew, from what is counted after this reading: so
    /// measured with the real tool, held between its two calls.
    fn close(&mut self) -> Option<()> {
        if !std::mem::take(&mut self.open) {
            return Some(());
        }
        let number = self.chains.len().checked_sub(1)?;
        let chain = self.chains.last_mut()?;
        let policy = chain.rules.pop_back()?;
        chain.map = policy.map.zeroed();
        while self.jumps.pop_if(|jump| jump.chain == number && jump.rule == chain.rules.len()).is_some() {}
        Some(())
    }

    fn resolve_jumps(&mut self) -> Option<()> {
        for jump in &self.jumps {
            let target = self.heads.partition_point(|&head| head <= jump.offset).checked_sub(1)?;
            self.chains.get_mut(target)?.references += 1;
            let id = ChainId(u32::try_from(target).ok()?);
            self.chains.get_mut(jump.chain)?.rules.get_mut(jump.rule)?.leads = Leads::Chain(id);
        }
        self.ended.then_some(())
    }
}

impl Chain {
    pub(super) fn new(name: &str, hook: Option<usize>) -> Self {
        Self {
            name: name.to_owned(),
            hook,
            verdict: abi::RETURN,
            counters: Counters::default(),
            map: CounterMap::Fresh,
            rules: VecDeque::new(),
            references: 0,
        }
    }
}

fn hook_at(info: &GetInfo, offset: usize) -> Option<usize> {
    (0..abi::HOOKS).find(|&hook| info.valid_hooks & (1 << hook) != 0 && info.hook_entry[hook] as usize == offset)
}

/// How often a table that changes under the reader is read again.
const ATTEMPTS: usize = 1000;
