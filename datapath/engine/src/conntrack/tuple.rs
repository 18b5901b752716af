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

impl Address {
    /// As the standard library's address of a family.
    pub fn ip(self, af: Af) -> IpAddr {
        match af {
            Af::V4 => Ipv4Addr::new(self.0[0], self.0[1], self.0[2], self.0[3]).into(),
            Af::V6 => Ipv6Addr::from(self.0).into(),
        }
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
