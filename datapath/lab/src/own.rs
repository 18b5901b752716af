//! Packets of the router's own: sockets in its namespace, driven by a script.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    io,
    net::{IpAddr, SocketAddr},
};

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use crate::{
    frame::{UDP, View},
    namespace::Namespace,
};

/// Sockets in a namespace: a raw one a family, and those that sent datagrams, by their address.
#[derive(Debug)]
pub struct Own {
    raw: [Socket; 2],
    /// Left open: who owned a packet whose socket is closed nobody can tell at its last hook.
    datagrams: BTreeMap<SocketAddr, Socket>,
}

impl Own {
    /// Opens the sockets. Nothing ever arrives at them.
    pub fn open(namespace: &Namespace) -> io::Result<Self> {
        let raw = |domain| Socket::new(domain, Type::RAW, Some(Protocol::from(libc::IPPROTO_RAW)));
        let sockets = namespace.within(|| Ok::<_, io::Error>([raw(Domain::IPV4)?, raw(Domain::IPV6)?]))??;
        Ok(Self { raw: sockets, datagrams: BTreeMap::new() })
    }

    /// Closes the sockets that sent datagrams.
    pub fn close(&mut self) {
        self.datagrams.clear();
    }

    /// Sends a packet: a plain UDP datagram from a socket of its own, so that the kernel makes its headers and leaves its
    /// checksum to the device; everything else byte by byte. What the judge refuses to let out is no error.
    pub fn send(&mut self, namespace: &Namespace, packet: &[u8]) -> io::Result<()> {
        let Some(view) = View::of(packet) else { return Ok(()) };
        let sent = match (view.protocol, view.ports(), view.source) {
            (UDP, Some(ports), IpAddr::V4(_)) if packet.starts_with(&[0x45, 0]) && packet.get(8) == Some(&64) => {
                self.datagram(namespace, &view, ports)
            }
            (UDP, Some(ports), IpAddr::V6(_)) if packet.starts_with(&[0x60, 0]) && packet.get(7) == Some(&64) => {
                self.datagram(namespace, &view, ports)
            }
            _ => {
                let [four, six] = &self.raw;
                let socket = if view.source.is_ipv4() { four } else { six };
                socket.send_to(packet, &SockAddr::from(SocketAddr::new(view.destination, 0))).map(drop)
            }
        };
        match sent.as_ref().map_err(io::Error::raw_os_error) {
            Ok(()) | Err(Some(libc::EPERM | libc::EINVAL | libc::EHOSTUNREACH | libc::ENETUNREACH)) => Ok(()),
            _ => sent,
        }
    }

    fn datagram(
        &mut self,
        namespace: &Namespace,
        view: &View<'_>,
        (source, destination): (u16, u16),
    ) -> io::Result<()> {
        let data = view.payload.get(8..).unwrap_or_default();
        let (from, to) = (SocketAddr::new(view.source, source), SocketAddr::new(view.destination, destination));
        let socket = match self.datagrams.entry(from) {
            Entry::Occupied(open) => open.into_mut(),
            Entry::Vacant(place) => place.insert(namespace.within(|| {
                let socket = Socket::new(Domain::for_address(from), Type::DGRAM, None)?;
                socket.set_broadcast(true)?;
                socket.bind(&SockAddr::from(from))?;
                Ok::<_, io::Error>(socket)
            })??),
        };
        socket.send_to(data, &SockAddr::from(to)).map(drop)
    }
}
