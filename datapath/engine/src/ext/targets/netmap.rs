//! `-j NETMAP`: moves a whole network of addresses onto another, host part kept.

use libxt::ext::Families;
use libxt::ext::targets::netmap::Netmap;
use libxt::family::Af;

use super::{Outcome, Target};
use crate::conntrack::{Address, Tracked};
use crate::ext::{Maker, Scene, bit};
use crate::nat::{self, Manip, Range, flags};
use crate::packet::Hook;
use crate::ruleset::Refused;

pub(super) const MAKER: Maker<Target> = Maker::of::<Netmap>(Families::Both, |revision, info, site| {
    let word = |at: usize| Some(u32::from_ne_bytes(*info.get(at..)?.first_chunk()?));
    let flags = match site.af {
        Af::V4 if word(0) != Some(1) => return Err(Refused::invalid("NETMAP: not one range")),
        Af::V4 => word(4),
        Af::V6 => word(0),
    };
    if flags.unwrap_or(0) & flags::MAP_IPS == 0 {
        return Err(Refused::invalid("NETMAP: no network"));
    }
    Ok(Target::Netmap(site.decode(revision, info)?))
})
.table("nat")
.hooks(bit(Hook::Prerouting) | bit(Hook::Input) | bit(Hook::Output) | bit(Hook::Postrouting))
.tracks();

/// As netmap_tg4() and netmap_tg6().
pub(super) fn act(value: &Netmap, scene: &mut Scene<'_, '_>) -> Outcome {
    let (Tracked::Of { id, .. }, Some(manip)) = (scene.tracked, nat::manip(scene.hook)) else {
        return Outcome::Continue;
    };
    let old = match manip {
        Manip::Destination => scene.headers.destination,
        Manip::Source => scene.headers.source,
    };
    let (first, last) = (Address::from(value.first), Address::from(value.last));
    let mut address = old;
    for (index, byte) in address.0.iter_mut().enumerate().take(scene.af().address_len()) {
        let network = !(first.0[index] ^ last.0[index]);
        *byte = (*byte & !network) | (first.0[index] & network);
    }
    let range = Range { flags: flags::MAP_IPS, min_address: address, max_address: address, ..Range::default() };
    Outcome::Verdict(nat::setup(scene.tracker, id, &range, manip, scene.now))
}
