//! `-m srh`: the IPv6 segment routing header (RFC 8754).

use libxt::ext::Families;
use libxt::ext::matches::srh::Srh;
use libxt::family::Af;

use super::Match;
use crate::ext::{Maker, Scene};
use crate::ruleset::Refused;
use crate::wire::ipv6;

pub(super) const MAKER: Maker<Match> = Maker::of::<Srh>(Families::V6, |revision, info, site| {
    // As srh_mt6_check() and srh1_mt6_check(): the bits stand behind all else.
    let (at, known) = if revision == 0 { (6, 0x7ff) } else { (104, 0x3fff) };
    let bits = info.get(at..).and_then(<[u8]>::first_chunk::<4>).map_or(u32::MAX, |bits| u32::from_ne_bytes(*bits));
    if bits & !(known << 16 | known) != 0 {
        return Err(Refused::invalid("srh: an unknown condition"));
    }
    Ok(Match::Srh(Box::new(site.decode(revision, info)?)))
});

/// As srh_mt6() and srh1_mt6(): whatever cannot be read does not match.
pub(super) fn matches(srh: &Srh, scene: &Scene<'_, '_>) -> bool {
    let bytes = scene.packet.data.bytes();
    let Ok(Some(link)) = ipv6::find(bytes, ipv6::ROUTING) else { return false };
    bytes.get(link.at..).and_then(|header| holds(srh, header)).unwrap_or(false)
}

/// Whether a header, with what follows it, is as wanted; `None` if the packet ends within, or it is no segment routing header.
fn holds(srh: &Srh, header: &[u8]) -> Option<bool> {
    let &[next, units, kind, left, last, _flags, tag @ ..] = header.first_chunk::<HEADER>()?;
    header.get(..(usize::from(units) + 1) * 8)?;
    if kind != SEGMENT_ROUTING || left > last {
        return None;
    }
    let numbers = [
        next == srh.next_header,
        units == srh.length,
        units > srh.length,
        units < srh.length,
        left == srh.segments_left,
        left > srh.segments_left,
        left < srh.segments_left,
        last == srh.last_entry,
        last > srh.last_entry,
        last < srh.last_entry,
        // The kernel compares the tag as it stands in the packet with the number as it stands in memory.
        u16::from_ne_bytes(tag) == srh.tag,
    ];
    let fails = |bit: usize, fits: bool| {
        let asked = |bits: u16| bits >> bit & 1 != 0;
        asked(srh.conditions) && fits == asked(srh.inversions)
    };
    if numbers.into_iter().enumerate().any(|(bit, fits)| fails(bit, fits)) {
        return Some(false);
    }
    // The previous, the next and the last of the segments, of which the last stands first.
    let places = [(left != last).then_some(usize::from(left) + 1), usize::from(left).checked_sub(1), Some(0)];
    for (number, (place, network)) in places.into_iter().zip(&srh.segments).enumerate() {
        let bit = numbers.len() + number;
        if srh.conditions >> bit & 1 == 0 {
            continue;
        }
        let segment = header.get(HEADER + place? * 16..)?.first_chunk::<16>()?;
        if fails(bit, network.contains(segment, Af::V6)) {
            return Some(false);
        }
    }
    Some(true)
}

/// Bytes of the header before its segments.
const HEADER: usize = 8;
/// `IPV6_SRCRT_TYPE_4`.
const SEGMENT_ROUTING: u8 = 4;

#[cfg(test)]
mod tests {
    use libxt::value::network::Network;

    use super::*;

    /// Three segments, one left, tag 0x0102.
    fn header() -> Vec<u8> {
        [&[59, 6, 4, 1, 2, 0, 1, 2][..], &[10; 16], &[11; 16], &[12; 16]].concat()
    }

    fn segments(conditions: u16, inversions: u16, segment: u8) -> Srh {
        let network = Network { address: [segment; 16], mask: [0xff; 16] };
        Srh { conditions, inversions, segments: [network; 3], ..Srh::default() }
    }

    #[test]
    fn the_previous_the_next_and_the_last_segment_are_found_by_what_is_left() {
        for (bit, segment) in [(0x800, 12), (0x1000, 10), (0x2000, 10)] {
            assert_eq!(holds(&segments(bit, 0, segment), &header()), Some(true), "{bit:x}");
            assert_eq!(holds(&segments(bit, bit, segment), &header()), Some(false), "{bit:x}");
            assert_eq!(holds(&segments(bit, bit, 99), &header()), Some(true), "{bit:x}");
        }
        // The first has none before it, the last none behind it, inverted or not.
        let mut ends = header();
        ends[3] = 2;
        assert_eq!(holds(&segments(0x800, 0x800, 99), &ends), None);
        ends[3] = 0;
        assert_eq!(holds(&segments(0x1000, 0x1000, 99), &ends), None);
    }

    #[test]
    fn numbers_are_compared_in_three_ways() {
        let number = |conditions, inversions| Srh {
            conditions,
            inversions,
            length: 5,
            segments_left: 1,
            last_entry: 3,
            tag: u16::from_ne_bytes([1, 2]),
            next_header: 59,
            ..Srh::default()
        };
        for (bit, wanted) in
            [(1, true), (2, false), (4, true), (8, false), (0x10, true), (0x20, false), (0x200, true), (0x400, true)]
        {
            assert_eq!(holds(&number(bit, 0), &header()), Some(wanted), "{bit:x}");
            assert_eq!(holds(&number(bit, bit), &header()), Some(!wanted), "{bit:x}");
        }
    }

    #[test]
    fn what_is_no_segment_routing_header_never_matches() {
        assert_eq!(holds(&Srh::default(), &header()), Some(true));
        assert_eq!(holds(&Srh::default(), &header()[..55]), None);
        for (at, byte) in [(2, 3), (3, 3)] {
            let mut other = header();
            other[at] = byte;
            assert_eq!(holds(&Srh::default(), &other), None);
        }
    }
}
