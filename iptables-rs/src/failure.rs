//! The one error type of the commands: upstream's text and upstream's exit code.

use libxt::errno;
use libxt::ext::Problem;
use libxt::table::Refused;

use crate::program::{Program, VERSION};

/// Why a command did not succeed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// A parameter problem: `PROGRAM vX (VARIANT): TEXT` and the hint. Exit 2.
    Usage(String),
    /// A parameter problem whose text stands alone, before the hint. Exit 2.
    Bare(String),
    /// Only the hint. Exit 2.
    Hint,
    /// Something else went wrong: `PROGRAM vX (VARIANT): TEXT`. Exit 1.
    Other(String),
    /// Something else went wrong, in a text that stands alone, newline included. Exit 1.
    Alone(String),
    /// The table cannot be opened: `PROGRAM vX (VARIANT): TEXT` and an advice. Exit 3.
    Version(String),
    /// The lock cannot be had; the text stands alone. Exit 4.
    Resource(String),
    /// The table cannot be changed so, or its backend refused: `PROGRAM: TEXT.` Exit 1, or 4 for `EAGAIN`.
    Refused(Refused),
}

impl Failure {
    /// The exit code, as `enum xtables_exittype`.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) | Self::Bare(_) | Self::Hint => 2,
            Self::Other(_) | Self::Alone(_) => 1,
            Self::Version(_) => 3,
            Self::Resource(_) => 4,
            Self::Refused(refused) if refused.errno == libc::EAGAIN => 4,
            Self::Refused(_) => 1,
        }
    }

    /// Everything that goes to stderr, newline included. `line` is the line of a restore input.
    pub(crate) fn text(&self, program: Program, line: Option<usize>) -> String {
        let name = program.name();
        let variant = program.variant();
        let said = |text: &str| format!("{name} v{VERSION} ({variant}): {text}\n");
        let at = line.map_or_else(String::new, |line| format!("Error occurred at line: {line}\n"));
        let hint = format!("{at}Try `{name} -h' or '{name} --help' for more information.\n");
        match self {
            Self::Usage(text) => said(text) + &hint,
            Self::Bare(text) => format!("{text}\n{hint}"),
            Self::Hint => hint,
            Self::Other(text) => said(text),
            Self::Alone(text) => text.clone(),
            Self::Version(text) => said(text) + &format!("Perhaps {name} or your kernel needs to be upgraded.\n"),
            Self::Resource(text) => format!("{text}\n"),
            Self::Refused(refused) => {
                let advice = if refused.errno == libc::EINVAL { " Run `dmesg' for more information." } else { "" };
                let mut text = format!("{name}: {refused}.{advice}\n");
                if let Some(reason) = &refused.reason {
                    text += &format!("{name}: {reason}\n");
                }
                text
            }
        }
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        if problem.is_usage { Self::Usage(problem.text) } else { Self::Other(problem.text) }
    }
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Other(errno::text(error.raw_os_error().unwrap_or(libc::EIO)))
    }
}
