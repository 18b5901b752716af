//! Texts that are made when somebody reads them: pipes in the run folder that stand for files of `/proc/net`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use crate::clock;
use crate::state::State;

/// A text.
#[derive(Clone, Copy, Debug)]
enum Text {
    Connections,
    Expectations,
    Statistics,
    Openings,
}

/// Each pipe below `net`, and what comes out of it.
const PIPES: [(&str, Text); 4] = [
    ("nf_conntrack", Text::Connections),
    ("nf_conntrack_expect", Text::Expectations),
    ("stat/nf_conntrack", Text::Statistics),
    ("stat/synproxy", Text::Openings),
];

/// The pipes, which stand in a folder that others keep.
#[derive(Debug)]
pub(crate) struct Pipes {
    folder: PathBuf,
}

impl Pipes {
    /// Makes the pipes; what cannot be made is not there.
    pub(crate) fn make(folder: &Path) -> Self {
        for (name, _) in PIPES {
            let path = folder.join(name);
            let _ = path.parent().map(fs::create_dir_all);
            let _ = mkfifo(&path, Mode::from_bits_truncate(0o600));
        }
        Self { folder: folder.to_owned() }
    }

    /// Writes to whoever has opened one; never waits for who does not read.
    pub(crate) fn serve(&self, state: &State) {
        for (name, text) in PIPES {
            // Without a reader it cannot be opened.
            let opened = OpenOptions::new().write(true).custom_flags(libc::O_NONBLOCK).open(self.folder.join(name));
            if let Ok(pipe) = opened {
                let _ = write(pipe, text, state);
            }
        }
    }
}

/// The engine is locked for a piece at a time; packets are judged in between.
fn write(mut pipe: File, text: Text, state: &State) -> io::Result<()> {
    let mut from = Some(0);
    let mut piece = String::new();
    while let Some(at) = from {
        piece.clear();
        let now = clock::now();
        {
            let engine = state.engine();
            let tracker = engine.tracker();
            from = match text {
                Text::Connections => tracker.write_connections(at, now, &mut piece),
                Text::Expectations => tracker.write_expectations(at, now, &mut piece),
                Text::Statistics => {
                    tracker.write_statistics(&mut piece);
                    None
                }
                Text::Openings => {
                    engine.write_openings(&mut piece);
                    None
                }
            };
        }
        let mut rest = piece.as_bytes();
        while !rest.is_empty() {
            match pipe.write(rest) {
                Ok(written) => rest = rest.get(written..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let mut fds = [PollFd::new(pipe.as_fd(), PollFlags::POLLOUT)];
                    if poll(&mut fds, PollTimeout::from(PATIENCE))? == 0 || state.stopping() {
                        return Ok(());
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}

/// Milliseconds that a reader may take over what a pipe holds.
const PATIENCE: u16 = 2000;
