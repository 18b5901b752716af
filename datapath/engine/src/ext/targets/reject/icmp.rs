//! The answer as an ICMP error. As nf_send_unreach() with icmp_send(), and nf_send_unreach6() with icmp6_send().

use libxt::family::Af;

use super::options::Options;
use super::{is_summed, sums_up, was_summed};
use crate::conntrack::Address;
use crate::effects::Send;
use crate::ext::Scene;
use crate::host::AddressKind;
use crate::notes::{Answer, Standing};
use crate::packet::Hook;
use crate::wire::checksum::{Sum, checksum};
use crate::wire::{icmp, icmpv6, ipv4, ipv6, set_u16, tcp};

/// An ICMP error: its type, its code and the second word of its header.
#[derive(Clone, Copy, Debug)]
pub(super) struct Error {
    pub(super) kind: u8,
    pub(super) code: u8,
    pub(super) rest: u32,
}

/// Sends «destination unreachable», unless the packet must not be answered.
pub(super) fn send(scene: &mut Scene<'_, '_>, code: u8) -> Option<()> {
    let headers = scene.headers;
    if headers.fragment_offset() != 0 || headers.cut || scene.segment().is_empty() && headers.af == Af::V6 {
        return None;
    }
    if is_summed(headers.protocol, scene.segment()) && !was_summed(scene) && !sums_up(scene) {
        return None;
    }
    let kind = if headers.af == Af::V4 { icmp::kind::UNREACHABLE } else { icmpv6::kind::UNREACHABLE };
    send_error(scene, Error { kind, code, rest: 0 })
}

/// Sends an error, unless the packet must not be answered with one. As icmp_send() and icmp6_send().
pub(super) fn send_error(scene: &mut Scene<'_, '_>, error: Error) -> Option<()> {
    if is_answered_never(scene) {
        return None;
    }
    let headers = scene.headers;
    let af = headers.af;
    let [rest0, rest1, rest2, rest3] = error.rest.to_be_bytes();
    let message = [error.kind, error.code, 0, 0, rest0, rest1, rest2, rest3];
    let sender = headers.source.ip(af);
    let route = scene.host.route(sender, None, 0, None)?;
    let loopback = scene.host.device(route.device).is_some_and(|device| device.loopback);
    if !loopback && !scene.rates.allow(af, headers.source, scene.now) {
        return None;
    }
    let local =
        scene.hook == Hook::Input || scene.host.address_kind(headers.destination.ip(af), None) == AddressKind::Local;
    let source = if local { headers.destination } else { Address::from(route.source?) };
    let echoed = match scene.packet.data.bytes().get(ipv4::HEADER..headers.transport) {
        Some(options @ [_, ..]) if af == Af::V4 => Options::echo(scene, options, source)?,
        _ => Options::NONE,
    };
    let unfinished = unfinished(scene);
    let bytes = scene.packet.data.bytes().get(..headers.end)?;
    let out = &mut scene.out.bytes;
    let start = out.len();
    match af {
        Af::V4 => {
            let header = ipv4::HEADER + echoed.bytes().len();
            let room = (route.mtu.min(576) as usize).saturating_sub(header + icmp::HEADER);
            if room <= ipv4::HEADER {
                return None;
            }
            let quote = bytes.get(..bytes.len().min(room))?;
            let tos = headers.tos & 0x1e | INTERNET_CONTROL;
            let total = header + icmp::HEADER + quote.len();
            let [high, low] = (total as u16).to_be_bytes();
            let [id0, id1] = ((scene.random.draw() as u16) | 1).to_be_bytes();
            out.extend_from_slice(&[0x40 | (header / 4) as u8, tos, high, low, id0, id1, 0, 0, HOPS, 1, 0, 0]);
            out.extend_from_slice(source.0.get(..4)?);
            out.extend_from_slice(headers.source.0.get(..4)?);
            out.extend_from_slice(echoed.bytes());
            out.extend_from_slice(&message);
            out.extend_from_slice(quote);
            let (header, message) = out.get_mut(start..)?.split_at_mut_checked(header)?;
            if let Some((at, sum)) = unfinished {
                message.get_mut(icmp::HEADER + at..)?.get_mut(..2)?.copy_from_slice(&sum.to_be_bytes());
            }
            let sum = checksum(header);
            set_u16(header, ipv4::CHECKSUM, sum);
            let sum = checksum(message);
            set_u16(message, icmp::CHECKSUM, sum);
        }
        Af::V6 => {
            let quote = bytes.get(..bytes.len().min(LONGEST_QUOTE))?;
            let [high, low] = ((icmpv6::HEADER + quote.len()) as u16).to_be_bytes();
            out.extend_from_slice(&[0x60, 0, 0, 0, high, low, 58, HOPS]);
            out.extend_from_slice(&source.0);
            out.extend_from_slice(&headers.source.0);
            out.extend_from_slice(&message);
            out.extend_from_slice(quote);
            let message = out.get_mut(start + ipv6::HEADER..)?;
            let sum = Sum::default().pseudo_header(af, source, headers.source, 58, message.len());
            let sum = sum.bytes(message).finish();
            set_u16(message, icmpv6::CHECKSUM, sum);
        }
    }
    let bytes = start..out.len();
    scene.out.sends.push(Send { af, bytes, mark: 0, out_device: None, standing: Standing::Refusal });
    Some(())
}

/// The kernel leaves a reset's checksum to the device, so that a quote of one of this machine's own holds the pseudo-header's
/// sum: where, and the sum. As nf_reject_ip_tcphdr_put(); with IPv6 the checksum is complete.
fn unfinished(scene: &Scene<'_, '_>) -> Option<(usize, u16)> {
    let headers = &scene.headers;
    if scene.answer != Some(Answer::Reset) || headers.af != Af::V4 {
        return None;
    }
    let length = scene.segment().len();
    let sum = Sum::default().pseudo_header(Af::V4, headers.source, headers.destination, headers.protocol, length);
    Some((headers.transport + tcp::CHECKSUM, sum.fold()))
}

/// Errors, packets for many, and packets from nobody get no answer.
fn is_answered_never(scene: &Scene<'_, '_>) -> bool {
    let headers = &scene.headers;
    let kind = scene.segment().first().copied();
    let af = headers.af;
    let to_many = |address: Address| {
        matches!(scene.host.address_kind(address.ip(af), None), AddressKind::Broadcast | AddressKind::Multicast)
    };
    let sent_to_many = scene.packet.link.len == 14 && scene.packet.link.bytes[0] & 1 != 0;
    let nobody = headers.source == Address::default();
    let error = match af {
        Af::V4 => headers.protocol == 1 && kind.is_none_or(icmp::is_never_answered),
        Af::V6 => headers.protocol == 58 && kind.is_none_or(icmpv6::is_error),
    };
    // The kernel's own ICMP message holds the socket that would answer it (icmp_xmit_lock()).
    let own = scene.packet.in_device.is_none() && scene.packet.owner.is_none() && matches!(headers.protocol, 1 | 58);
    error
        || own
        || nobody
        || scene.packet.in_device.is_some() && sent_to_many
        || to_many(headers.destination)
        || to_many(headers.source)
}

/// `IPTOS_PREC_INTERNETCONTROL`.
const INTERNET_CONTROL: u8 = 0xc0;
/// TTL and hop limit of what this machine sends.
const HOPS: u8 = 64;
/// What an error may quote so that it fits the least MTU of IPv6.
const LONGEST_QUOTE: usize = 1280 - ipv6::HEADER - icmpv6::HEADER;
