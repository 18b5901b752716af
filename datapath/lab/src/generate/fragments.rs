//! Random fragments: of any size and in any order, with extension headers and options, and what no sender should make.

use crate::{
    frame::{Part, TCP, UDP, extend6, fragment4, fragment6, set16, sum4},
    random::Random,
};

/// A packet in fragments, of which some may be missing, too many or wrong; rules may lead it to the router itself.
pub(super) fn fragments(random: &mut Random, packet: &[u8], six: bool, redirected: bool) -> Vec<Vec<u8>> {
    let mut packet = packet.to_vec();
    let mut header = if six { 40 } else { packet.first().map_or(20, |b| usize::from(b & 15) * 4) };
    if six && random.one_in(3) {
        // What stands before the fragment header of a datagram for the router itself, the kernel skips by mistake when it
        // tracks connections, and takes what follows for it.
        let astray = packet.get(24..40).is_some_and(|to| to.ends_with(&[0, 0, 1]))
            || redirected && matches!(packet.get(6), Some(&(TCP | UDP)));
        let before = if astray { Vec::new() } else { extensions(random) };
        let behind = extensions(random);
        header += before.iter().map(|(_, bytes)| bytes.len()).sum::<usize>();
        packet = extend6(&packet, &[before, behind].concat());
    }
    if !six && header == 20 && random.one_in(4) {
        // No operation; router alert and stream id, which are copied; one that nobody knows, which is not.
        let options = random.pick(&[&[1, 1, 1, 0][..], &[148, 4, 0, 0], &[136, 4, 0, 1], &[30, 4, 7, 7]]);
        header += options.len();
        packet.splice(20..20, options.iter().copied());
        packet[0] = 0x40 | (header / 4) as u8;
        let length = packet.len() as u16;
        set16(&mut packet, 2, length);
    }
    if !six && random.one_in(6) {
        set16(&mut packet, 6, 0x4000);
    }
    let mut parts = parts(random, packet.len().saturating_sub(header));
    if random.one_in(3) {
        spoil(random, &mut parts);
    }
    shuffle(random, &mut parts);
    let id = random.bits() as u32;
    let mut pieces: Vec<Vec<u8>> = parts
        .iter()
        .map(|part| if six { fragment6(&packet, header, id, part) } else { fragment4(&packet, part) })
        .collect();
    // Only the first has options, as routers make them: as long as it is the longest, all of them leave in no more pieces.
    let first = parts.iter().find(|part| part.offset == 0).map_or(0, |part| part.length);
    if !six && header > 20 && random.one_in(2) && parts.iter().all(|part| part.length <= first) {
        for (piece, _) in pieces.iter_mut().zip(&parts).filter(|(_, part)| part.offset > 0) {
            piece.drain(20..header);
            piece[0] = 0x45;
            let length = piece.len() as u16;
            set16(piece, 2, length);
        }
    }
    if random.one_in(6) {
        let at = random.below(pieces.len() as u64) as usize;
        disagree(random, &mut pieces[at], six);
    }
    if !six {
        pieces.iter_mut().for_each(|piece| sum4(piece));
    }
    pieces
}

/// No to two extension headers in an order that RFC 8200 allows.
fn extensions(random: &mut Random) -> Vec<(u8, Vec<u8>)> {
    let padded = |units: u8| {
        let mut bytes = vec![0, units - 1, 1, units * 8 - 4];
        bytes.resize(usize::from(units) * 8, 0);
        bytes
    };
    // A routing header of an experimental type with no segments left.
    let routing = vec![0, 0, 253, 0, 0, 0, 0, 0];
    let units = 1 + random.below(2) as u8;
    match random.below(6) {
        0 => vec![(0, padded(units))],
        1 => vec![(60, padded(units))],
        2 => vec![(43, routing)],
        3 => vec![(60, padded(units)), (43, routing)],
        4 => vec![(43, routing), (60, padded(units))],
        _ => Vec::new(),
    }
}

/// The parts of a payload in order, a dozen at most.
fn parts(random: &mut Random, total: usize) -> Vec<Part> {
    let least = (total / 12).next_multiple_of(8).max(8);
    let way = random.below(4);
    let even = least.max(8 * (1 + random.below(8) as usize));
    let mut parts = Vec::new();
    let mut offset = 0;
    while offset < total {
        let size = match way {
            // As one link cuts them, or two one behind the other.
            0 | 1 => even,
            // The first hardly holds a header.
            2 if offset == 0 => 8 * (1 + random.below(3) as usize),
            2 => even.max(48),
            _ => least.max(8 * (1 + random.below(16) as usize)),
        };
        let length = size.min(total - offset);
        parts.push(Part { offset, length, more: offset + length < total });
        offset += length;
    }
    parts
}

/// Makes one thing wrong.
fn spoil(random: &mut Random, parts: &mut Vec<Part>) {
    let at = random.below(parts.len() as u64) as usize;
    let Some(&part) = parts.get(at) else { return };
    let end = parts.last().map_or(0, |last| last.offset + last.length);
    match random.below(12) {
        0 => drop(parts.remove(at)),
        1 => parts.push(part),
        // Half of it once more.
        2 => parts.insert(at + 1, Part { length: (part.length / 2).next_multiple_of(8), ..part }),
        // Two of them once more, as one.
        3 => parts.insert(at + 1, Part { length: part.length + 16, ..part }),
        4 => parts[at].length += 8,
        5 => parts[at].offset += 8,
        6 => parts[at].offset = part.offset.saturating_sub(8),
        // More than an end leaves room for, or a second end.
        7 => parts.push(Part { offset: end.next_multiple_of(8) + 8, length: 16, more: random.one_in(2) }),
        8 => parts.push(Part { offset: part.offset, length: part.length, more: !part.more }),
        9 => parts.insert(at, Part { length: 0, more: random.one_in(2), ..part }),
        10 => parts[at].length = part.length.saturating_sub(3),
        _ => parts.insert(at, Part { offset: 65_528, length: 16, more: false }),
    }
    if parts.is_empty() {
        parts.push(part);
    }
}

fn shuffle(random: &mut Random, parts: &mut [Part]) {
    match random.below(6) {
        0 => parts.reverse(),
        1 => {
            let last = parts.len() - 1;
            parts.swap(0, last);
        }
        2 => {
            for at in (1..parts.len()).rev() {
                parts.swap(at, random.below(at as u64 + 1) as usize);
            }
        }
        _ => {}
    }
}

/// Has one fragment's header say something else than those of the others.
fn disagree(random: &mut Random, piece: &mut [u8], six: bool) {
    match (random.below(3), six) {
        (0, true) => piece[1] ^= (1 + random.below(3) as u8) << 4,
        (0, false) => piece[1] ^= 1 + random.below(3) as u8,
        (1, true) => piece[7] = 1 + random.below(4) as u8,
        (1, false) => piece[8] = 1 + random.below(4) as u8,
        (_, true) => piece[0] ^= 0x02,
        (_, false) => piece[6] ^= 0x40,
    }
}
