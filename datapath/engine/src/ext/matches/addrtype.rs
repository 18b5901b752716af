//! `-m addrtype`: what kind of address it is to this machine.

use libxt::ext::Families;
use libxt::ext::matches::addrtype::{Addrtype, Limit};
use libxt::family::Af;

use super::Match;
use crate::conntrack::Address;
use crate::ext::{Maker, Scene, bit};
use crate::host::AddressKind;
use crate::packet::Hook;
use crate::ruleset::Refused;

pub(super) const MAKER: Maker<Match> = Maker::of::<Addrtype>(Families::Both, |revision, info, site| {
    let value: Addrtype = site.decode(revision, info)?;
    // As addrtype_mt_checkentry_v1().
    let (arriving, leaving) = (bit(Hook::Prerouting) | bit(Hook::Input), bit(Hook::Postrouting) | bit(Hook::Output));
    match value.limit {
        Some(Limit::Out | Limit::Both) if site.hooks & arriving != 0 => {
            return Err(Refused::invalid("addrtype: no output interface in PREROUTING and INPUT"));
        }
        Some(Limit::In | Limit::Both) if site.hooks & leaving != 0 => {
            return Err(Refused::invalid("addrtype: no input interface in POSTROUTING and OUTPUT"));
        }
        Some(Limit::Both) => return Err(Refused::invalid("addrtype: one limit to an interface, not two")),
        _ => {}
    }
    let asked = value.source.value.0 | value.destination.value.0;
    if site.af == Af::V6 && (asked & (BLACKHOLE | BROADCAST) != 0 || asked >= PROHIBIT) {
        return Err(Refused::invalid("addrtype: IPv6 has no such type"));
    }
    Ok(Match::Addrtype(value))
});

/// As addrtype_mt_v1().
pub(super) fn matches(addrtype: &Addrtype, scene: &Scene<'_, '_>) -> bool {
    let device = match addrtype.limit {
        Some(Limit::In) => scene.packet.in_device,
        Some(Limit::Out) => scene.packet.out_device,
        _ => None,
    };
    let device = device.map(|device| device.index);
    let holds = |condition: &libxt::value::condition::Condition<libxt::ext::matches::addrtype::Types>, address| {
        condition.value.0 == 0 || condition.holds(is(condition.value.0, address, device, scene))
    };
    holds(&addrtype.source, scene.headers.source) && holds(&addrtype.destination, scene.headers.destination)
}

/// As match_type() and match_type6().
fn is(types: u16, address: Address, device: Option<u32>, scene: &Scene<'_, '_>) -> bool {
    let ip = address.ip(scene.af());
    let kind = || 1 << number(scene.host.address_kind(ip, device));
    if scene.af() == Af::V4 {
        return types & kind() != 0;
    }
    let unspecified = address == Address::default();
    if types & MULTICAST != 0 && !ip.is_multicast()
        || types & UNICAST != 0 && (ip.is_multicast() || unspecified)
        || types & UNSPEC != 0 && !unspecified
    {
        return false;
    }
    let looked_up = LOCAL | ANYCAST | UNREACHABLE;
    types & looked_up == 0 || types & looked_up & kind() != 0
}

/// `RTN_*`.
const fn number(kind: AddressKind) -> u16 {
    match kind {
        AddressKind::Unspec => 0,
        AddressKind::Unicast => 1,
        AddressKind::Local => 2,
        AddressKind::Broadcast => 3,
        AddressKind::Anycast => 4,
        AddressKind::Multicast => 5,
        AddressKind::Blackhole => 6,
        AddressKind::Unreachable => 7,
        AddressKind::Prohibit => 8,
        AddressKind::Throw => 9,
        AddressKind::Nat => 10,
    }
}

const UNSPEC: u16 = 1 << 0;
const UNICAST: u16 = 1 << 1;
const LOCAL: u16 = 1 << 2;
const BROADCAST: u16 = 1 << 3;
const ANYCAST: u16 = 1 << 4;
const MULTICAST: u16 = 1 << 5;
const BLACKHOLE: u16 = 1 << 6;
const UNREACHABLE: u16 = 1 << 7;
const PROHIBIT: u16 = 1 << 8;
