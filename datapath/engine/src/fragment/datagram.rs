//! A datagram in pieces: what fits, what contradicts, and when it is whole.

use libxt::family::Af;

use super::piece::{Flow, Piece, Place};
use crate::effects::{Effects, Release};
use crate::icmp_error::Arrival;
use crate::packet::PacketId;
use crate::wire::{ipv4, ipv6, set_u16};

/// A datagram in pieces.
#[derive(Debug)]
pub(crate) struct Datagram {
    pub(super) flow: Flow,
    /// Monotonic nanoseconds at which it is given up.
    pub(super) until: u64,
    /// As they came; sorted by offset once it is whole.
    pub(super) pieces: Vec<Piece>,
    /// Stretches of the fragmentable part that are here, in order. Only what came in order, at the end, joins another.
    runs: Vec<Run>,
    /// How far the pieces reach, or how long the fragmentable part is once that is known.
    reach: usize,
    has_last: bool,
    has_first: bool,
    /// Bytes that are here.
    here: usize,
    /// Which of the four ECN codes were seen.
    ecn: u8,
    /// The longest packet that brought a piece, and the longest with DF. As `max_size` and `max_df_size`.
    pub(super) longest: usize,
    longest_df: usize,
    /// Bytes that stand in one stretch already, whatever the pieces say.
    pub(super) pulled: usize,
    /// How the first fragment came in.
    pub(super) arrived: Option<Arrival>,
}

/// What a piece did to its datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Inserted {
    Fits,
    /// It is of no use.
    Refused,
    /// It costs the whole datagram.
    Contradiction,
    /// As before, but the piece itself goes its way alone.
    Apart,
}

/// From byte to byte.
#[derive(Clone, Copy, Debug)]
struct Run {
    start: usize,
    end: usize,
}

impl Datagram {
    pub(super) const fn new(flow: Flow, until: u64) -> Self {
        Self {
            flow,
            until,
            pieces: Vec::new(),
            runs: Vec::new(),
            reach: 0,
            has_last: false,
            has_first: false,
            here: 0,
            ecn: 0,
            longest: 0,
            longest_df: 0,
            pulled: 0,
            arrived: None,
        }
    }

    /// As ip_frag_queue() and nf_ct_frag6_queue(): what contradicts costs an IPv4 datagram, and only itself for IPv6.
    pub(super) fn insert(&mut self, piece: Piece, place: Place) -> Inserted {
        let contradiction = match self.flow.af {
            Af::V4 => Inserted::Contradiction,
            Af::V6 => Inserted::Refused,
        };
        let mut end = place.end;
        if self.flow.af == Af::V6 && end > LONGEST {
            return Inserted::Refused;
        }
        if !place.more {
            if end < self.reach || self.has_last && end != self.reach {
                return contradiction;
            }
            self.has_last = true;
            self.reach = end;
        } else {
            if !end.is_multiple_of(8) {
                if self.flow.af == Af::V6 {
                    return Inserted::Apart;
                }
                end &= !7;
            }
            if end > self.reach {
                if self.has_last {
                    return contradiction;
                }
                self.reach = end;
            }
        }
        if end == piece.offset {
            return contradiction;
        }
        let joined = self.join(Run { start: piece.offset, end });
        if joined != Inserted::Fits {
            return joined;
        }
        self.has_first |= piece.offset == 0;
        self.here += end - piece.offset;
        self.ecn |= 1 << (place.tos & 3);
        let len = piece.head.len() + piece.payload.len();
        self.longest = self.longest.max(len);
        if place.dont_fragment {
            self.longest_df = self.longest_df.max(len);
        }
        self.pieces.push(piece);
        Inserted::Fits
    }

    /// As inet_frag_queue_insert(): within what is here it is a duplicate, across its edge an overlap (RFC 5722).
    fn join(&mut self, new: Run) -> Inserted {
        match self.runs.last_mut() {
            Some(last) if last.end < new.end => {
                if new.start < last.end {
                    return Inserted::Contradiction;
                }
                if new.start == last.end {
                    last.end = new.end;
                } else {
                    self.runs.push(new);
                }
            }
            _ => {
                let at = self.runs.partition_point(|run| run.end <= new.start);
                match self.runs.get(at) {
                    Some(run) if run.start < new.end => {
                        let within = run.start <= new.start && new.end <= run.end;
                        return if within { Inserted::Refused } else { Inserted::Contradiction };
                    }
                    _ => self.runs.insert(at, new),
                }
            }
        }
        Inserted::Fits
    }

    pub(super) const fn is_whole(&self) -> bool {
        self.has_first && self.has_last && self.here == self.reach
    }

    /// Writes the whole datagram: the first piece's header without a trace of fragmentation, then all payloads. `false` if
    /// it would be too long or its pieces disagree about congestion.
    pub(super) fn assemble(&mut self, to: &mut Vec<u8>) -> bool {
        self.pieces.sort_unstable_by_key(|piece| piece.offset);
        let (Some(first), Some(ecn)) = (self.pieces.first(), joined_ecn(self.ecn)) else { return false };
        to.clear();
        match self.flow.af {
            Af::V4 => {
                to.extend_from_slice(&first.head);
                if to.len() + self.reach > LONGEST {
                    return false;
                }
                set_u16(to, ipv4::LENGTH, (first.head.len() + self.reach) as u16);
                set_u16(to, ipv4::FRAGMENT, if self.keeps_df() { ipv4::DF } else { 0 });
                if let Some(tos) = to.get_mut(ipv4::TOS) {
                    *tos |= ecn;
                }
                ipv4::sum_header(to);
            }
            Af::V6 => {
                let Some(cut) = first.head.len().checked_sub(ipv6::FRAGMENT_HEADER) else { return false };
                let Some((before, header)) = first.head.split_at_checked(cut) else { return false };
                let Some((&next, _)) = header.split_first() else { return false };
                to.extend_from_slice(before);
                let payload = cut - ipv6::HEADER + self.reach;
                if payload > LONGEST {
                    return false;
                }
                // The number naming the fragment header is where the next one's goes.
                let named_at = ipv6::fragment(&first.head).map_or(ipv6::NEXT, |(_, link)| link.named_at);
                if let Some(named) = to.get_mut(named_at) {
                    *named = next;
                }
                set_u16(to, ipv6::LENGTH, payload as u16);
                if let Some(class) = to.get_mut(1) {
                    *class |= ecn << 4;
                }
            }
        }
        for piece in &self.pieces {
            to.extend_from_slice(&piece.payload);
        }
        true
    }

    /// Where each piece but the last ends in the whole.
    pub(crate) fn seams(&self) -> Vec<usize> {
        let header = self.pieces.first().map_or(0, |first| first.header(self.flow.af));
        let ends = self.pieces.iter().map(|piece| header + piece.offset + piece.payload.len());
        ends.take(self.pieces.len().saturating_sub(1)).collect()
    }

    /// Whether the longest fragment was one that must not be cut: then the whole carries DF.
    pub(super) const fn keeps_df(&self) -> bool {
        self.longest_df == self.longest
    }

    /// Drops all pieces.
    pub(super) fn give_up(self, out: &mut Effects) {
        for piece in self.pieces {
            out.releases.push(Release::drop(piece.id));
        }
    }

    /// Drops all pieces but the one whose verdict is the answer.
    pub(super) fn give_up_but(mut self, last: PacketId, out: &mut Effects) {
        self.pieces.retain(|piece| piece.id != last);
        self.give_up(out);
    }

    pub(super) fn cost(&self) -> usize {
        self.pieces.iter().map(Piece::cost).sum()
    }

    pub(super) fn len(&self) -> usize {
        self.pieces.len()
    }
}

/// The ECN code to add to the whole's, given which of the four (bit *n* for code *n*) its pieces had; `None` if some could
/// say «congestion» and others could not. As `ip_frag_ecn_table`, after RFC 3168 section 5.3.
const fn joined_ecn(seen: u8) -> Option<u8> {
    const NOT_CAPABLE: u8 = 1;
    const EXPERIENCED: u8 = 8;
    match seen {
        NOT_CAPABLE | EXPERIENCED => Some(0),
        _ if seen & NOT_CAPABLE != 0 => None,
        _ if seen & EXPERIENCED != 0 => Some(3),
        _ => Some(0),
    }
}

/// Bytes of the largest datagram.
const LONGEST: usize = 0xffff;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_that_cannot_say_congestion_do_not_join_those_that_can() {
        assert_eq!(joined_ecn(0b0001), Some(0));
        assert_eq!(joined_ecn(0b0110), Some(0));
        assert_eq!(joined_ecn(0b1010), Some(3));
        assert_eq!(joined_ecn(0b1000), Some(0));
        assert_eq!(joined_ecn(0b0011), None);
        assert_eq!(joined_ecn(0b1101), None);
    }
}
