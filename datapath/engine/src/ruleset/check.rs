//! The check of a blob before any of its extensions is looked at: sizes, hooks, policies, and where jumps lead.

use libxt::abi::{self, Replace};
use libxt::blob::{self, Entry};
use libxt::family::Af;

use super::Refused;
use super::refused::errno;

/// A blob whose shape is sound.
#[derive(Debug)]
pub(super) struct Shape<'a> {
    /// The entries, first to last.
    pub(super) entries: Vec<Entry<'a>>,
    /// For each entry, the hooks it is reached from.
    pub(super) reached: Vec<u32>,
    /// For each hook, the entry where its chain begins.
    pub(super) hook_entry: [Option<usize>; abi::HOOKS],
    /// For each hook, the entry that is its policy.
    pub(super) underflow: [Option<usize>; abi::HOOKS],
    /// How many ERROR entries there are: the depth that jumps may reach.
    pub(super) stack_size: usize,
}

impl<'a> Shape<'a> {
    /// As the first half of translate_table() in ip_tables.c; `bytes` are the entries alone.
    pub(super) fn check(af: Af, head: &Replace, bytes: &'a [u8]) -> Result<Self, Refused> {
        let mut shape = Self {
            entries: Vec::new(),
            reached: Vec::new(),
            hook_entry: [None; abi::HOOKS],
            underflow: [None; abi::HOOKS],
            stack_size: 0,
        };
        for entry in blob::entries(af, bytes) {
            let entry = entry.map_err(|malformed| Refused::invalid(malformed.0))?;
            shape.add(head, entry)?;
        }
        if shape.entries.len() as u64 != u64::from(head.num_entries) {
            return Err(Refused::invalid("num_entries is not the number of entries"));
        }
        shape.check_hooks(head)?;
        shape.follow_jumps(head)?;
        Ok(shape)
    }

    /// The index of the entry at a byte offset.
    pub(super) fn at(&self, offset: usize) -> Option<usize> {
        self.entries.binary_search_by_key(&offset, |entry| entry.offset).ok()
    }

    /// As check_entry_size_and_hooks().
    fn add(&mut self, head: &Replace, entry: Entry<'a>) -> Result<(), Refused> {
        if !entry.header.has_valid_flags() {
            return Err(Refused::invalid("an entry has unknown flags"));
        }
        match entry.verdict() {
            Some(verdict) if !is_sound(verdict) => return Err(Refused::invalid("a verdict is none")),
            _ => {}
        }
        let target = entry.target();
        if target.name == abi::ERROR_TARGET {
            if !target.info.iter().take(abi::FUNCTION_NAME_LEN).any(|byte| *byte == 0) {
                return Err(Refused::invalid("a chain's name does not end"));
            }
            self.stack_size += 1;
        }
        for hook in hooks(head) {
            if head.hook_entry[hook] as usize == entry.offset {
                self.hook_entry[hook] = Some(self.entries.len());
            }
            if head.underflow[hook] as usize == entry.offset {
                if !is_policy(&entry) {
                    return Err(Refused::invalid("a policy is not an unconditional ACCEPT or DROP"));
                }
                self.underflow[hook] = Some(self.entries.len());
            }
        }
        self.entries.push(entry);
        Ok(())
    }

    /// As xt_check_table_hooks().
    fn check_hooks(&self, head: &Replace) -> Result<(), Refused> {
        let mut last: Option<(usize, usize)> = None;
        for hook in hooks(head) {
            let (Some(entry), Some(underflow)) = (self.hook_entry[hook], self.underflow[hook]) else {
                return Err(Refused::invalid("a hook's chain or policy is no entry"));
            };
            if last.is_some_and(|(before, policy)| entry <= before || underflow <= policy) {
                return Err(Refused::invalid("the chains of hooks are not in the order of hooks"));
            }
            last = Some((entry, underflow));
        }
        Ok(())
    }

    /// Walks every path from every hook once, marks what is reached, and finds circles and paths that leave the table. As
    /// mark_source_chains().
    fn follow_jumps(&mut self, head: &Replace) -> Result<(), Refused> {
        const CIRCLE: Refused = Refused::new(errno::ELOOP, "chains call each other in a circle, or lead nowhere");
        const OPEN: u32 = 1 << abi::HOOKS;
        self.reached = vec![0; self.entries.len()];
        let mut back = vec![0; self.entries.len()];
        for hook in hooks(head) {
            let Some(start) = self.hook_entry[hook] else { continue };
            let mut at = start;
            back[at] = at;
            'paths: loop {
                let (entry, seen) = (&self.entries[at], self.reached[at]);
                let visited = seen & 1 << hook != 0;
                if seen & OPEN != 0 {
                    return Err(CIRCLE);
                }
                self.reached[at] |= 1 << hook | OPEN;
                let verdict = entry.verdict();
                let ends = is_unconditional(entry) && verdict.is_some_and(|verdict| verdict < 0);
                if !ends && !visited {
                    let next = match verdict {
                        Some(jump) if jump >= 0 => self.at(jump as usize),
                        _ => Some(at + 1),
                    };
                    let next = next.filter(|&next| next < self.entries.len()).ok_or(CIRCLE)?;
                    back[next] = at;
                    at = next;
                    continue;
                }
                // Back to the last jump; the rules of a chain on the way there are done with.
                loop {
                    self.reached[at] ^= OPEN;
                    let from = std::mem::take(&mut back[at]);
                    if from == at {
                        break 'paths;
                    }
                    let fell_through = at == from + 1;
                    at = from;
                    if !fell_through {
                        break;
                    }
                }
                let next = at + 1;
                if next >= self.entries.len() {
                    return Err(CIRCLE);
                }
                back[next] = at;
                at = next;
            }
        }
        Ok(())
    }
}

/// Whether the entry matches everything, without any match. As unconditional().
pub(super) fn is_unconditional(entry: &Entry<'_>) -> bool {
    // The kernel compares the whole header struct, its padding included.
    let header = match entry.header.af {
        Af::V4 => size_of::<abi::Ip>(),
        Af::V6 => size_of::<abi::Ip6>(),
    };
    usize::from(entry.offsets.target) == abi::entry_len(entry.header.af)
        && entry.bytes.iter().take(header).all(|byte| *byte == 0)
}

/// The hooks a blob has chains for.
pub(super) fn hooks(head: &Replace) -> impl Iterator<Item = usize> + use<> {
    let valid = head.valid_hooks;
    (0..abi::HOOKS).filter(move |hook| valid & 1 << hook != 0)
}

/// As check_underflow().
fn is_policy(entry: &Entry<'_>) -> bool {
    is_unconditional(entry) && matches!(entry.verdict(), Some(abi::ACCEPT | abi::DROP))
}

/// As verdict_ok(): a jump, or one of the four.
fn is_sound(verdict: i32) -> bool {
    verdict > 0 || matches!(verdict, abi::ACCEPT | abi::DROP | abi::QUEUE | abi::RETURN)
}
