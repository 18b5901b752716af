//! What an extension is: its name, revisions, options, texts and bytes.

use std::fmt;

use super::option::{Opt, Problem};
use crate::family::Af;

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

    /// Names that arguments may have in a family, as help lists them below the options: one meaning a line, codes of a
    /// type indented under it.
    fn list_names(w: &mut dyn fmt::Write, af: Af) -> fmt::Result {
        let _ = (w, af);
        Ok(())
    }

    /// The options as `-S` and `iptables-save` print them, each with one space **before** it.
    fn save(&self, w: &mut dyn fmt::Write, around: &Surroundings) -> fmt::Result;

    /// The text of `-L`, with one space before it; `numeric` is `-n`.
    fn print(&self, w: &mut dyn fmt::Write, around: &Surroundings, numeric: bool) -> fmt::Result;
}
