//! Matches and targets: what an extension is, and the registry of all of them.
//!
//! One file per extension, in [`mod@matches`] and [`targets`]: its value, its option table, its text, and the bytes of
//! every revision. There is one value type per extension, not one per revision; `decode` accepts any bytes without
//! panicking and says only [`Malformed`]; `decode(encode(value)) == value` for every value that `check` admits.
//! Adding an extension touches its own file and two lines of the `mod.rs` beside it.

use std::any::Any;
use std::fmt;

use crate::family::Af;

mod guided;
pub mod matches;
pub mod option;
pub mod targets;

pub use option::{Given, Opt, Problem};

/// Whether an extension is a match (`-m`) or a target (`-j`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Loaded by `-m`; `xt_match` in the kernel.
    Match,
    /// Loaded by `-j`; `xt_target` in the kernel.
    Target,
}

/// The families an extension or one revision of it exists for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Families {
    /// IPv4 and IPv6.
    Both,
    /// IPv4 alone.
    V4,
    /// IPv6 alone.
    V6,
}

impl Families {
    /// Whether `af` is among them.
    pub const fn contain(self, af: Af) -> bool {
        matches!((self, af), (Self::Both, _) | (Self::V4, Af::V4) | (Self::V6, Af::V6))
    }
}

/// One revision of an extension's bytes, as `struct xtables_match` of the library knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revision {
    /// The revision number, as in `xt_entry_match.u.user.revision`.
    pub number: u8,
    /// Bytes of the kernel's info struct, without the 32-byte header and before alignment to 8.
    pub size: usize,
    /// How many of them say what the user meant; the rest is the kernel's own. `-D` and `-C` compare only these.
    pub user_size: usize,
    /// For which families it exists.
    pub families: Families,
}

impl Revision {
    /// A revision whose every byte is the user's.
    pub const fn new(number: u8, size: usize) -> Self {
        Self { number, size, user_size: size, families: Families::Both }
    }

    /// The same, with a kernel-private tail beyond `user_size`.
    pub const fn user_size(mut self, user_size: usize) -> Self {
        self.user_size = user_size;
        self
    }

    /// The same, for one family only.
    pub const fn only(mut self, families: Families) -> Self {
        self.families = families;
        self
    }
}

/// What surrounds an extension in its rule: text and bytes may depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Surroundings {
    /// The family of the table.
    pub af: Af,
    /// The rule's protocol (`ipt_ip.proto`), 0 if none was given.
    pub protocol: u16,
    /// Whether the rule says `! -p`.
    pub protocol_inverted: bool,
}

impl Surroundings {
    /// A rule of `af` that names no protocol.
    pub const fn new(af: Af) -> Self {
        Self { af, protocol: 0, protocol_inverted: false }
    }
}

/// Bytes that no encoder of ours or the kernel's writes: the struct is too short, or a field holds what it never can.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed(
    /// Which extension or field.
    pub &'static str,
);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "malformed {}", self.0)
    }
}

impl std::error::Error for Malformed {}

/// A match or a target as a value, and its translations.
///
/// `Default` is what the extension means before any option was read (upstream's `init`).
pub trait Extension: Clone + Default + PartialEq + fmt::Debug + Send + Sync + 'static {
    /// The kernel's name of it, as it stands in the blob.
    const NAME: &'static str;
    /// Match or target.
    const KIND: Kind;
    /// In the order in which they are tried on the kernel: newest first, but for those that the tools read and never
    /// write, which come last.
    const REVISIONS: &'static [Revision];
    /// The options, in the order in which help prints them.
    const OPTIONS: &'static [Opt<Self>];

    /// Called once all options of the rule were read (upstream's `x6_fcheck`/`final_check`).
    ///
    /// `seen` has bit *i* set if option *i* of the table was given.
    fn check(&mut self, seen: u64, around: &Surroundings) -> Result<(), Problem> {
        let _ = (seen, around);
        Ok(())
    }

    /// Whether this value can be said in the bytes of revision `number` (an older kernel may have only old ones).
    fn fits(&self, number: u8) -> bool {
        let _ = number;
        true
    }

    /// The value in the info bytes (without the 32-byte header) of a revision. `info` may be longer, never panics.
    fn decode(revision: u8, info: &[u8], around: &Surroundings) -> Result<Self, Malformed>;

    /// Writes the info bytes. `info` is zeroed, and as long as the revision's aligned size.
    fn encode(&self, revision: u8, info: &mut [u8], around: &Surroundings) -> Result<(), Malformed>;

    /// The name shown after `-m`/`-j`; differs from [`Self::NAME`] for aliases (`state`, `NOTRACK`).
    fn shown_name(&self) -> &'static str {
        Self::NAME
    }

    /// The options as `-S` and `iptables-save` print them, each with one space **before** it.
    fn save(&self, w: &mut dyn fmt::Write, around: &Surroundings) -> fmt::Result;

    /// The text of `-L`, with one space before it; `numeric` is `-n`.
    fn print(&self, w: &mut dyn fmt::Write, around: &Surroundings, numeric: bool) -> fmt::Result;
}

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
    fn option(&self, index: usize) -> option::Spec;
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
#[derive(Clone, Copy)]
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
    entries(kind).iter().find(|entry| entry.name == name && entry.families.contain(af))
}

/// The entry that decodes what the kernel calls `name`: never an alias.
pub fn find_kernel(kind: Kind, name: &str, af: Af) -> Option<&'static Entry> {
    entries(kind)
        .iter()
        .find(|entry| entry.kernel_name == name && entry.name == entry.kernel_name && entry.families.contain(af))
}

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

    fn option(&self, index: usize) -> option::Spec {
        E::OPTIONS[index].spec
    }

    fn set(&mut self, index: usize, given: &Given<'_>) -> Result<(), Problem> {
        option::admit(E::OPTIONS, self.shown_name(), index, self.seen, given.inverted)?;
        let spec = &E::OPTIONS[index].spec;
        let option = spec.alias_of.unwrap_or(spec.name);
        let slot = option::same_slot(E::OPTIONS, index);
        let repeated = self.seen & slot != 0;
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
