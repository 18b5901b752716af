//! Errors that the kernel's own stack says of packets that died here: whose they are.

use libxt::family::Af;

use crate::conntrack::error::ERROR_HEADER;
use crate::conntrack::{Tracked, Tracker};
use crate::effects::Effects;
use crate::host::Now;
use crate::packet::{Buffer, Checksum, Hook, Packet};
use crate::wire::{Headers, ipv4, ipv6, u16_at};

/// Whether a packet without a socket is an error to which the kernel gives the connection of the packet it is about: all but
/// those about a datagram that no socket took, whose connection was put off before. As icmp_glue_bits() and
/// icmpv6_getfrag() with nf_ct_attach(), and nf_reset_ct() in udp_rcv().
pub(super) fn carries_connection(headers: &Headers, bytes: &[u8]) -> bool {
    let Some([kind, code]) = headers.segment(bytes).first_chunk() else { return false };
    match (headers.af, headers.protocol) {
        (Af::V4, 1) => matches!(kind, 3 | 4 | 5 | 11 | 12) && (*kind, *code) != (3, 3),
        (Af::V6, 58) => *kind < 128 && (*kind, *code) != (1, 4),
        _ => false,
    }
}

/// Whether the packet that such an error is about died before PREROUTING, which no connection has yet: of its options for every
/// hop, and not of the header behind them, whose number stands among them. As ipv6_parse_hopopts() in ip6_rcv_core().
pub(super) fn died_at_once(headers: &Headers, bytes: &[u8]) -> bool {
    let told = headers.segment(bytes);
    let quote = told.get(ERROR_HEADER..).unwrap_or_default();
    let (Af::V6, Some([PARAMETER_PROBLEM, 0 | 2, _, _, pointer @ ..])) =
        (headers.af, told.first_chunk::<ERROR_HEADER>())
    else {
        return false;
    };
    let (Some(&ipv6::HOP_BY_HOP), Some(&length)) = (quote.get(ipv6::NEXT), quote.get(ipv6::HEADER + 1)) else {
        return false;
    };
    let end = ipv6::HEADER + ipv6::extension_len(ipv6::HOP_BY_HOP, length);
    (ipv6::HEADER..end).contains(&(u32::from_be_bytes(*pointer) as usize))
}

/// `ICMPV6_PARAMPROB`.
const PARAMETER_PROBLEM: u8 = 4;

/// Whether the packet that such an error is about died between PREROUTING and FORWARD: of hops, of its size, or for want of a
/// route.
pub(super) fn died_unseen(headers: &Headers, bytes: &[u8]) -> bool {
    let told = headers.segment(bytes).first_chunk();
    match headers.af {
        Af::V4 => matches!(told, Some([11, 0] | [3, 0 | 1 | 4])),
        Af::V6 => matches!(told, Some([3, 0] | [2, 0] | [1, 0])),
    }
}

/// Where PREROUTING is judged later than the kernel does, a packet that died before was never tracked: the quote stands in.
pub(super) fn catch_up(
    tracker: &mut Tracker,
    room: &mut Vec<u8>,
    error: &Packet<'_>,
    headers: &Headers,
    now: Now,
    out: &mut Effects,
) -> Tracked {
    let quote = headers.segment(error.data.bytes()).get(ERROR_HEADER..).unwrap_or_default();
    let claimed = match headers.af {
        Af::V4 => u16_at(quote, ipv4::LENGTH).map(usize::from),
        Af::V6 => u16_at(quote, ipv6::LENGTH).map(|length| usize::from(length) + ipv6::HEADER),
    };
    room.clear();
    room.extend_from_slice(quote);
    room.resize(claimed.unwrap_or(0).max(quote.len()), 0);
    let len = room.len();
    // What was cut off nobody can sum up.
    let checksum = if len > quote.len() { Checksum::Verified } else { Checksum::Unverified };
    let died = Packet { hook: Hook::Prerouting, checksum, data: Buffer::new(room, len), ..error.same() };
    match Headers::parse(headers.af, died.data.bytes()) {
        Some(headers) => tracker.track(&died, &headers, None, now, out).unwrap_or(Tracked::Unseen),
        None => Tracked::Unseen,
    }
}
