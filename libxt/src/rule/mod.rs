//! A rule as a value, into bytes; and from bytes into the text of `-S` and of `-L`.
//!
//! Text to value is the command line's business (its options may stand in any order among the command's own); what a
//! rule is once read is [`Rule`]. Printing goes straight from an entry's bytes, so that rules of extensions or revisions
//! unknown here are shown as such and kept as they are.

mod encode;
mod list;
mod save;

use crate::abi::Counters;
use crate::ext::Object;
use crate::family::Af;
use crate::value::header::Header;

pub use encode::{Encoded, Unencodable, encode};
pub use list::{Columns, count, list_line};
pub use save::{SaveError, save_line};

/// A rule that was read and checked, for one pair of addresses.
#[derive(Debug)]
pub struct Rule {
    /// Addresses, interfaces, protocol, flags.
    pub header: Header,
    /// `-c`.
    pub counters: Counters,
    /// `-m`, in order.
    pub matches: Vec<Box<dyn Object>>,
    /// `-j` or `-g`.
    pub target: Target,
}

/// What follows `-j` or `-g`.
#[derive(Debug)]
pub enum Target {
    /// Nothing: the packet goes on to the next rule.
    None,
    /// `ACCEPT`, `DROP`, `QUEUE` or `RETURN`.
    Verdict(i32),
    /// A user chain.
    Chain(String),
    /// An extension.
    Extension(Box<dyn Object>),
}

impl Rule {
    /// A rule that matches everything and does nothing.
    pub fn new(af: Af) -> Self {
        Self { header: Header::any(af), counters: Counters::default(), matches: Vec::new(), target: Target::None }
    }
}
