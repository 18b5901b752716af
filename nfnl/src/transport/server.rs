//! The datapath's end of the socket: clients, their groups, their waiting frames.
//!
//! The server knows frames, messages, groups and who asks; what a message means is the [`Handler`]'s. It never waits:
//! whoever owns it polls its one descriptor and calls [`Server::poll`]. A client holds at most [`LIMIT`] bytes of
//! waiting frames (or what it asked for, up to [`LIMIT_MAX`]); it is not read while answers wait, and events beyond
//! its room are lost to it, which it is told with `NLMSG_OVERRUN`.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::io::{self, Read};
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::socket::{getsockopt, setsockopt, sockopt};
use socket2::{Domain, SockAddr, Socket, Type};

use super::datapath::{BUFFER, FRAME, SUBSCRIBE};
use crate::message::{Builder, Header, Message, Messages, flag, kind};
use crate::request::Acknowledgement;

/// Bytes of frames that may wait for a client.
pub const LIMIT: usize = 1 << 20;
/// The most that a client can ask for.
pub const LIMIT_MAX: usize = 16 << 20;
/// Clients at a time.
pub const CLIENTS: usize = 256;

/// The listening socket and all its clients.
#[derive(Debug)]
pub struct Server {
    path: PathBuf,
    listener: Socket,
    epoll: Epoll,
    clients: BTreeMap<u64, Client>,
    next: u64,
    frame: Vec<u8>,
    reply: Vec<u8>,
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Names the client while it is connected; never used twice.
    pub client: u64,
    /// Its process, which stands for the netlink port.
    pub pid: u32,
}

/// A refused request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The errno, positive.
    pub errno: i32,
    /// Why, in words.
    pub text: Option<&'static str>,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is done; an acknowledgement follows if it was asked for.
    Done,
    /// A dump begins: [`Handler::resume`] is called for its parts as the client takes them.
    Dump,
}

/// What the messages mean.
pub trait Handler {
    /// A request. Answers are written behind what `reply` holds.
    fn message(&mut self, peer: Peer, message: Message<'_>, reply: &mut Vec<u8>) -> Result<Outcome, Refusal>;
    /// The next part of the client's dump, at most about [`PART`] bytes of it; `false` after the last one.
    fn resume(&mut self, peer: Peer, reply: &mut Vec<u8>) -> bool;
    /// The client is gone.
    fn gone(&mut self, peer: Peer);
}

/// Bytes of a dump's part: as the kernel's `NLMSG_GOODSIZE`-bounded buffers, in one frame.
pub const PART: usize = 32 * 1024;

#[derive(Debug)]
struct Client {
    socket: Socket,
    peer: Peer,
    groups: u32,
    waiting: VecDeque<Vec<u8>>,
    queued: usize,
    limit: usize,
    overrun: bool,
    dumping: bool,
    /// Whether epoll waits for room rather than for a request.
    sending: bool,
}

impl Server {
    /// Listens in this directory, which is made (mode 0700) if it is missing. `AddrInUse` if another process already
    /// listens there; a socket that nobody listens on any more is replaced.
    pub fn bind(directory: &Path) -> io::Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        let path = directory.join("conntrack");
        let address = SockAddr::unix(&path)?;
        let probe = Socket::new(Domain::UNIX, Type::SEQPACKET, None)?;
        match probe.connect(&address) {
            Ok(()) => return Err(io::ErrorKind::AddrInUse.into()),
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(&path)?,
            Err(_) => {}
        }
        let listener = Socket::new(Domain::UNIX, Type::SEQPACKET, None)?;
        listener.set_nonblocking(true)?;
        listener.bind(&address)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
        listener.listen(64)?;
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        epoll.add(&listener, EpollEvent::new(EpollFlags::EPOLLIN, LISTENER))?;
        Ok(Self {
            path,
            listener,
            epoll,
            clients: BTreeMap::new(),
            next: LISTENER + 1,
            frame: Vec::new(),
            reply: Vec::new(),
        })
    }

    /// Does all that can be done without waiting: accepts, reads at most one frame of each client, answers, goes on
    /// with dumps by one part each. Call it when the descriptor is readable.
    pub fn poll(&mut self, handler: &mut dyn Handler) -> io::Result<()> {
        let mut events = [EpollEvent::empty(); 64];
        let ready = self.epoll.wait(&mut events, EpollTimeout::ZERO)?;
        for event in events.iter().take(ready) {
            if event.data() == LISTENER {
                self.accept()?;
            } else {
                self.serve(event.data(), handler);
            }
        }
        Ok(())
    }

    /// Sends a frame of whole messages to every client in this group, or queues it; a client without room loses it.
    pub fn publish(&mut self, group: u32, frame: &[u8]) {
        self.publish_all(frame, &[(group, 0..frame.len())]);
    }

    /// Sends messages of several groups in their order: each part of the frame is for one group, and a client gets those
    /// of its groups in one frame.
    pub fn publish_all(&mut self, frame: &[u8], parts: &[(u32, Range<usize>)]) {
        let bit = |group: u32| 1u32.checked_shl(group).unwrap_or(0);
        let present = parts.iter().fold(0, |bits, (group, _)| bits | bit(*group));
        let mut own = Vec::new();
        for (&token, client) in &mut self.clients {
            match client.groups & present {
                0 => continue,
                wanted if wanted == present => client.publish(frame),
                wanted => {
                    own.clear();
                    let parts = parts.iter().filter(|(group, _)| bit(*group) & wanted != 0);
                    own.extend(parts.flat_map(|(_, part)| frame.get(part.clone()).unwrap_or(&[])));
                    client.publish(&own);
                }
            }
            client.rearm(&self.epoll, token);
        }
    }

    /// Tells every client in one of these groups that events were lost before they came here.
    pub fn lose(&mut self, groups: &[u32]) {
        let wanted = groups.iter().fold(0, |bits, &group| bits | 1u32.checked_shl(group).unwrap_or(0));
        for (&token, client) in &mut self.clients {
            if client.groups & wanted != 0 {
                client.overrun = true;
                client.rearm(&self.epoll, token);
            }
        }
    }

    /// Whether anybody is in any of these groups.
    pub fn has_listeners(&self, groups: &[u32]) -> bool {
        let wanted = groups.iter().fold(0, |bits, &group| bits | 1u32.checked_shl(group).unwrap_or(0));
        self.clients.values().any(|client| client.groups & wanted != 0)
    }

    /// Where it listens.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn accept(&mut self) -> io::Result<()> {
        loop {
            let socket = match self.listener.accept() {
                Ok((socket, _)) => socket,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
                Err(error) => return Err(error),
            };
            let Ok(credentials) = getsockopt(&socket, sockopt::PeerCredentials) else { continue };
            let trusted = credentials.uid() == 0 || credentials.uid() == nix::unistd::geteuid().as_raw();
            if !trusted || self.clients.len() >= CLIENTS || socket.set_nonblocking(true).is_err() {
                continue;
            }
            if setsockopt(&socket, sockopt::SndBufForce, &LIMIT).is_err() {
                let _ = socket.set_send_buffer_size(LIMIT);
            }
            let token = self.next;
            if self.epoll.add(&socket, EpollEvent::new(EpollFlags::EPOLLIN, token)).is_err() {
                continue;
            }
            self.next += 1;
            let pid = u32::try_from(credentials.pid()).unwrap_or(0);
            self.clients.insert(token, Client::new(socket, Peer { client: token, pid }));
        }
    }

    fn serve(&mut self, token: u64, handler: &mut dyn Handler) {
        let Some(client) = self.clients.get_mut(&token) else { return };
        let alive = client.flush().and_then(|()| {
            if client.waiting.is_empty() && client.dumping {
                self.reply.clear();
                client.dumping = handler.resume(client.peer, &mut self.reply);
                client.answer(&self.reply)?;
            }
            if client.waiting.is_empty() && !client.dumping {
                client.read(&mut self.frame, &mut self.reply, handler)?;
            }
            Ok(())
        });
        if alive.is_ok() {
            client.rearm(&self.epoll, token);
        } else if let Some(client) = self.clients.remove(&token) {
            let _ = self.epoll.delete(&client.socket);
            handler.gone(client.peer);
        }
    }
}

impl AsFd for Server {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.0.as_fd()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

impl Client {
    fn new(socket: Socket, peer: Peer) -> Self {
        Self {
            socket,
            peer,
            groups: 0,
            waiting: VecDeque::new(),
            queued: 0,
            limit: LIMIT,
            overrun: false,
            dumping: false,
            sending: false,
        }
    }

    /// Reads one frame and answers it. An error means that the client is to be dropped.
    fn read(&mut self, frame: &mut Vec<u8>, reply: &mut Vec<u8>, handler: &mut dyn Handler) -> io::Result<()> {
        frame.resize(FRAME, 0);
        let len = match self.socket.read(frame) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(len) => len,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        };
        reply.clear();
        for message in Messages::new(frame.get(..len).unwrap_or(&[])) {
            let Ok(message) = message else {
                let refusal = Acknowledgement { errno: libc::EINVAL, text: Some(b"not a netlink message") };
                refusal.write(Header::default(), 0, reply).map_err(io::Error::other)?;
                break;
            };
            let header = message.header;
            let outcome = if header.flags & flag::REQUEST == 0 {
                Ok(Outcome::Done)
            } else if header.kind < kind::MIN {
                self.control(message)
            } else if self.dumping {
                Err(Refusal { errno: libc::EBUSY, text: None })
            } else {
                handler.message(self.peer, message, reply)
            };
            let errno = match outcome {
                Ok(Outcome::Dump) => {
                    self.dumping = true;
                    continue;
                }
                Ok(Outcome::Done) if header.flags & flag::ACK == 0 => continue,
                Ok(Outcome::Done) => Acknowledgement { errno: 0, text: None },
                Err(Refusal { errno, text }) => Acknowledgement { errno, text: text.map(str::as_bytes) },
            };
            let request_len = u32::try_from(message.payload.len() + 16).unwrap_or(u32::MAX);
            errno.write(header, request_len, reply).map_err(io::Error::other)?;
        }
        self.answer(reply)
    }

    fn control(&mut self, message: Message<'_>) -> Result<Outcome, Refusal> {
        let invalid = Refusal { errno: libc::EINVAL, text: None };
        let value = message.payload.first_chunk().copied().map(u32::from_ne_bytes);
        match message.header.kind {
            SUBSCRIBE => self.groups |= value.and_then(|group| 1u32.checked_shl(group)).ok_or(invalid)?,
            BUFFER => self.limit = (value.ok_or(invalid)? as usize).clamp(FRAME, LIMIT_MAX),
            _ => {}
        }
        Ok(Outcome::Done)
    }

    /// Sends an answer in frames of whole messages.
    fn answer(&mut self, reply: &[u8]) -> io::Result<()> {
        let mut rest = reply;
        while !rest.is_empty() {
            let mut end = 0;
            for message in Messages::new(rest).map_while(Result::ok) {
                let next = end + crate::attr::align(message.payload.len() + 16);
                if next > FRAME && end > 0 {
                    break;
                }
                end = next;
            }
            let (frame, later) = rest.split_at_checked(end.max(1)).unwrap_or((rest, &[]));
            self.queue(frame)?;
            rest = later;
        }
        Ok(())
    }

    fn publish(&mut self, frame: &[u8]) {
        if self.overrun || self.queued.saturating_add(frame.len()) > self.limit {
            self.overrun = true;
        } else if self.queue(frame).is_err() {
            // The next poll finds the hang-up.
            self.groups = 0;
        }
    }

    /// Sends a frame now if nothing waits before it, else queues it.
    fn queue(&mut self, frame: &[u8]) -> io::Result<()> {
        if self.waiting.is_empty() && self.send(frame)? {
            return Ok(());
        }
        self.queued += frame.len();
        self.waiting.push_back(frame.to_vec());
        Ok(())
    }

    /// Sends what waits, then the news of an overrun.
    fn flush(&mut self) -> io::Result<()> {
        while let Some(frame) = self.waiting.pop_front() {
            if !self.send(&frame)? {
                self.waiting.push_front(frame);
                return Ok(());
            }
            self.queued -= frame.len();
        }
        if self.overrun {
            let mut frame = Vec::new();
            let builder = Builder::new(Header { kind: kind::OVERRUN, ..Header::default() }, &mut frame);
            builder.finish().map_err(io::Error::other)?;
            self.overrun = !self.send(&frame)?;
        }
        Ok(())
    }

    /// Whether the socket took it.
    fn send(&self, frame: &[u8]) -> io::Result<bool> {
        match self.socket.send_with_flags(frame, libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Waits for what it needs next: room while something is to be sent, else a request.
    fn rearm(&mut self, epoll: &Epoll, token: u64) {
        let sending = !self.waiting.is_empty() || self.overrun || self.dumping;
        if sending != self.sending {
            let interest = if sending { EpollFlags::EPOLLOUT } else { EpollFlags::EPOLLIN };
            self.sending = epoll.modify(&self.socket, &mut EpollEvent::new(interest, token)).is_ok() == sending;
        }
    }
}

/// The listener's token; clients come after it.
const LISTENER: u64 = 0;

#[cfg(test)]
mod tests;
