//! `-m realm`: the realms of a packet's route.

use libxt::ext::Families;
use libxt::ext::matches::realm::Realm;

use super::Match;
use crate::ext::{Maker, Scene, bit};
use crate::host::RouteKey;
use crate::packet::Hook;

pub(super) const MAKER: Maker<Match> =
    Maker::of::<Realm>(Families::V4, |revision, info, site| Ok(Match::Realm(site.decode(revision, info)?)))
        .hooks(bit(Hook::Postrouting) | bit(Hook::Forward) | bit(Hook::Output) | bit(Hook::Input));

/// As realm_mt(), with what rt_set_nexthop() and fib_combine_itag() put together: the realm of the way back counts as the
/// source's, unless the route names one itself. For what stays here there is no other.
pub(super) fn matches(value: &Realm, scene: &Scene<'_, '_>) -> bool {
    let headers = &scene.headers;
    let key = RouteKey { out_device: None, ..scene.route_key() };
    let mut class = if scene.hook == Hook::Input { 0 } else { scene.host.realms(&key) };
    if scene.packet.in_device.is_some() && class & 0xffff_0000 == 0 {
        let back =
            RouteKey { source: Some(key.destination), tos: key.tos, ..RouteKey::to(headers.source.ip(headers.af)) };
        class |= scene.host.realms(&back) << 16;
    }
    let asked = &value.realm;
    asked.holds(asked.value.value == class & asked.value.mask)
}
