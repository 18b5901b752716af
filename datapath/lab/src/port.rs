//! A raw Ethernet port: puts frames on a device and takes those that arrive, with the kernel's time of arrival.

use std::{
    io,
    os::fd::{AsFd, AsRawFd, RawFd},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use nix::{
    cmsg_space,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::socket::{ControlMessageOwned, MsgFlags, recvmsg},
    sys::time::TimeSpec,
};
use socket2::{Domain, Protocol, Socket, Type};
use std::io::IoSliceMut;

use crate::namespace::Namespace;

/// A raw socket bound to one device of a namespace.
#[derive(Debug)]
pub struct Port {
    socket: Socket,
    buffer: Vec<u8>,
}

/// A frame that arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// All bytes from the Ethernet header on.
    pub bytes: Vec<u8>,
    /// When the kernel took it, since 1970.
    pub arrived: Duration,
}

impl Port {
    /// Opens a port on a device. Frames that the namespace itself sends are not taken.
    pub fn open(namespace: &Namespace, device: &str) -> io::Result<Self> {
        let device = device.to_owned();
        let socket = namespace.within(move || -> io::Result<Socket> {
            // Protocol 0 until bound: nothing of other devices gets in between.
            let socket = Socket::new(Domain::PACKET, Type::RAW, Some(Protocol::from(0)))?;
            let index = nix::net::if_::if_nametoindex(device.as_str())?;
            bind(socket.as_raw_fd(), index)?;
            Ok(socket)
        })??;
        let _ = socket.set_recv_buffer_size(8 << 20);
        socket.set_nonblocking(true)?;
        Ok(Self { socket, buffer: vec![0; 128 << 10] })
    }

    /// Puts one frame on the wire.
    pub fn send(&self, frame: &[u8]) -> io::Result<()> {
        loop {
            match self.socket.send(frame) {
                Ok(_) => return Ok(()),
                Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock) || e.raw_os_error() == Some(libc::ENOBUFS) => {
                    let mut fds = [PollFd::new(self.socket.as_fd(), PollFlags::POLLOUT)];
                    poll(&mut fds, PollTimeout::from(100u8))?;
                }
                Err(e) => return Err(e),
            }
        }
    }

    /// Takes the next frame, waiting at most until `deadline`; `None` when the time is over.
    pub fn receive(&mut self, deadline: Instant) -> io::Result<Option<Frame>> {
        loop {
            if let Some(frame) = self.take()? {
                return Ok(Some(frame));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            let timeout = PollTimeout::try_from(left.min(Duration::from_secs(1)) + Duration::from_millis(1))
                .unwrap_or(PollTimeout::from(100u8));
            let mut fds = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
            poll(&mut fds, timeout)?;
        }
    }

    /// Takes a frame that has already arrived.
    pub fn take(&mut self) -> io::Result<Option<Frame>> {
        let mut control = cmsg_space!(TimeSpec);
        let mut slices = [IoSliceMut::new(&mut self.buffer)];
        let fd = self.socket.as_raw_fd();
        match recvmsg::<()>(fd, &mut slices, Some(&mut control), MsgFlags::MSG_DONTWAIT) {
            Ok(message) => {
                let length = message.bytes;
                let arrived = message.cmsgs()?.find_map(|c| match c {
                    ControlMessageOwned::ScmTimestampns(time) => Some(Duration::from(time)),
                    _ => None,
                });
                let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                let bytes = self.buffer.get(..length).unwrap_or_default().to_vec();
                Ok(Some(Frame { bytes, arrived: arrived.unwrap_or_else(now) }))
            }
            Err(nix::errno::Errno::EAGAIN) => Ok(None),
            Err(e) => Err(e.into()),
        }
    }

    /// Throws away what has arrived so far.
    pub fn drain(&mut self) -> io::Result<()> {
        while self.take()?.is_some() {}
        Ok(())
    }
}

/// Binds to every protocol of one device, asks for times and for no copies of what is sent here.
#[allow(unsafe_code)]
fn bind(fd: RawFd, index: u32) -> io::Result<()> {
    const PACKET_IGNORE_OUTGOING: libc::c_int = 23;
    set_flag(fd, libc::SOL_PACKET, PACKET_IGNORE_OUTGOING)?;
    set_flag(fd, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS)?;
    // SAFETY: a sockaddr_ll of zeros is a valid value of that plain C structure.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = u16::try_from(libc::AF_PACKET).unwrap_or_default();
    address.sll_protocol = u16::try_from(libc::ETH_P_ALL).unwrap_or_default().to_be();
    address.sll_ifindex = i32::try_from(index).map_err(io::Error::other)?;
    let length = u32::try_from(size_of::<libc::sockaddr_ll>()).unwrap_or_default();
    // SAFETY: the address lives across the call and its length is its own.
    let result = unsafe { libc::bind(fd, (&raw const address).cast(), length) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

#[allow(unsafe_code)]
fn set_flag(fd: RawFd, level: libc::c_int, name: libc::c_int) -> io::Result<()> {
    let one: libc::c_int = 1;
    let length = u32::try_from(size_of::<libc::c_int>()).unwrap_or_default();
    // SAFETY: the value lives across the call and its length is its own.
    let result = unsafe { libc::setsockopt(fd, level, name, (&raw const one).cast(), length) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
