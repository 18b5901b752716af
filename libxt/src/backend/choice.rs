//! Which backend a command talks to: `XT_BACKEND`, else the config file, else the datapath.

use std::env;
use std::fs;
use std::io;

use super::datapath::Datapath;
use super::kernel::Kernel;
use super::{Backend, Unavailable};
use crate::family::Af;

/// Where the tables of this process live.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Choice {
    /// The datapath of this network namespace.
    #[default]
    Datapath,
    /// The running kernel.
    Kernel,
}

impl Choice {
    /// `$XT_BACKEND`, else `backend = …` in `/etc/xtables-rs.conf`, else the datapath. An unknown word is an error.
    pub fn of_this_process() -> Result<Self, Unavailable> {
        if let Some(word) = env::var_os("XT_BACKEND").filter(|word| !word.is_empty()) {
            let word = word.to_string_lossy();
            return Self::parse(&word).ok_or_else(|| unknown(&word, "XT_BACKEND"));
        }
        match fs::read_to_string(CONFIG) {
            Ok(text) => Self::from_config(&text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            // An unreadable file may say anything: guessing would be a silent fallback.
            Err(error) => Err(Unavailable::because(libc::EIO, format!("cannot read {CONFIG}: {error}"))),
        }
    }

    /// Opens it; never another.
    pub fn open(self, af: Af) -> Result<Box<dyn Backend>, Unavailable> {
        match self {
            Self::Datapath => Ok(Box::new(Datapath::open(af)?)),
            Self::Kernel => Ok(Box::new(Kernel::open(af)?)),
        }
    }

    fn parse(word: &str) -> Option<Self> {
        match word {
            "datapath" => Some(Self::Datapath),
            "kernel" => Some(Self::Kernel),
            _ => None,
        }
    }

    /// The last `backend = …` line counts; `#` starts a comment, other keys are other programs'.
    fn from_config(text: &str) -> Result<Self, Unavailable> {
        let mut choice = Self::default();
        for line in text.lines() {
            let line = line.split('#').next().unwrap_or_default();
            if let Some((key, word)) = line.split_once('=')
                && key.trim() == "backend"
            {
                choice = Self::parse(word.trim()).ok_or_else(|| unknown(word.trim(), CONFIG))?;
            }
        }
        Ok(choice)
    }
}

fn unknown(word: &str, place: &str) -> Unavailable {
    Unavailable::because(libc::EINVAL, format!("{place} names the unknown backend `{word}' (datapath or kernel)"))
}

const CONFIG: &str = "/etc/xtables-rs.conf";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_config_file_chooses_the_backend() {
        assert_eq!(Choice::from_config(""), Ok(Choice::Datapath));
        assert_eq!(Choice::from_config("# backend = kernel\n"), Ok(Choice::Datapath));
        assert_eq!(Choice::from_config("color=red\n backend=kernel # the old tables\n"), Ok(Choice::Kernel));
        assert!(Choice::from_config("backend = nft\n").is_err());
    }
}
