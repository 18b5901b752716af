//! Random packets of rarer protocols, and IPv6 extension headers before whole packets: right, odd, and cut.

use crate::{
    frame::{TCP, UDP, extend6},
    random::Random,
};

/// Datagram congestion control.
pub(super) const DCCP: u8 = 33;
/// Encapsulating security payload.
pub(super) const ESP: u8 = 50;
/// Authentication header.
pub(super) const AH: u8 = 51;
/// IP payload compression.
pub(super) const IPCOMP: u8 = 108;
/// Stream control transmission.
pub(super) const SCTP: u8 = 132;
/// IPv6 mobility.
pub(super) const MOBILITY: u8 = 135;

/// A protocol that hosts speak now and then. SCTP only where nothing is tracked.
pub(super) fn rare(random: &mut Random, six: bool, tracked: bool) -> u8 {
    match (random.below(if tracked { 4 } else { 8 }), six) {
        (0, _) => DCCP,
        (1, _) => ESP,
        (2, _) => IPCOMP,
        (3, true) => MOBILITY,
        (3, false) => AH,
        _ => SCTP,
    }
}

/// What a packet of such a protocol carries.
pub(super) fn payload(random: &mut Random, protocol: u8, [source, destination]: [u16; 2]) -> Vec<u8> {
    let mut bytes = match protocol {
        SCTP => sctp(random, source, destination),
        DCCP => dccp(random, source, destination),
        // Next header, flags, parameter index.
        IPCOMP => vec![random.choose(&[TCP, UDP]), 0, 0, random.choose(&[1, 2, 7]), 0x4b, 0x04],
        MOBILITY => {
            let next = if random.one_in(12) { UDP } else { 59 };
            vec![next, 0, random.below(9) as u8, 0, 0, 0, 0, 0]
        }
        AH => vec![UDP, 4, 0, 0, 0, 0, 0, random.choose(&[1, 2, 7]), 0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12],
        _ => vec![0, 0, 0, random.choose(&[1, 2, 7]), 0, 0, 0, 1, 9, 9, 9, 9],
    };
    if random.one_in(8) {
        bytes.truncate(random.below(bytes.len() as u64) as usize);
    }
    bytes
}

fn sctp(random: &mut Random, source: u16, destination: u16) -> Vec<u8> {
    let mut bytes = [source.to_be_bytes(), destination.to_be_bytes(), [0, 0], [0, 1], [0, 0], [0, 0]].concat();
    for _ in 0..1 + random.below(3) {
        let kind = random.choose(&[0u8, 0, 1, 3, 4, 6, 10, 14, 64, 193]);
        let length = random.choose(&[4u16, 8, 9, 16, 20]);
        let length = if random.one_in(20) { random.choose(&[0, 1, 3, 500]) } else { length };
        bytes.extend([kind, random.below(8) as u8]);
        bytes.extend(length.to_be_bytes());
        bytes.resize(bytes.len() + usize::from(length.clamp(4, 20)).next_multiple_of(4) - 4, 7);
    }
    bytes
}

fn dccp(random: &mut Random, source: u16, destination: u16) -> Vec<u8> {
    let kind = random.below(12) as u8;
    let extended = u8::from(random.one_in(2));
    let mut bytes = [source.to_be_bytes(), destination.to_be_bytes()].concat();
    // The header's words, with up to five for options.
    let words = random.choose(&[3u8, 4, 5, 6, 7, 8, 9]);
    bytes.extend([words, 0, 0, 0, kind << 1 | extended, 0, 0, 1]);
    let options = random.pick(&[&[1u8, 32, 3, 7][..], &[44, 4, 0, 0], &[0, 0, 2, 1], &[37, 0, 44, 4], &[2, 200, 0, 0]]);
    while bytes.len() < usize::from(words) * 4 {
        bytes.extend(options);
    }
    bytes
}

/// Puts one to three extension headers before what a packet carries.
pub(super) fn extend(random: &mut Random, packet: &[u8]) -> Vec<u8> {
    let mut headers = Vec::new();
    if random.one_in(3) {
        headers.push((0, options(random)));
    }
    for _ in 0..1 + random.below(2) {
        headers.push(match random.below(5) {
            0 | 1 => (60, options(random)),
            2 | 3 => (43, routing(random)),
            _ => (51, vec![0, 4, 0, 0, 0, 0, 0, 2, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]),
        });
    }
    let mut bytes = extend6(packet, &headers);
    if random.one_in(10)
        && let Some(length) = bytes.get_mut(41)
    {
        // Longer than the packet, or half of it.
        *length = random.choose(&[0, 1, 5, 200]);
    }
    bytes
}

/// An options header that every router takes: padding, a router alert, an experiment that may be skipped.
fn options(random: &mut Random) -> Vec<u8> {
    let parts = random.pick(&[
        &[1u8, 4, 0, 0, 0, 0][..],
        &[5, 2, 0, 0, 1, 0],
        &[0, 0, 0, 0, 0, 0],
        &[30, 2, 7, 7, 0, 0],
        &[0, 30, 3, 7, 7, 7],
        &[5, 2, 0, 0, 30, 6, 1, 2, 3, 4, 5, 6, 1, 0],
    ]);
    [&[0, (parts.len() / 8) as u8][..], parts].concat()
}

fn routing(random: &mut Random) -> Vec<u8> {
    let addresses = random.below(4) as u8;
    let left = if addresses == 0 { 0 } else { random.below(u64::from(addresses) + 1) as u8 };
    let kind = random.choose(&[0u8, 0, 2, 4, 4, 4, 253]);
    let last = if random.one_in(8) { 0 } else { addresses.saturating_sub(1) };
    let mut bytes = vec![0, addresses * 2, kind, left, 0, 0, 0, 0];
    if kind == 4 {
        (bytes[4], bytes[6], bytes[7]) = (last, 0, random.choose(&[0, 1]));
    } else if random.one_in(5) {
        bytes[5] = 1;
    }
    for _ in 0..addresses {
        bytes.extend([0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        bytes.push(2 + random.below(3) as u8);
    }
    bytes
}
