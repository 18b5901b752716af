//! What a router was sent and what it let out, in words that are the same for every router.

use std::collections::BTreeSet;

use crate::{
    drawn::{Draws, fragment_id, shift},
    frame::{View, get16, set16, sum4},
    twin::Rules,
};

/// Where a router stands in a script.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    /// What the router drew, unless its own numbers are to be seen.
    draws: Option<Draws>,
    /// The identifications of packets: all others were chosen by the router.
    ids: BTreeSet<u16>,
    /// Those of fragments, as they are on the wire.
    fragments: BTreeSet<u16>,
    /// How far identifications of fragments are moved, so that none meets what is left of an earlier try.
    shift: u16,
    plays: u16,
}

impl Sent {
    /// One that gives names to what the router draws.
    pub(crate) fn naming() -> Self {
        Self { draws: Some(Draws::default()), ..Self::default() }
    }

    /// From now on shows what it draws as it is.
    pub(crate) fn show_drawn(&mut self) {
        self.draws = None;
    }

    /// A script with these rules begins.
    pub(crate) fn begin(&mut self, rules: &Rules) {
        self.plays = self.plays.wrapping_add(1);
        // The highest bits always: identifications of a script are close to each other.
        self.shift = ((self.plays % 15 + 1) << 12) ^ (self.plays / 15);
        self.ids.clear();
        self.fragments.clear();
        if let Some(draws) = &mut self.draws {
            let (single, ranges) = rules.ports();
            *draws = Draws::speaking(single, ranges);
        }
    }

    /// A packet of the script as this router must get it.
    pub(crate) fn send(&mut self, packet: &[u8]) -> Vec<u8> {
        let mut bytes = packet.to_vec();
        if let Some(draws) = &mut self.draws {
            draws.send(&mut bytes);
        }
        if packet.first().is_some_and(|b| b >> 4 == 4) {
            self.ids.extend(get16(packet, 4));
        } else if let Some(at) = fragment_header6(packet) {
            let id = get16(packet, at + 6).unwrap_or(0);
            set16(&mut bytes, at + 6, id ^ self.shift);
        }
        if let Some(id) = fragment_id(packet) {
            shift(&mut bytes, self.shift, &BTreeSet::from([id]));
            self.fragments.insert(id ^ self.shift);
        }
        bytes
    }

    /// What left, in the words of the script.
    pub(crate) fn leave(&mut self, cause: &[u8], packet: &mut Vec<u8>) {
        shift(packet, self.shift, &self.fragments);
        normalise_packet(packet, &self.ids);
        if let Some(draws) = &mut self.draws {
            draws.leave(cause, packet);
        }
    }

    /// A line of `conntrack`.
    pub(crate) fn line(&mut self, line: &str) -> String {
        self.draws.as_mut().map_or_else(|| line.to_owned(), |draws| draws.line(line))
    }
}

/// Clears what a router chooses freely: the identification of its own packets and of IPv6 fragments.
fn normalise_packet(packet: &mut Vec<u8>, ids: &BTreeSet<u16>) {
    match packet.first().map(|b| b >> 4) {
        Some(4) if get16(packet, 4).is_some_and(|id| !ids.contains(&id)) => {
            set16(packet, 4, 0);
            sum4(packet);
        }
        Some(6) => {
            // The flow label of what a router itself says is drawn; nobody here sends one.
            let class = packet.get(1).map_or(0, |b| b & 0xf0);
            if let Some(rest) = packet.get_mut(1..4) {
                rest.copy_from_slice(&[class, 0, 0]);
            }
            if let Some(at) = fragment_header6(packet) {
                set16(packet, at + 4, 0);
                set16(packet, at + 6, 0);
            }
        }
        _ => {}
    }
    // An ICMP timestamp reply tells the time of day.
    let header = packet.first().map_or(20, |b| usize::from(b & 15) * 4);
    if View::of(packet).is_some_and(|v| v.icmp() == Some((14, 0)) && v.payload.len() == 20) {
        set16(packet, header + 2, 0);
        packet.truncate(header + 8);
    }
}

/// Where an IPv6 packet's fragment header stands, maybe behind hop-by-hop options, a routing header, destination options.
fn fragment_header6(packet: &[u8]) -> Option<usize> {
    let (mut next, mut at) = (*packet.get(6)?, 40);
    while let 0 | 43 | 60 = next {
        next = *packet.get(at)?;
        at += (usize::from(*packet.get(at + 1)?) + 1) * 8;
    }
    (next == 44).then_some(at)
}
