//! Packets of our own (REJECT's answers, copies) on raw sockets: complete with their header, with mark and device.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6};

use engine::effects::Send;
use engine::{Device, Host};
use libxt::family::Af;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

/// The two raw sockets of a thread. They never wait: what the device does not take is lost, as in the kernel.
#[derive(Debug)]
pub(crate) struct Injector {
    v4: Raw,
    /// Missing on a machine without IPv6.
    v6: Option<Raw>,
}

#[derive(Debug)]
struct Raw {
    socket: Socket,
    mark: u32,
    device: Option<u32>,
}

impl Injector {
    /// Opens the sockets, which takes CAP_NET_RAW.
    pub(crate) fn open() -> io::Result<Self> {
        Ok(Self { v4: Raw::open(Domain::IPV4)?, v6: Raw::open(Domain::IPV6).ok() })
    }

    /// Sends a packet, the bytes of which are `bytes`. It passes OUTPUT and POSTROUTING like any other.
    pub(crate) fn send(&mut self, send: &Send, bytes: &[u8], host: &dyn Host) -> io::Result<()> {
        let device = send.out_device.and_then(|index| host.device(index));
        let truncated = || io::Error::from(io::ErrorKind::InvalidData);
        let (raw, destination) = match send.af {
            Af::V4 => {
                let address: [u8; 4] = *bytes.get(16..).and_then(<[u8]>::first_chunk).ok_or_else(truncated)?;
                (&mut self.v4, SockAddr::from(SocketAddrV4::new(Ipv4Addr::from(address), 0)))
            }
            Af::V6 => {
                let address: [u8; 16] = *bytes.get(24..).and_then(<[u8]>::first_chunk).ok_or_else(truncated)?;
                let address = Ipv6Addr::from(address);
                let scope = if address.is_unicast_link_local() { send.out_device.unwrap_or(0) } else { 0 };
                let raw = self.v6.as_mut().ok_or_else(|| io::Error::from_raw_os_error(libc::EAFNOSUPPORT))?;
                (raw, SockAddr::from(SocketAddrV6::new(address, 0, 0, scope)))
            }
        };
        raw.prepare(send.mark, device)?;
        raw.socket.send_to(bytes, &destination).map(drop)
    }
}

impl Raw {
    fn open(domain: Domain) -> io::Result<Self> {
        // IPPROTO_RAW: the header is ours, in both families.
        let socket = Socket::new(domain, Type::RAW, Some(Protocol::from(libc::IPPROTO_RAW)))?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket, mark: 0, device: None })
    }

    fn prepare(&mut self, mark: u32, device: Option<&Device>) -> io::Result<()> {
        if mark != self.mark {
            self.socket.set_mark(mark)?;
            self.mark = mark;
        }
        let index = device.map(|device| device.index);
        if index != self.device {
            let name = device.and_then(|device| device.name.split(|&byte| byte == 0).next());
            self.socket.bind_device(name)?;
            self.device = index;
        }
        Ok(())
    }
}
