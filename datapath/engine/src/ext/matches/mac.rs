//! `-m mac`: the link-layer address the packet was sent from.

use libxt::ext::Families;
use libxt::ext::matches::mac::Mac;

use super::Match;
use crate::ext::{Maker, Scene, bit};
use crate::packet::Hook;

pub(super) const MAKER: Maker<Match> =
    Maker::of::<Mac>(Families::Both, |revision, info, site| Ok(Match::Mac(site.decode(revision, info)?)))
        .hooks(bit(Hook::Prerouting) | bit(Hook::Input) | bit(Hook::Forward));

/// As mac_mt(): without an Ethernet header nothing matches, inverted or not.
pub(super) fn matches(mac: &Mac, scene: &Scene<'_, '_>) -> bool {
    const ETHERNET: u16 = 1;
    if scene.packet.in_device.is_none_or(|device| device.hardware != ETHERNET) {
        return false;
    }
    sender(scene).is_some_and(|sender| mac.source.holds(mac.source.value.0 == sender))
}

/// The Ethernet address it was sent from.
pub(super) fn sender(scene: &Scene<'_, '_>) -> Option<[u8; 6]> {
    let link = scene.packet.link.bytes.get(..scene.packet.link.len.into()).unwrap_or_default();
    match link.len() {
        // The whole header, or the source address alone.
        14.. => link.get(6..),
        6..14 => Some(link),
        _ => None,
    }
    .and_then(|from| from.first_chunk().copied())
}
