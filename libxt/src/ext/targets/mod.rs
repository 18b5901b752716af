//! The targets, one file each, and their registry.

use super::{Entry, Families};

pub mod mark;

/// Every target name, in the order of the alphabet.
pub const ENTRIES: &[Entry] = &[Entry::of::<mark::Mark>(Families::Both)];
