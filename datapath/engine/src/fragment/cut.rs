//! In which sizes a datagram that was put together leaves again.
//!
//! The kernel keeps the fragments as they came, one buffer each behind the first. Whoever writes to a packet (NAT, TCPMSS)
//! has the bytes it needs pulled into the first buffer, which then is longer, while those behind are shorter or gone. On
//! output the buffers become fragments as they are now, unless one of them is no possible fragment: then all bytes are
//! cut anew, as long as the longest fragment that came.

use std::ops::Range;

use libxt::family::Af;

use super::datagram::Datagram;
use crate::packet::Buffer;
use crate::wire::{Headers, ipv4, ipv6};

/// What leaves.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// One packet without a trace of fragmentation.
    Whole,
    /// Pieces of a packet with a header of so many bytes before each.
    Pieces { header: usize, parts: Vec<Range<usize>>, anew: bool },
    /// Nothing: it cannot be cut.
    Nothing,
}

impl Datagram {
    /// How a judged datagram leaves by a device of this MTU. As ip_do_fragment() and ip6_fragment().
    pub(super) fn cut(&self, data: &Buffer<'_>, mtu: usize) -> Cut {
        let (af, bytes) = (self.flow.af, data.bytes());
        let longest = match af {
            Af::V4 => self.longest.min(mtu),
            Af::V6 if bytes.len() <= self.longest => return Cut::Whole,
            Af::V6 => self.longest.max(MINIMUM_MTU),
        };
        let Some(head) = self.head(bytes.len(), data.pulled()) else { return Cut::Nothing };
        let (header, extra) = match af {
            Af::V4 => (bytes.first().map_or(0, |first| usize::from(first & 15) * 4), 0),
            // The kernel looks for them in the first buffer.
            Af::V6 => match bytes.get(..head).and_then(ipv6::unfragmentable) {
                Some((header, _)) => (header, ipv6::FRAGMENT_HEADER),
                None => return Cut::Nothing,
            },
        };
        let Some(total) = bytes.len().checked_sub(header) else { return Cut::Nothing };
        let Some(room) = longest.checked_sub(header + extra).filter(|&room| room >= 8) else { return Cut::Nothing };
        let as_they_are = self.as_they_are(bytes.len(), head, header, room);
        let anew = as_they_are.is_none();
        Cut::Pieces { header, parts: as_they_are.unwrap_or_else(|| in_parts(total, room)), anew }
    }

    /// Bytes in the first buffer.
    fn head(&self, len: usize, pulled: usize) -> Option<usize> {
        let (first, others) = self.pieces.split_first()?;
        let stretch = first.stretch(self.flow.af);
        let came = stretch + others.iter().map(|piece| piece.payload.len()).sum::<usize>();
        // What grew or shrank was pulled as a whole.
        Some(if came == len { stretch.max(pulled).max(self.pulled).min(len) } else { len })
    }

    /// The buffers as fragments, if they can be that: the fast path.
    fn as_they_are(&self, len: usize, head: usize, header: usize, room: usize) -> Option<Vec<Range<usize>>> {
        let (first, others) = self.pieces.split_first()?;
        let mut parts = Vec::with_capacity(self.pieces.len());
        let mut reached = head.checked_sub(header)?;
        if head == len || reached > room || reached % 8 != 0 {
            return None;
        }
        parts.push(0..reached);
        let mut eaten = head.checked_sub(first.stretch(self.flow.af))?;
        for (index, piece) in others.iter().enumerate() {
            let left = piece.payload.len().saturating_sub(eaten);
            let gone = piece.payload.len() - left;
            eaten -= gone;
            if left == 0 {
                continue;
            }
            let last = index + 1 == others.len();
            // Its header is written into the room before it, where its own was.
            let before = piece.header(self.flow.af) + gone;
            if left > room || left % 8 != 0 && !last || before < header {
                return None;
            }
            parts.push(reached..reached + left);
            reached += left;
        }
        Some(parts)
    }
}

/// As ip_frag_next() and ip6_frag_next(): the slow path.
fn in_parts(total: usize, room: usize) -> Vec<Range<usize>> {
    let mut parts = Vec::new();
    let mut at = 0;
    while at < total {
        let left = total - at;
        let len = if left > room { room & !7 } else { left };
        parts.push(at..at + len);
        at += len;
    }
    parts
}

/// What looks for a socket early on reads a TCP header in one stretch. As tcp_v4_early_demux() and tcp_v6_early_demux().
pub(super) fn look_for_socket(af: Af, data: &mut Buffer<'_>) {
    let Some(headers) = Headers::parse(af, data.bytes()) else { return };
    let direct = af == Af::V4 || headers.transport == ipv6::HEADER;
    if direct && headers.protocol == TCP {
        data.pull(headers.transport + TCP_HEADER);
    }
}

/// Writes one fragment of a whole packet behind what is in `to`.
pub(super) fn write(
    datagram: &Datagram,
    whole: &[u8],
    header: usize,
    part: &Range<usize>,
    df: bool,
    to: &mut Vec<u8>,
) -> Option<()> {
    let start = to.len();
    let (head, payload) = whole.split_at_checked(header)?;
    let more = part.end < payload.len();
    to.extend_from_slice(head);
    match datagram.flow.af {
        Af::V4 => {
            let piece = to.get_mut(start..)?;
            if part.start > 0 {
                ipv4::clear_first_only_options(piece.get_mut(ipv4::HEADER..)?);
            }
            let flags = if more { ipv4::MF } else { 0 } | if df { ipv4::DF } else { 0 };
            ipv4::set_fragment(piece, flags | (part.start / 8) as u16, part.len());
        }
        Af::V6 => {
            let (_, named_at) = ipv6::unfragmentable(head)?;
            let named = to.get_mut(start + named_at)?;
            let next = std::mem::replace(named, ipv6::FRAGMENT);
            let [high, low] = (part.start as u16 | u16::from(more)).to_be_bytes();
            let [a, b, c, d] = datagram.flow.id.to_be_bytes();
            to.extend_from_slice(&[next, 0, high, low, a, b, c, d]);
            let len = header - ipv6::HEADER + ipv6::FRAGMENT_HEADER + part.len();
            crate::wire::set_u16(to.get_mut(start..)?, ipv6::LENGTH, len.min(0xffff) as u16);
        }
    }
    to.extend_from_slice(payload.get(part.clone())?);
    Some(())
}

/// `IPV6_MIN_MTU`.
const MINIMUM_MTU: usize = 1280;
const TCP: u8 = 6;
const TCP_HEADER: usize = 20;
