//! Side notes: what was said of a packet at one hook and cannot be found out again from its header at the next.
//!
//! Between two hooks the kernel keeps nothing of ours but the mark. A packet's connection is found again by its tuple; that
//! it is untracked, INVALID or traced, or that it answers another packet, is noted here under a digest of its header. The
//! room is fixed, and a note lives as long as an unconfirmed connection waits for its packet. Where a digest's places are all
//! taken the oldest makes way: that packet is then judged by its tuple, which may be another's, so there is room for far more
//! packets than are on their way at once. What must never be lost is that SYNPROXY opens a connection with it, and such notes
//! do not make way for others.

use std::hash::Hasher;

use siphasher::sip::SipHasher13;

use libxt::family::Af;

use crate::conntrack::error::ERROR_HEADER;
use crate::conntrack::{LIMBO_TIME, Tracked};
use crate::host::Now;
use crate::packet::Packet;
use crate::wire::{Headers, ipv4, ipv6, tcp, u16_at};

/// The notes.
#[derive(Debug)]
pub(crate) struct Notes {
    key: [u8; 16],
    places: Vec<Places>,
    /// Notes written and not yet known to be gone: while it is 0 nobody has to look.
    live: usize,
}

/// What is noted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Note {
    pub(crate) tracked: Tracked,
    pub(crate) traced: bool,
    pub(crate) answer: Option<Answer>,
}

/// How a packet that the datapath itself sends stands to the connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It answers a packet that a rule refused, and is RELATED to that one's connection.
    Refusal,
    /// It is a segment of SYNPROXY's, of this connection if that is known.
    Segment(Tracked),
    /// It is the one that tells a client of the server, and behind which numbers are moved.
    Moved(Tracked),
    /// It opens a connection for a client that SYNPROXY has tried.
    Opening,
}

/// What REJECT or SYNPROXY made the packet as: the datapath sends it, yet it is the kernel's own and no socket's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// An ICMP error.
    Error,
    /// A TCP reset.
    Reset,
    /// A segment of SYNPROXY's.
    Segment,
    /// The one that tells a client of the server.
    Moved,
    /// The SYN with which it opens a connection to a server.
    Opening,
}

impl Answer {
    pub(crate) const fn of(protocol: u8) -> Self {
        match protocol {
            6 => Self::Reset,
            _ => Self::Error,
        }
    }
}

/// The notes whose digests fall together. Digests stand side by side, so that a look at what is not there is short.
#[derive(Clone, Copy, Debug)]
struct Places {
    digests: [u64; TOGETHER],
    /// Monotonic nanoseconds after which each note is void; 0 for an empty place.
    until: [u64; TOGETHER],
    notes: [Note; TOGETHER],
}

impl Places {
    const EMPTY: Self = Self {
        digests: [0; TOGETHER],
        until: [0; TOGETHER],
        notes: [Note { tracked: Tracked::Unseen, traced: false, answer: None }; TOGETHER],
    };

    /// Where the note of a digest is, void or not.
    fn seek(&self, digest: u64) -> Option<usize> {
        self.digests.iter().zip(self.until).position(|(own, until)| *own == digest && until != 0)
    }

    fn find(&self, digest: u64, now: Now) -> Option<Note> {
        let at = self.seek(digest)?;
        (self.until[at] > now.monotonic).then_some(self.notes[at])
    }

    /// Where a new note goes: where none is or the oldest may make way.
    fn room(&self, note: &Note, now: Now) -> Option<usize> {
        let opens = |note: &Note| note.answer == Some(Answer::Opening);
        // Without its note the SYN to a server opens a connection that does not work: a flood of others must not cost it.
        let held = |at: usize| self.until[at] > now.monotonic && opens(&self.notes[at]) && !opens(note);
        (0..TOGETHER).filter(|at| !held(*at)).min_by_key(|at| self.until[*at])
    }
}

impl Notes {
    pub(crate) fn new(key: [u8; 16]) -> Self {
        Self { key, places: vec![Places::EMPTY; NOTES / TOGETHER], live: 0 }
    }

    /// What was noted of the packet.
    pub(crate) fn find(&self, packet: &Packet<'_>, headers: &Headers, now: Now) -> Option<Note> {
        if self.live == 0 {
            return None;
        }
        self.look(self.digest(headers, packet.data.bytes()), now)
    }

    /// What was noted of the packet that an error of this machine's own is about.
    pub(crate) fn find_quoted(&self, bytes: &[u8], headers: &Headers, now: Now) -> Option<Note> {
        let error = matches!((headers.af, headers.protocol), (Af::V4, 1) | (Af::V6, 58));
        if self.live == 0 || !error {
            return None;
        }
        let quote = bytes.get(headers.transport.checked_add(ERROR_HEADER)?..headers.end)?;
        self.look(self.digest(&Headers::parse(headers.af, quote)?, quote), now)
    }

    fn look(&self, digest: u64, now: Now) -> Option<Note> {
        self.places.get(place(digest))?.find(digest, now)
    }

    /// Notes something of the packet, or with `None` forgets what was noted.
    pub(crate) fn put(&mut self, bytes: &[u8], headers: &Headers, note: Option<Note>, now: Now) {
        if note.is_none() && self.live == 0 {
            return;
        }
        let digest = self.digest(headers, bytes);
        let Some(places) = self.places.get_mut(place(digest)) else { return };
        let at = places.seek(digest);
        match (note, at) {
            (Some(note), _) => {
                let Some(at) = at.or_else(|| places.room(&note, now)) else { return };
                self.live += usize::from(places.until[at] == 0);
                places.digests[at] = digest;
                places.until[at] = now.monotonic.saturating_add(LIMBO_TIME);
                places.notes[at] = note;
            }
            (None, Some(at)) => {
                places.until[at] = 0;
                self.live = self.live.saturating_sub(1);
            }
            (None, None) => {}
        }
    }

    /// Clears what is void.
    pub(crate) fn expire(&mut self, now: Now) {
        if self.live == 0 {
            return;
        }
        for until in self.places.iter_mut().flat_map(|places| &mut places.until) {
            if *until != 0 && *until <= now.monotonic {
                *until = 0;
                self.live = self.live.saturating_sub(1);
            }
        }
    }

    /// What stays the same between hooks and differs between packets: not TTL, TOS, identification and checksums (one that the
    /// kernel owed is made when the packet is written back).
    fn digest(&self, headers: &Headers, bytes: &[u8]) -> u64 {
        let mut hasher = SipHasher13::new_with_key(&self.key);
        hasher.write(&headers.source.0);
        hasher.write(&headers.destination.0);
        hasher.write_u8(headers.protocol);
        hasher.write_u16(headers.fragment_offset());
        // The length it claims: an error may quote less.
        hasher.write_u16(u16_at(bytes, if headers.af == Af::V4 { ipv4::LENGTH } else { ipv6::LENGTH }).unwrap_or(0));
        let (before, after) = headers.around_sum(bytes);
        let (before_told, after_told) = match headers.protocol {
            // Ports, sequence and acknowledgement number.
            6 => (tcp::FLAGS + 1, 0),
            // Up to a sum of all that follows, which whoever sends them makes.
            1 | 58 | 136 => (8, 0),
            // An error quotes more.
            17 | 132 => (before.len(), 256),
            _ => (40, 0),
        };
        hasher.write(before.get(..before_told).unwrap_or(before));
        hasher.write(after.get(..after_told).unwrap_or(after));
        hasher.finish()
    }
}

/// Which notes a digest's is among.
const fn place(digest: u64) -> usize {
    digest as usize % (NOTES / TOGETHER)
}

/// How many notes there can be at once.
const NOTES: usize = 16_384;
/// How many of them fall together.
const TOGETHER: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conntrack::{ConnId, Direction, Relation};

    /// A datagram to a port.
    fn datagram(port: u16) -> Vec<u8> {
        let mut bytes = vec![0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 10, 1, 0, 2, 10, 2, 0, 2, 0, 7];
        bytes.extend(port.to_be_bytes());
        bytes.extend([0, 8, 0, 0]);
        bytes
    }

    fn note(index: u32) -> Note {
        let id = ConnId { index, generation: 0 };
        let tracked = Tracked::Of { id, direction: Direction::Original, relation: Relation::New };
        Note { tracked, traced: false, answer: None }
    }

    #[test]
    fn of_thousands_of_packets_on_their_way_together_none_is_forgotten() {
        let mut notes = Notes::new([7; 16]);
        let now = Now { monotonic: 1, ..Now::default() };
        let all: Vec<Vec<u8>> = (0..3000).map(datagram).collect();
        for (bytes, index) in all.iter().zip(0..) {
            notes.put(bytes, &Headers::parse(Af::V4, bytes).unwrap(), Some(note(index)), now);
        }
        assert_eq!(notes.live, all.len());
        for (bytes, index) in all.iter().zip(0..) {
            let headers = Headers::parse(Af::V4, bytes).unwrap();
            assert_eq!(notes.look(notes.digest(&headers, bytes), now), Some(note(index)));
            notes.put(bytes, &headers, None, now);
        }
        assert_eq!(notes.live, 0);
    }

    #[test]
    fn packets_of_one_look_are_told_apart_by_what_they_carry() {
        let mut notes = Notes::new([7; 16]);
        let now = Now { monotonic: 1, ..Now::default() };
        for protocol in [1, 6, 17, 47, 58, 99, 132, 136] {
            // Two that differ in what a sum covers, and in the sum where the protocol has one; GRE and 99 have none.
            let two = [1, 2].map(|differs: u8| {
                let mut bytes = vec![0x45, 0, 0, 60, 0, 0, 0, 0, 64, protocol, 0, 0, 10, 1, 0, 2, 10, 2, 0, 2];
                bytes.resize(60, 0);
                bytes[20 + 30] = differs;
                match protocol {
                    1 | 58 => bytes[22] = differs,
                    6 => bytes[20 + 4] = differs,
                    136 => bytes[26] = differs,
                    132 => bytes[28] = differs,
                    _ => {}
                }
                bytes
            });
            let [one, other] = two.each_ref().map(|bytes| Headers::parse(Af::V4, bytes).unwrap());
            notes.put(&two[0], &one, Some(note(1)), now);
            assert_eq!(notes.look(notes.digest(&other, &two[1]), now), None, "{protocol}");
            assert_eq!(notes.look(notes.digest(&one, &two[0]), now), Some(note(1)), "{protocol}");
        }
    }

    #[test]
    fn a_sum_that_the_kernel_owed_is_no_part_of_a_packets_look() {
        let mut notes = Notes::new([7; 16]);
        let now = Now { monotonic: 1, ..Now::default() };
        for (protocol, sum) in [(6, 36), (17, 26), (132, 28)] {
            let mut bytes = vec![0x45, 0, 0, 60, 0, 0, 0, 0, 64, protocol, 0, 0, 10, 1, 0, 2, 10, 2, 0, 2];
            bytes.resize(60, 0);
            let headers = Headers::parse(Af::V4, &bytes).unwrap();
            notes.put(&bytes, &headers, Some(note(1)), now);
            bytes[sum..sum + 2].fill(0x55);
            assert_eq!(notes.look(notes.digest(&headers, &bytes), now), Some(note(1)), "{protocol}");
        }
    }

    #[test]
    fn what_opens_a_connection_for_synproxy_outlasts_a_flood() {
        let mut notes = Notes::new([7; 16]);
        let opening = Note { answer: Some(Answer::Opening), ..note(1) };
        let now = |monotonic| Now { monotonic, ..Now::default() };
        let first = datagram(0);
        let headers = Headers::parse(Af::V4, &first).unwrap();
        notes.put(&first, &headers, Some(opening), now(1));
        for port in 1..=u16::MAX {
            let bytes = datagram(port);
            notes.put(&bytes, &Headers::parse(Af::V4, &bytes).unwrap(), Some(note(2)), now(2));
        }
        let digest = notes.digest(&headers, &first);
        assert_eq!(notes.look(digest, now(3)), Some(opening));
        notes.expire(now(LIMBO_TIME + 2));
        assert_eq!((notes.live, notes.look(digest, now(4))), (0, None));
    }
}
