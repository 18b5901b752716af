//! Where a translation may go.

use crate::conntrack::tuple::Ports;
use crate::conntrack::{Address, Tuple};

/// Which side of a packet is translated. `enum nf_nat_manip_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manip {
    /// The source (`NF_NAT_MANIP_SRC`).
    Source = 0,
    /// The destination (`NF_NAT_MANIP_DST`).
    Destination = 1,
}

/// What one side of a packet becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) address: Address,
    /// The port, the ICMP id or the key; 0 if the protocol has none.
    pub(crate) port: u16,
}

impl Target {
    /// One side of a tuple.
    pub(crate) fn of(tuple: &Tuple, manip: Manip) -> Self {
        let id = matches!(tuple.ports, Ports::Icmp { .. });
        match manip {
            Manip::Source => Self { address: tuple.source, port: tuple.source_port() },
            Manip::Destination if id => Self { address: tuple.destination, port: tuple.source_port() },
            Manip::Destination => Self { address: tuple.destination, port: tuple.destination_port() },
        }
    }
}

/// struct nf_nat_range2. Ports, ICMP ids and keys are in host byte order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Range {
    /// `NF_NAT_RANGE_*`, see [`flags`].
    pub flags: u32,
    /// The lowest address.
    pub min_address: Address,
    /// The highest address.
    pub max_address: Address,
    /// The lowest port or id.
    pub min_port: u16,
    /// The highest port or id.
    pub max_port: u16,
    /// With `PROTO_OFFSET`: the port that becomes `min_port`.
    pub base_port: u16,
}

/// `NF_NAT_RANGE_*` of uapi/linux/netfilter/nf_nat.h.
pub mod flags {
    /// The addresses are given.
    pub const MAP_IPS: u32 = 1 << 0;
    /// The ports are given.
    pub const PROTO_SPECIFIED: u32 = 1 << 1;
    /// Ports start at a random place.
    pub const PROTO_RANDOM: u32 = 1 << 2;
    /// The same client gets the same address whatever it talks to.
    pub const PERSISTENT: u32 = 1 << 3;
    /// Every port is random.
    pub const PROTO_RANDOM_FULLY: u32 = 1 << 4;
    /// The port is moved by the distance of `base_port` and `min_port`.
    pub const PROTO_OFFSET: u32 = 1 << 5;
    /// The host part of the address stays, the network part is the range's.
    pub const NETMAP: u32 = 1 << 6;
    /// Either kind of randomness.
    pub const PROTO_RANDOM_ALL: u32 = PROTO_RANDOM | PROTO_RANDOM_FULLY;
}
