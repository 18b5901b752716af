//! Where the table is: the datapath of this network namespace, or the kernel. Never the one instead of the other.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use nfnl::transport::{Datapath, Kernel, Transport};

use crate::error::{Asked, Error};

/// A way to the table.
#[derive(Debug)]
pub(crate) enum Backend {
    Datapath(Datapath),
    Kernel(Kernel),
}

impl Backend {
    /// Opens the one that `$XT_BACKEND`, else the config file, names; the datapath if neither does.
    pub(crate) fn open() -> Result<Self, Error> {
        if wants_kernel()? {
            let failed = |error: io::Error| Error::of_request(error.into(), Asked::Other);
            return Kernel::open().map(Self::Kernel).map_err(failed);
        }
        Datapath::open().map(Self::Datapath).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Error::Other(
                "no datapath runs in this network namespace: start one with `xt-datapath run', \
                 or set XT_BACKEND=kernel"
                    .into(),
            ),
            io::ErrorKind::PermissionDenied => Error::Failed { asked: Asked::Other, errno: libc::EPERM, text: None },
            _ => Error::Other(format!("cannot reach the datapath: {error}")),
        })
    }

    fn inner(&mut self) -> &mut dyn Transport {
        match self {
            Self::Datapath(datapath) => datapath,
            Self::Kernel(kernel) => kernel,
        }
    }
}

impl Transport for Backend {
    fn send(&mut self, message: &[u8]) -> io::Result<()> {
        self.inner().send(message)
    }
    fn recv(&mut self, buf: &mut Vec<u8>) -> io::Result<()> {
        self.inner().recv(buf)
    }
    fn subscribe(&mut self, group: u32) -> io::Result<()> {
        self.inner().subscribe(group)
    }
    fn set_buffer_size(&mut self, size: usize) -> io::Result<usize> {
        self.inner().set_buffer_size(size)
    }
}

impl AsFd for Backend {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Datapath(datapath) => datapath.as_fd(),
            Self::Kernel(kernel) => kernel.as_fd(),
        }
    }
}

const CONFIG: &str = "/etc/xtables-rs.conf";

fn wants_kernel() -> Result<bool, Error> {
    if let Some(word) = std::env::var_os("XT_BACKEND").filter(|word| !word.is_empty()) {
        return backend(&word.to_string_lossy(), "XT_BACKEND");
    }
    match std::fs::read_to_string(CONFIG) {
        Ok(text) => configured(&text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        // An unreadable file may say anything.
        Err(error) => Err(Error::Other(format!("cannot read {CONFIG}: {error}"))),
    }
}

/// The last `backend = …` line counts; `#` begins a comment, other keys are other programs'.
fn configured(text: &str) -> Result<bool, Error> {
    let mut kernel = false;
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default();
        if let Some((key, word)) = line.split_once('=')
            && key.trim() == "backend"
        {
            kernel = backend(word.trim(), CONFIG)?;
        }
    }
    Ok(kernel)
}

fn backend(word: &str, place: &str) -> Result<bool, Error> {
    match word {
        "datapath" => Ok(false),
        "kernel" => Ok(true),
        _ => Err(Error::Other(format!("{place} names the unknown backend `{word}' (datapath or kernel)"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_config_file_chooses_and_its_last_line_counts() {
        assert!(!configured("").unwrap());
        assert!(configured("# backend = datapath\nother = 1\n backend=kernel # old\n").unwrap());
        assert!(configured("backend = nft\n").is_err());
    }
}
