//! Which way a packet takes through the hooks, and where it ends before them.

use libxt::family::Af;

use crate::conntrack::Address;
use crate::ext::Scene;
use crate::host::{AddressKind, Host};
use crate::packet::{Device, Hook, Packet};
use crate::wire::Headers;

/// The device a packet came by; none if this machine sends it.
///
/// What crosses a bridge came by the bridge it leaves by, which behind FORWARD the kernel no longer says. As br_nf_forward() and
/// br_nf_post_routing().
pub(super) fn came_by<'p>(packet: &Packet<'p>, headers: &Headers) -> Option<&'p Device> {
    match packet.in_device {
        None if packet.hook == Hook::Postrouting && packet.out_port.is_some() => packet.out_device,
        Some(told)
            if packet.out_device.is_some_and(|out| out.index == told.index) && is_neighbourly(headers, packet) =>
        {
            None
        }
        told => told,
    }
}

/// Whether what arrives was sent by this machine: it comes back over a loopback device, or is the copy that the sender's own
/// host gets of what goes to a group or to all of a network, by the device it left by. That one has no link-layer header. As
/// dev_loopback_xmit().
pub(crate) fn comes_back(packet: &Packet<'_>, headers: &Headers, host: &dyn Host) -> bool {
    let Some(device) = packet.in_device else { return false };
    let copy = || {
        let (from, to) = (headers.source.ip(headers.af), headers.destination.ip(headers.af));
        let many = to.is_multicast() || host.address_kind(to, None) == AddressKind::Broadcast;
        many && host.address_kind(from, None) == AddressKind::Local
    };
    let headless = packet.link.len == 0 && device.hardware == ETHERNET;
    device.loopback || headless && matches!(packet.hook, Hook::Prerouting | Hook::Input) && copy()
}

/// `ARPHRD_ETHER`.
const ETHERNET: u16 = 1;

/// Whether a packet in POSTROUTING is one that this machine says to its neighbours: neighbour discovery, which nobody
/// forwards, and reports of groups. The kernel tells the device they leave by as the one they came by, too, since
/// ndisc_send_skb() and mld_sendpack() know it from the start.
fn is_neighbourly(headers: &Headers, packet: &Packet<'_>) -> bool {
    let kind = headers.segment(packet.data.bytes()).first();
    packet.hook == Hook::Postrouting
        && headers.af == Af::V6
        && headers.protocol == 58
        && match kind {
            Some(130..=132 | 143) => headers.destination.ip(Af::V6).is_multicast(),
            Some(133..=137) => headers.ttl == 255,
            _ => false,
        }
}

/// The hooks a packet has behind it or before it where it is taken, in the order of its way: its first one first.
pub(super) const fn way(taken: Hook, arrived: bool) -> &'static [Hook] {
    match (taken, arrived) {
        (Hook::Prerouting, _) => &[Hook::Prerouting],
        (Hook::Input, _) => &[Hook::Prerouting, Hook::Input],
        (Hook::Forward, _) => &[Hook::Prerouting, Hook::Forward],
        (Hook::Output, _) => &[Hook::Output],
        (Hook::Postrouting, true) => &[Hook::Prerouting, Hook::Forward, Hook::Postrouting],
        (Hook::Postrouting, false) => &[Hook::Output, Hook::Postrouting],
    }
}

/// Whether a packet that came back over loopback and got another destination only now ends here: the kernel, which would send
/// it on to where it came from, looks for a route as for any that arrives, and takes none from its own addresses; to another
/// machine we cannot send it on. As nf_nat_ipv4_pre_routing() with fib_validate_source().
pub(super) fn is_lost(scene: &Scene<'_, '_>) -> bool {
    let is_own = |address: Address| scene.host.address_kind(address.ip(scene.headers.af), None) == AddressKind::Local;
    !is_own(scene.headers.destination) || scene.headers.af == Af::V4 && is_own(scene.headers.source)
}
