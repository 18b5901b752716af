//! `-j TCPMSS`: sets the maximum segment size that a SYN announces.

use libxt::ext::Families;
use libxt::ext::matches::tcp;
use libxt::ext::targets::tcpmss::Tcpmss;
use libxt::family::Af;

use super::{Outcome, Target};
use crate::ext::{Maker, Scene, bit};
use crate::host::RouteKey;
use crate::packet::{Hook, Verdict};
use crate::ruleset::Refused;
use crate::wire::tcp::{CHECKSUM, HEADER, OFFSET, flag, option};
use crate::wire::{checksum, ipv4, ipv6, set_u16, u16_at};

pub(super) const MAKER: Maker<Target> = Maker::of::<Tcpmss>(Families::Both, |revision, info, site| {
    let value: Tcpmss = site.decode(revision, info)?;
    let leaving = bit(Hook::Forward) | bit(Hook::Output) | bit(Hook::Postrouting);
    if value == Tcpmss::ClampToPathMtu && site.hooks & !leaving != 0 {
        return Err(Refused::invalid("TCPMSS: the path MTU is known only in FORWARD, OUTPUT and POSTROUTING"));
    }
    let only_syn = site.matches.clone().any(|part| {
        part.name == "tcp" && site.decode::<tcp::Tcp>(part.revision, part.info).is_ok_and(|tcp| asks_for_syn(&tcp))
    });
    if !only_syn {
        return Err(Refused::invalid("TCPMSS: the rule must match SYN packets only"));
    }
    Ok(Target::Tcpmss(value))
})
.protocol(6);

/// As find_syn_match().
fn asks_for_syn(tcp: &tcp::Tcp) -> bool {
    tcp.flags.value.compared.0 & flag::SYN != 0 && !tcp.flags.inverted
}

/// Bytes of the option.
const MSS_OPTION: usize = 4;

/// As tcpmss_tg4() and tcpmss_tg6().
pub(super) fn act(value: &Tcpmss, scene: &mut Scene<'_, '_>) -> Outcome {
    match mangle(value, scene) {
        Some(()) => Outcome::Continue,
        None => Outcome::Verdict(Verdict::Drop),
    }
}

/// As tcpmss_mangle_packet(); `None` for a packet that must be dropped.
fn mangle(value: &Tcpmss, scene: &mut Scene<'_, '_>) -> Option<()> {
    if scene.headers.fragment_offset() != 0 {
        return Some(());
    }
    let (af, start) = (scene.af(), scene.headers.transport);
    // It may grow: the kernel has all of it in one stretch.
    scene.packet.data.pull(scene.packet.data.len());
    let segment = scene.packet.data.bytes().get(start..)?;
    let header_len = usize::from(*segment.get(OFFSET)? >> 4) * 4;
    let len = segment.len();
    if len < HEADER || header_len < HEADER || len < header_len {
        return None;
    }
    let wanted = match *value {
        Tcpmss::To(mss) => mss,
        Tcpmss::ClampToPathMtu => clamped(scene)?,
    };
    let found = position(segment.get(..header_len)?);
    let partial = scene.partial();
    if let Some(at) = found {
        if u16_at(segment, at + 2)? > wanted {
            let segment = scene.packet.data.make_mut().get_mut(start..)?;
            let old = *segment.get(at + 2..)?.first_chunk::<2>()?;
            set_u16(segment, at + 2, wanted);
            correct(segment, partial, &old, &wanted.to_be_bytes());
        }
        return Some(());
    }
    // With data behind it the option would move the data and might make the SYN too large.
    if len > header_len || header_len >= 60 {
        return Some(());
    }
    let wanted = wanted.min(match af {
        Af::V4 => 536,
        Af::V6 => 1220,
    });
    if !scene.packet.data.resize(start + len + MSS_OPTION) {
        return None;
    }
    let bytes = scene.packet.data.make_mut();
    let segment = bytes.get_mut(start..)?;
    segment.copy_within(HEADER..len, HEADER + MSS_OPTION);
    // The pseudo-header holds the length, also while the rest of the sum is left to the device.
    let (old, new) = ((len as u16).to_be_bytes(), ((len + MSS_OPTION) as u16).to_be_bytes());
    let sum = u16_at(segment, CHECKSUM)?;
    let sum = if partial { checksum::update_partial(sum, &old, &new) } else { checksum::update(sum, &old, &new) };
    set_u16(segment, CHECKSUM, sum);
    let [high, low] = wanted.to_be_bytes();
    let mss = [option::MSS, MSS_OPTION as u8, high, low];
    *segment.get_mut(HEADER..)?.first_chunk_mut()? = mss;
    correct(segment, partial, &[0; 4], &mss);
    let old = *segment.get(OFFSET..)?.first_chunk::<2>()?;
    let new = [old[0] + 0x10, old[1]];
    *segment.get_mut(OFFSET..)?.first_chunk_mut()? = new;
    correct(segment, partial, &old, &new);
    lengthen(bytes, af);
    scene.headers.end += MSS_OPTION;
    Some(())
}

/// Where the first MSS option stands, in bytes from the start of the TCP header. An option never reaches past `header`.
fn position(header: &[u8]) -> Option<usize> {
    let mut at = HEADER;
    while at + MSS_OPTION <= header.len() {
        let (kind, length) = (*header.get(at)?, *header.get(at + 1)?);
        if kind == option::MSS && usize::from(length) == MSS_OPTION {
            return Some(at);
        }
        at += if kind <= option::NOP || length == 0 { 1 } else { usize::from(length) };
    }
    None
}

/// What fits the path there and the path back, whichever is smaller; `None` if nothing does.
fn clamped(scene: &Scene<'_, '_>) -> Option<u16> {
    let af = scene.af();
    let headers = match af {
        Af::V4 => ipv4::HEADER + HEADER,
        Af::V6 => ipv6::HEADER + HEADER,
    };
    let there = scene.host.path_mtu(&scene.route_key());
    let there = there.or(scene.packet.out_device.map(|device| device.mtu)).unwrap_or(u32::MAX);
    let back = scene.host.path_mtu(&RouteKey::to(scene.headers.source.ip(af))).unwrap_or(u32::MAX);
    let room = (there.min(back) as usize).checked_sub(headers).filter(|&room| room > 0)?;
    Some(u16::try_from(room).unwrap_or(u16::MAX))
}

/// Follows a change of the header or the options; a partial sum does not cover them yet.
fn correct(segment: &mut [u8], partial: bool, old: &[u8], new: &[u8]) {
    if !partial && let Some(sum) = u16_at(segment, CHECKSUM) {
        set_u16(segment, CHECKSUM, checksum::update(sum, old, new));
    }
}

/// The network header's length field grows by the option.
fn lengthen(bytes: &mut [u8], af: Af) {
    let at = match af {
        Af::V4 => ipv4::LENGTH,
        Af::V6 => ipv6::LENGTH,
    };
    let Some(old) = u16_at(bytes, at) else { return };
    let new = old.wrapping_add(MSS_OPTION as u16);
    set_u16(bytes, at, new);
    if af == Af::V4 {
        let sum = u16_at(bytes, ipv4::CHECKSUM).unwrap_or(0);
        set_u16(bytes, ipv4::CHECKSUM, checksum::update(sum, &old.to_be_bytes(), &new.to_be_bytes()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(options: &[u8]) -> Vec<u8> {
        let mut header = vec![0; HEADER];
        header.extend_from_slice(options);
        header
    }

    #[test]
    fn the_option_is_found_behind_padding_and_other_options() {
        assert_eq!(position(&header(&[1, 1, 4, 2, 2, 4, 5, 0xb4])), Some(24));
        assert_eq!(position(&header(&[])), None);
        assert_eq!(position(&header(&[1, 2, 4, 5])), None);
    }

    #[test]
    fn an_option_of_length_zero_is_stepped_over_byte_by_byte() {
        assert_eq!(position(&header(&[8, 0, 2, 4, 5, 0xb4, 0, 0])), Some(22));
    }

    #[test]
    fn an_option_that_claims_to_reach_past_the_header_ends_the_search() {
        assert_eq!(position(&header(&[8, 255, 2, 4, 5, 0xb4, 0, 0])), None);
    }
}
