//! A mapped file with a record for each slot of one of the engine's slabs.
//!
//! What is written to the mapping is the kernel's from that moment, whatever becomes of the process. A record's `used` byte
//! is cleared before the rest is written and set after it, so that one cut short is none.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::marker::PhantomData;
use std::mem::size_of;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{Ordering, compiler_fence};

use engine::conntrack::{expect, keep};
use memmap2::{MmapMut, MmapOptions};
use nix::fcntl::posix_fallocate;
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout};

/// A record of plain numbers, all zero in a slot that holds nothing.
pub(super) trait Kept: FromBytes + IntoBytes + Immutable {
    /// What the file begins with.
    const MAGIC: [u8; 8];
    /// Where the byte stands that is not 0 if the slot holds something.
    const USED: usize;
}

impl Kept for keep::Record {
    const MAGIC: [u8; 8] = *b"xtconns2";
    const USED: usize = Self::USED;
}

impl Kept for expect::keep::Record {
    const MAGIC: [u8; 8] = *b"xtexpct1";
    const USED: usize = Self::USED;
}

/// The file, open and mapped as far as slots were used.
#[derive(Debug)]
pub(super) struct Slots<R> {
    file: File,
    path: PathBuf,
    segments: Vec<MmapMut>,
    records: PhantomData<R>,
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

/// The engine's key and the bytes of all records in the file at `path`; `None` if there is none that this program wrote since
/// the machine started.
pub(super) fn read<R: Kept>(path: &Path) -> Option<([u8; 16], Vec<u8>)> {
    let mut bytes = fs::read(path).ok()?;
    let header = Header::read_from_prefix(&bytes).ok()?.0;
    (header == Header::new::<R>(header.key)).then(|| (header.key, bytes.split_off(HEADER)))
}

/// The records of such bytes, each at its slot's place.
pub(super) fn records<R: Kept>(bytes: &[u8]) -> impl Iterator<Item = R> {
    bytes.chunks_exact(size_of::<R>()).filter_map(|bytes| R::read_from_bytes(bytes).ok())
}

impl<R: Kept> Slots<R> {
    /// Begins a file; what stood at `path` before stays until [`Self::stand`].
    pub(super) fn begin(path: &Path, key: [u8; 16]) -> io::Result<Self> {
        let next = path.with_extension("next");
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(true).mode(0o600).open(next)?;
        let mut head = Header::new::<R>(key).as_bytes().to_vec();
        head.resize(HEADER, 0);
        file.write_all(&head)?;
        Ok(Self { file, path: path.to_owned(), segments: Vec::new(), records: PhantomData })
    }

    /// Takes the place of what stood there before.
    pub(super) fn stand(&self) -> io::Result<()> {
        fs::rename(self.path.with_extension("next"), &self.path)
    }

    /// Writes the record of a slot, or that it holds none.
    pub(super) fn put(&mut self, index: u32, record: Option<&R>) -> io::Result<()> {
        let (segment, at) = (index as usize / SEGMENT, index as usize % SEGMENT * size_of::<R>());
        if record.is_none() && segment >= self.segments.len() {
            return Ok(());
        }
        while segment >= self.segments.len() {
            self.grow()?;
        }
        let Some(place) = self.segments.get_mut(segment).and_then(|map| map.get_mut(at..at + size_of::<R>())) else {
            return Ok(());
        };
        place[R::USED] = 0;
        compiler_fence(Ordering::SeqCst);
        let Some(record) = record else { return Ok(()) };
        let ((head, rest), bytes) = (place.split_at_mut(R::USED), record.as_bytes());
        head.copy_from_slice(&bytes[..R::USED]);
        rest[1..].copy_from_slice(&bytes[R::USED + 1..]);
        compiler_fence(Ordering::SeqCst);
        rest[0] = bytes[R::USED];
        Ok(())
    }

    /// Deletes the file.
    pub(super) fn forget(self) {
        let _ = fs::remove_file(self.path);
    }

    /// Maps one more piece of the file. Its room is taken first: a page that cannot be had later would end the process.
    #[allow(unsafe_code)]
    fn grow(&mut self) -> io::Result<()> {
        let piece = SEGMENT * size_of::<R>();
        let from = HEADER + self.segments.len() * piece;
        let (Ok(offset), Ok(length)) = (libc::off_t::try_from(from), libc::off_t::try_from(piece)) else {
            return Err(io::ErrorKind::FileTooLarge.into());
        };
        posix_fallocate(&self.file, offset, length)?;
        // SAFETY: the file is this process's own, in a folder that nobody else may write to, and is never made shorter.
        let map = unsafe { MmapOptions::new().offset(from as u64).len(piece).map_mut(&self.file)? };
        self.segments.push(map);
        Ok(())
    }
}

impl Header {
    fn new<R: Kept>(key: [u8; 16]) -> Self {
        let mut header = Self::new_zeroed();
        header.magic = R::MAGIC;
        header.record = size_of::<R>() as u64;
        header.key = key;
        let boot = fs::read("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        for (place, byte) in header.boot.iter_mut().zip(boot) {
            *place = byte;
        }
        header
    }
}

/// Where the records begin: pieces of the file are mapped at multiples of the page size, whatever that is.
const HEADER: usize = 1 << 16;
/// Slots that are mapped at once: a piece of the file ends where a page of 4 KiB does, whatever a record's size.
const SEGMENT: usize = 1 << 12;
