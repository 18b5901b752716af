//! IPv4 and IPv6: a plain number where values are handled, a type parameter where text and bytes differ.

/// The address family of a table, a rule or a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Af {
    /// IPv4: `iptables`, `ipt_replace`.
    V4,
    /// IPv6: `ip6tables`, `ip6t_replace`.
    V6,
}

impl Af {
    /// `AF_INET` or `AF_INET6`, which is also the `NFPROTO_*` number.
    pub const fn number(self) -> u8 {
        match self {
            Self::V4 => 2,
            Self::V6 => 10,
        }
    }

    /// The family of an `AF_*`/`NFPROTO_*` number.
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            2 => Some(Self::V4),
            10 => Some(Self::V6),
            _ => None,
        }
    }

    /// Bytes in an address of this family.
    pub const fn address_len(self) -> usize {
        match self {
            Self::V4 => 4,
            Self::V6 => 16,
        }
    }
}
