//! ICMP errors of this machine's own. As icmp_send() and icmp6_send().

pub(crate) mod options;

use libxt::family::Af;

use self::options::Options;
use crate::conntrack::Address;
use crate::effects::{Effects, Send};
use crate::ext::rates::Rates;
use crate::ext::scene::Random;
use crate::host::{AddressKind, Host, Now, RouteKey};
use crate::notes::Standing;
use crate::packet::Packet;
use crate::wire::checksum::{Sum, checksum};
use crate::wire::{Headers, icmp, icmpv6, ipv4, ipv6, set_u16};

/// An ICMP error: its type, its code and the second word of its header.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Error {
    pub(crate) kind: u8,
    pub(crate) code: u8,
    pub(crate) rest: u32,
}

/// The packet that an error is about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject<'a> {
    pub(crate) headers: &'a Headers,
    /// From its network header on.
    pub(crate) bytes: &'a [u8],
    /// Whether it reached this machine's own INPUT.
    pub(crate) delivered: bool,
    /// How it came from a link, if it did.
    pub(crate) arrived: Option<Arrival>,
    /// Whether a socket of this machine sent it.
    pub(crate) owned: bool,
    /// Where the checksum is not complete, and what stands there.
    pub(crate) unfinished: Option<(usize, u16)>,
}

/// How a packet came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Arrival {
    /// The index of its device.
    device: u32,
    /// Whether its frame was for more than one station.
    to_many: bool,
}

/// What sending an error takes.
pub(crate) struct Means<'a> {
    pub(crate) host: &'a dyn Host,
    pub(crate) now: Now,
    pub(crate) rates: &'a mut Rates,
    pub(crate) random: &'a mut Random,
    pub(crate) out: &'a mut Effects,
}

impl Arrival {
    pub(crate) fn of(packet: &Packet<'_>) -> Option<Self> {
        packet.in_device.map(|device| Self { device: device.index, to_many: packet.link.is_to_many() })
    }

    /// The device by which it must be answered: its sender's address may have a meaning on one link only.
    pub(crate) fn link_of(&self, sender: Address) -> Option<u32> {
        matches!(sender.0, [0xfe, second, ..] if second & 0xc0 == 0x80).then_some(self.device)
    }
}

/// Sends an error, unless the packet must not be answered with one. As icmp_send() and icmp6_send().
pub(crate) fn send(subject: &Subject<'_>, error: Error, means: &mut Means<'_>) -> Option<()> {
    let Means { host, now, rates, random, out: effects } = means;
    if is_answered_never(subject, *host) {
        return None;
    }
    let headers = *subject.headers;
    let af = headers.af;
    let [rest0, rest1, rest2, rest3] = error.rest.to_be_bytes();
    let message = [error.kind, error.code, 0, 0, rest0, rest1, rest2, rest3];
    let sender = headers.source.ip(af);
    let link = subject.arrived.and_then(|arrival| arrival.link_of(headers.source));
    let route = host.route(&RouteKey { out_device: link, ..RouteKey::to(sender) })?;
    let loopback = host.device(route.device).is_some_and(|device| device.loopback);
    if !loopback && !rates.allow(af, headers.source, *now) {
        return None;
    }
    let local = subject.delivered || host.address_kind(headers.destination.ip(af), None) == AddressKind::Local;
    let source = if local { headers.destination } else { Address::from(route.source?) };
    let echoed = match subject.bytes.get(ipv4::HEADER..headers.transport) {
        Some(options @ [_, ..]) if af == Af::V4 => Options::echo(options, source, *host, *now)?,
        _ => Options::NONE,
    };
    let bytes = subject.bytes.get(..headers.end)?;
    let out = &mut effects.bytes;
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
            let [id0, id1] = ((random.draw() as u16) | 1).to_be_bytes();
            out.extend_from_slice(&[0x40 | (header / 4) as u8, tos, high, low, id0, id1, 0, 0, HOPS, 1, 0, 0]);
            out.extend_from_slice(source.0.get(..4)?);
            out.extend_from_slice(headers.source.0.get(..4)?);
            out.extend_from_slice(echoed.bytes());
            out.extend_from_slice(&message);
            out.extend_from_slice(quote);
            let (header, message) = out.get_mut(start..)?.split_at_mut_checked(header)?;
            if let Some((at, sum)) = subject.unfinished {
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
            // As ip6_make_flowlabel(): of what the kernel says itself it makes one up.
            let [_, label @ ..] = random.draw().to_be_bytes();
            out.extend_from_slice(&[0x60, label[0] & 0x0f, label[1], label[2], high, low, 58, HOPS]);
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
    effects.sends.push(Send { af, bytes, mark: 0, out_device: link, standing: Standing::Refusal });
    Some(())
}

/// Errors, packets for many, and packets from nobody get no answer.
fn is_answered_never(subject: &Subject<'_>, host: &dyn Host) -> bool {
    let headers = subject.headers;
    let kind = headers.segment(subject.bytes).first().copied();
    let af = headers.af;
    let to_many = |address: Address| {
        matches!(host.address_kind(address.ip(af), None), AddressKind::Broadcast | AddressKind::Multicast)
    };
    let nobody = headers.source == Address::default();
    let error = match af {
        Af::V4 => headers.protocol == 1 && kind.is_none_or(icmp::is_never_answered),
        Af::V6 => headers.protocol == 58 && kind.is_none_or(icmpv6::is_error),
    };
    // The kernel's own ICMP message holds the socket that would answer it (icmp_xmit_lock()).
    let own = subject.arrived.is_none() && !subject.owned && matches!(headers.protocol, 1 | 58);
    error
        || own
        || nobody
        || subject.arrived.is_some_and(|arrival| arrival.to_many)
        || to_many(headers.destination)
        || to_many(headers.source)
}

/// `IPTOS_PREC_INTERNETCONTROL`.
const INTERNET_CONTROL: u8 = 0xc0;
/// TTL and hop limit of what this machine sends.
const HOPS: u8 = 64;
/// What an error may quote so that it fits the least MTU of IPv6.
const LONGEST_QUOTE: usize = 1280 - ipv6::HEADER - icmpv6::HEADER;
