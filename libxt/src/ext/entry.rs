//! The registry's entries, and the extensions made from them, their types forgotten.

use std::any::Any;
use std::fmt;

use super::option::{self, Given, Problem};
use super::{Extension, Families, Kind, Malformed, Revision, Surroundings, matches, targets};
use crate::family::Af;

/// An extension in a rule being parsed or printed, its type forgotten.
pub trait Object: Any + Send + Sync + fmt::Debug {
    /// [`Extension::NAME`].
    fn name(&self) -> &'static str;
    /// [`Extension::KIND`].
    fn kind(&self) -> Kind;
    /// [`Extension::REVISIONS`].
    fn revisions(&self) -> &'static [Revision];
    /// How many options there are.
    fn option_count(&self) -> usize;
    /// The outer side of option `index`.
    fn option(&self, index: usize) -> &'static option::Spec;
    /// The option of a name, with its index.
    fn option_named(&self, name: &str) -> Option<(usize, &'static option::Spec)>;
    /// Reads one option: checks repetition, inversion and exclusion as upstream's guided parser, then sets it.
    fn set(&mut self, index: usize, given: &Given<'_>) -> Result<(), Problem>;
    /// Which options were given so far (bit *i* for option *i*).
    fn seen(&self) -> u64;
    /// [`Extension::check`], then mandatory options, company and exclusion.
    fn check(&mut self, around: &Surroundings) -> Result<(), Problem>;
    /// [`Extension::fits`].
    fn fits(&self, revision: u8) -> bool;
    /// [`Extension::encode`].
    fn encode(&self, revision: u8, info: &mut [u8], around: &Surroundings) -> Result<(), Malformed>;
    /// [`Extension::shown_name`].
    fn shown_name(&self) -> &'static str;
    /// [`Extension::list_names`].
    fn list_names(&self, w: &mut dyn fmt::Write, af: Af) -> fmt::Result;
    /// [`Extension::save`].
    fn save(&self, w: &mut dyn fmt::Write, around: &Surroundings) -> fmt::Result;
    /// [`Extension::print`].
    fn print(&self, w: &mut dyn fmt::Write, around: &Surroundings, numeric: bool) -> fmt::Result;
    /// The value itself, for whoever knows its type.
    fn value(&self) -> &dyn Any;
}

/// How an extension is made from a revision's number and info bytes.
pub type Decode = fn(u8, &[u8], &Surroundings) -> Result<Box<dyn Object>, Malformed>;

/// A name that `-m` or `-j` accepts, and how to make the extension behind it.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The name typed. Two families may give one name two entries.
    pub name: &'static str,
    /// For which families the entry stands.
    pub families: Families,
    /// The kernel's name.
    pub kernel_name: &'static str,
    /// The protocol it is the default match of (`-p tcp` then `--dport`), else `None`.
    pub protocol: Option<u8>,
    /// A fresh one, before any option.
    pub new: fn() -> Box<dyn Object>,
    /// One from bytes.
    pub decode: Decode,
}

impl Entry {
    /// The entry of an extension under its own name.
    pub const fn of<E: Extension>(families: Families) -> Self {
        Self {
            name: E::NAME,
            families,
            kernel_name: E::NAME,
            protocol: None,
            new: || Box::new(Instance { value: E::default(), seen: 0 }),
            decode: |revision, info, around| {
                Ok(Box::new(Instance { value: E::decode(revision, info, around)?, seen: 0 }))
            },
        }
    }

    /// The same under another name, starting from another value.
    pub const fn alias(mut self, name: &'static str, new: fn() -> Box<dyn Object>) -> Self {
        self.name = name;
        self.new = new;
        self
    }

    /// The same, as the default match of a protocol.
    pub const fn of_protocol(mut self, protocol: u8) -> Self {
        self.protocol = Some(protocol);
        self
    }
}

/// A boxed instance that starts from `value`: for aliases.
pub fn instance<E: Extension>(value: E) -> Box<dyn Object> {
    Box::new(Instance { value, seen: 0 })
}

/// All entries of a kind.
pub fn entries(kind: Kind) -> &'static [Entry] {
    match kind {
        Kind::Match => matches::ENTRIES,
        Kind::Target => targets::ENTRIES,
    }
}

/// The entry that `-m NAME`/`-j NAME` means in a family.
pub fn find(kind: Kind, name: &str, af: Af) -> Option<&'static Entry> {
    named(kind, name).find(|entry| entry.families.contain(af))
}

/// The entry that decodes what the kernel calls `name`: never an alias.
pub fn find_kernel(kind: Kind, name: &str, af: Af) -> Option<&'static Entry> {
    named(kind, name).find(|entry| entry.name == entry.kernel_name && entry.families.contain(af))
}

/// The entries of a name, one for each family or one for both.
fn named(kind: Kind, name: &str) -> impl Iterator<Item = &'static Entry> {
    let index = match kind {
        Kind::Match => &MATCHES,
        Kind::Target => &TARGETS,
    };
    let initial = usize::from(name.as_bytes().first().copied().unwrap_or_default()).min(ASCII - 1);
    let same_initial = entries(kind).get(index[initial]..index[initial + 1]).unwrap_or_default();
    same_initial.iter().filter(move |entry| entry.name == name)
}

/// How many names begin with a lower byte, for each byte: a decode looks for its extension in every rule.
static MATCHES: [usize; ASCII + 1] = index(matches::ENTRIES);
static TARGETS: [usize; ASCII + 1] = index(targets::ENTRIES);

/// The entries follow the alphabet.
const fn index(entries: &[Entry]) -> [usize; ASCII + 1] {
    let mut index = [0; ASCII + 1];
    let (mut initial, mut at) = (0, 0);
    while initial <= ASCII {
        while at < entries.len() && (entries[at].name.as_bytes()[0] as usize) < initial {
            at += 1;
        }
        index[initial] = at;
        initial += 1;
    }
    index
}

const ASCII: usize = 128;

#[derive(Clone, Debug)]
struct Instance<E> {
    value: E,
    seen: u64,
}

impl<E: Extension> Object for Instance<E> {
    fn name(&self) -> &'static str {
        E::NAME
    }

    fn kind(&self) -> Kind {
        E::KIND
    }

    fn revisions(&self) -> &'static [Revision] {
        E::REVISIONS
    }

    fn option_count(&self) -> usize {
        E::OPTIONS.len()
    }

    fn option(&self, index: usize) -> &'static option::Spec {
        &E::OPTIONS[index].spec
    }

    fn option_named(&self, name: &str) -> Option<(usize, &'static option::Spec)> {
        E::OPTIONS.iter().map(|option| &option.spec).enumerate().find(|(_, spec)| spec.name == name)
    }

    fn set(&mut self, index: usize, given: &Given<'_>) -> Result<(), Problem> {
        let spec = &E::OPTIONS[index].spec;
        let slot = option::same_slot(E::OPTIONS, index);
        let repeated = self.seen & slot != 0;
        option::admit(spec, self.shown_name(), repeated, given.inverted)?;
        let option = spec.alias_of.unwrap_or(spec.name);
        let given = Given { seen: self.seen, repeated, option, extension: self.shown_name(), ..*given };
        (E::OPTIONS[index].set)(&mut self.value, &given)?;
        self.seen |= slot;
        Ok(())
    }

    fn seen(&self) -> u64 {
        self.seen
    }

    fn check(&mut self, around: &Surroundings) -> Result<(), Problem> {
        self.value.check(self.seen, around)?;
        option::complete(E::OPTIONS, self.shown_name(), self.seen)
    }

    fn fits(&self, revision: u8) -> bool {
        self.value.fits(revision)
    }

    fn encode(&self, revision: u8, info: &mut [u8], around: &Surroundings) -> Result<(), Malformed> {
        self.value.encode(revision, info, around)
    }

    fn shown_name(&self) -> &'static str {
        self.value.shown_name()
    }

    fn list_names(&self, w: &mut dyn fmt::Write, af: Af) -> fmt::Result {
        E::list_names(w, af)
    }

    fn save(&self, w: &mut dyn fmt::Write, around: &Surroundings) -> fmt::Result {
        self.value.save(w, around)
    }

    fn print(&self, w: &mut dyn fmt::Write, around: &Surroundings, numeric: bool) -> fmt::Result {
        self.value.print(w, around, numeric)
    }

    fn value(&self) -> &dyn Any {
        &self.value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_registries_follow_the_alphabet_so_that_names_are_found() {
        for kind in [Kind::Match, Kind::Target] {
            let all = entries(kind);
            assert!(all.is_sorted_by_key(|entry| entry.name));
            for entry in all {
                let af = if entry.families.contain(Af::V4) { Af::V4 } else { Af::V6 };
                assert_eq!(find(kind, entry.name, af).map(|found| found.name), Some(entry.name));
            }
            assert!(find(kind, "", Af::V4).is_none() && find(kind, "~", Af::V4).is_none());
        }
    }
}
