//! What this machine wrote into an IPv4 packet's options, seen as FORWARD's rules see it, where they are judged behind the kernel's
//! own work on the packet.

use libxt::family::Af;

use crate::conntrack::Address;
use crate::ext::Scene;
use crate::host::{AddressKind, RouteKey};
use crate::icmp_error::options::{ADDRESS_AND_TIME, PRESCRIBED, RECORD_ROUTE, TIME, TIMESTAMP, find};
use crate::packet::Hook;
use crate::wire::{checksum, ipv4, set_u16};

/// The IPv4 header of a packet in FORWARD, if this machine wrote into its options and it does not stand so any more: with the
/// address towards the sender, which ip_options_compile() writes, and with the sender's checksum. ip_forward_options() writes
/// that of the way out behind FORWARD and sums up.
///
/// Where nothing was written yet, senders leave zeros.
pub(super) fn as_forwarded(scene: &Scene<'_, '_>) -> Option<Vec<u8>> {
    let headers = &scene.headers;
    if scene.hook != Hook::Forward || headers.af != Af::V4 || headers.transport <= ipv4::HEADER {
        return None;
    }
    let header = scene.packet.data.bytes().get(..headers.transport)?;
    if checksum::checksum(header) != 0 {
        return None;
    }
    let own = |entry: &[u8]| {
        let local = |octets: [u8; 4]| scene.host.address_kind(octets.into(), None) == AddressKind::Local;
        entry.first_chunk().is_some_and(|octets| local(*octets))
    };
    let (mut sent, mut forwarded) = (header.to_vec(), header.to_vec());
    let mut addresses = Vec::new();
    let (mut options, mut written) = (sent.get_mut(ipv4::HEADER..)?, false);
    if let Some(route) = find(options, RECORD_ROUTE).and_then(|range| options.get_mut(range.clone()).zip(Some(range))) {
        let (route, range) = route;
        let last = usize::from(*route.get(2)?).checked_sub(5);
        if let Some((at, entry)) = last.and_then(|at| Some((at, route.get_mut(at..at + 4)?))).filter(|(at, _)| *at >= 3)
            && own(entry)
        {
            entry.fill(0);
            *route.get_mut(2)? -= 4;
            addresses.push(ipv4::HEADER + range.start + at);
            written = true;
        }
    }
    options = sent.get_mut(ipv4::HEADER..)?;
    if let Some(range) = find(options, TIMESTAMP) {
        let times = options.get_mut(range.clone())?;
        let &mut [_, _, next, kind, ..] = times else { return None };
        let entry = match kind & 0x0f {
            TIME => 4,
            ADDRESS_AND_TIME | PRESCRIBED => 8,
            _ => return None,
        };
        let at = usize::from(next).checked_sub(entry + 1).filter(|at| *at >= 4);
        if kind >> 4 > 0 {
            *times.get_mut(3)? -= 0x10;
            written = true;
        } else if let Some(place) = at.and_then(|at| times.get_mut(at..at + entry)) {
            match kind & 0x0f {
                PRESCRIBED if !own(place) => return None,
                PRESCRIBED => place.get_mut(4..)?.fill(0),
                ADDRESS_AND_TIME => {
                    place.fill(0);
                    addresses.push(ipv4::HEADER + range.start + at?);
                }
                _ => place.fill(0),
            }
            *times.get_mut(2)? -= entry as u8;
            written = true;
        }
    }
    if !written {
        return None;
    }
    ipv4::sum_header(&mut sent);
    let sum = crate::wire::u16_at(&sent, ipv4::CHECKSUM)?;
    set_u16(&mut forwarded, ipv4::CHECKSUM, sum);
    let towards = scene.host.route(&RouteKey::to(headers.source.ip(Af::V4)))?.source.map(Address::from)?;
    for at in addresses {
        forwarded.get_mut(at..at + 4)?.copy_from_slice(towards.0.get(..4)?);
    }
    Some(forwarded)
}
