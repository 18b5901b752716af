//! What a router was sent and what it let out, in words that are the same for every router.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    drawn::{Draws, fragment_id, shift, write},
    frame::{View, get16, set16, sum4},
    pieces::{Datagram, as_one, carried, datagram, fragment_header6, is_first},
    twin::{Crossing, Rules},
};

/// Where a router stands in a script.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    /// What the router drew, unless its own numbers are to be seen.
    draws: Option<Draws>,
    /// Those of fragments, as they are on the wire.
    fragments: BTreeSet<u16>,
    /// What fragments carried on the wire, and in the script.
    carried: BTreeMap<Vec<u8>, Vec<u8>>,
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
        self.fragments.clear();
        self.carried.clear();
        if let Some(draws) = &mut self.draws {
            let (single, ranges) = rules.ports();
            *draws = Draws::speaking(single, ranges);
        }
    }

    /// The fragments of a round as this router must get them, by their place: a checksum may be in another fragment than what it
    /// is about.
    pub(crate) fn fragments(&mut self, round: &[Crossing]) -> BTreeMap<usize, Vec<u8>> {
        let mut all = BTreeMap::new();
        for places in torn(round) {
            let mut pieces: Vec<Vec<u8>> = places.iter().map(|&at| round[at].packet.clone()).collect();
            if let Some(draws) = &mut self.draws {
                as_one(&mut pieces.iter_mut().collect::<Vec<_>>(), |whole| draws.send(whole));
            }
            for (&at, piece) in places.iter().zip(&pieces) {
                if let Some((script, wire)) = carried(&round[at].packet).zip(carried(piece)).filter(|(a, b)| a != b) {
                    self.carried.insert(wire.to_vec(), script.to_vec());
                }
            }
            all.extend(places.into_iter().zip(pieces));
        }
        all
    }

    /// A packet of the script as this router must get it; a fragment as [`Sent::fragments`] gave it.
    pub(crate) fn send(&mut self, packet: &[u8], fragment: Option<Vec<u8>>) -> Vec<u8> {
        let mut bytes = fragment.unwrap_or_else(|| {
            let mut bytes = packet.to_vec();
            if let Some(draws) = &mut self.draws {
                draws.send(&mut bytes);
            }
            bytes
        });
        if let Some(at) = fragment_header6(packet) {
            let id = get16(packet, at + 6).unwrap_or(0);
            set16(&mut bytes, at + 6, id ^ self.shift);
            self.fragments.insert(id ^ self.shift);
        }
        if let Some(id) = fragment_id(packet) {
            shift(&mut bytes, self.shift, &BTreeSet::from([id]));
            self.fragments.insert(id ^ self.shift);
        }
        bytes
    }

    /// What left behind a packet of the script, in the words of the script.
    pub(crate) fn leave(&mut self, cause: &[u8], left: &mut [Crossing]) {
        let groups = torn(left);
        for crossing in &mut *left {
            shift(&mut crossing.packet, self.shift, &self.fragments);
            normalise_packet(&mut crossing.packet, cause);
            if fragment_id(cause).is_some() {
                sum_quote(&mut crossing.packet);
            }
        }
        let Some(draws) = &mut self.draws else { return };
        let whole = (0..left.len()).filter(|at| !groups.iter().any(|group| group.contains(at)));
        for at in whole.collect::<Vec<_>>() {
            draws.leave(cause, &mut left[at].packet);
        }
        for group in groups {
            let pieces = left.iter_mut().enumerate().filter(|(at, _)| group.contains(at));
            let mut pieces: Vec<_> = pieces.map(|(_, crossing)| &mut crossing.packet).collect();
            if !pieces.iter().any(|piece| is_first(piece)) {
                // Nobody has changed what goes on without its datagram.
                for piece in pieces {
                    let script = carried(piece).and_then(|wire| self.carried.get(wire));
                    let room = script.and_then(|script| Some((piece.len().checked_sub(script.len())?, script)));
                    if let Some((at, script)) = room {
                        piece[at..].copy_from_slice(script);
                    }
                }
                continue;
            }
            as_one(&mut pieces, |whole| draws.leave(cause, whole));
        }
        for crossing in left {
            without_clock(&mut crossing.packet);
        }
    }

    /// A line of `conntrack`.
    pub(crate) fn line(&mut self, line: &str) -> String {
        self.draws.as_mut().map_or_else(|| line.to_owned(), |draws| draws.line(line))
    }
}

/// Clears what a router chooses freely: the identification of packets that are not the one that came, and of IPv6 fragments.
fn normalise_packet(packet: &mut [u8], cause: &[u8]) {
    match packet.first().map(|b| b >> 4) {
        Some(4) if get16(packet, 4).is_some_and(|id| get16(cause, 4) != Some(id)) => {
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
}

/// Makes the header's checksum right in a quote of a packet to the router, into whose record route that wrote after it was put
/// together: the kernel leaves the sender's sum, unless it puts the fragments together only then.
fn sum_quote(packet: &mut [u8]) {
    let Some((at, quoted)) = View::of(packet).and_then(|view| {
        let at = usize::from(packet.first()? & 15) * 4;
        let quote = packet.get(at + 8..)?;
        let header = quote.get(..usize::from(quote.first()? & 15) * 4)?;
        (matches!(view.icmp()?.0, 3 | 11 | 12) && header.len() > 20).then(|| (at, header.to_vec()))
    }) else {
        return;
    };
    let mut sent = quoted.clone();
    let wrote = sent.get_mut(20..).is_some_and(|options| {
        let last = options.get(2).map_or(0, |next| usize::from(*next));
        let written = options.first() == Some(&7) && last >= 8;
        let entry = options.get_mut(last.saturating_sub(5)..last.saturating_sub(1)).filter(|_| written);
        entry.map(|entry| entry.fill(0)).is_some()
    });
    if !wrote {
        return;
    }
    sent[22] -= 4;
    sum4(&mut sent);
    if get16(&sent, 10) == get16(&quoted, 10) {
        let mut right = quoted;
        sum4(&mut right);
        write(packet, at + 8 + 10, get16(&right, 10).unwrap_or(0), at + 2);
    }
}

/// An ICMP timestamp reply tells the time of day.
fn without_clock(packet: &mut Vec<u8>) {
    let header = packet.first().map_or(20, |b| usize::from(b & 15) * 4);
    if View::of(packet).is_some_and(|v| v.icmp() == Some((14, 0)) && v.payload.len() == 20) {
        set16(packet, header + 2, 0);
        packet.truncate(header + 8);
    }
}

/// The places of fragments, those of a datagram together.
fn torn(packets: &[Crossing]) -> Vec<Vec<usize>> {
    let mut groups: Vec<(Datagram, Vec<usize>)> = Vec::new();
    for (at, crossing) in packets.iter().enumerate() {
        let Some(datagram) = datagram(&crossing.packet) else { continue };
        match groups.iter_mut().find(|(known, _)| *known == datagram) {
            Some((_, places)) => places.push(at),
            None => groups.push((datagram, vec![at])),
        }
    }
    groups.into_iter().map(|(_, places)| places).collect()
}
