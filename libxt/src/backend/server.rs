//! The datapath's end of the tables protocol: a listener, its connections, and the trait the daemon answers with.

use std::borrow::Cow;
use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use nix::unistd::geteuid;
use socket2::{Domain, SockAddr, Socket, Type};
use zerocopy::IntoBytes;

use super::frame::{self, Call, Frame, Received};
use super::{Counters, Get};
use crate::family::Af;

/// Who holds the tables. Each call is one socket-option call of the kernel's.
pub trait Tables {
    /// As `getsockopt`: `question` is the uAPI struct going in (for `Entries` without room for the entries); the
    /// whole answer is what comes out.
    fn get(&mut self, af: Af, what: Get, question: &[u8]) -> Result<Vec<u8>, Refused>;
    /// As `IPT_SO_SET_REPLACE`: the old table's counters, as many as `num_counters` of the blob says.
    fn replace(&mut self, af: Af, blob: &[u8]) -> Result<Vec<Counters>, Refused>;
    /// As `IPT_SO_SET_ADD_COUNTERS`.
    fn add_counters(&mut self, af: Af, blob: &[u8]) -> Result<(), Refused>;
    /// Names of the tables in use, newest registered first.
    fn table_names(&mut self, af: Af) -> Result<Vec<String>, Refused>;
}

/// The kernel's errno, and in words what it was about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// A positive errno.
    pub errno: i32,
    /// One line for the user's stderr, or nothing.
    pub reason: String,
}

impl Refused {
    /// An errno with its reason.
    pub fn new(errno: i32, reason: impl Into<String>) -> Self {
        Self { errno, reason: reason.into() }
    }
}

/// The socket on which commands arrive. Never blocks.
#[derive(Debug)]
pub struct Listener {
    socket: Socket,
    path: PathBuf,
}

impl Listener {
    /// Listens at `path`, making its folder (0700) and taking the place of a socket whose owner is gone.
    ///
    /// `EADDRINUSE` if its owner lives.
    pub fn bind(path: &Path) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            if let Some(all) = folder.parent() {
                DirBuilder::new().recursive(true).mode(0o755).create(all)?;
            }
            DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        let address = SockAddr::unix(path)?;
        let socket = Socket::new(Domain::UNIX, Type::SEQPACKET, None)?;
        socket.set_nonblocking(true)?;
        if let Err(error) = socket.bind(&address) {
            let probe = Socket::new(Domain::UNIX, Type::SEQPACKET, None)?;
            let dead = probe.connect(&address).is_err_and(|error| error.raw_os_error() == Some(libc::ECONNREFUSED));
            if error.kind() != io::ErrorKind::AddrInUse || !dead {
                return Err(error);
            }
            fs::remove_file(path)?;
            socket.bind(&address)?;
        }
        // Nobody can connect before listen(), so nobody slips in before the mode is right.
        fs::set_permissions(path, Permissions::from_mode(0o600))?;
        socket.listen(64)?;
        Ok(Self { socket, path: path.to_owned() })
    }

    /// Takes the next connection; `WouldBlock` if there is none, `PermissionDenied` (and the next call may succeed) if
    /// the caller is neither root nor whoever runs this.
    pub fn accept(&self) -> io::Result<Connection> {
        let (socket, _) = self.socket.accept()?;
        socket.set_nonblocking(true)?;
        let uid = getsockopt(&socket, PeerCredentials)?.uid();
        if uid != 0 && uid != geteuid().as_raw() {
            return Err(io::Error::from_raw_os_error(libc::EACCES));
        }
        Ok(Connection { socket: socket.into() })
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // Best effort: a socket file that stays behind is taken over by the next datapath.
        let _ = fs::remove_file(&self.path);
    }
}

/// One command's connection. Never blocks.
#[derive(Debug)]
pub struct Connection {
    socket: OwnedFd,
}

/// What became of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Served {
    /// A call was answered; more may wait.
    Answered,
    /// Nothing waits: come back when the socket is readable.
    Idle,
    /// The command is gone: forget the connection.
    Closed,
}

impl Connection {
    /// Answers one call, if one waits. Garbage is answered with an error, and no caller can make this fail.
    pub fn serve(&mut self, tables: &mut dyn Tables) -> Served {
        let question = match frame::receive(self.socket.as_fd()) {
            Ok(Received::Frame(question)) => question,
            Ok(Received::Closed) => return Served::Closed,
            Ok(Received::Garbage(why)) => {
                let reason = format!("the datapath received {why}");
                let call = Call::TableNames;
                return self.answer(Frame { call, af: Af::V4, errno: libc::EPROTO, reason, data: Cow::default() });
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Served::Idle,
            Err(_) => return Served::Closed,
        };
        let Frame { call, af, data, .. } = question;
        let answer = match call {
            Call::Get(what) => tables.get(af, what, &data),
            Call::Replace => tables.replace(af, &data).map(|counters| counters.as_bytes().to_vec()),
            Call::AddCounters => tables.add_counters(af, &data).map(|()| Vec::new()),
            Call::TableNames => tables.table_names(af).map(|names| names.join("\n").into_bytes()),
        };
        self.answer(match answer {
            Ok(data) if data.len() > frame::MAX_DATA => {
                let reason = "the answer is too large".to_owned();
                Frame { call, af, errno: libc::EMSGSIZE, reason, data: Cow::default() }
            }
            Ok(data) => Frame { call, af, errno: 0, reason: String::new(), data: data.into() },
            // An errno of 0 would be read as success.
            Err(Refused { errno, reason }) => {
                Frame { call, af, errno: if errno > 0 { errno } else { libc::EIO }, reason, data: Cow::default() }
            }
        })
    }

    /// A caller that does not take its answers loses its connection: the datapath waits for nobody.
    fn answer(&self, answer: Frame<'_>) -> Served {
        match frame::send(self.socket.as_fd(), &answer) {
            Ok(()) => Served::Answered,
            Err(_) => Served::Closed,
        }
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;
    use std::thread;

    use nix::sys::socket::{MsgFlags, send};

    use super::*;
    use crate::backend::{Backend, datapath::Datapath};

    /// Says back what it was asked.
    struct Echo;

    impl Tables for Echo {
        fn get(&mut self, _af: Af, what: Get, question: &[u8]) -> Result<Vec<u8>, Refused> {
            if what == Get::Entries {
                let size = u32::from_ne_bytes(question[32..36].try_into().unwrap()) as usize;
                return Ok((0..40 + size).map(|at| at as u8).collect());
            }
            Ok(question.to_vec())
        }

        fn replace(&mut self, _af: Af, blob: &[u8]) -> Result<Vec<Counters>, Refused> {
            match blob.len() {
                1 => Err(Refused::new(libc::ELOOP, "chains call each other")),
                2 => Err(Refused::new(0, "")),
                len => Ok(vec![Counters { packets: len as u64, bytes: 1 }; 3]),
            }
        }

        fn add_counters(&mut self, _af: Af, _blob: &[u8]) -> Result<(), Refused> {
            Ok(())
        }

        fn table_names(&mut self, af: Af) -> Result<Vec<String>, Refused> {
            Ok(vec!["nat".to_owned(), format!("v{}", af.number())])
        }
    }

    /// A server that serves one connection until it closes, and its client.
    fn pair(act: impl FnOnce(Datapath)) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("1").join("tables");
        let listener = Listener::bind(&path).unwrap();
        let client = Datapath::connect(Af::V6, &path).unwrap();
        let mut connection = listener.accept().unwrap();
        let server = thread::spawn(move || {
            loop {
                match connection.serve(&mut Echo) {
                    Served::Answered => {}
                    Served::Idle => thread::yield_now(),
                    Served::Closed => break,
                }
            }
        });
        act(client);
        server.join().unwrap();
    }

    #[test]
    fn a_call_comes_back_with_its_answer() {
        pair(|mut client| {
            let mut info = b"filter".to_vec();
            client.get(Get::Info, &mut info).unwrap();
            assert_eq!((info.len(), &info[..7]), (84, b"filter\0".as_slice()));
            assert_eq!(client.table_names().unwrap(), ["nat", "v10"]);
            client.add_counters(&[0; 100]).unwrap();
        });
    }

    #[test]
    fn a_table_larger_than_any_packet_travels_both_ways() {
        pair(|mut client| {
            let size: u32 = 3_000_000;
            let mut entries = vec![0; 36];
            entries[32..].copy_from_slice(&size.to_ne_bytes());
            client.get(Get::Entries, &mut entries).unwrap();
            assert_eq!(entries.len(), 40 + size as usize);
            assert_eq!(entries[1_000_000], 1_000_000_u32 as u8);
            let mut old = [Counters::default(); 3];
            client.replace(&mut entries, &mut old).unwrap();
            assert_eq!(old[2].packets, u64::from(size) + 40);
        });
    }

    #[test]
    fn a_refusal_carries_errno_and_reason() {
        pair(|mut client| {
            let error = client.replace(&mut [1], &mut []).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::ELOOP));
            assert_eq!(client.reason().as_deref(), Some("chains call each other"));
            assert_eq!(client.replace(&mut [1, 2], &mut []).unwrap_err().raw_os_error(), Some(libc::EIO));
            assert_eq!(client.reason(), None);
            assert!(client.replace(&mut [0; 5], &mut []).is_err(), "another number of counters is no answer");
        });
    }

    #[test]
    fn garbage_is_answered_with_an_error_and_the_next_call_works() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("1").join("tables");
        let listener = Listener::bind(&path).unwrap();
        let client = Socket::new(Domain::UNIX, Type::SEQPACKET, None).unwrap();
        client.connect(&SockAddr::unix(&path).unwrap()).unwrap();
        let mut connection = listener.accept().unwrap();
        let mut frame_of = |bytes: &[u8]| {
            send(client.as_raw_fd(), bytes, MsgFlags::empty()).unwrap();
            assert_eq!(connection.serve(&mut Echo), Served::Answered, "{bytes:?}");
            match frame::receive(client.as_fd()).unwrap() {
                Received::Frame(answer) => answer,
                other => panic!("{other:?}"),
            }
        };
        let good = |call: u8, flags: u8, reason: u32, data: u64| {
            let mut bytes = 0x3142_5458_u32.to_ne_bytes().to_vec();
            bytes.extend([call, 2, flags, 0, 0, 0, 0, 0]);
            bytes.extend(reason.to_ne_bytes());
            bytes.extend(data.to_ne_bytes());
            bytes
        };
        for garbage in [
            vec![0],
            vec![0xff; 24],
            good(99, 0, 0, 0),
            good(7, 0, u32::MAX, 0),
            good(7, 0, 0, 5),
            good(5, 0, 0, u64::MAX),
            good(5, 1, 0, 8),
            vec![7; 60_000],
        ] {
            let answer = frame_of(&garbage);
            assert_eq!(answer.errno, libc::EPROTO, "{garbage:?}");
            assert!(answer.reason.starts_with("the datapath received "), "{}", answer.reason);
        }
        assert_eq!(frame_of(&good(7, 0, 0, 0)).data[..], *b"nat\nv2");
    }

    #[test]
    fn a_living_listener_keeps_its_place_and_a_dead_one_loses_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("1").join("tables");
        let listener = Listener::bind(&path).unwrap();
        assert_eq!(Listener::bind(&path).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        drop(listener);
        assert!(!path.exists());
        // As a datapath that was killed leaves it.
        let dead = Socket::new(Domain::UNIX, Type::SEQPACKET, None).unwrap();
        dead.bind(&SockAddr::unix(&path).unwrap()).unwrap();
        drop(dead);
        assert!(path.exists());
        Listener::bind(&path).unwrap();
    }

    #[test]
    fn no_datapath_is_said_with_the_way_to_start_one() {
        let folder = tempfile::tempdir().unwrap();
        let missing = Datapath::connect(Af::V4, &folder.path().join("tables")).unwrap_err();
        assert_eq!(missing.errno, libc::ENOENT);
        assert!(missing.to_string().contains("xt-datapath run"));
    }
}
