//! The kernel's `NETLINK_NETFILTER` socket, and those that tell of sockets and of routes.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use netlink_sys::protocols::{NETLINK_NETFILTER, NETLINK_ROUTE, NETLINK_SOCK_DIAG};
use netlink_sys::{Socket, SocketAddr};
use nix::sys::socket::{setsockopt, sockopt};
use socket2::SockRef;

use super::Transport;

/// A bound socket. Overruns are not hidden: [`Transport::recv`] returns `ENOBUFS`.
#[derive(Debug)]
pub struct Kernel {
    socket: Socket,
    port: u32,
}

impl Kernel {
    /// Opens and binds one; the kernel chooses the port.
    pub fn open() -> io::Result<Self> {
        Self::open_for(NETLINK_NETFILTER)
    }

    /// The same for `NETLINK_SOCK_DIAG`.
    pub fn open_diagnostics() -> io::Result<Self> {
        Self::open_for(NETLINK_SOCK_DIAG)
    }

    /// The same for `NETLINK_ROUTE`.
    pub fn open_routing() -> io::Result<Self> {
        Self::open_for(NETLINK_ROUTE)
    }

    fn open_for(protocol: isize) -> io::Result<Self> {
        let mut socket = Socket::new(protocol)?;
        let port = socket.bind_auto()?.port_number();
        // Old kernels know neither; their errors then come without text and with the whole request quoted.
        let _ = socket.set_ext_ack(true);
        let _ = socket.set_cap_ack(true);
        Ok(Self { socket, port })
    }

    /// The socket's netlink port.
    pub fn port(&self) -> u32 {
        self.port
    }

    /// The socket, for options of one's own.
    pub fn socket(&mut self) -> &mut Socket {
        &mut self.socket
    }
}

impl Transport for Kernel {
    fn send(&mut self, message: &[u8]) -> io::Result<()> {
        let sent = self.socket.send_to(message, &SocketAddr::new(0, 0), 0)?;
        if sent == message.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
    }

    fn recv(&mut self, buf: &mut Vec<u8>) -> io::Result<()> {
        loop {
            buf.clear();
            buf.reserve(DATAGRAM);
            let (_, from) = self.socket.recv_from(buf, 0)?;
            // Another process may hold our port's number; only the kernel is believed.
            if from.port_number() == 0 {
                return Ok(());
            }
        }
    }

    fn subscribe(&mut self, group: u32) -> io::Result<()> {
        self.socket.add_membership(group)
    }

    fn set_buffer_size(&mut self, size: usize) -> io::Result<usize> {
        let socket = SockRef::from(&self.socket);
        if setsockopt(&self.socket, sockopt::RcvBufForce, &size).is_err() {
            socket.set_recv_buffer_size(size)?;
        }
        socket.recv_buffer_size()
    }
}

impl AsFd for Kernel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Room for one datagram: a queued packet of 64 KiB with its attributes; dumps come in at most 32 KiB.
const DATAGRAM: usize = 72 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_has_a_port_and_takes_a_buffer_size() {
        let mut kernel = Kernel::open().unwrap();
        assert_ne!(kernel.port(), 0);
        assert!(kernel.set_buffer_size(1 << 16).unwrap() >= 1 << 16);
    }
}
