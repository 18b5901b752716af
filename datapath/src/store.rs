//! Tables kept in the run folder, so that they are in force again when a datapath that was killed is started anew.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use engine::{Engine, Prepared};
use libxt::backend::Get;
use libxt::family::Af;

use crate::ctnetlink::{helper, timeout};
use crate::probes::settle;
use crate::sets::Sets;

/// The folder with one file per table: the blob that installed it.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    folder: PathBuf,
}

impl Store {
    /// The store in a run folder, for the namespace that `cookie` names. Folders go by inode numbers, which come again
    /// when a namespace is gone: what another namespace left there is deleted.
    pub(crate) fn open(run: &Path, cookie: u64) -> io::Result<Self> {
        let folder = run.join(format!("{PREFIX}{cookie}"));
        for entry in fs::read_dir(run)?.flatten() {
            let is_kept = entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX));
            if is_kept && entry.path() != folder {
                fs::remove_dir_all(entry.path())?;
            }
        }
        match fs::create_dir(&folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => Ok(Self { folder }),
        }
    }

    /// Keeps the table that `blob` (struct ipt_replace with its entries) installed.
    pub(crate) fn keep(&self, af: Af, blob: &[u8]) -> io::Result<()> {
        let Some(name) = table_name(blob) else { return Ok(()) };
        self.put(&format!("{}-{name}", af.number()), blob)
    }

    /// Puts a file in the place of the one before at once.
    fn put(&self, name: &str, content: &[u8]) -> io::Result<()> {
        let next = self.folder.join(format!("next-{name}"));
        fs::write(&next, content)?;
        fs::rename(next, self.folder.join(name))
    }

    /// Installs all that is kept; says what could not be.
    pub(crate) fn restore(&self, engine: &mut Engine, sets: &Sets) -> Vec<String> {
        let mut failures = Vec::new();
        let files = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        for path in files.map(|file| file.path()) {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or("");
            let af = name.split_once('-').and_then(|(af, _)| Af::from_number(af.parse().ok()?));
            let Some(af) = af else { continue };
            let restored =
                fs::read(&path).map_err(|error| error.to_string()).and_then(|blob| install(engine, sets, af, blob));
            if let Err(why) = restored {
                failures.push(format!("kept table {name} not restored: {why}"));
            }
        }
        failures
    }

    /// Keeps all timeout policies.
    pub(crate) fn keep_policies(&self, engine: &Engine) -> io::Result<()> {
        self.put(POLICIES, &timeout::kept(engine))
    }

    /// Puts the timeout policies back that are kept. Call it before tables and connections that name them.
    pub(crate) fn restore_policies(&self, engine: &mut Engine) {
        timeout::restore(engine, &fs::read(self.folder.join(POLICIES)).unwrap_or_default());
    }

    /// Keeps all helpers that are programs.
    pub(crate) fn keep_helpers(&self, engine: &Engine) -> io::Result<()> {
        self.put(HELPERS, &helper::kept(engine))
    }

    /// Puts the helpers back that are kept. Call it before tables and connections that name them.
    pub(crate) fn restore_helpers(&self, engine: &mut Engine) {
        helper::restore(engine, &fs::read(self.folder.join(HELPERS)).unwrap_or_default());
    }

    /// Where connections are kept, see [`crate::ledger`].
    pub(crate) fn connections(&self) -> PathBuf {
        self.folder.join("connections")
    }

    /// Forgets everything, as a clean stop does.
    pub(crate) fn forget(&self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn install(engine: &mut Engine, sets: &Sets, af: Af, mut blob: Vec<u8>) -> Result<(), String> {
    let refused = |refused: engine::Refused| refused.to_string();
    // The blob tells how many entries it replaces: those of a table that has just come to be.
    let mut info = vec![0; GETINFO];
    let name = blob.get(..NAME).ok_or("truncated")?;
    info.splice(..NAME, name.iter().copied());
    engine.get(af, Get::Info, &mut info).map_err(refused)?;
    let entries = info.get(INFO_NUM_ENTRIES..INFO_NUM_ENTRIES + 4).ok_or("no answer")?;
    blob.get_mut(NUM_COUNTERS..NUM_COUNTERS + 4).ok_or("truncated")?.copy_from_slice(entries);
    let mut prepared = Prepared::new(af, &blob).map_err(refused)?;
    settle(&mut prepared, sets).map_err(refused)?;
    engine.install(prepared, &mut Vec::new()).map_err(refused)
}

/// The name at the head of struct ipt_replace, if it can be a file's name.
fn table_name(blob: &[u8]) -> Option<&str> {
    let name = blob.get(..NAME)?.split(|&byte| byte == 0).next()?;
    let name = std::str::from_utf8(name).ok()?;
    (!name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase())).then_some(name)
}

/// The file of timeout policies.
const POLICIES: &str = "timeouts";
/// The file of helpers that are programs.
const HELPERS: &str = "helpers";
/// What the folder's name begins with.
const PREFIX: &str = "kept-";
/// XT_TABLE_MAXNAMELEN.
const NAME: usize = 32;
/// struct ipt_getinfo: its size, and where its num_entries is.
const GETINFO: usize = 84;
const INFO_NUM_ENTRIES: usize = 76;
/// Where num_counters is in struct ipt_replace.
const NUM_COUNTERS: usize = 84;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_name_becomes_a_file() {
        let blob = |name: &[u8]| {
            let mut blob = vec![0; 96];
            blob[..name.len()].copy_from_slice(name);
            blob
        };
        assert_eq!(table_name(&blob(b"filter")), Some("filter"));
        for bad in [&b""[..], b"../x", b"a/b", b"\xff\xfe", b"NAT"] {
            assert_eq!(table_name(&blob(bad)), None);
        }
        assert_eq!(table_name(b"short"), None);
    }

    #[test]
    fn what_is_kept_is_there_until_forgotten() {
        let run = tempfile::tempdir().unwrap();
        let store = Store::open(run.path(), 5).unwrap();
        let mut blob = vec![0; 96];
        blob[..3].copy_from_slice(b"raw");
        store.keep(Af::V4, &blob).unwrap();
        store.keep(Af::V4, &blob).unwrap();
        assert_eq!(fs::read(run.path().join("kept-5/2-raw")).unwrap(), blob);
        Store::open(run.path(), 5).unwrap();
        assert!(run.path().join("kept-5/2-raw").exists());
        store.forget();
        assert!(!run.path().join("kept-5").exists());
    }

    #[test]
    fn what_another_namespace_of_the_same_number_left_is_not_taken_over() {
        let run = tempfile::tempdir().unwrap();
        Store::open(run.path(), 5).unwrap();
        let store = Store::open(run.path(), 6).unwrap();
        assert!(!run.path().join("kept-5").exists());
        assert!(store.folder.exists());
    }
}
