//! Why a call on tables was refused: the kernel's errno and a reason for people.

use std::fmt;

/// A refusal of a socket-option call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The errno the kernel would have answered with.
    pub errno: i32,
    /// What was wrong, for a second line on stderr.
    pub reason: &'static str,
}

impl Refused {
    /// A refusal.
    pub const fn new(errno: i32, reason: &'static str) -> Self {
        Self { errno, reason }
    }

    /// The commonest one.
    pub const fn invalid(reason: &'static str) -> Self {
        Self::new(errno::EINVAL, reason)
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason)
    }
}

impl std::error::Error for Refused {}

/// The numbers of asm-generic/errno-base.h and errno.h that table calls answer with.
pub mod errno {
    /// No such file or directory: no such table, extension, helper.
    pub const ENOENT: i32 = 2;
    /// Try again: the table changed meanwhile.
    pub const EAGAIN: i32 = 11;
    /// Out of memory: a size no table may have.
    pub const ENOMEM: i32 = 12;
    /// Invalid argument.
    pub const EINVAL: i32 = 22;
    /// No space left on device: a table of numbers is full.
    pub const ENOSPC: i32 = 28;
    /// Numerical argument out of domain: a code point past 63.
    pub const EDOM: i32 = 33;
    /// Numerical result out of range.
    pub const ERANGE: i32 = 34;
    /// File name too long.
    pub const ENAMETOOLONG: i32 = 36;
    /// Too many levels of symbolic links: chains that call each other in a circle.
    pub const ELOOP: i32 = 40;
    /// Protocol wrong type for socket: the extension exists for every family, but not in this revision.
    pub const EPROTOTYPE: i32 = 91;
    /// Protocol not supported: the extension exists, but not in this revision.
    pub const EPROTONOSUPPORT: i32 = 93;
    /// Operation not supported: what only the kernel itself can do.
    pub const EOPNOTSUPP: i32 = 95;
}
