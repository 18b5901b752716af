//! The answer as an ICMP error. As nf_send_unreach() and nf_send_unreach6().

use libxt::family::Af;

use super::written::as_forwarded;
use super::{is_summed, sums_up, was_summed};
use crate::ext::Scene;
use crate::icmp_error::{self, Arrival, Error, Means, Subject};
use crate::notes::Answer;
use crate::packet::Hook;
use crate::wire::checksum::Sum;
use crate::wire::{icmp, icmpv6, tcp};

/// Sends «destination unreachable», unless the packet must not be answered.
pub(super) fn send(scene: &mut Scene<'_, '_>, code: u8) -> Option<()> {
    let headers = *scene.headers;
    if headers.fragment_offset() != 0 || headers.cut || scene.segment().is_empty() && headers.af == Af::V6 {
        return None;
    }
    if is_summed(headers.protocol, scene.segment()) && !was_summed(scene) && !sums_up(scene) {
        return None;
    }
    let kind = if headers.af == Af::V4 { icmp::kind::UNREACHABLE } else { icmpv6::kind::UNREACHABLE };
    send_error(scene, Error { kind, code, rest: 0 })
}

/// Sends an error, unless the packet must not be answered with one.
pub(super) fn send_error(scene: &mut Scene<'_, '_>, error: Error) -> Option<()> {
    let packet = &*scene.packet;
    let rest = packet.data.bytes().get(scene.headers.transport..).unwrap_or_default();
    let forwarded = as_forwarded(scene).map(|header| [&header, rest].concat());
    let subject = Subject {
        headers: &*scene.headers,
        bytes: forwarded.as_deref().unwrap_or_else(|| packet.data.bytes()),
        delivered: scene.hook == Hook::Input,
        arrived: Arrival::of(packet),
        owned: packet.owner.is_some(),
        unfinished: unfinished(scene),
    };
    let mut means = Means {
        host: scene.host,
        now: scene.now,
        rates: &mut *scene.rates,
        random: &mut *scene.random,
        out: &mut *scene.out,
    };
    icmp_error::send(&subject, error, &mut means)
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
