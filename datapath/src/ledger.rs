//! Connections kept in the run folder, so that a datapath that was killed loses none of them: a mapped file with a record
//! for each slot of the engine's slab.
//!
//! What is written to the mapping is the kernel's from that moment, whatever becomes of the process. A record's `used` byte
//! is cleared before the rest is written and set after it, so that one cut short is none.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::mem::size_of;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{Ordering, compiler_fence};

use engine::Engine;
use engine::conntrack::keep::{Record, Restored};
use memmap2::{MmapMut, MmapOptions};
use nix::fcntl::posix_fallocate;
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout};

use crate::clock;

/// The file, open and mapped as far as slots were used.
#[derive(Debug)]
pub(crate) struct Ledger {
    file: File,
    path: PathBuf,
    segments: Vec<MmapMut>,
}

/// What stands at the head of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Header {
    magic: [u8; 8],
    /// Bytes of a record.
    record: u64,
    /// The machine's start that monotonic times count from.
    boot: [u8; 40],
    /// The key of the engine's hashes, which ids are made with.
    key: [u8; 16],
}

/// What another datapath left.
#[derive(Debug)]
pub(crate) struct Left {
    /// The key its engine had.
    pub(crate) key: [u8; 16],
    records: Vec<u8>,
}

impl Left {
    /// Reads the file at `path`; `None` if there is none that this program wrote since the machine started.
    pub(crate) fn read(path: &Path) -> Option<Self> {
        let mut bytes = fs::read(path).ok()?;
        let header = Header::read_from_prefix(&bytes).ok()?.0;
        (header == Header::new(header.key)).then(|| Self { key: header.key, records: bytes.split_off(HEADER) })
    }

    /// Puts the connections back into an engine that has the same key.
    pub(crate) fn restore(&self, engine: &mut Engine) -> Restored {
        let slots = self.records.chunks_exact(RECORD).filter_map(|bytes| Record::read_from_bytes(bytes).ok());
        engine.restore((0..).zip(slots), clock::now())
    }
}

impl Ledger {
    /// Begins a file at `path` with all that the engine has; from now on the engine notes its changes for it. Until all is
    /// written, what stood there before stays.
    pub(crate) fn begin(path: &Path, key: [u8; 16], engine: &mut Engine) -> io::Result<Self> {
        let next = path.with_extension("next");
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(true).mode(0o600).open(&next)?;
        let mut head = Header::new(key).as_bytes().to_vec();
        head.resize(HEADER, 0);
        file.write_all(&head)?;
        let mut ledger = Self { file, path: path.to_owned(), segments: Vec::new() };
        ledger.follow(engine)?;
        fs::rename(next, path)?;
        Ok(ledger)
    }

    /// Writes down what changed in the engine. An error means that there is no room for more: the ledger is then of no use.
    pub(crate) fn follow(&mut self, engine: &mut Engine) -> io::Result<()> {
        let mut done = Ok(());
        engine.tracker_mut().changes(|index, record| {
            if done.is_ok() {
                done = self.put(index, record);
            }
        });
        done
    }

    /// Deletes the file.
    pub(crate) fn forget(self) {
        let _ = fs::remove_file(self.path);
    }

    fn put(&mut self, index: u32, record: Option<&Record>) -> io::Result<()> {
        let (segment, at) = (index as usize / SEGMENT, index as usize % SEGMENT * RECORD);
        if record.is_none() && segment >= self.segments.len() {
            return Ok(());
        }
        while segment >= self.segments.len() {
            self.grow()?;
        }
        let Some(place) = self.segments.get_mut(segment).and_then(|map| map.get_mut(at..at + RECORD)) else {
            return Ok(());
        };
        place[Record::USED] = 0;
        compiler_fence(Ordering::SeqCst);
        let Some(record) = record else { return Ok(()) };
        let ((head, rest), bytes) = (place.split_at_mut(Record::USED), record.as_bytes());
        head.copy_from_slice(&bytes[..Record::USED]);
        rest[1..].copy_from_slice(&bytes[Record::USED + 1..]);
        compiler_fence(Ordering::SeqCst);
        rest[0] = record.used;
        Ok(())
    }

    /// Maps one more piece of the file. Its room is taken first: a page that cannot be had later would end the process.
    #[allow(unsafe_code)]
    fn grow(&mut self) -> io::Result<()> {
        let from = HEADER + self.segments.len() * SEGMENT * RECORD;
        let (Ok(offset), Ok(length)) = (libc::off_t::try_from(from), libc::off_t::try_from(SEGMENT * RECORD)) else {
            return Err(io::ErrorKind::FileTooLarge.into());
        };
        posix_fallocate(&self.file, offset, length)?;
        // SAFETY: the file is this process's own, in a folder that nobody else may write to, and is never made shorter.
        let map = unsafe { MmapOptions::new().offset(from as u64).len(SEGMENT * RECORD).map_mut(&self.file)? };
        self.segments.push(map);
        Ok(())
    }
}

impl Header {
    fn new(key: [u8; 16]) -> Self {
        let mut header = Self::new_zeroed();
        header.magic = *b"xtconns2";
        header.record = RECORD as u64;
        header.key = key;
        let boot = fs::read("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        for (place, byte) in header.boot.iter_mut().zip(boot) {
            *place = byte;
        }
        header
    }
}

/// Bytes of a slot's record.
const RECORD: usize = size_of::<Record>();
/// Where the records begin: pieces of the file are mapped at multiples of the page size, whatever that is.
const HEADER: usize = 1 << 16;
/// Slots that are mapped at once.
const SEGMENT: usize = 4096;
/// A piece of the file ends where a page of any size does.
const _: () = assert!((SEGMENT * RECORD).is_multiple_of(1 << 12));

#[cfg(test)]
mod tests {
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
        let records = left.records.chunks_exact(RECORD).map(|bytes| Record::read_from_bytes(bytes).unwrap());
        records.enumerate().filter(|(_, record)| record.used != 0).map(|(at, record)| (at, record.deadline)).collect()
    }

    #[test]
    fn what_is_written_is_read_again_and_what_is_gone_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("connections");
        let mut ledger = Ledger::begin(&path, [7; 16], &mut engine()).unwrap();
        for index in [0, 3, 4095, 4096, 20_000] {
            ledger.put(index, Some(&record(u64::from(index)))).unwrap();
        }
        ledger.put(3, None).unwrap();
        ledger.put(900_000, None).unwrap();
        ledger.put(0, Some(&record(1))).unwrap();
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
        first.put(1, Some(&record(1))).unwrap();
        drop(first);
        let second = Ledger::begin(&path, [8; 16], &mut engine()).unwrap();
        assert!(read(&path).is_empty());
        assert!(!folder.path().join("connections.next").exists());
        second.forget();
    }
}
