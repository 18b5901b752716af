//! `-j MASQUERADE`: translates the source to an address of the device the packet leaves by.

use libxt::ext::Families;
use libxt::ext::targets::masquerade::Masquerade;

use super::{Outcome, Target};
use crate::conntrack::{Address, Direction, Tracked};
use crate::ext::{Maker, Scene, bit};
use crate::nat::{self, flags};
use crate::packet::{Hook, Verdict};
use crate::ruleset::Refused;

pub(super) const MAKER: Maker<Target> = Maker::of::<Masquerade>(Families::Both, |revision, info, site| {
    super::check_single_range(revision, info, site)?;
    let value: Masquerade = site.decode(revision, info)?;
    let range = nat::Range::from(&value.range);
    if range.flags & flags::MAP_IPS != 0 {
        return Err(Refused::invalid("MASQUERADE: it takes no addresses"));
    }
    Ok(Target::Masquerade(range))
})
.table("nat")
.hooks(bit(Hook::Postrouting))
.tracks();

/// As nf_nat_masquerade_ipv4() and nf_nat_masquerade_ipv6().
pub(super) fn act(range: &nat::Range, scene: &mut Scene<'_, '_>) -> Outcome {
    let (Tracked::Of { id, .. }, Some(device)) = (scene.tracked, scene.packet.out_device) else {
        return Outcome::Continue;
    };
    let af = scene.af();
    // A packet from nowhere, as DHCP clients send it, is none to masquerade.
    let from_nowhere = scene
        .tracker
        .get(id)
        .is_some_and(|connection| connection.tuple(Direction::Original).source == Address::default());
    if from_nowhere && af == libxt::family::Af::V4 {
        return Outcome::Verdict(Verdict::Accept);
    }
    let Some(address) = scene.host.masquerade_address(af, device.index, &scene.route_key()) else {
        return Outcome::Verdict(Verdict::Drop);
    };
    let address = Address::from(address);
    let range =
        nat::Range { flags: range.flags | flags::MAP_IPS, min_address: address, max_address: address, ..*range };
    Outcome::Verdict(nat::masquerade(scene.tracker, id, &range, device.index, scene.now))
}
