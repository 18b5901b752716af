//! Connections, and what is expected because of them, kept in the run folder, so that a datapath that was killed loses none
//! of them.

mod slots;

use std::io;
use std::path::{Path, PathBuf};

use engine::Engine;
use engine::conntrack::expect;
use engine::conntrack::keep::{Record, Restored};

use crate::clock;
use slots::Slots;

/// The files, open and mapped as far as slots were used.
#[derive(Debug)]
pub(crate) struct Ledger {
    connections: Slots<Record>,
    expectations: Slots<expect::keep::Record>,
}

/// What another datapath left.
#[derive(Debug)]
pub(crate) struct Left {
    /// The key its engine had.
    pub(crate) key: [u8; 16],
    connections: Vec<u8>,
    expectations: Vec<u8>,
}

impl Left {
    /// Reads the files, that of connections at `path`; `None` if there is none that this program wrote since the machine
    /// started.
    pub(crate) fn read(path: &Path) -> Option<Self> {
        let (key, connections) = slots::read::<Record>(path)?;
        let expectations = slots::read::<expect::keep::Record>(&beside(path)).filter(|(other, _)| *other == key);
        Some(Self { key, connections, expectations: expectations.map(|(_, bytes)| bytes).unwrap_or_default() })
    }

    /// Puts the connections back into an engine that has the same key, and what is expected because of them.
    pub(crate) fn restore(&self, engine: &mut Engine) -> Restored {
        let now = clock::now();
        let restored = engine.restore((0..).zip(slots::records(&self.connections)), now);
        engine.restore_expectations(slots::records(&self.expectations), now);
        restored
    }
}

impl Ledger {
    /// Begins the files, that of connections at `path`, with all that the engine has; from now on the engine notes its changes
    /// for them. Until all is written, what stood there before stays.
    pub(crate) fn begin(path: &Path, key: [u8; 16], engine: &mut Engine) -> io::Result<Self> {
        let mut ledger =
            Self { connections: Slots::begin(path, key)?, expectations: Slots::begin(&beside(path), key)? };
        ledger.follow(engine)?;
        // Expectations without their masters are nothing.
        ledger.expectations.stand()?;
        ledger.connections.stand()?;
        Ok(ledger)
    }

    /// Writes down what changed in the engine. An error means that there is no room for more: the ledger is then of no use.
    pub(crate) fn follow(&mut self, engine: &mut Engine) -> io::Result<()> {
        let mut done = Ok(());
        engine.tracker_mut().changes(|index, record| {
            if done.is_ok() {
                done = self.connections.put(index, record);
            }
        });
        engine.tracker_mut().expectation_changes(|at, record| {
            if done.is_ok() {
                done = self.expectations.put(at, record);
            }
        });
        done
    }

    /// Deletes the files.
    pub(crate) fn forget(self) {
        self.connections.forget();
        self.expectations.forget();
    }
}

/// Where expectations are kept beside connections.
fn beside(path: &Path) -> PathBuf {
    path.with_file_name("expectations")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use engine::conntrack::Settings;

    use super::*;

    fn record(deadline: u64) -> Record {
        let mut record = Record::default();
        (record.deadline, record.used) = (deadline, 1);
        record
    }

    fn engine() -> Engine {
        Engine::new(Settings::default(), [7; 16])
    }

    fn read(path: &Path) -> Vec<(usize, u64)> {
        let left = Left::read(path).unwrap();
        slots::records::<Record>(&left.connections)
            .enumerate()
            .filter(|(_, record)| record.used != 0)
            .map(|(at, record)| (at, record.deadline))
            .collect()
    }

    #[test]
    fn what_is_written_is_read_again_and_what_is_gone_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("connections");
        let mut ledger = Ledger::begin(&path, [7; 16], &mut engine()).unwrap();
        for index in [0, 3, 4095, 4096, 20_000] {
            ledger.connections.put(index, Some(&record(u64::from(index)))).unwrap();
        }
        ledger.connections.put(3, None).unwrap();
        ledger.connections.put(900_000, None).unwrap();
        ledger.connections.put(0, Some(&record(1))).unwrap();
        // No end of the process is needed for it to be there.
        assert_eq!(read(&path), [(0, 1), (4095, 4095), (4096, 4096), (20_000, 20_000)]);
        assert_eq!(Left::read(&path).unwrap().key, [7; 16]);
        ledger.forget();
        assert!(Left::read(&path).is_none());
    }

    #[test]
    fn a_file_of_another_start_or_kind_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("connections");
        drop(Ledger::begin(&path, [7; 16], &mut engine()).unwrap());
        let whole = fs::read(&path).unwrap();
        assert!(Left::read(&path).is_some());
        for at in [0, 8, 20] {
            let mut other = whole.clone();
            other[at] ^= 1;
            fs::write(&path, other).unwrap();
            assert!(Left::read(&path).is_none(), "{at}");
        }
        for length in [0, 1, 70] {
            fs::write(&path, &whole[..length]).unwrap();
            assert!(Left::read(&path).is_none(), "{length}");
        }
    }

    #[test]
    fn the_old_file_stays_until_the_new_one_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("connections");
        let mut first = Ledger::begin(&path, [7; 16], &mut engine()).unwrap();
        first.connections.put(1, Some(&record(1))).unwrap();
        drop(first);
        let second = Ledger::begin(&path, [8; 16], &mut engine()).unwrap();
        assert!(read(&path).is_empty());
        assert!(!folder.path().join("connections.next").exists());
        second.forget();
    }
}
