//! What the kernel says to a change that it does not make.

use std::fmt;
use std::io;

use super::{Change, Method};

/// Why a change was not made; nothing of it is in force then.
#[derive(Debug)]
pub enum Error {
    /// The socket failed.
    Socket(io::Error),
    /// The kernel refused this step.
    Refused {
        /// Its errno.
        errno: i32,
        /// The step, or `None` for the batch as a whole.
        step: Option<Change>,
    },
}

impl Error {
    /// The errno.
    pub fn errno(&self) -> i32 {
        match self {
            Self::Socket(error) => error.raw_os_error().unwrap_or(libc::EIO),
            Self::Refused { errno, .. } => *errno,
        }
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Socket(error)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(error) => write!(f, "nf_tables socket: {error}"),
            Self::Refused { errno, step } => {
                write!(f, "nf_tables refused ")?;
                match step {
                    Some(Change::FreshTable(_)) => write!(f, "the table")?,
                    Some(Change::NoTable(_)) => write!(f, "to delete the table")?,
                    Some(Change::Add(chain, _, Method::Native)) => write!(f, "chain {} with `queue`", chain.name())?,
                    Some(Change::Add(chain, _, Method::Compat)) => write!(f, "chain {} with NFQUEUE", chain.name())?,
                    Some(Change::Probe(_, _, Method::Native)) => write!(f, "a rule with `queue`")?,
                    Some(Change::Probe(_, _, Method::Compat)) => write!(f, "a rule with NFQUEUE")?,
                    Some(Change::Again(chain, ..)) => write!(f, "to change chain {}", chain.name())?,
                    Some(Change::Try(..)) => write!(f, "a match of the kernel's own")?,
                    Some(Change::Judge(..) | Change::TryJudge(..)) => write!(f, "what is to be judged at once")?,
                    Some(Change::Map(..)) => write!(f, "a chain in the table mangle")?,
                    Some(Change::NoMap(_) | Change::NoMapTable(_)) => write!(f, "to clear the table mangle")?,
                    Some(Change::Follow(chain)) => write!(f, "what follows chain {}", chain.name())?,
                    Some(Change::Idle(chain)) => write!(f, "to empty chain {}", chain.name())?,
                    None => write!(f, "the batch")?,
                }
                write!(f, ": {}", io::Error::from_raw_os_error(*errno))
            }
        }
    }
}

impl std::error::Error for Error {}
