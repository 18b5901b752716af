//! The folder of this network namespace under `/run`: made private, and held by one datapath at a time.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use libxt::rundir;
use nix::fcntl::{Flock, FlockArg};

/// The folder, for as long as this process holds it. The kernel lets go of it if the process dies, however it dies.
#[derive(Debug)]
pub(crate) struct RunFolder {
    path: PathBuf,
    _lock: Flock<File>,
}

impl RunFolder {
    /// Takes the folder of this network namespace; the error is a text for people.
    pub(crate) fn take() -> Result<Self, String> {
        let path = rundir::of_this_namespace().map_err(|error| format!("no run folder: {error}"))?;
        Self::take_at(&path)
    }

    fn take_at(path: &Path) -> Result<Self, String> {
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::PermissionDenied => {
                format!("{}: {error} (set XDG_RUNTIME_DIR to a folder that is yours)", path.display())
            }
            _ => format!("{}: {error}", path.display()),
        };
        if let Some(all) = path.parent() {
            DirBuilder::new().recursive(true).mode(0o755).create(all).map_err(failed)?;
        }
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed)?;
        fs::set_permissions(path, Permissions::from_mode(0o700)).map_err(failed)?;
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).mode(0o600).open(path.join("lock"));
        match Flock::lock(file.map_err(failed)?, FlockArg::LockExclusiveNonblock) {
            Ok(mut lock) => {
                let written = lock.set_len(0).and_then(|()| writeln!(lock, "{}", std::process::id()));
                written.map_err(failed)?;
                Ok(Self { path: path.to_owned(), _lock: lock })
            }
            Err((mut file, _)) => {
                let mut pid = String::new();
                let _ = file.read_to_string(&mut pid);
                Err(format!(
                    "A datapath already runs in this network namespace (process {}); stop it first or leave it be.",
                    pid.trim()
                ))
            }
        }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// The name of the control socket in the folder.
pub(crate) const CONTROL: &str = "control";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_taker_is_told_who_has_it_and_gets_it_afterwards() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("7");
        let first = RunFolder::take_at(&path).unwrap();
        let refused = RunFolder::take_at(&path).unwrap_err();
        assert!(refused.contains(&format!("process {})", std::process::id())), "{refused}");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        drop(first);
        RunFolder::take_at(&path).unwrap();
    }
}
