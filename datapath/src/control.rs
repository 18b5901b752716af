//! The control socket: `xt-datapath status`, `attach` and `detach` ask here.

use std::fs::{self, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use nix::unistd::geteuid;

use crate::state::{State, lock};
use crate::status;

/// The listening socket; its file goes with it.
#[derive(Debug)]
pub(crate) struct Control {
    listener: UnixListener,
    path: PathBuf,
}

/// What can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// The state in words.
    Status,
    /// Take packets again.
    Attach,
    /// Leave packets alone.
    Detach,
}

impl Control {
    /// Listens at `path`. Whoever holds the run folder may take a socket over that a dead datapath left.
    pub(crate) fn bind(path: &Path) -> io::Result<Self> {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(path)?;
        fs::set_permissions(path, Permissions::from_mode(0o600))?;
        listener.set_nonblocking(true)?;
        Ok(Self { listener, path: path.to_owned() })
    }

    /// Serves until the datapath ends.
    pub(crate) fn serve(&self, state: &Arc<State>) {
        while !state.stopping() {
            match self.listener.accept() {
                Ok((stream, _)) => {
                    // A caller that goes away or dawdles harms only itself.
                    let _ = answer(stream, state);
                }
                Err(_) => std::thread::sleep(Duration::from_millis(50)),
            }
        }
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

impl Request {
    const ALL: [Self; 3] = [Self::Status, Self::Attach, Self::Detach];

    const fn word(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Attach => "attach",
            Self::Detach => "detach",
        }
    }

    /// Asks the datapath that listens at `path`: whether it did so, and what it says.
    pub(crate) fn ask(self, path: &Path) -> io::Result<(bool, String)> {
        let mut stream = UnixStream::connect(path)?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        stream.write_all(self.word().as_bytes())?;
        stream.shutdown(std::net::Shutdown::Write)?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        match text.split_once('\n') {
            Some(("ok", rest)) => Ok((true, rest.to_owned())),
            Some(("failed", rest)) => Ok((false, rest.to_owned())),
            _ => Err(io::Error::new(io::ErrorKind::InvalidData, "the datapath gave no answer")),
        }
    }
}

fn answer(mut stream: UnixStream, state: &State) -> io::Result<()> {
    let uid = getsockopt(&stream, PeerCredentials)?.uid();
    if uid != 0 && uid != geteuid().as_raw() {
        return Ok(());
    }
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut word = [0; 16];
    let mut length = 0;
    while let Some(room) = word.get_mut(length..).filter(|room| !room.is_empty()) {
        match stream.read(room)? {
            0 => break,
            more => length += more,
        }
    }
    let word = word.get(..length).unwrap_or(&[]).trim_ascii();
    let request = Request::ALL.into_iter().find(|request| request.word().as_bytes() == word);
    let done = match request {
        Some(Request::Status) => Ok(status::text(state)),
        Some(request) => {
            lock(&state.attachment).set_detached(request == Request::Detach);
            state.reattach().map(|()| String::new()).map_err(|error| error.to_string())
        }
        None => Err("unknown request".to_owned()),
    };
    match done {
        Ok(text) => write!(stream, "ok\n{text}"),
        Err(why) => writeln!(stream, "failed\n{why}"),
    }
}

/// How long a caller may take.
const PATIENCE: Duration = Duration::from_secs(1);
