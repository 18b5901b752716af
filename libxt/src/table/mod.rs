//! Chains and rules, edited as libiptc does: read from a backend, changed here, written back whole.
//!
//! Existing rules travel as the bytes they were; only jump offsets are written anew. All rule bytes stand in one
//! buffer, a rule is a range of it. Built-in chains come first in hook order, user chains follow sorted by name.

use std::collections::{BTreeMap, VecDeque};

use crate::abi::{self, Counters, GetInfo};
use crate::blob::Entry;
use crate::family::Af;

mod commit;
mod dump;
mod edit;
mod read;
mod refused;
#[cfg(test)]
mod tests;

pub use refused::{During, Refused};

/// One table, open for reading and editing.
#[derive(Clone, Debug)]
pub struct Table {
    af: Af,
    name: String,
    info: GetInfo,
    bytes: Vec<u8>,
    chains: Vec<Chain>,
    /// Hook order.
    builtin: Vec<ChainId>,
    /// Every chain, also the built-in ones.
    by_name: BTreeMap<String, ChainId>,
    changed: bool,
}

/// A chain of one [`Table`]. Good until the chain is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ChainId(u32);

/// What a new rule's target leads to, as `iptcc_map_target()` finds out from its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination<'a> {
    /// No target: on to the next rule.
    Next,
    /// A verdict, already in the bytes.
    Verdict,
    /// A user chain.
    Chain(&'a str),
    /// An extension.
    Module,
}

/// A rule as bytes, ready to stand in a table.
#[derive(Clone, Copy, Debug)]
pub struct NewRule<'a> {
    /// The whole entry, as long as its `next_offset`.
    pub bytes: &'a [u8],
    /// Where its target leads.
    pub destination: Destination<'a>,
    /// For each match in order and then the target: how many info bytes are the user's (`-D` and `-C` compare them).
    pub user_sizes: &'a [u16],
}

/// A rule of a table, for whoever prints it.
#[derive(Clone, Copy, Debug)]
pub struct Rule<'a> {
    /// Its bytes, read; the offset is meaningless.
    pub entry: Entry<'a>,
    /// What follows `-j` or `-g`; empty if nothing does.
    pub target: &'a str,
    /// Whether the target is an extension with bytes of its own.
    pub is_module: bool,
}

/// A chain's description, for whoever prints it.
#[derive(Clone, Copy, Debug)]
pub struct ChainInfo<'a> {
    /// The name.
    pub name: &'a str,
    /// The policy of a built-in chain, its verdict and its counters.
    pub policy: Option<(i32, Counters)>,
    /// How many rules jump here.
    pub references: u32,
    /// How many rules it has.
    pub rules: usize,
}

#[derive(Clone, Debug)]
struct Chain {
    name: String,
    hook: Option<usize>,
    verdict: i32,
    counters: Counters,
    map: CounterMap,
    rules: VecDeque<Stored>,
    references: u32,
}

/// A rule as it is kept: where its bytes stand, what must be written anew, where its counters come from.
#[derive(Clone, Copy, Debug)]
struct Stored {
    start: usize,
    len: u16,
    leads: Leads,
    map: CounterMap,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leads {
    Next,
    Verdict,
    Chain(ChainId),
    Module,
}

/// Which counters a rule or a policy gets once the new table stands (`struct counter_map`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CounterMap {
    /// None: they start at zero.
    Fresh,
    /// Those of the old table's entry with this number.
    Kept(usize),
    /// The same, less what was there when the table was read.
    Zeroed(usize),
    /// Those given.
    Set,
}

impl Table {
    /// The family.
    pub fn af(&self) -> Af {
        self.af
    }

    /// The table's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// All chains: built-in in hook order, then the user's by name.
    pub fn chains(&self) -> impl Iterator<Item = ChainId> {
        let users = self.by_name.values().copied().filter(|&id| self.chain(id).hook.is_none());
        self.builtin.iter().copied().chain(users)
    }

    /// The chain of that name (`iptc_is_chain`).
    pub fn find(&self, name: &str) -> Option<ChainId> {
        self.by_name.get(name).copied()
    }

    /// Whether the chain of that name is a built-in one (`iptc_builtin`).
    pub fn is_builtin(&self, name: &str) -> bool {
        self.find(name).is_some_and(|id| self.chain(id).hook.is_some())
    }

    /// Whether something was changed, so that [`Table::commit`] has work to do.
    pub fn is_changed(&self) -> bool {
        self.changed
    }

    /// A chain's name, policy and references.
    pub fn describe(&self, id: ChainId) -> ChainInfo<'_> {
        let chain = self.chain(id);
        ChainInfo {
            name: &chain.name,
            policy: chain.hook.map(|_| (chain.verdict, chain.counters)),
            references: chain.references,
            rules: chain.rules.len(),
        }
    }

    /// A chain's rules in order.
    pub fn rules(&self, id: ChainId) -> impl Iterator<Item = Rule<'_>> {
        self.chain(id).rules.iter().filter_map(|&stored| self.rule(stored))
    }

    fn rule(&self, stored: Stored) -> Option<Rule<'_>> {
        let entry = Entry::again(self.af, self.bytes_of(stored))?;
        let target = match stored.leads {
            Leads::Next => "",
            Leads::Verdict => entry.verdict().map_or("", verdict_name),
            Leads::Chain(id) => &self.chain(id).name,
            Leads::Module => entry.target().name,
        };
        Some(Rule { entry, target, is_module: stored.leads == Leads::Module })
    }

    fn bytes_of(&self, stored: Stored) -> &[u8] {
        self.bytes.get(stored.start..stored.start + usize::from(stored.len)).unwrap_or_default()
    }

    fn chain(&self, id: ChainId) -> &Chain {
        &self.chains[id.0 as usize]
    }

    fn chain_mut(&mut self, id: ChainId) -> &mut Chain {
        &mut self.chains[id.0 as usize]
    }
}

/// The word for a verdict number; empty for one that has none.
pub fn verdict_name(verdict: i32) -> &'static str {
    match verdict {
        abi::ACCEPT => "ACCEPT",
        abi::DROP => "DROP",
        abi::QUEUE => "QUEUE",
        abi::RETURN => "RETURN",
        _ => "",
    }
}

/// The number of a verdict's word.
pub fn verdict_number(name: &str) -> Option<i32> {
    match name {
        "ACCEPT" => Some(abi::ACCEPT),
        "DROP" => Some(abi::DROP),
        "QUEUE" => Some(abi::QUEUE),
        "RETURN" => Some(abi::RETURN),
        _ => None,
    }
}

/// The built-in chains' names, by hook.
pub const HOOK_NAMES: [&str; abi::HOOKS] = ["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"];
