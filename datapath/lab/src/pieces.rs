//! Fragments of one datagram, looked at and changed as one packet.

use crate::frame::get16;

/// What fragments of one datagram have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Datagram {
    ends: Vec<u8>,
    id: Vec<u8>,
    protocol: u8,
}

/// Whose fragment a packet is; `None` for a whole one.
pub(crate) fn datagram(packet: &[u8]) -> Option<Datagram> {
    let taken = |range: std::ops::Range<usize>| packet.get(range).map(<[u8]>::to_vec);
    match packet.first()? >> 4 {
        4 if get16(packet, 6)? & 0x3fff != 0 => {
            Some(Datagram { ends: taken(12..20)?, id: taken(4..6)?, protocol: *packet.get(9)? })
        }
        6 => {
            // One that is a whole datagram of its own belongs to no other.
            let at =
                fragment_header6(packet).filter(|at| get16(packet, at + 2).is_some_and(|place| place & !6 != 0))?;
            Some(Datagram { ends: taken(8..40)?, id: taken(at + 4..at + 8)?, protocol: 0 })
        }
        _ => None,
    }
}

/// Lets `change` have fragments of one datagram, in any order, as the packet that the first to tell of a byte makes them. What
/// it changes behind the headers is changed in all fragments that agree about it.
pub(crate) fn as_one(pieces: &mut [&mut Vec<u8>], change: impl FnOnce(&mut [u8])) {
    let places: Vec<Option<Place>> = pieces.iter().map(|piece| place(piece)).collect();
    let Some(first) = places.iter().position(|place| place.is_some_and(|place| place.offset == 0)) else { return };
    let header = places.get(first).copied().flatten().map_or(0, |place| place.header);
    let mut whole: Vec<Option<u8>> = pieces[first].iter().take(header).copied().map(Some).collect();
    for (piece, place) in pieces.iter().zip(&places) {
        let Some(Place { header: own, offset, .. }) = *place else { continue };
        for (at, byte) in piece.iter().skip(own).enumerate() {
            let at = header + offset + at;
            if at >= whole.len() {
                whole.resize(at + 1, None);
            }
            whole[at].get_or_insert(*byte);
        }
    }
    // The first to say that nothing follows is believed.
    if let Some((piece, place)) =
        pieces.iter().zip(&places).find_map(|(piece, place)| Some((piece, place.filter(|place| !place.more)?)))
    {
        whole.truncate(header + place.offset + piece.len().saturating_sub(place.header));
    }
    let before: Vec<u8> = whole.into_iter().map(Option::unwrap_or_default).collect();
    let mut after = before.clone();
    change(&mut after);
    for (piece, place) in pieces.iter_mut().zip(&places) {
        let Some(Place { header: own, offset, .. }) = *place else { continue };
        let range = (header + offset)..;
        let (Some(was), Some(is)) = (before.get(range.clone()), after.get(range)) else { continue };
        for (byte, (was, is)) in piece.iter_mut().skip(own).zip(was.iter().zip(is)) {
            if byte == was {
                *byte = *is;
            }
        }
    }
}

/// What a fragment carries.
pub(crate) fn carried(piece: &[u8]) -> Option<&[u8]> {
    piece.get(place(piece)?.header..)
}

/// Whether a fragment is its datagram's first.
pub(crate) fn is_first(piece: &[u8]) -> bool {
    place(piece).is_some_and(|place| place.offset == 0)
}

/// Where an IPv6 packet's fragment header stands, maybe behind hop-by-hop options, a routing header, destination options.
pub(crate) fn fragment_header6(packet: &[u8]) -> Option<usize> {
    let (mut next, mut at) = (*packet.get(6).filter(|_| packet.first().is_some_and(|b| b >> 4 == 6))?, 40);
    while let 0 | 43 | 60 = next {
        next = *packet.get(at)?;
        at += (usize::from(*packet.get(at + 1)?) + 1) * 8;
    }
    (next == 44).then_some(at)
}

#[derive(Clone, Copy, Debug)]
struct Place {
    /// Bytes in front of what the fragment carries.
    header: usize,
    /// Where that stands in the datagram.
    offset: usize,
    /// Whether something follows.
    more: bool,
}

fn place(piece: &[u8]) -> Option<Place> {
    match piece.first()? >> 4 {
        4 => {
            let word = get16(piece, 6)?;
            let header = usize::from(piece.first()? & 15) * 4;
            Some(Place { header, offset: usize::from(word & 0x1fff) * 8, more: word & 0x2000 != 0 })
        }
        6 => {
            let at = fragment_header6(piece)?;
            let word = get16(piece, at + 2)?;
            Some(Place { header: at + 8, offset: usize::from(word & !7), more: word & 1 != 0 })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{Ip, fragments4, fragments6, set16};

    #[test]
    fn a_change_of_the_whole_is_one_of_its_fragments_in_any_order() {
        let whole = Ip::between([10, 1, 0, 2], [10, 2, 0, 2]).udp(1, 2, &[7; 60]);
        let mut wanted = whole.clone();
        set16(&mut wanted, 20, 99);
        set16(&mut wanted, 70, 0xabcd);
        let (mut pieces, wanted) = (fragments4(&whole, 24), fragments4(&wanted, 24));
        let twice = pieces[1].clone();
        pieces.push(twice);
        pieces.reverse();
        as_one(&mut pieces.iter_mut().collect::<Vec<_>>(), |packet| {
            assert_eq!(packet.get(20..), whole.get(20..));
            set16(packet, 20, 99);
            set16(packet, 70, 0xabcd);
        });
        pieces.reverse();
        assert_eq!(pieces.pop().as_ref(), wanted.get(1));
        assert_eq!(pieces, wanted);
    }

    #[test]
    fn what_stands_behind_the_end_that_was_said_first_is_no_part_of_the_whole() {
        let whole = Ip::between([10, 1, 0, 2], [10, 2, 0, 2]).udp(1, 2, &[7; 40]);
        let mut pieces = fragments4(&whole, 24);
        let mut longer = pieces[1].clone();
        longer.extend([0xee; 8]);
        pieces.push(longer.clone());
        let mut length = 0;
        as_one(&mut pieces.iter_mut().collect::<Vec<_>>(), |packet| {
            length = packet.len();
            set16(packet, 64, 0xabcd);
        });
        assert_eq!(length, whole.len());
        assert_eq!(pieces[1].get(40..42), Some(&[0xab, 0xcd][..]));
        assert_eq!(pieces[2].get(40..42), Some(&[0xab, 0xcd][..]));
        assert_eq!(pieces[2].get(44..), longer.get(44..));
    }

    #[test]
    fn fragments_of_one_datagram_are_known_by_what_they_share() {
        let mut ip = Ip::between([0xfd01, 0, 0, 0, 0, 0, 0, 2], [0xfd02, 0, 0, 0, 0, 0, 0, 2]);
        let whole = ip.udp(1, 2, &[7; 60]);
        let (one, other) = (fragments6(&whole, 24, 5), fragments6(&whole, 24, 6));
        assert_eq!(datagram(&one[0]), datagram(&one[1]));
        assert_ne!(datagram(&one[0]), datagram(&other[0]));
        assert_eq!(datagram(&whole), None);
        ip = Ip::between([10, 1, 0, 2], [10, 2, 0, 2]);
        assert_eq!(datagram(&ip.udp(1, 2, b"")), None);
    }
}
