//! The checked walk over a table's bytes: entries, an entry's matches, its target.
//!
//! Total: any bytes may be walked, nothing panics. An [`Entry`] that was handed out has sound offsets and sizes, so its
//! matches and its target can be read without a further check. What it does not know is what the bytes mean: hooks,
//! jumps and extensions are the business of whoever installs the table.

use std::borrow::Cow;

use zerocopy::FromBytes;

use crate::abi::{self, Counters, ErrorTarget, Offsets, StandardTarget, TargetHead};
use crate::ext::Malformed;
use crate::family::Af;
use crate::octets;
use crate::value::header::Header;

/// The entries of a table, first to last; after an error there is nothing more.
#[derive(Clone, Debug)]
pub struct Entries<'a> {
    af: Af,
    bytes: &'a [u8],
    at: usize,
}

/// One entry whose offsets and sizes were checked.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// Where it begins in the table.
    pub offset: usize,
    /// The header value.
    pub header: Header,
    /// Offsets, counters, and the two fields nobody reads.
    pub offsets: Offsets,
    /// All its bytes, `next_offset` of them.
    pub bytes: &'a [u8],
    af: Af,
}

/// The matches of an entry, in order.
#[derive(Clone, Debug)]
pub struct Matches<'a> {
    rest: &'a [u8],
}

/// A match or a target: its name, its revision and its info bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part<'a> {
    /// The kernel's name of it; empty for the standard target, [`UNREADABLE`] for one that is no text.
    pub name: &'a str,
    /// The revision.
    pub revision: u8,
    /// The bytes after the 32-byte header, a multiple of 8 of them for a match.
    pub info: &'a [u8],
}

/// The entries of `bytes`, which hold nothing else.
pub fn entries(af: Af, bytes: &[u8]) -> Entries<'_> {
    Entries { af, bytes, at: 0 }
}

/// The entry at `offset`; checks what `check_entry_size_and_hooks()` and `xt_check_entry_offsets()` check of sizes.
pub fn entry_at(af: Af, table: &[u8], offset: usize) -> Result<Entry<'_>, Malformed> {
    if !offset.is_multiple_of(abi::ALIGNMENT) {
        return Err(Malformed("entry alignment"));
    }
    let rest = table.get(offset..).ok_or(Malformed("entry offset"))?;
    let (header, offsets) = abi::read_entry(af, rest).ok_or(Malformed("entry header"))?;
    let bytes = rest.get(..offsets.next.into()).ok_or(Malformed("next_offset"))?;
    let entry = Entry { offset, header, offsets, bytes, af };
    entry.check()?;
    Ok(entry)
}

impl<'a> Entry<'a> {
    /// The entry that `bytes` are, which [`entry_at`] has found sound before; `None` if there are too few. Of others it
    /// shows what it can.
    pub fn again(af: Af, bytes: &'a [u8]) -> Option<Self> {
        let (header, offsets) = abi::read_entry(af, bytes)?;
        Some(Self { offset: 0, header, offsets, bytes, af })
    }

    /// The matches.
    pub fn matches(&self) -> Matches<'a> {
        let rest = self.bytes.get(abi::entry_len(self.af)..self.offsets.target.into()).unwrap_or_default();
        Matches { rest }
    }

    /// The target. Its info ends with the target's own size, not with the entry.
    pub fn target(&self) -> Part<'a> {
        let bytes = self.bytes.get(self.offsets.target.into()..).unwrap_or_default();
        part(bytes).map_or(Part { name: "", revision: 0, info: &[] }, |(part, _)| part)
    }

    /// The counters as they stand in the bytes.
    pub fn counters(&self) -> Counters {
        self.offsets.counters
    }

    /// Where the next entry begins in the table.
    pub fn end(&self) -> usize {
        self.offset + self.bytes.len()
    }

    /// The verdict if the target is the standard one: negative for a verdict, else the offset of a jump.
    pub fn verdict(&self) -> Option<i32> {
        self.target().verdict()
    }

    /// The name in an ERROR target: a user chain's, or `ERROR` at the end of the table.
    pub fn error_name(&self) -> Option<Cow<'a, str>> {
        self.target().error_name()
    }

    fn check(&self) -> Result<(), Malformed> {
        let first = abi::entry_len(self.af);
        let target_offset = usize::from(self.offsets.target);
        let next = self.bytes.len();
        if target_offset < first {
            return Err(Malformed("target_offset"));
        }
        let mut rest = self.bytes.get(first..target_offset).ok_or(Malformed("target_offset"))?;
        while !rest.is_empty() {
            if !(target_offset - rest.len()).is_multiple_of(abi::ALIGNMENT) {
                return Err(Malformed("match alignment"));
            }
            (_, rest) = cut(rest).ok_or(Malformed("match size or name"))?;
        }
        let target = self.bytes.get(target_offset..).ok_or(Malformed("target_offset"))?;
        let (target, _) = cut(target).ok_or(Malformed("target size or name"))?;
        let whole = match target.name {
            name if name == abi::STANDARD_TARGET.as_bytes() => size_of::<StandardTarget>(),
            name if name == abi::ERROR_TARGET.as_bytes() => size_of::<ErrorTarget>(),
            _ => return Ok(()),
        };
        if abi::align(target_offset.saturating_add(whole)) != next {
            return Err(Malformed("target length"));
        }
        Ok(())
    }
}

impl<'a> Part<'a> {
    /// The verdict if this is the standard target.
    pub fn verdict(&self) -> Option<i32> {
        if self.name != abi::STANDARD_TARGET {
            return None;
        }
        self.info.first_chunk().map(|bytes| i32::from_ne_bytes(*bytes))
    }

    /// The name in an ERROR target.
    pub fn error_name(&self) -> Option<Cow<'a, str>> {
        if self.name != abi::ERROR_TARGET {
            return None;
        }
        let field = self.info.get(..self.info.len().min(abi::FUNCTION_NAME_LEN))?;
        let end = field.iter().position(|&byte| byte == 0)?;
        Some(octets::text(field.get(..end)?))
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Result<Entry<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.bytes.len() {
            return None;
        }
        let entry = entry_at(self.af, self.bytes, self.at);
        self.at = entry.as_ref().map_or(self.bytes.len(), Entry::end);
        Some(entry)
    }
}

impl<'a> Iterator for Matches<'a> {
    type Item = Part<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let (part, rest) = part(self.rest)?;
        self.rest = rest;
        Some(part)
    }
}

/// Stands for a name that is no UTF-8. To the kernel names are bytes, and this one it does not know, like any other that
/// is not registered: no extension has this name.
pub const UNREADABLE: &str = "\u{fffd}";

/// The part at the start of `bytes`, and what follows it.
fn part(bytes: &[u8]) -> Option<(Part<'_>, &[u8])> {
    let (Cut { name, revision, info }, rest) = cut(bytes)?;
    let name = std::str::from_utf8(name).unwrap_or(UNREADABLE);
    Some((Part { name, revision, info }, rest))
}

/// A [`Part`] whose name was not yet looked at.
struct Cut<'a> {
    name: &'a [u8],
    revision: u8,
    info: &'a [u8],
}

fn cut(bytes: &[u8]) -> Option<(Cut<'_>, &[u8])> {
    let (head, _) = TargetHead::ref_from_prefix(bytes).ok()?;
    let size = usize::from(head.size);
    let info = bytes.get(size_of::<TargetHead>()..size)?;
    let name = head.name.get(..head.name.iter().position(|&byte| byte == 0)?)?;
    Some((Cut { name, revision: head.revision, info }, bytes.get(size..)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use zerocopy::IntoBytes;

    /// The three entries of a table with one empty chain: its policy, and the end.
    fn policy_and_end() -> Vec<u8> {
        let mut table = vec![0; 152];
        let offsets = Offsets { target: 112, next: 152, ..Offsets::default() };
        abi::write_entry(Af::V4, &Header::any(Af::V4), &offsets, &mut table).unwrap();
        let head = TargetHead { size: 40, ..TargetHead::default() };
        StandardTarget { head, verdict: abi::ACCEPT, pad: 0 }.write_to_suffix(&mut table).unwrap();
        let mut end = vec![0; 176];
        let offsets = Offsets { target: 112, next: 176, ..Offsets::default() };
        abi::write_entry(Af::V4, &Header::any(Af::V4), &offsets, &mut end).unwrap();
        let head = TargetHead { size: 64, name: abi::name_field("ERROR").unwrap(), revision: 0 };
        let errorname = abi::name_field("ERROR").unwrap();
        ErrorTarget { head, errorname, pad: [0; 2] }.write_to_suffix(&mut end).unwrap();
        table.extend(end);
        table
    }

    #[test]
    fn a_table_of_one_policy_is_walked_to_its_end() {
        let table = policy_and_end();
        let walked: Vec<_> = entries(Af::V4, &table).map(|entry| entry.unwrap()).collect();
        assert_eq!(walked.len(), 2);
        assert_eq!(walked[0].verdict(), Some(abi::ACCEPT));
        assert_eq!(walked[0].error_name(), None);
        assert_eq!((walked[1].offset, walked[1].error_name()), (152, Some("ERROR".into())));
        assert!(walked.iter().all(|entry| entry.header.is_any() && entry.matches().count() == 0));
    }

    #[test]
    fn any_cut_is_an_error_and_never_more_than_one() {
        let table = policy_and_end();
        for len in (1..table.len()).filter(|&len| len != 152) {
            let walked: Vec<_> = entries(Af::V4, &table[..len]).collect();
            assert!(walked.iter().rev().skip(1).all(Result::is_ok), "{len}");
            assert!(walked.last().is_some_and(Result::is_err), "{len}");
        }
    }

    #[test]
    fn any_changed_byte_is_survived() {
        let table = policy_and_end();
        for at in 0..table.len() {
            for byte in [0, 1, 0x7f, 0x80, 0xff] {
                let mut changed = table.clone();
                changed[at] = byte;
                for af in [Af::V4, Af::V6] {
                    for entry in entries(af, &changed).flatten() {
                        let _ = (entry.matches().count(), entry.target(), entry.verdict(), entry.error_name());
                    }
                }
            }
        }
    }

    #[test]
    fn a_name_that_is_no_text_is_a_name_and_one_without_an_end_is_none() {
        let mut table = policy_and_end();
        table[114] = 0xff;
        assert_eq!(entries(Af::V4, &table).next().unwrap().unwrap().target().name, UNREADABLE);
        table[114..143].fill(b'a');
        assert!(entries(Af::V4, &table).next().unwrap().is_err());
    }

    #[test]
    fn a_next_offset_that_stands_still_is_malformed() {
        let mut table = policy_and_end();
        table[90..92].fill(0);
        assert!(entries(Af::V4, &table).next().unwrap().is_err());
    }
}
