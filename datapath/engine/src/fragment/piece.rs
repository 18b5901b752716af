//! One fragment: where it belongs and what it brings.

use libxt::family::Af;

use crate::conntrack::Address;
use crate::packet::{Packet, PacketId};
use crate::wire::{Fragment, Headers, ipv4, ipv6, u16_at};

/// What tells a datagram's fragments from those of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Flow {
    pub(super) af: Af,
    /// IPv4's protocol; 0 for IPv6, where only the first fragment knows it.
    protocol: u8,
    pub(super) id: u32,
    source: Address,
    destination: Address,
}

/// A fragment's bytes, and how to answer the kernel for it.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) id: PacketId,
    pub(super) mark: u32,
    /// Bytes of the packet it came as.
    pub(super) len: usize,
    pub(super) offset: usize,
    /// Everything before the fragmentable part, the fragment header included.
    pub(super) head: Vec<u8>,
    pub(super) payload: Vec<u8>,
}

/// What a fragment claims.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// Where it says to end, before anything is cut off.
    pub(super) end: usize,
    pub(super) more: bool,
    pub(super) dont_fragment: bool,
    pub(super) tos: u8,
}

/// What a packet that looks like a fragment is.
#[derive(Debug)]
pub(super) enum Found {
    Piece(Flow, Piece, Place),
    /// Not to be put together with anything.
    Apart,
    /// Nothing at all.
    Nothing,
}

/// Reads a fragment, for IPv6 also one that is all of its datagram. As the beginnings of ip_frag_queue() and nf_ct_frag6_gather().
pub(super) fn find(packet: &Packet<'_>, headers: &Headers) -> Found {
    let Some(bytes) = packet.data.bytes().get(..headers.end) else { return Found::Nothing };
    let found = match headers.af {
        Af::V4 => headers.fragment.map(|place| (place, headers.transport)),
        // The fragmentable part may begin with further extension headers: it starts behind the fragment header.
        Af::V6 => ipv6::fragment(bytes)
            .filter(|(place, _)| place.offset != 0 || !ipv6::is_truncated(bytes))
            .filter(|_| u16_at(bytes, ipv6::LENGTH) != Some(0))
            .map(|(place, link)| (place, link.at + ipv6::FRAGMENT_HEADER)),
    };
    let Some((place, start)) = found else { return Found::Apart };
    let Some((head, payload)) = bytes.split_at_checked(start) else { return Found::Nothing };
    let offset = usize::from(place.offset);
    let end = offset + payload.len();
    let payload = match headers.af {
        Af::V4 if place.more => payload.get(..payload.len() & !7).unwrap_or(payload),
        _ => payload,
    };
    let piece = Piece {
        id: packet.id,
        mark: packet.mark,
        len: packet.data.len(),
        offset,
        head: head.to_vec(),
        payload: payload.to_vec(),
    };
    let df = headers.af == Af::V4 && u16_at(bytes, ipv4::FRAGMENT).is_some_and(|word| word & ipv4::DF != 0);
    Found::Piece(Flow::of(headers, place), piece, Place { end, more: place.more, dont_fragment: df, tos: headers.tos })
}

impl Flow {
    fn of(headers: &Headers, place: Fragment) -> Self {
        Self {
            af: headers.af,
            protocol: if headers.af == Af::V4 { headers.protocol } else { 0 },
            id: place.id,
            source: headers.source,
            destination: headers.destination,
        }
    }

    /// The same datagram, once its addresses are those of `headers`.
    pub(super) const fn between(self, headers: &Headers) -> Self {
        Self { source: headers.source, destination: headers.destination, ..self }
    }

    /// Whether the addresses have a meaning on one link only.
    pub(super) fn is_link_local(&self) -> bool {
        self.af == Af::V6
            && match self.destination.0 {
                [0xff, ..] => true,
                [0xfe, second, ..] => second & 0xc0 == 0x80,
                _ => false,
            }
    }
}

impl Piece {
    /// Bytes without the fragment header: what the kernel's buffer of a first fragment holds once that is gone.
    pub(super) fn stretch(&self, af: Af) -> usize {
        self.header(af) + self.payload.len()
    }

    /// Bytes of the headers before the fragment header, or all of IPv4's.
    pub(super) fn header(&self, af: Af) -> usize {
        match af {
            Af::V4 => self.head.len(),
            Af::V6 => self.head.len().saturating_sub(ipv6::FRAGMENT_HEADER),
        }
    }

    pub(super) fn cost(&self) -> usize {
        OVERHEAD + self.head.len() + self.payload.len()
    }
}

/// What a piece costs beside its bytes.
const OVERHEAD: usize = 512;
