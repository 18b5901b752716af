//! `-m eui64`: whether the end of the source address was made of the sender's Ethernet address (RFC 4291, appendix A).

use libxt::ext::Families;
use libxt::ext::matches::eui64::Eui64;

use super::{Match, mac};
use crate::ext::{Maker, Scene, bit};
use crate::packet::Hook;

pub(super) const MAKER: Maker<Match> = Maker::of::<Eui64>(Families::V6, |revision, info, site| {
    let Eui64 = site.decode(revision, info)?;
    Ok(Match::Eui64)
})
.hooks(bit(Hook::Prerouting) | bit(Hook::Input) | bit(Hook::Forward));

/// As eui64_mt6(): what has no Ethernet header is dropped, such as the copy that the sender's own host gets of what goes to a
/// group.
pub(super) fn matches(scene: &mut Scene<'_, '_>) -> bool {
    let Some(sender) = mac::sender(scene) else {
        scene.hotdrop = true;
        return false;
    };
    scene.headers.source.0.ends_with(&interface_id(sender))
}

/// The interface identifier of an Ethernet address: `fffe` in its middle, the universal bit turned round.
const fn interface_id([a, b, c, d, e, f]: [u8; 6]) -> [u8; 8] {
    [a ^ 2, b, c, 0xff, 0xfe, d, e, f]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 4291, appendix A.
    #[test]
    fn an_ethernet_address_becomes_an_interface_identifier() {
        assert_eq!(
            interface_id([0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde]),
            [0x36, 0x56, 0x78, 0xff, 0xfe, 0x9a, 0xbc, 0xde]
        );
    }
}
