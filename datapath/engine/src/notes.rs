//! Side notes: what was said of a packet at one hook and cannot be found out again from its header at the next.
//!
//! Between two hooks the kernel keeps nothing of ours but the mark. A packet's connection is found again by its tuple; that
//! it is untracked, INVALID or traced, or that it answers another packet, is noted here under a digest of its header. The
//! room is fixed, a note lives for two seconds, and losing one is harmless: the packet is then judged by its tuple. What must
//! not be lost is that SYNPROXY opens a connection with it, and such notes do not make way for others.

use std::hash::Hasher;

use siphasher::sip::SipHasher13;

use libxt::family::Af;

use crate::conntrack::Tracked;
use crate::conntrack::error::ERROR_HEADER;
use crate::host::Now;
use crate::packet::Packet;
use crate::wire::{Headers, ipv4, ipv6, tcp, u16_at};

/// The notes.
#[derive(Debug)]
pub(crate) struct Notes {
    key: [u8; 16],
    slots: Vec<Slot>,
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

#[derive(Clone, Copy, Debug)]
struct Slot {
    digest: u64,
    /// Monotonic nanoseconds after which the note is void; 0 for an empty slot.
    until: u64,
    note: Note,
}

impl Notes {
    pub(crate) fn new(key: [u8; 16]) -> Self {
        let empty = Slot { digest: 0, until: 0, note: Note { tracked: Tracked::Unseen, traced: false, answer: None } };
        Self { key, slots: vec![empty; SLOTS], live: 0 }
    }

    /// What was noted of the packet.
    pub(crate) fn find(&self, packet: &Packet<'_>, headers: &Headers, now: Now) -> Option<Note> {
        if self.live == 0 {
            return None;
        }
        let digest = self.digest(headers, packet.data.bytes());
        let slot = self.slots.get(digest as usize % SLOTS)?;
        (slot.digest == digest && slot.until > now.monotonic).then_some(slot.note)
    }

    /// What was noted of the packet that an error of this machine's own is about.
    pub(crate) fn find_quoted(&self, bytes: &[u8], headers: &Headers, now: Now) -> Option<Note> {
        let error = matches!((headers.af, headers.protocol), (Af::V4, 1) | (Af::V6, 58));
        if self.live == 0 || !error {
            return None;
        }
        let quote = bytes.get(headers.transport.checked_add(ERROR_HEADER)?..headers.end)?;
        let digest = self.digest(&Headers::parse(headers.af, quote)?, quote);
        let slot = self.slots.get(digest as usize % SLOTS)?;
        (slot.digest == digest && slot.until > now.monotonic).then_some(slot.note)
    }

    /// Notes something of the packet, or with `None` forgets what was noted.
    pub(crate) fn put(&mut self, bytes: &[u8], headers: &Headers, note: Option<Note>, now: Now) {
        if note.is_none() && self.live == 0 {
            return;
        }
        let digest = self.digest(headers, bytes);
        let Some(slot) = self.slots.get_mut(digest as usize % SLOTS) else { return };
        let was = slot.until != 0;
        // Without its note the SYN to a server opens a connection that does not work: a flood of others must not cost it.
        let held = slot.digest != digest && slot.until > now.monotonic && slot.note.answer == Some(Answer::Opening);
        if held && note.is_none_or(|note| note.answer != Some(Answer::Opening)) {
            return;
        }
        match note {
            Some(note) => {
                *slot = Slot { digest, until: now.monotonic.saturating_add(LIFETIME), note };
                self.live += usize::from(!was);
            }
            None if was && slot.digest == digest => {
                slot.until = 0;
                self.live = self.live.saturating_sub(1);
            }
            None => {}
        }
    }

    /// Clears what is void.
    pub(crate) fn expire(&mut self, now: Now) {
        if self.live == 0 {
            return;
        }
        for slot in self.slots.iter_mut().filter(|slot| slot.until != 0 && slot.until <= now.monotonic) {
            slot.until = 0;
            self.live = self.live.saturating_sub(1);
        }
    }

    /// What stays the same between hooks and differs between packets: not TTL, TOS, identification and IP checksum.
    fn digest(&self, headers: &Headers, bytes: &[u8]) -> u64 {
        let mut hasher = SipHasher13::new_with_key(&self.key);
        hasher.write(&headers.source.0);
        hasher.write(&headers.destination.0);
        hasher.write_u8(headers.protocol);
        hasher.write_u16(headers.fragment_offset());
        // The length it claims: an error may quote less.
        hasher.write_u16(u16_at(bytes, if headers.af == Af::V4 { ipv4::LENGTH } else { ipv6::LENGTH }).unwrap_or(0));
        let segment = headers.segment(bytes);
        // Ports, sequence and acknowledgement number of TCP; of all others the first eight bytes.
        let told = if headers.protocol == 6 { tcp::FLAGS + 1 } else { 8 };
        hasher.write(segment.get(..told).unwrap_or(segment));
        hasher.finish()
    }
}

/// How many notes there can be at once.
const SLOTS: usize = 4096;
/// Nanoseconds a note lives: far longer than a packet stays in the kernel between two hooks.
const LIFETIME: u64 = 2_000_000_000;
