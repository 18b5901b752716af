//! The checksum that the kernel still owed a packet, if the packet is written back.

use engine::host::AddressKind;
use engine::wire::{Headers, partial};
use engine::{Hook, Host};
use libxt::family::Af;

/// What makes it.
pub(crate) type Sum = fn(Af, &mut [u8]);

/// What is to be done for a packet as it leaves its hook; `cut` are super-packets of which the kernel sums up the pieces for a
/// device, see [`partial::is_cut_anew`].
pub(crate) fn owed(af: Af, hook: Hook, cut: bool, packet: &[u8], host: &dyn Host) -> Option<Sum> {
    match cut {
        false => Some(partial::complete),
        true if leaves(af, hook, packet, host) => None,
        true => Some(partial::complete_for_socket),
    }
}

/// Whether a packet goes on to a device, as far as it can be told at its hook.
fn leaves(af: Af, hook: Hook, packet: &[u8], host: &dyn Host) -> bool {
    match hook {
        Hook::Input => false,
        Hook::Forward | Hook::Output | Hook::Postrouting => true,
        Hook::Prerouting => Headers::parse(af, packet).is_some_and(|headers| {
            let kind = host.address_kind(headers.destination.ip(af), None);
            !matches!(kind, AddressKind::Local | AddressKind::Broadcast | AddressKind::Anycast | AddressKind::Multicast)
        }),
    }
}
