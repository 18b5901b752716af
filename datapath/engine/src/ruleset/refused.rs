//! Why a call on tables was refused: the kernel's errno and a reason for people.

use std::fmt;

use libxt::table::HOOK_NAMES;
use libxt::value::protocol;

/// A refusal of a socket-option call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The errno the kernel would have answered with.
    pub errno: i32,
    /// What was wrong; with `of` before and `limit` after it, a second line on stderr.
    reason: &'static str,
    of: &'static str,
    limit: Limit,
}

/// What an extension's place must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Limit {
    None,
    Table(&'static str),
    Hooks(u32),
    Protocol(u8),
}

impl Refused {
    /// A refusal.
    pub const fn new(errno: i32, reason: &'static str) -> Self {
        Self { errno, reason, of: "", limit: Limit::None }
    }

    /// An extension that is not in its table.
    pub const fn outside_table(of: &'static str, table: &'static str) -> Self {
        Self { errno: errno::EINVAL, reason: "may stand only in table ", of, limit: Limit::Table(table) }
    }

    /// An extension that is reached from another hook than bit *n* for `NF_INET_*` number *n* allow.
    pub const fn outside_hooks(of: &'static str, hooks: u32) -> Self {
        Self { errno: errno::EINVAL, reason: "may be reached only from ", of, limit: Limit::Hooks(hooks) }
    }

    /// An extension whose rule does not name its protocol.
    pub const fn without_protocol(of: &'static str, number: u8) -> Self {
        Self { errno: errno::EINVAL, reason: "its rule must say -p ", of, limit: Limit::Protocol(number) }
    }

    /// The same refusal, of an extension.
    pub const fn of(mut self, extension: &'static str) -> Self {
        self.of = extension;
        self
    }

    /// Whether it is the datapath alone that cannot do what was asked for.
    pub fn is_own(&self) -> bool {
        self.reason.contains("the datapath")
    }

    /// The commonest one.
    pub const fn invalid(reason: &'static str) -> Self {
        Self::new(errno::EINVAL, reason)
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { reason, of, limit, .. } = *self;
        write!(f, "{of}{}{reason}", if of.is_empty() { "" } else { ": " })?;
        match limit {
            Limit::None => Ok(()),
            Limit::Table(table) => f.write_str(table),
            Limit::Hooks(hooks) => {
                let mut between = "";
                for (_, name) in HOOK_NAMES.iter().enumerate().filter(|(hook, _)| hooks >> hook & 1 != 0) {
                    write!(f, "{between}{name}")?;
                    between = ", ";
                }
                Ok(())
            }
            Limit::Protocol(number) => match protocol::built_in_name(number) {
                Some(name) => f.write_str(name),
                None => write!(f, "{number}"),
            },
        }
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
