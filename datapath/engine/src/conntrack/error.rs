//! ICMP errors: which connection the packet they quote belongs to.

use libxt::family::Af;

use super::tuple::protocol;
use super::{Address, Tuple};
use crate::wire::{Headers, ipv6, u16_at};

/// Bytes of an ICMP error ahead of the quoted packet.
pub(crate) const ERROR_HEADER: usize = 8;
/// The highest ICMP type there is (`NR_ICMP_TYPES`).
const ICMP_TYPES: u8 = 18;

/// What kind of ICMP message it is to tracking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Message {
    /// No ICMP at all, or a query: it is tracked by itself.
    Query,
    /// An error about another packet.
    Error,
    /// Neighbour discovery and multicast listeners: not tracked.
    Untracked,
    /// Cut off or of an unknown type.
    Invalid,
}

/// As the first half of nf_conntrack_icmpv4_error() and nf_conntrack_icmpv6_error().
pub(super) fn classify(af: Af, protocol: u8, transport: &[u8]) -> Message {
    let (v4, v6) = ((af, protocol) == (Af::V4, protocol::ICMP), (af, protocol) == (Af::V6, protocol::ICMPV6));
    if !v4 && !v6 {
        return Message::Query;
    }
    let Some(&[kind, ..]) = transport.first_chunk::<ERROR_HEADER>() else { return Message::Invalid };
    match kind {
        3 | 4 | 5 | 11 | 12 if v4 => Message::Error,
        _ if v4 && kind > ICMP_TYPES => Message::Invalid,
        0..128 if v6 => Message::Error,
        130..=136 | 143 | 151 | 152 if v6 => Message::Untracked,
        _ => Message::Query,
    }
}

/// The outline of the packet that an ICMP error quotes, its offsets counted from the quote's start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Quote {
    pub(crate) af: Af,
    pub(crate) protocol: u8,
    pub(crate) source: Address,
    pub(crate) destination: Address,
    /// Where its transport header starts.
    pub(crate) transport: usize,
}

impl Quote {
    /// Reads a quote; `None` if it is not one or is a later fragment. Of the transport header there is what a tuple needs or
    /// [`Self::tuple`] has none: 4 bytes of one with ports, nothing of a protocol without a header known to tracking.
    pub(crate) fn read(af: Af, bytes: &[u8]) -> Option<Self> {
        match af {
            Af::V4 => Self::read_v4(bytes),
            Af::V6 => Self::read_v6(bytes),
        }
    }

    /// The quoted packet's tuple.
    pub(crate) fn tuple(&self, bytes: &[u8]) -> Option<Tuple> {
        let transport = match self.af {
            Af::V4 => bytes.get(self.transport..)?,
            // An extension header may end behind the quote: ipv6_skip_exthdr() looks at its beginning alone.
            Af::V6 => bytes.get(self.transport..).unwrap_or_default(),
        };
        Tuple::of(self.af, self.protocol, self.source, self.destination, transport)
    }

    /// The quote of an error whose outline is `headers`, and its bytes.
    pub(crate) fn of<'a>(headers: &Headers, bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let quoted = bytes.get(headers.transport.checked_add(ERROR_HEADER)?..headers.end)?;
        Some((Self::read(headers.af, quoted)?, quoted))
    }

    fn read_v4(bytes: &[u8]) -> Option<Self> {
        let header = bytes.first_chunk::<20>()?;
        let transport = usize::from(header[0] & 0x0f) * 4;
        let offset = u16::from_be_bytes([header[6], header[7]]) & 0x1fff;
        if header[0] >> 4 != 4 || transport < 20 || offset != 0 {
            return None;
        }
        Some(Self {
            af: Af::V4,
            protocol: header[9],
            source: address(bytes.get(12..16)?),
            destination: address(bytes.get(16..20)?),
            transport,
        })
    }

    fn read_v6(bytes: &[u8]) -> Option<Self> {
        const HEADERS_MAX: usize = 16;
        let header = bytes.first_chunk::<40>()?;
        if header[0] >> 4 != 6 {
            return None;
        }
        let (mut next, mut at) = (header[6], 40);
        for _ in 0..HEADERS_MAX {
            if next == ipv6::NONE {
                return None;
            }
            if !ipv6::is_extension(next) {
                return Some(Self {
                    af: Af::V6,
                    protocol: next,
                    source: address(bytes.get(8..24)?),
                    destination: address(bytes.get(24..40)?),
                    transport: at,
                });
            }
            let &[following, length] = bytes.get(at..)?.first_chunk()?;
            let skip = match next {
                ipv6::FRAGMENT if u16_at(bytes, at + 2)? & !7 != 0 => return None,
                ipv6::FRAGMENT => ipv6::FRAGMENT_HEADER,
                51 => (usize::from(length) + 2) * 4,
                _ => (usize::from(length) + 1) * 8,
            };
            next = following;
            at += skip;
        }
        None
    }
}

fn address(bytes: &[u8]) -> Address {
    let mut address = [0; 16];
    if let Some(room) = address.get_mut(..bytes.len()) {
        room.copy_from_slice(bytes);
    }
    Address(address)
}
