//! Writing a translation into a packet's bytes, and keeping every checksum true.

use libxt::family::Af;

use super::{Manip, Target};
use crate::conntrack::error::{ERROR_HEADER, Quote};
use crate::conntrack::tuple::{Ports, protocol};
use crate::conntrack::{Address, Tuple};
use crate::wire::checksum::{Change, Sum, checksum, verify};
use crate::wire::{Headers, ipv4, ipv6, sctp};

/// What must be known of a packet to rewrite it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    pub(super) af: Af,
    pub(super) protocol: u8,
    /// Where the transport header starts.
    pub(super) transport: usize,
    /// The transport checksum holds the pseudo-header's sum only.
    pub(super) partial: bool,
}

/// Whether the packet is an ICMP error.
pub(super) fn is_error(headers: &Headers, bytes: &[u8]) -> bool {
    match (headers.af, headers.protocol, bytes.get(headers.transport)) {
        (Af::V4, protocol::ICMP, Some(kind)) => matches!(kind, 3 | 4 | 5 | 11 | 12),
        (Af::V6, protocol::ICMPV6, Some(&kind)) => kind < 128 || kind == 137,
        _ => false,
    }
}

/// Whether an ICMP error's checksum is right.
pub(super) fn error_adds_up(headers: &Headers, bytes: &[u8]) -> bool {
    let message = headers.segment(bytes);
    let start = match headers.af {
        Af::V4 => Sum::default(),
        Af::V6 => Sum::default().pseudo_header(
            headers.af,
            headers.source,
            headers.destination,
            headers.protocol,
            message.len(),
        ),
    };
    verify(start, message)
}

/// Whether a packet does not look as it shall already: one that came back over a loopback device does.
pub(super) fn differs(headers: &Headers, bytes: &[u8], target: Target, manip: Manip) -> bool {
    let address = match manip {
        Manip::Source => headers.source,
        Manip::Destination => headers.destination,
    };
    if address != target.address {
        return true;
    }
    let transport = headers.segment(bytes);
    let now = Tuple::of(headers.af, headers.protocol, headers.source, headers.destination, transport);
    let Some(now) = now else { return true };
    match (now.ports, manip) {
        // A source key is the sender's own and not in the packet.
        (Ports::None, _) | (Ports::Keys { .. }, Manip::Source) => false,
        _ => Target::of(&now, manip).port != target.port,
    }
}

/// How many bytes of a packet that ends at `end` must stand in one stretch to be rewritten. As the skb_ensure_writable() of
/// nf_nat_ipv4_manip_pkt() and l4proto_manip_pkt().
pub(super) const fn writes(part: Part, end: usize) -> usize {
    let there = end.saturating_sub(part.transport);
    let header = match part.protocol {
        protocol::TCP if there >= 20 => 20,
        protocol::SCTP if there >= 12 => 12,
        protocol::TCP | protocol::SCTP | protocol::UDP | protocol::UDPLITE | protocol::GRE => 8,
        protocol::ICMP if matches!(part.af, Af::V4) => 8,
        protocol::ICMPV6 if matches!(part.af, Af::V6) => 8,
        _ => 0,
    };
    match (header, part.af) {
        // Of what has no ports the IP header is written alone.
        (0, Af::V4) => ipv4::HEADER,
        (0, Af::V6) => ipv6::HEADER,
        _ => part.transport + header,
    }
}

/// The packet that an ICMP error quotes, its offsets counted from the quote's start.
pub(super) fn quoted(headers: &Headers, bytes: &[u8]) -> Option<Part> {
    let (quote, quoted) = Quote::of(headers, bytes)?;
    // Of a protocol without ports nothing is written behind the addresses, and nothing need be there.
    let transport = quote.transport.min(quoted.len());
    Some(Part { af: quote.af, protocol: quote.protocol, transport, partial: false })
}

/// Writes one side of `target` into a packet, which ends where `bytes` end. `None` if the packet is too short, in which
/// case it may be half written. As nf_nat_ipv4_manip_pkt() and its like.
pub(super) fn rewrite(bytes: &mut [u8], part: Part, target: Target, manip: Manip) -> Option<()> {
    let (network, transport) = bytes.split_at_mut_checked(part.transport)?;
    let length = part.af.address_len();
    let at = match (part.af, manip) {
        (Af::V4, Manip::Source) => 12,
        (Af::V4, Manip::Destination) => 16,
        (Af::V6, Manip::Source) => 8,
        (Af::V6, Manip::Destination) => 24,
    };
    let address = target.address;
    let field = network.get_mut(at..at + length)?;
    let changed = match part.af {
        Af::V4 => {
            let field = field.first_chunk_mut::<4>()?;
            let [a, b, c, d, ..] = address.0;
            let was = core::mem::replace(field, [a, b, c, d]);
            let changed = Change::word(was, *field);
            change(network, 10, |sum| changed.of(sum))?;
            changed
        }
        Af::V6 => {
            let old = core::mem::replace(field.first_chunk_mut()?, address.0);
            Change::address(Address(old), address)
        }
    };
    rewrite_transport(transport, part, changed, target, manip)
}

/// Rewrites an ICMP error: the packet it quotes, on the opposite side, to look as its sender knows it; its own address as
/// that of an answer. As nf_nat_icmp_reply_translation().
pub(super) fn error(bytes: &mut [u8], headers: &Headers, target: Target, quoted: &Tuple, manip: Manip) -> Option<()> {
    let part = self::quoted(headers, bytes)?;
    let inside = bytes.get_mut(headers.transport.checked_add(ERROR_HEADER)?..)?;
    let opposite = match manip {
        Manip::Source => Manip::Destination,
        Manip::Destination => Manip::Source,
    };
    rewrite(inside, part, Target::of(quoted, opposite), opposite)?;

    let outer = Part { af: headers.af, protocol: u8::MAX, transport: headers.transport, partial: false };
    rewrite(bytes, outer, target, manip)?;
    let (source, destination) = match manip {
        Manip::Source => (target.address, headers.destination),
        Manip::Destination => (headers.source, target.address),
    };
    let message = bytes.get_mut(headers.transport..)?;
    message.get_mut(2..4)?.fill(0);
    let sum = match headers.af {
        Af::V4 => checksum(message),
        Af::V6 => Sum::default()
            .pseudo_header(headers.af, source, destination, headers.protocol, message.len())
            .bytes(message)
            .finish(),
    };
    message.get_mut(2..4)?.copy_from_slice(&sum.to_be_bytes());
    Some(())
}

/// As l4proto_manip_pkt(). In a quote there may be no more than 8 bytes, and a checksum further on is not there to change.
fn rewrite_transport(transport: &mut [u8], part: Part, changed: Change, target: Target, manip: Manip) -> Option<()> {
    match (part.af, part.protocol) {
        // skb_ensure_writable() of these: of a quote that is shorter nothing can be translated.
        (_, protocol::TCP | protocol::UDP | protocol::UDPLITE | protocol::SCTP | protocol::GRE)
        | (Af::V4, protocol::ICMP)
        | (Af::V6, protocol::ICMPV6)
            if transport.len() < 8 =>
        {
            return None;
        }
        (_, protocol::TCP) => {
            let ports = set_port(transport, target.port, manip)?;
            if transport.len() >= 20 {
                change(transport, 16, |sum| follow(sum, part.partial, changed, ports))?;
            }
        }
        (_, protocol::UDP | protocol::UDPLITE) => {
            let ports = set_port(transport, target.port, manip)?;
            change(transport, 6, |sum| {
                if sum == 0 && !part.partial && part.protocol == protocol::UDP {
                    // The sender computed none.
                    return 0;
                }
                match follow(sum, part.partial, changed, ports) {
                    0 if !part.partial => 0xffff,
                    sum => sum,
                }
            })?;
        }
        (_, protocol::SCTP) => {
            set_port(transport, target.port, manip)?;
            if transport.len() >= 12 && !part.partial {
                let sum = sctp::checksum(transport)?;
                transport.get_mut(8..12)?.copy_from_slice(&sum.to_le_bytes());
            }
        }
        (Af::V4, protocol::ICMP) => {
            if matches!(transport.first(), Some(0 | 8 | 13..=18)) {
                set_icmp_id(transport, target.port)?;
            }
        }
        (Af::V6, protocol::ICMPV6) => {
            change(transport, 2, |sum| follow(sum, part.partial, changed, Change::default()))?;
            if matches!(transport.first(), Some(128 | 129)) {
                set_icmp_id(transport, target.port)?;
            }
        }
        (_, protocol::GRE) => {
            let version = transport.first_chunk::<8>()?[1] & 7;
            if let (Manip::Destination, 1) = (manip, version) {
                transport.get_mut(6..8)?.copy_from_slice(&target.port.to_be_bytes());
            }
        }
        _ => {}
    }
    Some(())
}

/// Writes a port; what that changes comes back.
fn set_port(transport: &mut [u8], port: u16, manip: Manip) -> Option<Change> {
    let at = match manip {
        Manip::Source => 0,
        Manip::Destination => 2,
    };
    let field = transport.get_mut(at..)?.first_chunk_mut::<2>()?;
    let old = core::mem::replace(field, port.to_be_bytes());
    Some(Change::half(old, *field))
}

fn set_icmp_id(transport: &mut [u8], id: u16) -> Option<()> {
    let field = transport.get_mut(4..)?.first_chunk_mut::<2>()?;
    let old = core::mem::replace(field, id.to_be_bytes());
    let changed = Change::half(old, *field);
    change(transport, 2, |sum| changed.of(sum))
}

/// A transport checksum after an address of the pseudo-header and a port changed. A partial one holds no ports.
fn follow(sum: u16, partial: bool, address: Change, port: Change) -> u16 {
    if partial { address.of_partial(sum) } else { address.and(port).of(sum) }
}

/// Changes the 16-bit field at an offset.
fn change(bytes: &mut [u8], at: usize, to: impl FnOnce(u16) -> u16) -> Option<()> {
    let field = bytes.get_mut(at..at + 2)?;
    let sum = u16::from_be_bytes([*field.first()?, *field.get(1)?]);
    field.copy_from_slice(&to(sum).to_be_bytes());
    Some(())
}
