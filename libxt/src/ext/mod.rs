//! Matches and targets: what an extension is, and the registry of all of them.
//!
//! One file per extension, in [`mod@matches`] and [`targets`]: its value, its option table, its text, and the bytes of
//! every revision. There is one value type per extension, not one per revision; `decode` accepts any bytes without
//! panicking and says only [`Malformed`]; `decode(encode(value)) == value` for every value that `check` admits.
//! Adding an extension touches its own file and two lines of the `mod.rs` beside it.

mod entry;
mod extension;
mod guided;
pub mod matches;
pub mod option;
pub mod targets;

pub use entry::{Decode, Entry, Object, entries, find, find_kernel, instance};
pub use extension::{Extension, Families, Kind, Malformed, Revision, Surroundings};
pub use option::{Given, Opt, Problem};
