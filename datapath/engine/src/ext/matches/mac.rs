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
    let link = scene.packet.link.bytes.get(..scene.packet.link.len.into()).unwrap_or_default();
    let source = match link.len() {
        // The whole header, or the source address alone.
        14.. => link.get(6..12),
        6..14 => link.get(..6),
        _ => None,
    };
    source.is_some_and(|source| mac.source.holds(mac.source.value.0 == source))
}
