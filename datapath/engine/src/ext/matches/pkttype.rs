//! `-m pkttype`: whether the link layer brought the packet to this host, to many, or to another.

use libxt::ext::Families;
use libxt::ext::matches::pkttype::Pkttype;

use super::Match;
use crate::ext::{Maker, Scene};
use crate::host::AddressKind;

pub(super) const MAKER: Maker<Match> =
    Maker::of::<Pkttype>(Families::Both, |revision, info, site| Ok(Match::Pkttype(site.decode(revision, info)?)));

/// As pkttype_mt().
pub(super) fn matches(pkttype: &Pkttype, scene: &Scene<'_, '_>) -> bool {
    (kind(scene) == pkttype.kind) != pkttype.inverted
}

/// `skb->pkt_type`, told from the Ethernet destination, or where that is not known from the network's. Packets for other
/// hosts never reach a hook.
pub(super) fn kind(scene: &Scene<'_, '_>) -> u32 {
    if scene.packet.in_device.is_none() {
        return HOST;
    }
    let link = scene.packet.link.bytes.get(..scene.packet.link.len.into()).unwrap_or_default();
    match link.first_chunk::<14>() {
        Some([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, ..]) => BROADCAST,
        Some([first, ..]) if first & 1 != 0 => MULTICAST,
        Some(_) => HOST,
        None => match scene.host.address_kind(scene.headers.destination.ip(scene.af()), None) {
            AddressKind::Broadcast => BROADCAST,
            AddressKind::Multicast => MULTICAST,
            _ => HOST,
        },
    }
}

/// `PACKET_HOST`.
const HOST: u32 = 0;
/// `PACKET_BROADCAST`.
const BROADCAST: u32 = 1;
/// `PACKET_MULTICAST`.
const MULTICAST: u32 = 2;
