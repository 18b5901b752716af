//! What goes wrong, in the original's words, with the original's exit codes.

use std::fmt;
use std::io;

/// What `-V` says, and what every message begins with.
pub(crate) const PROGRAM: &str = "conntrack v1.4.9 (conntrack-tools)";

/// An error that ends the program.
#[derive(Debug)]
pub(crate) enum Error {
    /// A mistake on the command line: exit 2, with a hint.
    Parameter(String),
    /// Anything else that is wrong: exit 1.
    Other(String),
    /// The table refused: exit 1.
    Failed {
        /// What was asked, which decides some of the words.
        asked: Asked,
        /// The errno.
        errno: i32,
        /// What the other end added.
        text: Option<String>,
    },
    /// The reader of our output is gone; nobody is left to tell.
    BrokenPipe,
}

/// What a failed request asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// To make one.
    Create,
    /// To make one unless it is there.
    Add,
    /// To get one.
    Get,
    /// To end one.
    Delete,
    /// Something else.
    Other,
}

impl Error {
    /// The number that the shell sees.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Parameter(_) => 2,
            Self::Other(_) | Self::Failed { .. } => 1,
            // As a process that SIGPIPE killed looks to the shell.
            Self::BrokenPipe => 141,
        }
    }

    /// A failed request.
    pub(crate) fn of_request(error: nfnl::request::Error, asked: Asked) -> Self {
        match error {
            nfnl::request::Error::Refused { errno, text } => Self::Failed { asked, errno, text },
            other => match other.errno() {
                Some(errno) => Self::Failed { asked, errno, text: None },
                None => Self::Other(format!("Operation failed: {other}")),
            },
        }
    }

    fn reason(asked: Asked, errno: i32) -> String {
        let known = match (errno, asked) {
            (_, Asked::Add) => return system_text(errno),
            (libc::EEXIST, Asked::Create) => "Such conntrack exists, try -U to update",
            (libc::ENOENT, Asked::Get | Asked::Delete) => "such conntrack doesn't exist",
            (libc::ENOMEM, _) => "not enough memory",
            (libc::EINVAL, _) => "invalid parameters",
            (libc::ETIME, _) => "conntrack has expired",
            (libc::EPROTONOSUPPORT, _) => "protocol not supported",
            (libc::EPERM, _) => "sorry, you must be root or get CAP_NET_ADMIN capability to do this",
            _ => return system_text(errno),
        };
        known.to_owned()
    }
}

/// As strerror() says it.
fn system_text(errno: i32) -> String {
    let text = io::Error::from_raw_os_error(errno).to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::BrokenPipe,
            _ => Self::Other(error.to_string()),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Parameter(text) => {
                writeln!(f, "{PROGRAM}: {text}")?;
                writeln!(f, "Try `conntrack -h' or 'conntrack --help' for more information.")
            }
            Self::Other(text) => writeln!(f, "{PROGRAM}: {text}"),
            Self::Failed { asked, errno, text } => {
                writeln!(f, "{PROGRAM}: Operation failed: {}", Self::reason(*asked, *errno))?;
                text.as_ref().map_or(Ok(()), |text| writeln!(f, "{text}"))
            }
            Self::BrokenPipe => Ok(()),
        }
    }
}

impl std::error::Error for Error {}
