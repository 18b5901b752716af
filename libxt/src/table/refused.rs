//! Why a table could not be opened, edited or written back, in libiptc's words.

use std::fmt;
use std::io;

use crate::errno;

/// An errno and what was being done: together they choose the text, as in `iptc_strerror()`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The kernel's number, or the one libiptc sets.
    pub errno: i32,
    /// What was being done.
    pub during: During,
    /// What the backend knows beyond the errno: one line for stderr.
    pub reason: Option<String>,
}

/// The operations that have texts of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum During {
    /// Reading the table.
    Open,
    /// `-N`.
    Create,
    /// `-I`.
    Insert,
    /// `-R`.
    Replace,
    /// `-D` with a number.
    DeleteNumber,
    /// `-D` and `-C` with a rule.
    DeleteRule,
    /// `-Z` with a number.
    Zero,
    /// `-P`.
    SetPolicy,
    /// Writing the table back.
    Commit,
    /// Anything else.
    Edit,
}

impl Refused {
    /// A refusal without further words.
    pub fn new(during: During, errno: i32) -> Self {
        Self { errno, during, reason: None }
    }

    /// Whether the table changed between reading and writing: what was asked for may be done again on the new one.
    pub fn is_stale(&self) -> bool {
        self.errno == libc::EAGAIN && self.during == During::Commit
    }

    pub(super) fn from_io(during: During, error: &io::Error, reason: Option<String>) -> Self {
        Self { errno: error.raw_os_error().unwrap_or(libc::EIO), during, reason }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match (self.during, self.errno) {
            (During::Open, libc::EPERM) => "Permission denied (you must be root)",
            (During::Open, libc::EINVAL) => "Module is wrong version",
            (During::Open, libc::ENOENT) => "Table does not exist (do you need to insmod?)",
            (During::Create, libc::EEXIST) => "Chain already exists",
            (During::Insert, libc::E2BIG) => "Index of insertion too big",
            (During::Replace, libc::E2BIG) => "Index of replacement too big",
            (During::DeleteNumber, libc::E2BIG) => "Index of deletion too big",
            (During::Zero, libc::E2BIG) => "Index of counter too big",
            (During::DeleteRule, libc::ENOENT) => "Bad rule (does a matching rule exist in that chain?)",
            (During::SetPolicy, libc::ENOENT) => "Bad built-in chain name",
            (During::SetPolicy, libc::EINVAL) => "Bad policy name",
            (_, 0) => "Incompatible with this kernel",
            (_, libc::ENOPROTOOPT) => "iptables who? (do you need to insmod?)",
            (_, libc::ENOSYS) => "Will be implemented real soon.  I promise ;)",
            (_, libc::ENOMEM) => "Memory allocation problem",
            (_, libc::ENOENT) => "No chain/target/match by that name",
            (_, number) => return f.write_str(&errno::text(number)),
        };
        f.write_str(text)
    }
}

impl std::error::Error for Refused {}
