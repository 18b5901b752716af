//! Where tables live: the kernel's socket options, or the same calls as frames on a socket to the datapath.
//!
//! Whoever edits a table knows only [`Backend`]. There is never a silent fallback from one to the other.

use std::fmt;
use std::io;

use crate::errno;
use crate::family::Af;

pub mod choice;
pub mod datapath;
mod frame;
pub mod kernel;
pub mod server;

pub use crate::abi::Counters;
pub use choice::Choice;

/// A question that `getsockopt` answers.
///
/// In every case `value` holds the uAPI struct going in and, grown as needed, the answer coming out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Get {
    /// `IPT_SO_GET_INFO`: `struct ipt_getinfo`.
    Info,
    /// `IPT_SO_GET_ENTRIES`: `struct ipt_get_entries`, then the entries.
    Entries,
    /// `IPT_SO_GET_REVISION_MATCH`: `struct xt_get_revision`.
    RevisionMatch,
    /// `IPT_SO_GET_REVISION_TARGET`: `struct xt_get_revision`.
    RevisionTarget,
}

/// The socket-option calls of one family. Errors are the kernel's errno (`io::Error::raw_os_error`).
pub trait Backend {
    /// Which family's tables these are.
    fn af(&self) -> Af;
    /// As `getsockopt`; `value` comes back as long as the answer.
    fn get(&mut self, what: Get, value: &mut Vec<u8>) -> io::Result<()>;
    /// As `IPT_SO_SET_REPLACE`: `blob` is `struct ipt_replace` with its entries; the counters of the old table's
    /// entries come back in `old`, which is as long as the old table had entries. The blob's own fields for them,
    /// `num_counters` and `counters`, are the backend's to fill in.
    fn replace(&mut self, blob: &mut [u8], old: &mut [Counters]) -> io::Result<()>;
    /// As `IPT_SO_SET_ADD_COUNTERS`: `blob` is `struct xt_counters_info` with its counters.
    fn add_counters(&mut self, blob: &[u8]) -> io::Result<()>;
    /// Names of the tables in use, newest registered first, as `/proc/net/ip_tables_names` has them.
    fn table_names(&mut self) -> io::Result<Vec<String>>;
    /// Why the last call failed, in more words than an errno, if this backend knows: one line for stderr.
    fn reason(&self) -> Option<String> {
        None
    }
}

/// The tables that `XT_BACKEND` or the config file chose (see [`Choice`]), opened.
pub fn open(af: Af) -> Result<Box<dyn Backend>, Unavailable> {
    Choice::of_this_process()?.open(af)
}

/// Why no backend could be opened. The command says `can't initialize iptables table` and exits with 3.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unavailable {
    /// The errno of the call that failed; `EPERM` is upstream's `Permission denied (you must be root)`.
    pub errno: i32,
    /// What to say in place of the errno's text, where this backend knows better.
    pub reason: Option<String>,
}

impl Unavailable {
    fn because(errno: i32, reason: impl Into<String>) -> Self {
        Self { errno, reason: Some(reason.into()) }
    }
}

impl From<io::Error> for Unavailable {
    fn from(error: io::Error) -> Self {
        Self { errno: error.raw_os_error().unwrap_or(libc::EIO), reason: None }
    }
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.reason, self.errno) {
            (Some(reason), _) => f.write_str(reason),
            // As iptc_strerror() for TC_INIT.
            (None, libc::EPERM | libc::EACCES) => f.write_str("Permission denied (you must be root)"),
            (None, libc::ENOENT) => f.write_str("Table does not exist (do you need to insmod?)"),
            (None, errno) => f.write_str(&errno::text(errno)),
        }
    }
}

impl std::error::Error for Unavailable {}
