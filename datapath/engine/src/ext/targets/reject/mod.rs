//! `-j REJECT`: drops the packet and answers its sender.

mod icmp;
mod reset;
mod written;

use libxt::ext::Families;
use libxt::ext::targets::reject::{Reject, With};
use libxt::family::Af;

use super::{Outcome, Target};
use crate::conntrack::Tracked;
use crate::ext::{Maker, Scene, bit};
use crate::icmp_error::Error;
use crate::packet::{Checksum, Hook, Verdict};
use crate::ruleset::Refused;
use crate::wire::checksum::{Sum, verify};
use crate::wire::{icmpv6, u16_at};

pub(super) const MAKER: Maker<Target> = Maker::of::<Reject>(Families::Both, |revision, info, site| {
    // The kernel loads a kind of answer that it does not know, and gives none.
    let Ok(value) = site.decode::<Reject>(revision, info) else { return Ok(Target::Reject(None)) };
    let with = value.with.unwrap_or(match site.af {
        Af::V4 => With::PortUnreachable,
        Af::V6 => With::PortUnreachable6,
    });
    match with {
        With::EchoReply => Err(Refused::invalid("REJECT: an echo reply is no answer any more")),
        With::TcpReset if site.protocol() != Some(TCP) => {
            Err(Refused::invalid("REJECT: tcp-reset needs a rule for tcp"))
        }
        _ => Ok(Target::Reject(Some(with))),
    }
})
.table("filter")
.hooks(bit(Hook::Input) | bit(Hook::Forward) | bit(Hook::Output));

/// As reject_tg() and reject_tg6(): whatever becomes of the answer, the packet is dropped.
pub(super) fn act(with: Option<With>, scene: &mut Scene<'_, '_>) -> Outcome {
    let _ = match with {
        Some(With::TcpReset) => reset::send(scene),
        Some(with) => icmp::send(scene, code(with)),
        None => None,
    };
    Outcome::Verdict(Verdict::Drop)
}

/// Tells the sender that a field of the IPv6 header, so many bytes from its start, cannot be dealt with.
pub(super) fn parameter_problem(scene: &mut Scene<'_, '_>, pointer: u32) -> Option<()> {
    icmp::send_error(scene, Error { kind: icmpv6::kind::PARAMETER_PROBLEM, code: 0, rest: pointer })
}

/// The code of a «destination unreachable» of the family.
const fn code(with: With) -> u8 {
    match with {
        With::NetUnreachable | With::NoRoute => 0,
        With::HostUnreachable | With::AdmProhibited => 1,
        With::ProtoUnreachable | With::NotNeighbour => 2,
        With::PortUnreachable | With::AddrUnreachable => 3,
        With::PortUnreachable6 => 4,
        With::PolicyFail => 5,
        With::RejectRoute => 6,
        With::NetProhibited => 9,
        With::HostProhibited => 10,
        With::AdminProhibited => 13,
        // Answered otherwise, or refused at load.
        With::TcpReset | With::EchoReply => 3,
    }
}

/// Whether the transport checksum is right, was found right, or is still the device's business. As nf_ip_checksum(), which sums
/// an IPv4 packet from its header on: one in whose options this machine wrote does not add up.
pub(super) fn sums_up(scene: &Scene<'_, '_>) -> bool {
    // Of what a program on this machine sends the queue does not say whether somebody summed it up; nobody did.
    match scene.packet.checksum {
        Checksum::Partial => return true,
        Checksum::Verified if scene.packet.in_device.is_some() => return true,
        Checksum::Verified | Checksum::Unverified => {}
    }
    let headers = &scene.headers;
    match headers.af {
        Af::V4 if written::as_forwarded(scene).is_some() => false,
        Af::V4 => verify(pseudo_header(scene), scene.packet.data.bytes().get(..headers.end).unwrap_or_default()),
        Af::V6 => verify(pseudo_header(scene), scene.segment()),
    }
}

/// Whether tracking summed the packet up when it arrived, and found it right: also one that it then found INVALID.
fn was_summed(scene: &Scene<'_, '_>) -> bool {
    let right = match scene.tracked {
        Tracked::Of { .. } => true,
        Tracked::Invalid => verify(pseudo_header(scene), scene.segment()),
        _ => false,
    };
    // What this machine sends to itself is tracked where it leaves, where nothing is summed up.
    right
        && scene.packet.in_device.is_some_and(|device| !device.loopback)
        && matches!(scene.headers.protocol, ICMP | TCP | UDP | ICMPV6)
        && scene.tracker.settings().checksum
}

/// The sum with which that of a transport header begins.
fn pseudo_header(scene: &Scene<'_, '_>) -> Sum {
    let headers = &scene.headers;
    match (headers.af, headers.protocol) {
        (Af::V4, TCP | UDP) | (Af::V6, _) => Sum::default().pseudo_header(
            headers.af,
            headers.source,
            headers.destination,
            headers.protocol,
            scene.segment().len(),
        ),
        _ => Sum::default(),
    }
}

/// Whether the whole payload is covered by a checksum at the end of which stands zero. As nf_reject_verify_csum(),
/// which knows of DCCP no longer; as measured, it never looks at the checksum that GRE may have.
fn is_summed(protocol: u8, segment: &[u8]) -> bool {
    match protocol {
        UDP => u16_at(segment, 6) != Some(0),
        GRE | ESP | AH | SCTP | UDPLITE => false,
        _ => true,
    }
}

const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;
const GRE: u8 = 47;
const ESP: u8 = 50;
const AH: u8 = 51;
const ICMPV6: u8 = 58;
const SCTP: u8 = 132;
const UDPLITE: u8 = 136;
