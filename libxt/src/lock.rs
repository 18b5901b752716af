//! The xtables lock: an `flock` that every program which changes tables takes, ours and others'.

use std::env;
use std::ffi::OsString;
use std::fmt;
use std::os::fd::OwnedFd;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag, open};
use nix::sys::stat::Mode;

use crate::errno;

/// The lock, held until this is dropped or the process ends.
#[derive(Debug)]
pub struct Lock(
    // Held for its destructor alone.
    #[allow(dead_code)] Flock<OwnedFd>,
);

/// How long to wait, as `-w` says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Wait {
    /// Until the lock is free: `-w`, `-w 0`, and without `-w` too, as 1.8.9 does.
    #[default]
    Forever,
    /// `-w N`: so many seconds.
    Seconds(i32),
}

/// Why there is no lock. The command prints this and exits with 4.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unlocked {
    /// The file cannot be opened.
    Fatal(OsString, Errno),
    /// Somebody else holds it, and the seconds are over.
    Busy(OsString, Errno, i32),
}

impl Lock {
    /// Takes the lock of this machine: `$XTABLES_LOCKFILE`, else `/run/xtables.lock`.
    pub fn acquire(wait: Wait) -> Result<Self, Unlocked> {
        let file = env::var_os("XTABLES_LOCKFILE").filter(|file| !file.is_empty());
        Self::acquire_at(file.unwrap_or_else(|| "/run/xtables.lock".into()), wait)
    }

    /// Takes the lock of one file, as xtables_lock() does.
    pub fn acquire_at(file: OsString, wait: Wait) -> Result<Self, Unlocked> {
        let flags = OFlag::O_RDONLY | OFlag::O_CREAT | OFlag::O_CLOEXEC;
        let mut held = match open(file.as_os_str(), flags, Mode::S_IRUSR | Mode::S_IWUSR) {
            Ok(fd) => fd,
            Err(errno) => return Err(Unlocked::Fatal(file, errno)),
        };
        match Flock::lock(held, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => return Ok(Self(lock)),
            Err((fd, Errno::EWOULDBLOCK)) => held = fd,
            Err((_, errno)) => return Err(Unlocked::Busy(file, errno, wait.seconds())),
        }
        // A blocking flock() keeps its place in the kernel's queue, which polling would not. The thread outlives a
        // wait that ran out, and lets go of the lock if it gets it after all.
        let (done, outcome) = mpsc::sync_channel(0);
        thread::spawn(move || {
            let lock = loop {
                match Flock::lock(held, FlockArg::LockExclusive) {
                    Err((fd, Errno::EINTR)) => held = fd,
                    other => break other.map_err(|(_, errno)| errno),
                }
            };
            let _ = done.send(lock);
        });
        let outcome = match wait {
            Wait::Forever | Wait::Seconds(0) => outcome.recv().map_err(|_| Errno::EINTR),
            // alarm(2) takes a negative number for a huge one.
            Wait::Seconds(seconds) => outcome
                .recv_timeout(Duration::from_secs(seconds.cast_unsigned().into()))
                .map_err(|_| Errno::EWOULDBLOCK),
        };
        match outcome.and_then(|lock| lock) {
            Ok(lock) => Ok(Self(lock)),
            Err(errno) => Err(Unlocked::Busy(file, errno, wait.seconds())),
        }
    }
}

impl Wait {
    const fn seconds(self) -> i32 {
        match self {
            Self::Forever => 0,
            Self::Seconds(seconds) => seconds,
        }
    }
}

impl fmt::Display for Unlocked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fatal(file, errno) => {
                write!(f, "Fatal: can't open lock file {}: {}", file.display(), errno::text(*errno as i32))
            }
            Self::Busy(file, errno, seconds) => {
                writeln!(f, "Can't lock {}: {}", file.display(), errno::text(*errno as i32))?;
                write!(f, "Another app is currently holding the xtables lock. Stopped waiting after {seconds}s.")
            }
        }
    }
}

impl std::error::Error for Unlocked {}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::time::Instant;

    use super::*;

    #[test]
    fn the_lock_is_waited_for_so_many_seconds_and_no_longer() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("xtables.lock");
        let held = Lock::acquire_at(file.clone().into(), Wait::Forever).unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let start = Instant::now();
        let busy = Lock::acquire_at(file.clone().into(), Wait::Seconds(1)).unwrap_err();
        assert!((900..3000).contains(&start.elapsed().as_millis()));
        assert_eq!(
            busy.to_string(),
            format!(
                "Can't lock {}: Resource temporarily unavailable\n\
                 Another app is currently holding the xtables lock. Stopped waiting after 1s.",
                file.display()
            )
        );
        drop(held);
        Lock::acquire_at(file.into(), Wait::Seconds(1)).unwrap();
    }

    #[test]
    fn a_lock_file_that_cannot_be_opened_is_fatal() {
        let fatal = Lock::acquire_at("/nonexistent/lock".into(), Wait::Forever).unwrap_err();
        assert_eq!(fatal.to_string(), "Fatal: can't open lock file /nonexistent/lock: No such file or directory");
    }
}
