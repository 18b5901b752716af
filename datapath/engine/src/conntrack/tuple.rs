//! What tells one connection from another: addresses, protocol, and what the protocol counts as ports.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use libxt::family::Af;

/// An address of either family in 16 bytes; IPv4 stands in the first four, the rest zero (`union nf_inet_addr`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address(
    /// Network byte order.
    pub [u8; 16],
);

/// `struct nf_conntrack_tuple` without its direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tuple {
    /// The family of both addresses.
    pub af: Af,
    /// The transport protocol's number.
    pub protocol: u8,
    /// Where it comes from.
    pub source: Address,
    /// Where it goes.
    pub destination: Address,
    /// What tells flows between the same addresses apart.
    pub ports: Ports,
}

/// The transport half of a tuple, in host byte order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ports {
    /// TCP, UDP, UDPLite, SCTP, DCCP: source and destination port.
    Ports {
        /// Source port.
        source: u16,
        /// Destination port.
        destination: u16,
    },
    /// ICMP and ICMPv6 requests and replies.
    Icmp {
        /// Type.
        kind: u8,
        /// Code.
        code: u8,
        /// Identifier.
        id: u16,
    },
    /// GRE: source and destination key.
    Keys {
        /// Source key.
        source: u16,
        /// Destination key.
        destination: u16,
    },
    /// Everything else: nothing.
    None,
}

impl Ports {
    /// What stands where a tuple has its ports: `u.all` of both ends.
    pub const fn ends(self) -> (u16, u16) {
        match self {
            Self::Ports { source, destination } | Self::Keys { source, destination } => (source, destination),
            Self::Icmp { kind, code, id } => (id, u16::from_be_bytes([kind, code])),
            Self::None => (0, 0),
        }
    }
}

/// Transport protocol numbers that tracking knows.
pub mod protocol {
    /// ICMP.
    pub const ICMP: u8 = 1;
    /// TCP.
    pub const TCP: u8 = 6;
    /// UDP.
    pub const UDP: u8 = 17;
    /// Generic routing encapsulation.
    pub const GRE: u8 = 47;
    /// ICMPv6.
    pub const ICMPV6: u8 = 58;
    /// SCTP.
    pub const SCTP: u8 = 132;
    /// UDPLite.
    pub const UDPLITE: u8 = 136;
}

/// Which way a packet travels in its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Direction {
    /// As the first packet.
    Original = 0,
    /// Back.
    Reply = 1,
}

impl Direction {
    /// The other way.
    pub const fn opposite(self) -> Self {
        match self {
            Self::Original => Self::Reply,
            Self::Reply => Self::Original,
        }
    }
}

impl Tuple {
    /// The tuple of a packet whose transport header is `transport` (what there is of it); `None` if it is too short.
    /// As nf_ct_get_tuple().
    #[inline]
    pub fn of(af: Af, protocol: u8, source: Address, destination: Address, transport: &[u8]) -> Option<Self> {
        let ports = match (af, protocol) {
            (_, protocol::TCP | protocol::UDP | protocol::UDPLITE | protocol::SCTP) => {
                let &[a, b, c, d] = transport.first_chunk()?;
                Ports::Ports { source: u16::from_be_bytes([a, b]), destination: u16::from_be_bytes([c, d]) }
            }
            (Af::V4, protocol::ICMP) | (Af::V6, protocol::ICMPV6) => {
                let &[kind, code, _, _, a, b, _, _] = transport.first_chunk()?;
                Ports::Icmp { kind, code, id: u16::from_be_bytes([a, b]) }
            }
            (_, protocol::GRE) => Ports::Keys { source: 0, destination: gre_key(transport)? },
            _ => Ports::None,
        };
        Some(Self { af, protocol, source, destination, ports })
    }

    /// The tuple of an answer; `None` for ICMP types that have none. As nf_ct_invert_tuple().
    #[inline]
    pub fn inverse(&self) -> Option<Self> {
        let ports = match self.ports {
            Ports::Ports { source, destination } => Ports::Ports { source: destination, destination: source },
            Ports::Keys { source, destination } => Ports::Keys { source: destination, destination: source },
            Ports::Icmp { kind, code, id } => Ports::Icmp { kind: opposite_kind(self.af, kind)?, code, id },
            Ports::None => Ports::None,
        };
        Some(Self { source: self.destination, destination: self.source, ports, ..*self })
    }

    /// This source with another tuple's destination.
    pub(crate) fn with_destination_of(&self, other: &Self) -> Self {
        let ports = match (self.ports, other.ports) {
            (Ports::Ports { source, .. }, Ports::Ports { destination, .. }) => Ports::Ports { source, destination },
            (Ports::Keys { source, .. }, Ports::Keys { destination, .. }) => Ports::Keys { source, destination },
            (Ports::Icmp { id, .. }, Ports::Icmp { kind, code, .. }) => Ports::Icmp { kind, code, id },
            (ports, _) => ports,
        };
        Self { destination: other.destination, ports, ..*self }
    }

    /// The transport half in four bytes.
    #[inline]
    pub(crate) fn port_bytes(&self) -> [u8; 4] {
        let (a, b) = match self.ports {
            Ports::Ports { source, destination } | Ports::Keys { source, destination } => (source, destination),
            Ports::Icmp { kind, code, id } => (id, u16::from_be_bytes([kind, code])),
            Ports::None => (0, 0),
        };
        let ([a, b], [c, d]) = (a.to_be_bytes(), b.to_be_bytes());
        [a, b, c, d]
    }

    /// Whether it can be the other tuple of the same connection: family, protocol and kind of ports are the same.
    pub(super) fn is_kin(&self, other: &Self) -> bool {
        let kind = |tuple: &Self| core::mem::discriminant(&tuple.ports);
        (self.af, self.protocol, kind(self)) == (other.af, other.protocol, kind(other))
    }

    /// The same with another transport half.
    pub(crate) const fn with_ports(self, ports: Ports) -> Self {
        Self { ports, ..self }
    }

    /// The same with another source port, ICMP id or source key. As `src.u.all`.
    pub(crate) fn with_source_port(self, port: u16) -> Self {
        let ports = match self.ports {
            Ports::Ports { destination, .. } => Ports::Ports { source: port, destination },
            Ports::Keys { destination, .. } => Ports::Keys { source: port, destination },
            Ports::Icmp { kind, code, .. } => Ports::Icmp { kind, code, id: port },
            Ports::None => Ports::None,
        };
        Self { ports, ..self }
    }

    /// The same with another destination port or key.
    pub(crate) fn with_destination_port(self, port: u16) -> Self {
        let ports = match self.ports {
            Ports::Ports { source, .. } => Ports::Ports { source, destination: port },
            Ports::Keys { source, .. } => Ports::Keys { source, destination: port },
            ports => ports,
        };
        Self { ports, ..self }
    }

    /// The destination port or key; 0 if there is none.
    pub(crate) fn destination_port(&self) -> u16 {
        match self.ports {
            Ports::Ports { destination, .. } | Ports::Keys { destination, .. } => destination,
            Ports::Icmp { .. } | Ports::None => 0,
        }
    }

    /// What source translation may change of the transport half: the source port, the ICMP id.
    pub(crate) fn source_port(&self) -> u16 {
        match self.ports {
            Ports::Ports { source, .. } | Ports::Keys { source, .. } => source,
            Ports::Icmp { id, .. } => id,
            Ports::None => 0,
        }
    }
}

/// The ICMP type that answers a type.
fn opposite_kind(af: Af, kind: u8) -> Option<u8> {
    Some(match (af, kind) {
        (Af::V4, 8) => 0,
        (Af::V4, 0) => 8,
        (Af::V4, 13 | 15 | 17) | (Af::V6, 128 | 139) => kind + 1,
        (Af::V4, 14 | 16 | 18) | (Af::V6, 129 | 140) => kind - 1,
        _ => return None,
    })
}

/// The call id of enhanced GRE (version 1, RFC 2637); 0 for plain GRE, which has one flow per address pair. As
/// gre_pkt_to_tuple().
fn gre_key(transport: &[u8]) -> Option<u16> {
    const PPP: [u8; 2] = [0x88, 0x0b];
    // What is cut short is taken for plain.
    let Some(&[_, version, a, b]) = transport.first_chunk() else { return Some(0) };
    if version & 7 != 1 {
        return Some(0);
    }
    match transport.get(6..8) {
        Some(&[c, d]) => ([a, b] == PPP).then_some(u16::from_be_bytes([c, d])),
        _ => Some(0),
    }
}

impl Address {
    /// As the standard library's address of a family.
    pub fn ip(self, af: Af) -> IpAddr {
        match af {
            Af::V4 => Ipv4Addr::new(self.0[0], self.0[1], self.0[2], self.0[3]).into(),
            Af::V6 => Ipv6Addr::from(self.0).into(),
        }
    }

    /// As two words; of IPv4 only the lower half of the first is not zero.
    #[inline]
    pub(super) fn halves(self) -> [u64; 2] {
        let all = u128::from_le_bytes(self.0);
        [all as u64, (all >> 64) as u64]
    }
}

impl From<IpAddr> for Address {
    fn from(ip: IpAddr) -> Self {
        let mut bytes = [0; 16];
        match ip {
            IpAddr::V4(ip) => bytes[..4].copy_from_slice(&ip.octets()),
            IpAddr::V6(ip) => bytes = ip.octets(),
        }
        Self(bytes)
    }
}
