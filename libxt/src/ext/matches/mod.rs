//! The matches, one file each, and their registry.

use super::{Entry, Families};

pub mod mark;

/// Every match name, in the order of the alphabet.
pub const ENTRIES: &[Entry] = &[Entry::of::<mark::Mark>(Families::Both)];
