//! Sequence numbers of a connection whose payload was made longer or shorter: SEQ, ACK and SACK blocks follow. As
//! nf_conntrack_seqadj.c.

use crate::conntrack::{ConnId, Direction, Tracker};
use crate::packet::{Checksum, Packet};
use crate::wire::checksum::update;
use crate::wire::{Headers, set_u16, set_u32, tcp, u16_at, u32_at};

/// How the numbers of one direction are moved: `struct nf_ct_seqadj`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shift {
    /// The sequence number of the last segment whose payload changed its length.
    pub(crate) position: u32,
    /// By how much numbers up to that are moved.
    pub(crate) before: i32,
    /// By how much later ones are.
    pub(crate) after: i32,
}

impl Shift {
    /// The payload of the segment at `sequence` has grown by `by`. A segment that is sent once more changes nothing. As
    /// nf_ct_seqadj_set().
    pub(crate) fn grow(&mut self, sequence: u32, by: i32) {
        if self.before == self.after || is_after(sequence, self.position) {
            self.position = sequence;
            self.before = self.after;
            self.after = self.after.wrapping_add(by);
        }
    }

    /// By how much a number as its sender means it is moved. As nf_ct_seq_offset().
    pub(crate) fn of(&self, sequence: u32) -> i32 {
        if is_after(sequence, self.position) { self.after } else { self.before }
    }

    /// A number of this direction as its sender meant it, from one that was moved.
    fn back(&self, moved: u32) -> u32 {
        let original = moved.wrapping_sub(self.before.cast_unsigned());
        moved.wrapping_sub(if is_after(original, self.position) { self.after } else { self.before }.cast_unsigned())
    }
}

/// Moves the numbers of a segment; `false` if it has no header to move them in. As nf_ct_seq_adjust().
pub(super) fn adjust(
    tracker: &Tracker,
    id: ConnId,
    direction: Direction,
    packet: &mut Packet<'_>,
    headers: &Headers,
) -> bool {
    let Some(shifts) = tracker.shifts(id) else { return true };
    let (own, other) = (shifts[direction as usize], shifts[direction.opposite() as usize]);
    let partial = packet.checksum == Checksum::Partial;
    let Some(segment) = packet.data.make_mut().get_mut(headers.transport..headers.end) else { return false };
    let (Some(sequence), Some(ack), Some(&flags)) = (u32_at(segment, 4), u32_at(segment, 8), segment.get(tcp::FLAGS))
    else {
        return false;
    };
    put(segment, 4, sequence.wrapping_add(own.of(sequence).cast_unsigned()), partial);
    if flags & tcp::flag::ACK == 0 {
        return true;
    }
    put(segment, 8, other.back(ack), partial);
    adjust_blocks(segment, &other, partial)
}

/// As nf_ct_sack_adjust(). Options that do not fit in the header end the segment's life.
fn adjust_blocks(segment: &mut [u8], other: &Shift, partial: bool) -> bool {
    let Some(end) = segment.get(tcp::OFFSET).map(|byte| usize::from(byte >> 4) * 4) else { return false };
    if segment.len() < end {
        return false;
    }
    let mut at = tcp::HEADER;
    while at < end {
        match segment[at] {
            tcp::option::END => break,
            tcp::option::NOP => at += 1,
            kind => {
                let Some(&length) = segment.get(at + 1) else { return false };
                let length = usize::from(length);
                if at + 1 == end || length < 2 || at + length > end {
                    return false;
                }
                if kind == tcp::option::SACK && length >= 2 + 8 && (length - 2).is_multiple_of(8) {
                    for edge in (at + 2..at + length).step_by(4) {
                        if let Some(old) = u32_at(segment, edge) {
                            put(segment, edge, other.back(old), partial);
                        }
                    }
                }
                at += length;
            }
        }
    }
    true
}

/// Writes a number, and the checksum follows unless it is yet to be made.
pub(crate) fn put(segment: &mut [u8], at: usize, new: u32, partial: bool) {
    let Some(old) = u32_at(segment, at) else { return };
    set_u32(segment, at, new);
    if let (false, Some(sum)) = (partial, u16_at(segment, tcp::CHECKSUM)) {
        // A number at an odd place counts turned round; even(at) holds for those of the header.
        let sum = if at.is_multiple_of(2) {
            update(sum, &old.to_be_bytes(), &new.to_be_bytes())
        } else {
            update(sum, &turned(old), &turned(new))
        };
        set_u16(segment, tcp::CHECKSUM, sum);
    }
}

/// The bytes of a number that stands at an odd place as the sum of 16-bit words has them.
fn turned(number: u32) -> [u8; 6] {
    let [a, b, c, d] = number.to_be_bytes();
    [0, a, b, c, d, 0]
}

fn is_after(a: u32, b: u32) -> bool {
    b.wrapping_sub(a) > i32::MAX.cast_unsigned()
}
