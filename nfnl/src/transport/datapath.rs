//! The way to a datapath: netlink messages as frames on a Unix `SOCK_SEQPACKET` socket, the client's end.
//!
//! A frame holds one or more whole messages. What the netlink socket does by socket option is here a message below
//! `NLMSG_MIN_TYPE`: [`SUBSCRIBE`] and [`BUFFER`] with a `u32` in host order, both answered with `NLMSG_ERROR`.
//! `NLMSG_OVERRUN` from the server is what `ENOBUFS` is on a netlink socket.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::sys::socket::{getsockopt, sockopt};
use socket2::{Domain, SockAddr, Socket, Type};

use super::Transport;
use crate::message::{Builder, Header, Messages, flag, kind};

/// The message that joins a group.
pub const SUBSCRIBE: u16 = 8;
/// The message that asks for so many bytes of room for waiting frames.
pub const BUFFER: u16 = 9;
/// The port that control messages carry, so that their answers are told from others.
const CONTROL: u32 = u32::MAX;
/// The longest frame in bytes.
pub const FRAME: usize = 64 * 1024;

/// A connection to the datapath of a network namespace.
#[derive(Debug)]
pub struct Datapath {
    socket: Socket,
    /// Frames that came while a control message waited for its answer.
    early: VecDeque<Vec<u8>>,
}

/// The directories in which the datapath of the current network namespace may keep its sockets, the system's first.
/// The first one is for root, the second (under `$XDG_RUNTIME_DIR`) for everyone else.
pub fn directories() -> io::Result<Vec<PathBuf>> {
    let inode = std::fs::metadata("/proc/thread-self/ns/net")?.ino().to_string();
    let mut all = vec![Path::new("/run/xt-datapath").join(&inode)];
    if let Some(runtime) = std::env::var_os("XDG_RUNTIME_DIR").filter(|value| !value.is_empty()) {
        all.push(PathBuf::from(runtime).join("xt-datapath").join(&inode));
    }
    Ok(all)
}

impl Datapath {
    /// Connects to the datapath of the current network namespace. `NotFound` if there is none.
    pub fn open() -> io::Result<Self> {
        let mut last = io::Error::from(io::ErrorKind::NotFound);
        for directory in directories()? {
            match Self::connect(&directory.join("conntrack")) {
                Ok(connected) => return Ok(connected),
                Err(error) if missing(&error) => {}
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Connects to a socket by its path. The other end must be root's or our own user's.
    pub fn connect(path: &Path) -> io::Result<Self> {
        let socket = Socket::new(Domain::UNIX, Type::SEQPACKET, None)?;
        socket.connect(&SockAddr::unix(path)?)?;
        let peer = getsockopt(&socket, sockopt::PeerCredentials)?.uid();
        if peer != 0 && peer != nix::unistd::geteuid().as_raw() {
            return Err(io::Error::from(io::ErrorKind::PermissionDenied));
        }
        Ok(Self { socket, early: VecDeque::new() })
    }

    fn control(&mut self, control: u16, value: u32) -> io::Result<()> {
        let mut frame = Vec::new();
        let header = Header { kind: control, flags: flag::REQUEST | flag::ACK, sequence: 0, port: CONTROL };
        let mut builder = Builder::new(header, &mut frame);
        builder.raw(&value.to_ne_bytes());
        builder.finish().map_err(io::Error::other)?;
        self.send(&frame)?;
        loop {
            self.recv_next(&mut frame)?;
            let Some(Ok(message)) = Messages::new(&frame).next() else { continue };
            if message.header.kind == kind::ERROR && message.header.port == CONTROL {
                let errno = message.payload.first_chunk().copied().map_or(libc::EBADMSG, i32::from_ne_bytes);
                return if errno == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(errno.saturating_abs())) };
            }
            self.early.push_back(std::mem::take(&mut frame));
        }
    }

    fn recv_next(&mut self, buf: &mut Vec<u8>) -> io::Result<()> {
        buf.resize(FRAME, 0);
        let len = self.socket.read(buf).inspect_err(|_| buf.clear())?;
        buf.truncate(len);
        if len == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match Messages::new(buf).next() {
            Some(Ok(message)) if message.header.kind == kind::OVERRUN => {
                Err(io::Error::from_raw_os_error(libc::ENOBUFS))
            }
            _ => Ok(()),
        }
    }
}

impl Transport for Datapath {
    fn send(&mut self, message: &[u8]) -> io::Result<()> {
        let sent = self.socket.send_with_flags(message, libc::MSG_NOSIGNAL)?;
        if sent == message.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
    }

    fn recv(&mut self, buf: &mut Vec<u8>) -> io::Result<()> {
        if let Some(frame) = self.early.pop_front() {
            *buf = frame;
            return Ok(());
        }
        self.recv_next(buf)
    }

    fn subscribe(&mut self, group: u32) -> io::Result<()> {
        self.control(SUBSCRIBE, group)
    }

    fn set_buffer_size(&mut self, size: usize) -> io::Result<usize> {
        self.control(BUFFER, u32::try_from(size).unwrap_or(u32::MAX))?;
        Ok(size)
    }
}

impl AsFd for Datapath {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Whether the error means that nobody listens there.
fn missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused | io::ErrorKind::NotADirectory)
}
