//! `-m rpfilter`: whether the way back to a packet's source leads where it came from.

use std::net::IpAddr;

use libxt::ext::Families;
use libxt::ext::matches::rpfilter::Rpfilter;

use super::Match;
use crate::engine::comes_back;
use crate::ext::{Maker, Scene, bit};
use crate::host::{AddressKind, RouteKey};
use crate::packet::Hook;
use crate::ruleset::Refused;

pub(super) const MAKER: Maker<Match> = Maker::of::<Rpfilter>(Families::Both, |revision, info, site| {
    // As rpfilter_check().
    if info.first().is_none_or(|flags| flags & !0x0f != 0) {
        return Err(Refused::invalid("rpfilter: an unknown option"));
    }
    if !matches!(site.table, "mangle" | "raw") {
        return Err(Refused::invalid("rpfilter: only in the tables raw and mangle"));
    }
    Ok(Match::Rpfilter(site.decode(revision, info)?))
})
.hooks(bit(Hook::Prerouting));

/// As rpfilter_mt() of ipt_rpfilter.c and ip6t_rpfilter.c.
pub(super) fn matches(value: &Rpfilter, scene: &Scene<'_, '_>) -> bool {
    passes(value, scene) != value.inverted
}

fn passes(value: &Rpfilter, scene: &Scene<'_, '_>) -> bool {
    let Some(device) = scene.packet.in_device else { return false };
    let headers = &scene.headers;
    let (source, destination) = (headers.source.ip(headers.af), headers.destination.ip(headers.af));
    if comes_back(scene.packet, headers, scene.host) || passes_unrouted(source, destination) {
        return true;
    }
    // Where no answer could come from, it comes from anywhere.
    let from = match destination {
        IpAddr::V4(v4) => !v4.is_multicast() && !v4.is_broadcast() && v4.octets()[0] != 0,
        IpAddr::V6(v6) => !v6.is_multicast() && !v6.is_unspecified(),
    };
    let strict = source.is_ipv6() && !value.loose;
    let key = RouteKey {
        source: from.then_some(destination),
        mark: if value.mark { scene.packet.mark } else { 0 },
        tos: if source.is_ipv4() { headers.tos } else { 0 },
        out_device: strict.then_some(device.index),
        ..RouteKey::to(source)
    };
    let Some(back) = scene.host.way_back(&key, device.index) else { return false };
    match (back.kind, source) {
        (AddressKind::Local, IpAddr::V6(_)) => value.accept_local,
        (AddressKind::Local, IpAddr::V4(_)) if !value.accept_local => false,
        (AddressKind::Unicast | AddressKind::Local, _) => back.through || value.loose,
        _ => false,
    }
}

/// What has no address yet and asks everybody for one; with IPv6 forwarding would drop it anyway.
fn passes_unrouted(source: IpAddr, destination: IpAddr) -> bool {
    match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            source.octets()[0] == 0 && (destination.is_broadcast() || destination.octets()[..3] == [224, 0, 0])
        }
        _ => source.is_unspecified(),
    }
}
