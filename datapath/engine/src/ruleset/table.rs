//! A table as it is loaded: the bytes that reads give back, and the rules compiled from them.

use std::ops::RangeInclusive;

use libxt::abi::{self, GetInfo, Replace, TargetHead};
use libxt::backend::Counters;
use libxt::blob::Part;
use libxt::family::Af;
use zerocopy::{FromBytes, IntoBytes};

use super::check::{self, Shape};
use super::kind::Kind;
use super::refused::errno;
use super::rule::{Head, Pairs, Rule, Shared, Step};
use super::trace::{self, Place};
use super::{Refused, tables};
use crate::conntrack::Tracker;
use crate::ext::asked::Question;
use crate::ext::matches::{self, Match};
use crate::ext::probe::{self, Probe};
use crate::ext::stores::Stores;
use crate::ext::targets::{self, Lay, Target};
use crate::ext::{Maker, Site};
use crate::packet::{Hook, Verdict};

/// A blob that was checked and compiled, ready to be swapped in: made without the engine, so outside any lock.
#[derive(Debug)]
pub struct Prepared {
    pub(super) af: Af,
    pub(super) kind: Kind,
    pub(super) num_counters: u32,
    pub(super) table: Table,
}

/// A rule's use of a set of ipset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SetUse {
    /// The kernel's number of the set.
    pub index: u16,
    /// Elements are put in or taken out.
    pub changes: bool,
    /// It depends on what an element has counted, or maps to.
    pub reads: bool,
}

/// A loaded table.
#[derive(Debug)]
pub(crate) struct Table {
    pub(super) kind: Kind,
    /// The entries' bytes as reads give them back, but for the counters.
    bytes: Vec<u8>,
    /// Where each entry's counters stand in them.
    counter_offsets: Vec<u32>,
    hook_entry_bytes: [u32; abi::HOOKS],
    underflow_bytes: [u32; abi::HOOKS],
    pub(super) af: Af,
    /// The head of each rule; what heads point to.
    pub(super) heads: Vec<Head>,
    pub(super) shared: Shared,
    pub(super) rules: Vec<Rule>,
    pub(super) matches: Vec<Match>,
    /// Those that keep something beside the table, in the order of the rules.
    keeping: Vec<Keeping>,
    pub(super) targets: Vec<Target>,
    pub(super) counters: Vec<Counters>,
    pub(super) hook_entry: [u32; abi::HOOKS],
    pub(super) underflow: [u32; abi::HOOKS],
    pub(super) stack_size: usize,
    /// For each rule, what TRACE calls it.
    pub(super) places: Vec<Place>,
    /// The names of chains that [`Place`]s point to.
    pub(super) chains: Vec<Box<str>>,
    tracks: bool,
    /// Some rule needs fragments to be joined.
    joins: bool,
    /// Some rule needs connections to be counted.
    accounts: bool,
    /// Some rule needs connections to have labels.
    labels: bool,
    /// The sets of ipset that rules name.
    sets: Vec<SetUse>,
    translates: bool,
    /// Some rule asks for bridge ports.
    ports: bool,
}

/// A match or a target that keeps something, by its place among the table's.
#[derive(Clone, Copy, Debug)]
enum Keeping {
    Match(usize),
    Target(usize),
}

impl Prepared {
    /// Checks and compiles `struct ipt_replace` with its entries, as do_replace() and translate_table().
    pub fn new(af: Af, blob: &[u8]) -> Result<Self, Refused> {
        let (head, entries) =
            Replace::read_from_prefix(blob).map_err(|_| Refused::invalid("shorter than struct ipt_replace"))?;
        if head.num_counters >= i32::MAX as u32 / size_of::<Counters>() as u32 {
            return Err(Refused::new(errno::ENOMEM, "num_counters is beyond any table"));
        }
        if head.num_counters == 0 {
            return Err(Refused::invalid("num_counters is 0"));
        }
        let entries =
            entries.get(..head.size as usize).ok_or(Refused::invalid("the blob is shorter than its size says"))?;
        if entries.len() > LARGEST || head.num_entries as usize > LARGEST / size_of::<u32>() {
            return Err(Refused::new(errno::ENOMEM, "the table is larger than any may be"));
        }
        let name = tables::name(&head.name);
        let shape = Shape::check(af, &head, entries)?;
        let table = Table::compile(af, &name, &head, entries, &shape)?;
        let kind = Kind::of_name(&name).ok_or(Refused::new(errno::ENOENT, "no such table"))?;
        if head.valid_hooks != kind.hooks() {
            return Err(Refused::invalid("valid_hooks are not the table's"));
        }
        Ok(Self { af, kind, num_counters: head.num_counters, table: Table { kind, ..table } })
    }

    /// The family.
    pub fn af(&self) -> Af {
        self.af
    }

    /// Which table it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    pub(crate) fn table(&self) -> &Table {
        &self.table
    }

    /// The timeout policies that its rules name.
    pub fn timeouts(&self) -> impl Iterator<Item = &[u8]> {
        self.table.lays().filter_map(Lay::named_timeouts)
    }

    /// The helpers that its rules name, with the protocols.
    pub fn helpers(&self) -> impl Iterator<Item = (&[u8], u8)> {
        self.table.lays().filter_map(Lay::named_helper)
    }

    /// Has its rules find their helpers and timeout policies.
    pub(crate) fn find_named(&mut self, tracker: &Tracker) -> Result<(), Refused> {
        self.table.find_named(tracker)
    }

    /// Has its rules name what they keep. As the checks of matches and targets that look for it.
    pub(crate) fn open(&mut self, stores: &mut Stores) -> Result<(), Refused> {
        self.table.open(stores)
    }

    /// The sets of ipset that its rules name: whoever installs it sees to it that they are there.
    pub fn sets(&self) -> &[SetUse] {
        &self.table.sets
    }

    /// Leaves rules about some sets to the kernel.
    pub fn leave_sets(&mut self, left: impl Fn(&SetUse) -> bool) {
        let table = &mut self.table;
        let matches = table.matches.iter_mut().filter(|judge| judge.set().as_ref().is_some_and(&left));
        matches.for_each(Match::leave);
        let targets = table.targets.iter_mut().filter(|target| target.sets().any(|set| left(&set)));
        targets.for_each(Target::leave);
    }

    /// The sets that rules name which are left to the kernel.
    pub fn left_sets(&self) -> Vec<SetUse> {
        let left = |rule: Option<&probe::Rule>| rule.is_some_and(probe::Rule::is_wanted);
        let matches = self.table.matches.iter().filter(|judge| left(judge.probe())).filter_map(Match::set);
        matches.chain(self.table.targets.iter().filter(|target| left(target.probe())).flat_map(Target::sets)).collect()
    }

    /// Leaves rules about some of the kernel's counters to it.
    pub fn leave_counters(&mut self, left: impl Fn(&[u8]) -> bool) {
        let matches = self.table.matches.iter_mut().filter(|judge| judge.counter().is_some_and(&left));
        matches.for_each(Match::leave);
    }

    /// What is left to the kernel.
    pub fn probes(&self) -> impl Iterator<Item = &Probe> {
        let matches = self.table.matches.iter().filter_map(Match::probe);
        matches.chain(self.table.targets.iter().filter_map(Target::probe)).filter_map(probe::Rule::probe)
    }

    /// What its rules ask the kernel.
    pub fn questions(&self) -> impl Iterator<Item = &Question> {
        self.table.questions()
    }

    /// The counters of the kernel's that its rules count in.
    pub fn counters(&self) -> impl Iterator<Item = &[u8]> {
        self.table.matches.iter().filter_map(Match::counter)
    }

    /// Whether a rule needs connections to be counted.
    pub(crate) fn accounts(&self) -> bool {
        self.table.accounts()
    }

    /// Whether a rule compares with fingerprints of systems.
    pub fn guesses(&self) -> bool {
        self.table.matches.iter().any(|judge| matches!(judge, Match::Osf(_)))
    }

    /// The queues of other programs that its rules name.
    pub fn queues(&self) -> impl Iterator<Item = RangeInclusive<u16>> {
        self.table.targets.iter().filter_map(|target| match target {
            Target::Handover(rule) => rule.queues(),
            _ => None,
        })
    }

    /// Whether its rules wind timers up, which begin anew with the table.
    pub fn winds(&self) -> bool {
        self.table.targets.iter().any(|target| matches!(target, Target::Handover(rule) if rule.is_timer()))
    }

    /// Whether its rules copy the marks of a security module.
    pub fn copies_security(&self) -> bool {
        self.table.targets.iter().any(|target| matches!(target, Target::Connsecmark))
    }

    /// How deep its jumps can go.
    pub(crate) fn depth(&self) -> usize {
        self.table.stack_size
    }
}

impl Table {
    /// The table as it is before anybody changed it.
    pub(super) fn initial(af: Af, kind: Kind) -> Result<Self, Refused> {
        let mut blob = kind.initial(af);
        // Its own one counter room: a blob must have some.
        if let Some(count) = blob.get_mut(84..88) {
            count.copy_from_slice(&1u32.to_ne_bytes());
        }
        Prepared::new(af, &blob).map(|prepared| prepared.table)
    }

    fn compile(af: Af, name: &str, head: &Replace, bytes: &[u8], shape: &Shape<'_>) -> Result<Self, Refused> {
        let mut table = Self {
            kind: Kind::Filter,
            bytes: bytes.to_vec(),
            counter_offsets: Vec::with_capacity(shape.entries.len()),
            hook_entry_bytes: [0; abi::HOOKS],
            underflow_bytes: [0; abi::HOOKS],
            af,
            heads: Vec::with_capacity(shape.entries.len()),
            shared: Shared::default(),
            rules: Vec::with_capacity(shape.entries.len()),
            matches: Vec::new(),
            keeping: Vec::new(),
            targets: Vec::new(),
            counters: vec![Counters::default(); shape.entries.len()],
            hook_entry: [0; abi::HOOKS],
            underflow: [0; abi::HOOKS],
            stack_size: shape.stack_size,
            places: Vec::new(),
            chains: Vec::new(),
            tracks: false,
            joins: false,
            accounts: false,
            labels: false,
            sets: Vec::new(),
            translates: false,
            ports: false,
        };
        for hook in 0..abi::HOOKS {
            // Hooks without a chain read as the kernel's fill, 0xffffffff.
            table.hook_entry_bytes[hook] = shape.hook_entry[hook].map_or(u32::MAX, |_| head.hook_entry[hook]);
            table.underflow_bytes[hook] = shape.underflow[hook].map_or(u32::MAX, |_| head.underflow[hook]);
            table.hook_entry[hook] = shape.hook_entry[hook].unwrap_or(0) as u32;
            table.underflow[hook] = shape.underflow[hook].unwrap_or(0) as u32;
        }
        let mut pairs = Pairs::default();
        for (index, entry) in shape.entries.iter().enumerate() {
            let site =
                Site { af, table: name, hooks: shape.reached[index], header: &entry.header, matches: entry.matches() };
            let first = table.matches.len() as u32;
            let mut at = entry.offset + abi::entry_len(af);
            for part in entry.matches() {
                let maker = maker(matches::MAKERS, matches::REFUSED, &part, af)?;
                let judge = maker.check(part.revision, part.info, &site)?;
                if judge.keeps() {
                    table.keeping.push(Keeping::Match(table.matches.len()));
                }
                table.sets.extend(judge.set());
                table.labels |= matches!(judge, Match::Connlabel(_));
                table.ports |= matches!(judge, Match::Physdev(_));
                table.matches.push(judge);
                table.tracks |= maker.tracks;
                table.joins |= maker.joins;
                table.accounts |= maker.accounts;
                forget_tail(&mut table.bytes, at, &part, maker, af);
                at += size_of::<TargetHead>() + part.info.len();
            }
            let part = entry.target();
            let target = match part.name {
                abi::STANDARD_TARGET | abi::ERROR_TARGET if part.revision != 0 => {
                    return Err(Refused::new(errno::ENOENT, "a built-in target has one revision only"));
                }
                // As xt_check_target(), which wants `XT_ALIGN`ed sizes.
                abi::STANDARD_TARGET if part.info.len() != abi::align(size_of::<i32>()) => {
                    return Err(Refused::invalid("a standard target of another size"));
                }
                abi::ERROR_TARGET if part.info.len() != abi::align(abi::FUNCTION_NAME_LEN) => {
                    return Err(Refused::invalid("an error target of another size"));
                }
                abi::STANDARD_TARGET => step(index, part.verdict(), entry.header.is_goto(), shape)?,
                abi::ERROR_TARGET => Step::Error,
                _ => {
                    let maker = maker(targets::MAKERS, targets::REFUSED, &part, af)?;
                    let judge = maker.check(part.revision, part.info, &site)?;
                    table.tracks |= maker.tracks && !judge.untracks();
                    table.translates |= judge.translates();
                    if judge.keeps() {
                        table.keeping.push(Keeping::Target(table.targets.len()));
                    }
                    table.sets.extend(judge.sets());
                    table.targets.push(judge);
                    forget_tail(&mut table.bytes, entry.offset + usize::from(entry.offsets.target), &part, maker, af);
                    Step::Target(table.targets.len() as u32 - 1)
                }
            };
            let at = entry.offset + usize::from(entry.offsets.target);
            match part.name {
                abi::STANDARD_TARGET => forget(&mut table.bytes, at, &part, size_of::<i32>()),
                abi::ERROR_TARGET => forget(&mut table.bytes, at, &part, abi::FUNCTION_NAME_LEN),
                _ => {}
            }
            let matches = first..table.matches.len() as u32;
            let head = Head::new(&entry.header, table.matches.get(first as usize), &mut table.shared, &mut pairs);
            table.heads.push(head);
            table.rules.push(Rule { matches, target });
            table.note_kernel_fields(af, entry.offset, shape.reached[index]);
        }
        (table.places, table.chains) = trace::places(shape, check::hooks(head));
        Ok(table)
    }

    /// Which table it is.
    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether any rule makes its family tracked.
    pub(crate) fn tracks(&self) -> bool {
        self.tracks
    }

    /// What its rules ask the kernel.
    pub(crate) fn questions(&self) -> impl Iterator<Item = &Question> {
        self.matches.iter().filter_map(Match::question)
    }

    /// Whether any rule makes its family's fragments be joined.
    pub(crate) fn joins(&self) -> bool {
        self.joins || self.tracks
    }

    /// Has its rules name what they keep, or make it; a fresh table may find that something is missing.
    pub(crate) fn open(&mut self, stores: &mut Stores) -> Result<(), Refused> {
        for keeping in &self.keeping {
            match *keeping {
                Keeping::Match(index) => self.matches.get_mut(index).map(|judge| judge.open(stores, self.af)),
                Keeping::Target(index) => self.targets.get_mut(index).map(|target| target.open(stores)),
            }
            .unwrap_or(Ok(()))?;
        }
        Ok(())
    }

    /// The rules with `-j CT`.
    pub(crate) fn lays(&self) -> impl Iterator<Item = &Lay> {
        self.targets.iter().filter_map(|target| match target {
            Target::Ct(lay) => Some(&**lay),
            _ => None,
        })
    }

    /// Has its rules find their helpers and timeout policies.
    pub(crate) fn find_named(&mut self, tracker: &Tracker) -> Result<(), Refused> {
        let af = self.af;
        self.targets.iter_mut().try_for_each(|target| match target {
            Target::Ct(lay) => lay.find_named(tracker, af),
            _ => Ok(()),
        })
    }

    /// Whether a rule of it hands packets over to the kernel's own targets.
    pub(crate) fn hands(&self) -> bool {
        let counts = self.matches.iter().any(Match::hands);
        counts || self.targets.iter().any(Target::hands)
    }

    /// Whether a rule of it answers for servers.
    pub(crate) fn proxies(&self) -> bool {
        self.targets.iter().any(|target| matches!(target, Target::Synproxy(_)))
    }

    /// Whether a rule of it needs connections to have labels.
    pub(crate) fn labels(&self) -> bool {
        self.labels
    }

    /// Whether a rule of it needs connections to be counted.
    pub(crate) fn accounts(&self) -> bool {
        self.accounts
    }

    /// Whether any rule asks for bridge ports.
    pub(crate) fn asks_ports(&self) -> bool {
        self.ports
    }

    /// Whether any rule translates addresses.
    pub(crate) fn translates(&self) -> bool {
        self.translates
    }

    /// Whether a hook's chain has no rule and accepts.
    pub(crate) fn is_idle(&self, hook: Hook) -> bool {
        let (first, policy) = (self.hook_entry[hook as usize], self.underflow[hook as usize]);
        first == policy
            && self.rules.get(policy as usize).is_some_and(|rule| matches!(rule.target, Step::Verdict(Verdict::Accept)))
    }

    /// The answer to `IPT_SO_GET_INFO`.
    pub(super) fn info(&self) -> GetInfo {
        GetInfo {
            name: abi::name_field(self.kind.name()).unwrap_or_default(),
            valid_hooks: self.kind.hooks(),
            hook_entry: self.hook_entry_bytes,
            underflow: self.underflow_bytes,
            num_entries: self.rules.len() as u32,
            size: self.bytes.len() as u32,
        }
    }

    /// Bytes of all entries.
    pub(super) fn size(&self) -> usize {
        self.bytes.len()
    }

    /// The entries with the counters as they stand now.
    pub(super) fn write_entries(&self, to: &mut Vec<u8>) {
        let start = to.len();
        to.extend_from_slice(&self.bytes);
        for (counters, &offset) in self.counters.iter().zip(&self.counter_offsets) {
            let at = start + offset as usize;
            if let Some(field) = to.get_mut(at..at + size_of::<Counters>()) {
                field.copy_from_slice(counters.as_bytes());
            }
        }
    }

    /// Puts down what the kernel keeps in an entry itself: the hooks it is reached from.
    fn note_kernel_fields(&mut self, af: Af, offset: usize, reached: u32) {
        let (comefrom, counters) = match af {
            Af::V4 => (92, 96),
            Af::V6 => (144, 152),
        };
        if let Some(field) = self.bytes.get_mut(offset + comefrom..offset + comefrom + 4) {
            field.copy_from_slice(&reached.to_ne_bytes());
        }
        self.counter_offsets.push((offset + counters) as u32);
    }
}

/// The maker of a part. As xt_request_find_match() and xt_request_find_target().
fn maker<J>(
    makers: &'static [Maker<J>],
    refused: &'static [(&str, &str)],
    part: &Part<'_>,
    af: Af,
) -> Result<&'static Maker<J>, Refused> {
    makers.iter().find(|maker| maker.name == part.name && maker.families.contain(af)).ok_or_else(|| {
        let known = refused.iter().find(|(name, _)| *name == part.name);
        Refused::new(errno::ENOENT, known.map_or("an extension is not known", |(_, why)| why))
    })
}

/// Zeroes what reads do not give back of an extension. As xt_match_to_user() and xt_target_to_user().
///
/// One revision number may be two structs, one for each family.
fn forget_tail<J>(bytes: &mut [u8], at: usize, part: &Part<'_>, maker: &Maker<J>, af: Af) {
    let mut revisions = maker.revisions.iter();
    let known = revisions.find(|known| known.number == part.revision && known.families.contain(af));
    let size = known.map_or(0, |known| known.size);
    forget(bytes, at, part, (maker.kept)(part.revision).min(size));
}

/// Zeroes what follows the name's end in its field, the kernel's own fields of an info struct, and the padding behind it.
fn forget(bytes: &mut [u8], at: usize, part: &Part<'_>, kept: usize) {
    let name = at + size_of::<u16>();
    if let Some(tail) = bytes.get_mut(name + part.name.len()..name + abi::EXTENSION_NAME_LEN) {
        tail.fill(0);
    }
    let info = at + size_of::<TargetHead>();
    if let Some(tail) = bytes.get_mut(info + kept.min(part.info.len())..info + part.info.len()) {
        tail.fill(0);
    }
}

/// A standard target as the walk takes it. As the branches of ipt_do_table().
fn step(index: usize, verdict: Option<i32>, goto: bool, shape: &Shape<'_>) -> Result<Step, Refused> {
    let verdict = verdict.ok_or(Refused::invalid("a standard target without a verdict"))?;
    Ok(match verdict {
        abi::RETURN => Step::Return,
        abi::ACCEPT => Step::Verdict(Verdict::Accept),
        // NF_QUEUE: nobody but the kernel could queue it again, and a packet that nobody takes is dropped.
        ..0 => Step::Verdict(Verdict::Drop),
        jump => match shape.at(jump as usize) {
            Some(to) if goto || to == index + 1 => Step::Goto(to as u32),
            Some(to) => Step::Jump(to as u32),
            // Only a rule that nothing reaches can point nowhere.
            None => Step::Error,
        },
    })
}

/// `XT_MAX_TABLE_SIZE`.
const LARGEST: usize = 512 * 1024 * 1024;
