//! Fragments are held until their datagram is whole, judged once as one packet, and leave as the kernel sends them on.
//!
//! - [`piece`]: what one fragment says.
//! - [`datagram`]: the fragments of one datagram, and when they are all of it. As inet_fragment.c with ip_fragment.c and
//!   nf_conntrack_reasm.c, which disagree about what a contradiction costs.
//! - [`cut`]: in which sizes a datagram leaves. As ip_do_fragment() and ip6_fragment().
//! - [`late`]: who hears that a datagram never became whole. As ip_expire() and ip6frag_expire_frag_queue().
//! - [`release`]: the held fragments get their verdicts.
//!
//! Memory is bounded in bytes and in pieces, and the work for a piece by the number of gaps in its datagram.

mod cut;
mod datagram;
mod late;
mod piece;
mod release;

use std::collections::HashMap;
use std::hash::BuildHasher;

use libxt::family::Af;
use siphasher::sip::SipHasher13;

use self::datagram::Inserted;
use self::piece::{Flow, Found};
use crate::effects::Effects;
use crate::host::Now;
use crate::icmp_error::{Arrival, Means};
use crate::packet::{Hook, Packet};
use crate::wire::Headers;

pub(crate) use self::datagram::Datagram;

/// The datagrams that are not whole yet.
#[derive(Debug)]
pub(crate) struct Fragments {
    datagrams: HashMap<Key, Datagram, Hashing>,
    pulled: Vec<Pulled>,
    /// Bytes that all of them hold, with what keeping them costs.
    held: usize,
    pieces: usize,
}

/// What became of a fragment.
#[derive(Debug)]
pub(crate) enum Added {
    /// It waits.
    Held,
    /// It is of no use: drop it.
    Refused,
    /// It is judged alone, like a packet that is none.
    Apart,
    /// It was the last one missing: the datagram stands whole in the bytes that were lent.
    Complete(Datagram),
}

/// Which datagram, and where it is put together: the kernel, too, has one queue for what arrives and one for what leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    hook: Hook,
    /// Addresses of one link say nothing without their device.
    device: u32,
    flow: Flow,
}

/// How far a datagram that goes from one hook to the next had to stand in one stretch already.
#[derive(Clone, Copy, Debug)]
struct Pulled {
    flow: Flow,
    bytes: usize,
    /// Monotonic nanoseconds.
    until: u64,
}

/// Keyed, so that no sender chooses collisions.
#[derive(Debug)]
struct Hashing([u8; 16]);

impl Fragments {
    /// Nothing is held. `key` must be random.
    pub(crate) fn new(key: [u8; 16]) -> Self {
        Self { datagrams: HashMap::with_hasher(Hashing(key)), pulled: Vec::new(), held: 0, pieces: 0 }
    }

    /// Whether an atomic fragment is no datagram by itself: others of the same wait, or it is empty.
    pub(crate) fn expect(&self, packet: &Packet<'_>, headers: &Headers) -> bool {
        match piece::find(packet, headers) {
            Found::Piece(flow, piece, _) => {
                piece.payload.is_empty() || self.datagrams.contains_key(&Key::of(packet, flow))
            }
            _ => false,
        }
    }

    /// Takes a fragment in. Once its datagram is whole, that stands in `whole` and its pieces are handed out.
    pub(crate) fn add(
        &mut self,
        packet: &Packet<'_>,
        headers: &Headers,
        timeouts: [u32; 2],
        now: Now,
        whole: &mut Vec<u8>,
        out: &mut Effects,
    ) -> Added {
        let (flow, piece, place) = match piece::find(packet, headers) {
            Found::Piece(flow, piece, place) => (flow, piece, place),
            Found::Apart => return Added::Apart,
            Found::Nothing => return Added::Refused,
        };
        let cost = piece.cost();
        if self.held + cost > MEMORY || self.pieces >= PIECES {
            return Added::Refused;
        }
        let key = Key::of(packet, flow);
        if self.datagrams.len() >= DATAGRAMS && !self.datagrams.contains_key(&key) {
            return Added::Refused;
        }
        let [four, six] = timeouts;
        let timeout = if packet.af == Af::V4 { four } else { six };
        let until = now.monotonic.saturating_add(u64::from(timeout).saturating_mul(1_000_000_000));
        let datagram = self.datagrams.entry(key).or_insert_with(|| Datagram::new(flow, until));
        let is_first = piece.offset == 0;
        let inserted = datagram.insert(piece, place);
        if inserted == Inserted::Fits {
            if is_first {
                datagram.arrived = Arrival::of(packet);
            }
            self.held += cost;
            self.pieces += 1;
            if !datagram.is_whole() {
                return Added::Held;
            }
        } else if inserted == Inserted::Refused {
            return Added::Refused;
        }
        let Some(mut datagram) = self.take(&key) else { return Added::Refused };
        if inserted == Inserted::Fits && datagram.assemble(whole) {
            datagram.pulled = self.pulled(&flow);
            return Added::Complete(datagram);
        }
        datagram.give_up_but(packet.id, out);
        if inserted == Inserted::Apart { Added::Apart } else { Added::Refused }
    }

    /// Drops the pieces of datagrams whose time is over, and tells their senders where the kernel does.
    pub(crate) fn expire(&mut self, means: &mut Means<'_>) {
        let now = means.now.monotonic;
        self.pulled.retain(|pulled| pulled.until > now);
        let late = self.datagrams.extract_if(|_, datagram| datagram.until <= now);
        for (_, datagram) in late {
            self.held = self.held.saturating_sub(datagram.cost());
            self.pieces = self.pieces.saturating_sub(datagram.len());
            let _ = datagram.tell(means);
            datagram.give_up(means.out);
        }
    }

    fn take(&mut self, key: &Key) -> Option<Datagram> {
        let datagram = self.datagrams.remove(key)?;
        self.held = self.held.saturating_sub(datagram.cost());
        self.pieces = self.pieces.saturating_sub(datagram.len());
        Some(datagram)
    }

    /// What was carried from the hook before.
    fn pulled(&mut self, flow: &Flow) -> usize {
        let at = self.pulled.iter().position(|pulled| pulled.flow == *flow);
        at.map_or(0, |at| self.pulled.swap_remove(at).bytes)
    }
}

impl Key {
    fn of(packet: &Packet<'_>, flow: Flow) -> Self {
        let local = flow.is_link_local();
        let device = packet.in_device.filter(|_| local).map_or(0, |device| device.index);
        Self { hook: packet.hook, device, flow }
    }
}

impl BuildHasher for Hashing {
    type Hasher = SipHasher13;

    fn build_hasher(&self) -> SipHasher13 {
        SipHasher13::new_with_key(&self.0)
    }
}

/// `net.ipv4.ipfrag_high_thresh`.
const MEMORY: usize = 4 * 1024 * 1024;
/// Half of what a queue of the default length holds: the other half is for whole packets.
const PIECES: usize = 2048;
/// Datagrams at most at once.
const DATAGRAMS: usize = 2048;
/// Datagrams on their way from one hook to the next.
const CARRIED: usize = 256;
/// Nanoseconds such a way may take.
const LIFETIME: u64 = 2_000_000_000;
