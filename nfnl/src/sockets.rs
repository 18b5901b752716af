//! Sockets of this network namespace, asked of the kernel one by one (`linux/sock_diag.h`, `linux/inet_diag.h`).

use std::io;
use std::net::IpAddr;
use std::ops::ControlFlow;

use crate::attr::Attributes;
use crate::message::{Builder, Header, Message};
use crate::request::{Error, Requester};
use crate::transport::Kernel;

/// A socket on which the kernel is asked for others.
#[derive(Debug)]
pub struct Sockets {
    requester: Requester<Kernel>,
}

/// A TCP or UDP socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// It is one of a process, and not what is left of a connection or a request for one.
    pub full: bool,
    /// It is bound to no address (`INADDR_ANY`).
    pub wildcard: bool,
    /// `IP_TRANSPARENT`, if the kernel tells.
    pub transparent: Option<bool>,
    /// `SO_MARK`; 0 without CAP_NET_ADMIN.
    pub mark: u32,
}

impl Sockets {
    /// Opens one.
    pub fn open() -> io::Result<Self> {
        Ok(Self { requester: Requester::new(Kernel::open_diagnostics()?, 0) })
    }

    /// The socket that a packet from `remote` to `local`, which came in by a device, belongs to: a connection's or one that
    /// takes packets from everybody.
    pub fn find(
        &mut self,
        protocol: u8,
        local: (IpAddr, u16),
        remote: (IpAddr, u16),
        device: u32,
    ) -> Result<Option<Found>, Error> {
        let mut found = None;
        let header = Header { kind: SOCK_DIAG_BY_FAMILY, ..Header::default() };
        let asked = self.requester.ask(
            header,
            |header, out| {
                let mut b = Builder::new(header, out);
                b.raw(&request(protocol, local, remote, device));
                b.finish()
            },
            |message| {
                found = Found::read(&message);
                ControlFlow::Break(())
            },
        );
        match asked {
            Ok(()) => Ok(found),
            Err(Error::Refused { errno: libc::ENOENT, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl Found {
    /// Reads `struct inet_diag_msg` and what follows it.
    fn read(message: &Message<'_>) -> Option<Self> {
        let (head, attributes) = message.payload.split_first_chunk::<MESSAGE>()?;
        let [_, state, ..] = head;
        let (mut options, mut mark) = (None, 0);
        for attribute in Attributes::new(attributes).flatten() {
            match attribute.kind {
                MARK => mark = attribute.u32().unwrap_or(0),
                SOCKOPT => options = attribute.payload.first().copied(),
                _ => {}
            }
        }
        // A request for a connection is told as one in SYN_RECV, without options.
        let full = *state != TIME_WAIT && (options.is_some() || *state != SYN_RECV);
        Some(Self {
            full,
            wildcard: head.get(SOURCE..SOURCE + 16)?.iter().all(|byte| *byte == 0),
            transparent: options.map(|options| options & TRANSPARENT != 0),
            mark,
        })
    }
}

/// struct inet_diag_req_v2.
fn request(protocol: u8, local: (IpAddr, u16), remote: (IpAddr, u16), device: u32) -> Vec<u8> {
    // For UDP the kernel has it the other way round.
    let (source, destination) = if protocol == UDP { (remote, local) } else { (local, remote) };
    let family = if local.0.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    let mut bytes = vec![family as u8, protocol, 0, 0];
    bytes.extend(u32::MAX.to_ne_bytes());
    bytes.extend(source.1.to_be_bytes());
    bytes.extend(destination.1.to_be_bytes());
    for address in [source.0, destination.0] {
        match address {
            IpAddr::V4(v4) => {
                bytes.extend(v4.octets());
                bytes.extend([0; 12]);
            }
            IpAddr::V6(v6) => bytes.extend(v6.octets()),
        }
    }
    bytes.extend(device.to_ne_bytes());
    // INET_DIAG_NOCOOKIE.
    bytes.extend([0xff; 8]);
    bytes
}

const SOCK_DIAG_BY_FAMILY: u16 = 20;
/// Bytes of `struct inet_diag_msg`, and where its source address lies.
const MESSAGE: usize = 72;
const SOURCE: usize = 8;
/// `INET_DIAG_MARK`, `INET_DIAG_SOCKOPT`.
const MARK: u16 = 15;
const SOCKOPT: u16 = 22;
/// The bit of struct inet_diag_sockopt.
const TRANSPARENT: u8 = if cfg!(target_endian = "little") { 0x20 } else { 0x04 };
const UDP: u8 = 17;
/// `TCP_SYN_RECV`, `TCP_TIME_WAIT`.
const SYN_RECV: u8 = 3;
const TIME_WAIT: u8 = 6;

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream, UdpSocket};

    use super::*;

    /// An address with its port.
    fn pair(address: std::net::SocketAddr) -> (IpAddr, u16) {
        (address.ip(), address.port())
    }

    #[test]
    fn a_packet_finds_the_socket_that_listens_and_then_the_connections() {
        let mut sockets = Sockets::open().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let local = pair(listener.local_addr().unwrap());
        let stranger = ("127.0.0.9".parse().unwrap(), 4711);
        let found = sockets.find(6, local, stranger, 1).unwrap().unwrap();
        assert!(found.full && !found.wildcard && found.transparent == Some(false));
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let remote = pair(client.local_addr().unwrap());
        let _server = listener.accept().unwrap();
        drop(listener);
        assert_eq!(sockets.find(6, local, stranger, 1).unwrap(), None);
        assert!(sockets.find(6, remote, local, 1).unwrap().is_some_and(|found| found.full));
    }

    #[test]
    fn a_socket_bound_to_no_address_is_told_from_others() {
        let mut sockets = Sockets::open().unwrap();
        let any = UdpSocket::bind("0.0.0.0:0").unwrap();
        let local = ("127.0.0.1".parse().unwrap(), any.local_addr().unwrap().port());
        let remote = ("127.0.0.1".parse().unwrap(), 9);
        assert!(sockets.find(17, local, remote, 1).unwrap().unwrap().wildcard);
        let six = UdpSocket::bind("[::1]:0").unwrap();
        let local = pair(six.local_addr().unwrap());
        let found = sockets.find(17, local, ("::1".parse().unwrap(), 9), 1).unwrap().unwrap();
        assert!(!found.wildcard && found.full);
    }
}
