//! The answer as a TCP reset. As nf_send_reset() and nf_send_reset6().

use super::{TCP, sums_up, was_summed};
use crate::conntrack::{Address, Tracked};
use crate::effects::Send;
use crate::ext::Scene;
use crate::host::AddressKind;
use crate::notes::Standing;
use crate::packet::Hook;
use crate::wire::segment::Segment;
use crate::wire::tcp::{Tcp, flag};

/// Sends it, unless the segment must not be answered.
pub(super) fn send(scene: &mut Scene<'_, '_>) -> Option<()> {
    let headers = *scene.headers;
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
    let segment = Segment {
        af,
        from: headers.destination,
        to: headers.source,
        ports: (answered.destination, answered.source),
        numbers: (sequence, acknowledgement),
        flags,
        window: 0,
        options: &[],
    };
    let bytes = segment.put(&mut scene.out.bytes)?;
    scene.out.sends.push(Send { af, bytes, mark: 0, out_device: None, standing: Standing::Refusal });
    if let Tracked::Of { id, .. } = scene.tracked {
        scene.tracker.set_closing(id, scene.now);
    }
    Some(())
}
