//! `-m hbh`: the IPv6 hop-by-hop options header; and the comparison with options, which `dst` shares.

use libxt::ext::Families;
use libxt::ext::matches::options_header::{Hbh, Header};

use super::Match;
use crate::ext::{Maker, Scene};
use crate::ruleset::Refused;
use crate::wire::ipv6;

pub(super) const MAKER: Maker<Match> = Maker::of::<Hbh>(Families::V6, |revision, info, site| {
    let Hbh(value) = site.decode(revision, info)?;
    Ok(Match::Hbh(Box::new(check(value, info)?)))
});

/// As hbh_mt6_check().
pub(super) fn check(value: Header, info: &[u8]) -> Result<Header, Refused> {
    if info.get(5).is_none_or(|inverted| inverted & !1 != 0) {
        return Err(Refused::invalid("hbh, dst: an unknown inversion"));
    }
    if value.options.as_ref().is_some_and(|options| usize::from(options.count) > options.each.len()) {
        return Err(Refused::invalid("hbh, dst: more than sixteen options"));
    }
    if value.lax {
        return Err(Refused::invalid("hbh, dst: options that need not be all are not supported"));
    }
    Ok(value)
}

/// As hbh_mt6() for a header of this number: a packet without it does not match, one whose headers are cut is dropped.
pub(super) fn matches(wanted: &Header, number: u8, scene: &mut Scene<'_, '_>) -> bool {
    let bytes = scene.packet.data.bytes();
    let header = match ipv6::find(bytes, number) {
        Ok(Some(link)) => bytes.get(link.at..).filter(|header| header.len() >= 2),
        Ok(None) => return false,
        Err(_cut) => None,
    };
    let held = match header {
        Some(header) => holds(wanted, header),
        None => None,
    };
    held.unwrap_or_else(|| {
        scene.hotdrop = true;
        false
    })
}

/// Whether a header, with what follows it, is as wanted; `None` if the packet ends within.
fn holds(wanted: &Header, header: &[u8]) -> Option<bool> {
    let length = header.get(1).map_or(0, |&units| (usize::from(units) + 1) * 8);
    if header.len() < length {
        return None;
    }
    let fits = wanted.length.is_none_or(|wanted| wanted.holds(wanted.value as usize == length));
    match &wanted.options {
        Some(options) => {
            let listed = options.each.get(..options.count.into()).unwrap_or(&options.each);
            Some(fits && in_order(listed, header, length))
        }
        None => Some(fits),
    }
}

/// Whether the first options are these, one behind the other.
fn in_order(wanted: &[u16], header: &[u8], length: usize) -> bool {
    let mut at = 2;
    for (left, wanted) in wanted.iter().rev().enumerate().rev().map(|(left, _)| left).zip(wanted) {
        let [kind, size] = wanted.to_be_bytes();
        let Some(&found) = header.get(at).filter(|_| at < length) else { return false };
        if found != kind {
            return false;
        }
        at += if kind == PAD1 {
            1
        } else {
            let Some(&there) = header.get(at + 1).filter(|_| at + 1 < length) else { return false };
            if size != ANY && size != there {
                return false;
            }
            usize::from(there) + 2
        };
        // Only the last may reach out of the header.
        if at > length && left > 0 {
            return false;
        }
    }
    true
}

/// A single byte of padding, which has no length.
const PAD1: u8 = 0;
/// Any length will do.
const ANY: u8 = 0xff;

#[cfg(test)]
mod tests {
    use libxt::ext::matches::options_header::Options;
    use libxt::value::condition::Condition;

    use super::*;

    /// Router alert, a byte of padding, then padding of one byte more.
    const ALERT: [u8; 10] = [59, 0, 5, 2, 0, 0, 0, 0, 0xaa, 0xbb];

    fn options(wanted: &[u16]) -> Header {
        let mut options = Options { count: wanted.len() as u8, ..Options::default() };
        options.each[..wanted.len()].copy_from_slice(wanted);
        Header { options: Some(options), ..Header::default() }
    }

    #[test]
    fn options_are_compared_from_the_first_on() {
        assert_eq!(holds(&options(&[0x0502]), &ALERT), Some(true));
        assert_eq!(holds(&options(&[0x05ff, 0, 0]), &ALERT), Some(true));
        assert_eq!(holds(&options(&[0x0503]), &ALERT), Some(false));
        assert_eq!(holds(&options(&[0]), &ALERT), Some(false));
        // More than there are.
        assert_eq!(holds(&options(&[0x05ff, 0, 0, 0]), &ALERT), Some(false));
        assert_eq!(holds(&options(&[]), &ALERT), Some(true));
    }

    #[test]
    fn the_last_option_may_reach_out_of_the_header() {
        let header = [59, 0, 5, 2, 0, 0, 1, 9];
        assert_eq!(holds(&options(&[0x05ff, 0x01ff]), &header), Some(true));
        assert_eq!(holds(&options(&[0x05ff, 0x01ff, 0]), &header), Some(false));
        // A type whose length would stand outside.
        assert_eq!(holds(&options(&[0x05ff, 0, 0x01ff]), &[59, 0, 5, 2, 0, 0, 0, 1]), Some(false));
    }

    #[test]
    fn a_header_longer_than_the_packet_has_it_dropped() {
        let length = |value, inverted| Header { length: Some(Condition::new(value, inverted)), ..Header::default() };
        assert_eq!([false, true].map(|inverted| holds(&length(8, inverted), &ALERT)), [Some(true), Some(false)]);
        assert_eq!(holds(&length(16, false), &[59, 1, 0, 0, 0, 0, 0, 0]), None);
        assert_eq!(holds(&length(8, true), &[59, 1, 0, 0, 0, 0, 0, 0]), None);
    }
}
