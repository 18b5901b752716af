//! `-j REDIRECT`: translates the destination to this machine.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use libxt::ext::Families;
use libxt::ext::targets::redirect::Redirect;
use libxt::family::Af;

use super::{Outcome, Target};
use crate::conntrack::{Address, Tracked};
use crate::ext::{Maker, Scene, bit};
use crate::nat::{self, Manip, flags};
use crate::packet::{Hook, Verdict};
use crate::ruleset::Refused;

pub(super) const MAKER: Maker<Target> = Maker::of::<Redirect>(Families::Both, |revision, info, site| {
    super::check_single_range(revision, info, site)?;
    let value: Redirect = site.decode(revision, info)?;
    let range = nat::Range::from(&value.range);
    if range.flags & flags::MAP_IPS != 0 {
        return Err(Refused::invalid("REDIRECT: it takes no addresses"));
    }
    Ok(Target::Redirect(range))
})
.table("nat")
.hooks(bit(Hook::Prerouting) | bit(Hook::Output))
.tracks();

/// As nf_nat_redirect_ipv4() and nf_nat_redirect_ipv6().
pub(super) fn act(range: &nat::Range, scene: &mut Scene<'_, '_>) -> Outcome {
    let Tracked::Of { id, .. } = scene.tracked else { return Outcome::Continue };
    let af = scene.af();
    let address = match (scene.hook, af) {
        (Hook::Output, Af::V4) => Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        (Hook::Output, Af::V6) => Some(IpAddr::V6(Ipv6Addr::LOCALHOST)),
        _ => scene.packet.in_device.and_then(|device| scene.host.first_address(af, device.index)),
    };
    let Some(address) = address.map(Address::from) else { return Outcome::Verdict(Verdict::Drop) };
    let range =
        nat::Range { flags: range.flags | flags::MAP_IPS, min_address: address, max_address: address, ..*range };
    Outcome::Verdict(nat::setup(scene.tracker, id, &range, Manip::Destination, scene.now))
}
