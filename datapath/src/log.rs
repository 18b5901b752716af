//! Where LOG's lines go: the system's log as facility kern, the kernel's ring, stderr, or a file.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::config::LogTo;
use crate::state::lock;
use crate::stderr;

/// An open log. Writing never waits: a line that the log does not take is counted as lost.
#[derive(Debug)]
pub(crate) struct Sink {
    to: Mutex<To>,
    lost: AtomicU64,
}

#[derive(Debug)]
enum To {
    Syslog(UnixDatagram),
    Kernel(File),
    Stderr,
    Nowhere,
    File(File),
}

impl Sink {
    /// Opens the log that was asked for.
    pub(crate) fn open(wanted: &LogTo) -> Result<Self, String> {
        Ok(Self { to: Mutex::new(To::open(wanted)?), lost: AtomicU64::new(0) })
    }

    /// Opens another log, or the same file anew after it was rotated.
    pub(crate) fn reopen(&self, wanted: &LogTo) -> Result<(), String> {
        *lock(&self.to) = To::open(wanted)?;
        Ok(())
    }

    /// Writes a line of this syslog level (0 to 7).
    pub(crate) fn line(&self, level: u8, text: &[u8]) {
        let level = level.min(7);
        let mut line = Vec::with_capacity(text.len() + 16);
        let written = match &mut *lock(&self.to) {
            To::Nowhere => return,
            To::Syslog(socket) => {
                let _ = write!(line, "<{level}>kernel: ");
                line.extend_from_slice(text);
                socket.send(&line).map(drop)
            }
            To::Kernel(file) => {
                let _ = write!(line, "<{level}>");
                line.extend_from_slice(text);
                line.push(b'\n');
                file.write_all(&line)
            }
            To::File(file) => {
                line.extend_from_slice(text);
                line.push(b'\n');
                file.write_all(&line)
            }
            To::Stderr => {
                line.extend_from_slice(text);
                line.push(b'\n');
                stderr::write(&line)
            }
        };
        if written.is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Lines that the log did not take.
    pub(crate) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

impl To {
    fn open(wanted: &LogTo) -> Result<Self, String> {
        let append = |path: &Path| {
            let file = OpenOptions::new().create(true).append(true).custom_flags(libc::O_NONBLOCK).open(path);
            file.map_err(|error| format!("log {}: {error}", path.display()))
        };
        Ok(match wanted {
            LogTo::Auto => match (Self::syslog(), OpenOptions::new().write(true).open(KMSG)) {
                (Ok(socket), _) => Self::Syslog(socket),
                (_, Ok(file)) => Self::Kernel(file),
                _ => Self::Stderr,
            },
            LogTo::Syslog => Self::Syslog(Self::syslog().map_err(|error| format!("log {SYSLOG}: {error}"))?),
            LogTo::Kernel => {
                Self::Kernel(OpenOptions::new().write(true).open(KMSG).map_err(|error| format!("log {KMSG}: {error}"))?)
            }
            LogTo::Stderr => Self::Stderr,
            LogTo::Nowhere => Self::Nowhere,
            LogTo::File(path) => Self::File(append(path)?),
        })
    }

    fn syslog() -> std::io::Result<UnixDatagram> {
        let socket = UnixDatagram::unbound()?;
        socket.connect(SYSLOG)?;
        socket.set_nonblocking(true)?;
        Ok(socket)
    }
}

const SYSLOG: &str = "/dev/log";
const KMSG: &str = "/dev/kmsg";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_appended_to_a_file_that_may_be_rotated() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fw.log");
        let wanted = LogTo::File(path.clone());
        let sink = Sink::open(&wanted).unwrap();
        sink.line(4, b"one");
        std::fs::rename(&path, folder.path().join("old")).unwrap();
        sink.reopen(&wanted).unwrap();
        sink.line(200, b"two");
        assert_eq!(std::fs::read(folder.path().join("old")).unwrap(), b"one\n");
        assert_eq!(std::fs::read(&path).unwrap(), b"two\n");
        assert_eq!(sink.lost(), 0);
    }

    #[test]
    fn a_place_that_cannot_be_written_is_named() {
        let error = Sink::open(&LogTo::File("/nowhere/at/all".into())).unwrap_err();
        assert!(error.starts_with("log /nowhere/at/all: "), "{error}");
    }
}
