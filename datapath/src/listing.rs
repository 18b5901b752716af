//! What the kernel would list under `/proc/net`, as files in the run folder: written anew every second.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::clock;
use crate::pipes::Pipes;
use crate::state::State;

/// The folder of listings, which goes with it.
#[derive(Debug)]
pub(crate) struct Listings {
    folder: PathBuf,
    pipes: Pipes,
    written: BTreeSet<PathBuf>,
}

impl Listings {
    /// Begins with an empty folder in the run folder, whatever a datapath before left there.
    pub(crate) fn begin(run_folder: &Path) -> Self {
        let folder = run_folder.join("net");
        let _ = fs::remove_dir_all(&folder);
        let pipes = Pipes::make(&folder);
        Self { folder, pipes, written: BTreeSet::new() }
    }

    /// Writes until the datapath ends.
    pub(crate) fn keep(mut self, state: &State) {
        let mut next = Instant::now();
        while !state.stopping() {
            if Instant::now() >= next {
                // A full disk is nothing that packets should wait for.
                let _ = self.write(state);
                next = Instant::now() + EVERY;
            }
            self.pipes.serve(state);
            std::thread::sleep(LOOK);
        }
    }

    fn write(&mut self, state: &State) -> io::Result<()> {
        let listings = state.engine().listings();
        let mut written = BTreeSet::new();
        for listing in &listings {
            let folder = self.folder.join(listing.folder);
            let path = folder.join(OsStr::from_bytes(&listing.name));
            let mut text = String::new();
            let mut from = Some(0);
            // A piece at a time: packets are judged in between.
            while let Some(at) = from {
                from = state.engine().write_listing(listing, at, clock::now(), &mut text);
            }
            fs::create_dir_all(&folder)?;
            // Whoever reads finds the old text or the new one. No list is called so.
            let draft = self.folder.join("draft");
            fs::write(&draft, text)?;
            fs::rename(&draft, &path)?;
            written.insert(path);
        }
        for gone in self.written.difference(&written) {
            let _ = fs::remove_file(gone);
        }
        self.written = written;
        Ok(())
    }
}

impl Drop for Listings {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// How old a listing gets.
const EVERY: Duration = Duration::from_secs(1);
/// How often it is looked whether somebody reads a pipe, or the datapath ends.
const LOOK: Duration = Duration::from_millis(100);
