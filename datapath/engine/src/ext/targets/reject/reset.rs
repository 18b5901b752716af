//! The answer as a TCP reset. As nf_send_reset() and nf_send_reset6().

use libxt::family::Af;

use super::{TCP, sums_up, was_summed};
use crate::conntrack::{Address, Tracked};
use crate::effects::Send;
use crate::ext::Scene;
use crate::host::AddressKind;
use crate::packet::Hook;
use crate::wire::checksum::{Sum, checksum};
use crate::wire::tcp::{self, Tcp, flag};
use crate::wire::{ipv4, set_u16};

/// Sends it, unless the segment must not be answered.
pub(super) fn send(scene: &mut Scene<'_, '_>) -> Option<()> {
    let headers = scene.headers;
    let af = headers.af;
    if headers.fragment_offset() != 0 || headers.protocol != TCP {
        return None;
    }
    let segment = scene.segment();
    let answered = Tcp::parse(segment)?;
    // Of what tracking found nf_send_reset() remembers nothing, but where the packet is for this machine.
    let adds_up = scene.hook == Hook::Input && was_summed(scene) || sums_up(scene);
    if answered.flags & flag::RST != 0 || !adds_up {
        return None;
    }
    let one = |address: Address| {
        !matches!(scene.host.address_kind(address.ip(af), None), AddressKind::Broadcast | AddressKind::Multicast)
    };
    if !one(headers.destination) || !one(headers.source) || headers.source == Address::default() {
        return None;
    }
    let set = |bit: u8| u32::from(answered.flags & bit != 0);
    let (sequence, acknowledgement, flags) = if answered.flags & flag::ACK != 0 {
        (answered.acknowledgement, 0, flag::RST)
    } else {
        let payload = (segment.len() as u32).wrapping_sub(answered.header_len as u32);
        let next = answered.sequence.wrapping_add(set(flag::SYN) + set(flag::FIN)).wrapping_add(payload);
        (0, next, flag::RST | flag::ACK)
    };
    let out = &mut scene.out.bytes;
    let start = out.len();
    let length = tcp::HEADER as u8;
    match af {
        Af::V4 => {
            out.extend_from_slice(&[0x45, 0, 0, ipv4::HEADER as u8 + length, 0, 0, 0x40, 0, HOPS, TCP, 0, 0]);
            out.extend_from_slice(headers.destination.0.get(..4)?);
            out.extend_from_slice(headers.source.0.get(..4)?);
            let header = out.get_mut(start..)?;
            let sum = checksum(header);
            set_u16(header, ipv4::CHECKSUM, sum);
        }
        Af::V6 => {
            out.extend_from_slice(&[0x60, 0, 0, 0, 0, length, TCP, HOPS]);
            out.extend_from_slice(&headers.destination.0);
            out.extend_from_slice(&headers.source.0);
        }
    }
    let at = out.len();
    out.extend_from_slice(&answered.destination.to_be_bytes());
    out.extend_from_slice(&answered.source.to_be_bytes());
    out.extend_from_slice(&sequence.to_be_bytes());
    out.extend_from_slice(&acknowledgement.to_be_bytes());
    out.extend_from_slice(&[0x50, flags, 0, 0, 0, 0, 0, 0]);
    let header = out.get_mut(at..)?;
    let sum = Sum::default().pseudo_header(af, headers.destination, headers.source, TCP, tcp::HEADER);
    let sum = sum.bytes(header).finish();
    set_u16(header, tcp::CHECKSUM, sum);
    let bytes = start..out.len();
    scene.out.sends.push(Send { af, bytes, mark: 0, out_device: None });
    if let Tracked::Of { id, .. } = scene.tracked {
        scene.tracker.set_closing(id, scene.now);
    }
    Some(())
}

/// TTL and hop limit of what this machine sends.
const HOPS: u8 = 64;
