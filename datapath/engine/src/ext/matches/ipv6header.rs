//! `-m ipv6header`: which extension headers an IPv6 packet has.

use libxt::ext::Families;
use libxt::ext::matches::ipv6header::Ipv6header;

use super::Match;
use crate::ext::{Maker, Scene};
use crate::ruleset::Refused;
use crate::wire::ipv6;

pub(super) const MAKER: Maker<Match> = Maker::of::<Ipv6header>(Families::V6, |revision, info, site| {
    let &[headers, inverted, soft, ..] = info.first_chunk::<4>().ok_or(Refused::invalid("ipv6header"))?;
    // As ipv6header_mt6_check().
    if soft == 0 && !matches!(inverted, 0 | 0xff) {
        return Err(Refused::invalid("ipv6header: some headers inverted and others not"));
    }
    let _checked: Ipv6header = site.decode(revision, info)?;
    Ok(Match::Ipv6header(Judge { headers, inverted, soft: soft != 0 }))
});

/// struct ip6t_ipv6header_info: of each header, whether it is asked for and whether it must be missing.
#[derive(Clone, Copy, Debug)]
pub struct Judge {
    headers: u8,
    inverted: u8,
    soft: bool,
}

/// As ipv6header_mt6().
pub(super) fn matches(judge: &Judge, scene: &Scene<'_, '_>) -> bool {
    let Some(found) = headers(scene.packet.data.bytes()) else { return false };
    if judge.soft {
        (found ^ judge.headers ^ judge.inverted) & judge.headers == 0
    } else {
        (found == judge.headers) != (judge.inverted != 0)
    }
}

/// A bit for each header there is; `None` if the packet ends where another should begin.
fn headers(bytes: &[u8]) -> Option<u8> {
    let (mut next, mut at) = (*bytes.get(ipv6::NEXT)?, ipv6::HEADER);
    let mut found = 0;
    loop {
        let bit = match next {
            ipv6::HOP_BY_HOP => 0x80,
            ipv6::DESTINATION_OPTIONS => 0x40,
            ipv6::ROUTING => 0x20,
            ipv6::FRAGMENT => 0x10,
            ipv6::AUTHENTICATION => 0x08,
            ipv6::NONE => return Some(found | 0x02),
            ESP => return (at + 2 <= bytes.len()).then_some(found | 0x04),
            _ => break,
        };
        let &[following, length] = bytes.get(at..)?.first_chunk()?;
        found |= bit;
        at += ipv6::extension_len(next, length);
        next = following;
        if at > bytes.len() {
            break;
        }
    }
    // What is named behind the end counts by its name alone.
    Some(if matches!(next, ipv6::NONE | ESP) { found } else { found | 0x01 })
}

/// Encapsulating security payload.
const ESP: u8 = 50;

#[cfg(test)]
mod tests {
    use super::*;

    fn found(next: u8, payload: &[u8]) -> Option<u8> {
        let mut bytes = [0; 40];
        bytes[ipv6::NEXT] = next;
        headers(&[&bytes, payload].concat())
    }

    #[test]
    fn every_header_has_its_bit() {
        let chain = [60, 0, 1, 4, 0, 0, 0, 0, 43, 0, 1, 4, 0, 0, 0, 0, 17, 0, 253, 0, 0, 0, 0, 0, 1, 2];
        assert_eq!(found(0, &chain), Some(0x80 | 0x40 | 0x20 | 0x01));
        assert_eq!(
            found(44, &[51, 0, 0, 0, 0, 0, 0, 0, 59, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
            Some(0x10 | 0x08 | 0x02)
        );
        assert_eq!((found(50, &[1, 2]), found(59, &[]), found(17, &[])), (Some(4), Some(2), Some(1)));
    }

    #[test]
    fn a_chain_that_is_cut_does_not_match_unless_its_last_header_leaves_the_packet() {
        assert_eq!((found(0, &[17]), found(50, &[1])), (None, None));
        assert_eq!(found(0, &[60, 0, 1, 4, 0, 0, 0, 0]), None);
        assert_eq!(found(0, &[60, 9, 1, 4, 0, 0, 0, 0]), Some(0x80 | 0x01));
        assert_eq!(found(0, &[59, 9, 1, 4, 0, 0, 0, 0]), Some(0x80));
    }
}
