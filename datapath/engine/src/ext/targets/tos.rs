//! `-j TOS`: sets bits of the TOS byte or the IPv6 traffic class; and the rewriting of that byte, which `DSCP` shares.

use libxt::ext::Families;
use libxt::ext::targets::tos::Tos;
use libxt::family::Af;

use super::{Outcome, Target};
use crate::ext::{Maker, Scene};
use crate::wire::{checksum, ipv4, set_u16, u16_at};

pub(super) const MAKER: Maker<Target> =
    Maker::of::<Tos>(Families::Both, |revision, info, site| Ok(Target::Tos(site.decode(revision, info)?)))
        .table("mangle");

/// As tos_tg() and tos_tg6().
pub(super) fn act(value: &Tos, scene: &mut Scene<'_, '_>) -> Outcome {
    rewrite(scene, (scene.headers.tos & !value.tos.mask) ^ value.tos.value);
    Outcome::Continue
}

/// Gives the packet another TOS byte or traffic class; one that has it already stays untouched. As
/// ipv4_change_dsfield() and ipv6_change_dsfield().
pub(super) fn rewrite(scene: &mut Scene<'_, '_>, tos: u8) {
    let old = scene.headers.tos;
    if tos == old {
        return;
    }
    let bytes = scene.packet.data.make_mut();
    match scene.headers.af {
        Af::V4 => {
            let sum = u16_at(bytes, ipv4::CHECKSUM).unwrap_or(0);
            set_u16(bytes, ipv4::CHECKSUM, checksum::update(sum, &[0, old], &[0, tos]));
            if let Some(byte) = bytes.get_mut(ipv4::TOS) {
                *byte = tos;
            }
        }
        Af::V6 => {
            // Version, traffic class and the flow label's upper half share the first two bytes.
            let word = u16_at(bytes, 0).unwrap_or(0x6000);
            set_u16(bytes, 0, (word & 0xf00f) | u16::from(tos) << 4);
        }
    }
    scene.headers.tos = tos;
}
