//! Fragments are held until their datagram is whole, judged once as one packet, and leave one by one as they came.
//!
//! As ip_fragment.c and nf_conntrack_reasm.c: a piece that overlaps another costs the whole datagram, a duplicate is dropped
//! alone, what stays incomplete for too long or exceeds the memory is dropped.

use libxt::family::Af;

use crate::conntrack::Address;
use crate::effects::{Effects, Release};
use crate::host::Now;
use crate::packet::{Hook, Packet, PacketId, Verdict};
use crate::wire::checksum::checksum;
use crate::wire::{Headers, ipv4, ipv6, set_u16};

/// The datagrams that are not whole yet.
#[derive(Debug, Default)]
pub(crate) struct Fragments {
    datagrams: Vec<Datagram>,
    /// Bytes that all of them hold, with what keeping them costs.
    held: usize,
}

/// What became of a fragment.
#[derive(Debug)]
pub(crate) enum Added {
    /// It waits.
    Held,
    /// It is of no use: drop it.
    Refused,
    /// It was the last one missing: the datagram stands whole in the bytes that were lent.
    Complete(Datagram),
}

/// A datagram in pieces.
#[derive(Debug)]
pub(crate) struct Datagram {
    key: Key,
    /// Monotonic nanoseconds at which it is given up.
    until: u64,
    /// In the order of their offsets, without gaps only at the end.
    pieces: Vec<Piece>,
    /// Bytes of the fragmentable part, once the last piece is here.
    total: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Key {
    af: Af,
    hook: Hook,
    device: u32,
    protocol: u8,
    id: u32,
    source: Address,
    destination: Address,
}

#[derive(Debug)]
struct Piece {
    id: PacketId,
    mark: u32,
    offset: usize,
    /// Everything before the fragmentable part, the fragment header included.
    head: Vec<u8>,
    payload: Vec<u8>,
}

impl Fragments {
    /// Takes a fragment in. Once its datagram is whole, that stands in `whole` and its pieces are handed out.
    pub(crate) fn add(
        &mut self,
        packet: &Packet<'_>,
        headers: &Headers,
        timeout: u32,
        now: Now,
        whole: &mut Vec<u8>,
        out: &mut Effects,
    ) -> Added {
        let Some((key, piece, more)) = read(packet, headers) else { return Added::Refused };
        let end = piece.offset + piece.payload.len();
        let cost = piece.cost();
        if end > LONGEST || self.held + cost > MEMORY {
            return Added::Refused;
        }
        let index = match self.datagrams.iter().position(|datagram| datagram.key == key) {
            Some(index) => index,
            None if self.datagrams.len() >= DATAGRAMS => return Added::Refused,
            None => {
                let until = now.monotonic.saturating_add(u64::from(timeout).saturating_mul(1_000_000_000));
                self.datagrams.push(Datagram { key, until, pieces: Vec::new(), total: None });
                self.datagrams.len() - 1
            }
        };
        let Some(datagram) = self.datagrams.get_mut(index) else { return Added::Refused };
        match datagram.insert(piece, more) {
            Inserted::Duplicate => Added::Refused,
            Inserted::Contradiction => {
                let datagram = self.datagrams.swap_remove(index);
                self.held = self.held.saturating_sub(datagram.cost());
                datagram.give_up(out);
                Added::Refused
            }
            Inserted::Fits => {
                self.held += cost;
                if !datagram.is_whole() {
                    return Added::Held;
                }
                let datagram = self.datagrams.swap_remove(index);
                self.held = self.held.saturating_sub(datagram.cost());
                if datagram.assemble(whole) {
                    return Added::Complete(datagram);
                }
                datagram.give_up_but(packet.id, out);
                Added::Refused
            }
        }
    }

    /// Drops the pieces of datagrams whose time is over.
    pub(crate) fn expire(&mut self, now: Now, out: &mut Effects) {
        let mut index = 0;
        while let Some(datagram) = self.datagrams.get(index) {
            if datagram.until > now.monotonic {
                index += 1;
                continue;
            }
            let datagram = self.datagrams.swap_remove(index);
            self.held = self.held.saturating_sub(datagram.cost());
            datagram.give_up(out);
        }
    }
}

enum Inserted {
    Fits,
    Duplicate,
    Contradiction,
}

impl Datagram {
    /// Gives every piece the verdict of the whole, with the bytes the judgement made of it. `last` is the piece that was just
    /// taken in: its verdict is the answer, its bytes are changed in place.
    pub(crate) fn release(
        self,
        last: &mut Packet<'_>,
        whole: &Packet<'_>,
        verdict: Verdict,
        out: &mut Effects,
    ) -> Verdict {
        if verdict == Verdict::Accept && last.hook == Hook::Prerouting && hops(self.key.af, whole.data.bytes()) <= 1 {
            return self.release_whole(last, whole, out);
        }
        let first = self.pieces.first().map_or(0, |first| first.head.len());
        let parts = (verdict == Verdict::Accept).then(|| split(self.key.af, whole.data.bytes(), first)).flatten();
        let Some((head, payload)) = parts else {
            self.give_up_but(last.id, out);
            return Verdict::Drop;
        };
        let changed = whole.data.changed();
        let final_offset = self.pieces.last().map_or(0, |piece| piece.offset);
        for piece in &self.pieces {
            let end = if piece.offset == final_offset { payload.len() } else { piece.offset + piece.payload.len() };
            let mine = payload.get(piece.offset..end).unwrap_or_default();
            let mark = (piece.mark != whole.mark).then_some(whole.mark);
            if piece.id == last.id {
                last.mark = whole.mark;
                if changed && last.data.resize(piece.head.len() + mine.len()) {
                    let bytes = last.data.make_mut();
                    bytes[..piece.head.len()].copy_from_slice(&piece.head);
                    bytes[piece.head.len()..].copy_from_slice(mine);
                    renew(self.key.af, bytes, head);
                }
                continue;
            }
            let bytes = changed.then(|| {
                let start = out.bytes.len();
                out.bytes.extend_from_slice(&piece.head);
                out.bytes.extend_from_slice(mine);
                renew(self.key.af, &mut out.bytes[start..], head);
                start..out.bytes.len()
            });
            out.releases.push(Release { id: piece.id, verdict: Verdict::Accept, bytes, mark });
        }
        Verdict::Accept
    }

    /// A datagram that goes no further than this machine goes on in one piece, so that the kernel's «time exceeded» quotes
    /// the whole, as it does where the kernel reassembles.
    fn release_whole(self, last: &mut Packet<'_>, whole: &Packet<'_>, out: &mut Effects) -> Verdict {
        let bytes = whole.data.bytes();
        let fits = last.data.resize(bytes.len());
        self.give_up_but(last.id, out);
        if !fits {
            return Verdict::Drop;
        }
        last.data.make_mut().copy_from_slice(bytes);
        last.mark = whole.mark;
        Verdict::Accept
    }

    fn insert(&mut self, piece: Piece, more: bool) -> Inserted {
        let end = piece.offset + piece.payload.len();
        let reached = self.pieces.last().map_or(0, |last| last.offset + last.payload.len());
        if self.total.is_some_and(|total| end > total || !more && end != total) || !more && end < reached {
            return Inserted::Contradiction;
        }
        let place = self.pieces.partition_point(|other| other.offset < piece.offset);
        if let Some(next) = self.pieces.get(place) {
            if next.offset == piece.offset && next.payload.len() == piece.payload.len() {
                return Inserted::Duplicate;
            }
            if next.offset < end {
                return Inserted::Contradiction;
            }
        }
        let before = place.checked_sub(1).and_then(|before| self.pieces.get(before));
        if let Some(before) = before {
            let covered = before.offset + before.payload.len();
            if covered >= end {
                // It lies within what is here: the kernel takes it for a duplicate.
                return Inserted::Duplicate;
            }
            if covered > piece.offset {
                return Inserted::Contradiction;
            }
        }
        if !more {
            self.total = Some(end);
        }
        self.pieces.insert(place, piece);
        Inserted::Fits
    }

    fn is_whole(&self) -> bool {
        let Some(total) = self.total else { return false };
        let mut reached = 0;
        for piece in &self.pieces {
            if piece.offset != reached {
                return false;
            }
            reached += piece.payload.len();
        }
        reached == total
    }

    /// Writes the whole datagram: the first piece's header without a trace of fragmentation, then all payloads.
    fn assemble(&self, to: &mut Vec<u8>) -> bool {
        let (Some(first), Some(total)) = (self.pieces.first(), self.total) else { return false };
        to.clear();
        match self.key.af {
            Af::V4 => {
                to.extend_from_slice(&first.head);
                if to.len() + total > 0xffff {
                    return false;
                }
                set_u16(to, ipv4::LENGTH, (first.head.len() + total) as u16);
                set_u16(to, ipv4::FRAGMENT, 0);
                sum_header(to);
            }
            Af::V6 => {
                let Some(cut) = first.head.len().checked_sub(ipv6::FRAGMENT_HEADER) else { return false };
                let Some((before, header)) = first.head.split_at_checked(cut) else { return false };
                let Some((&next, _)) = header.split_first() else { return false };
                to.extend_from_slice(before);
                let payload = cut - ipv6::HEADER + total;
                if payload > 0xffff {
                    return false;
                }
                // The walk ends at the fragment header: the number naming it is where the next one's goes.
                let named_at = fragment_named_at(&first.head).unwrap_or(ipv6::NEXT);
                if let Some(named) = to.get_mut(named_at) {
                    *named = next;
                }
                set_u16(to, ipv6::LENGTH, payload as u16);
            }
        }
        for piece in &self.pieces {
            to.extend_from_slice(&piece.payload);
        }
        true
    }

    fn give_up(self, out: &mut Effects) {
        for piece in self.pieces {
            out.releases.push(Release { id: piece.id, verdict: Verdict::Drop, bytes: None, mark: None });
        }
    }

    fn give_up_but(mut self, last: PacketId, out: &mut Effects) {
        self.pieces.retain(|piece| piece.id != last);
        self.give_up(out);
    }

    fn cost(&self) -> usize {
        self.pieces.iter().map(Piece::cost).sum()
    }
}

impl Piece {
    fn cost(&self) -> usize {
        OVERHEAD + self.head.len() + self.payload.len()
    }
}

/// The fragment in a packet, and whether more follow; `None` for one that no sender makes.
fn read(packet: &Packet<'_>, headers: &Headers) -> Option<(Key, Piece, bool)> {
    let place = headers.fragment?;
    let bytes = packet.data.bytes().get(..headers.end)?;
    let (start, protocol) = match headers.af {
        Af::V4 => (headers.transport, headers.protocol),
        // The fragmentable part may begin with further extension headers: it starts behind the fragment header.
        Af::V6 => (ipv6::walk(bytes).fragment?.1.at + ipv6::FRAGMENT_HEADER, 0),
    };
    let (head, payload) = bytes.split_at_checked(start)?;
    let payload = match (place.more, headers.af) {
        (true, Af::V4) => payload.get(..payload.len() & !7)?,
        (true, Af::V6) if payload.len() % 8 != 0 => return None,
        _ => payload,
    };
    if payload.is_empty() {
        return None;
    }
    let key = Key {
        af: headers.af,
        hook: packet.hook,
        device: packet.in_device.map_or(0, |device| device.index),
        protocol,
        id: place.id,
        source: headers.source,
        destination: headers.destination,
    };
    let piece = Piece {
        id: packet.id,
        mark: packet.mark,
        offset: place.offset.into(),
        head: head.to_vec(),
        payload: payload.to_vec(),
    };
    Some((key, piece, place.more))
}

/// The TTL or hop limit.
fn hops(af: Af, bytes: &[u8]) -> u8 {
    let at = match af {
        Af::V4 => ipv4::TTL,
        Af::V6 => ipv6::HOP_LIMIT,
    };
    bytes.get(at).copied().unwrap_or(0)
}

/// A whole packet's header and what its fragments carry; `first` is the length of the first fragment's header.
fn split(af: Af, bytes: &[u8], first: usize) -> Option<(&[u8], &[u8])> {
    let headers = Headers::parse(af, bytes)?;
    let cut = match af {
        Af::V4 => headers.transport,
        Af::V6 => first.checked_sub(ipv6::FRAGMENT_HEADER)?,
    };
    bytes.get(..headers.end)?.split_at_checked(cut)
}

/// Brings what the judgement changed in the whole packet's header into one fragment's.
fn renew(af: Af, fragment: &mut [u8], head: &[u8]) {
    match af {
        Af::V4 => {
            for field in [ipv4::TOS..ipv4::TOS + 1, ipv4::TTL..ipv4::TTL + 1, ipv4::SOURCE..ipv4::HEADER] {
                if let (Some(to), Some(from)) = (fragment.get_mut(field.clone()), head.get(field)) {
                    to.copy_from_slice(from);
                }
            }
            let len = fragment.len().min(0xffff) as u16;
            set_u16(fragment, ipv4::LENGTH, len);
            let header = fragment.first().map_or(0, |first| usize::from(first & 15) * 4);
            if let Some(header) = fragment.get_mut(..header) {
                sum_header(header);
            }
        }
        Af::V6 => {
            for field in [0..4, ipv6::HOP_LIMIT..ipv6::HEADER] {
                if let (Some(to), Some(from)) = (fragment.get_mut(field.clone()), head.get(field)) {
                    to.copy_from_slice(from);
                }
            }
            let len = fragment.len().saturating_sub(ipv6::HEADER).min(0xffff) as u16;
            set_u16(fragment, ipv6::LENGTH, len);
        }
    }
}

fn sum_header(header: &mut [u8]) {
    set_u16(header, ipv4::CHECKSUM, 0);
    let sum = checksum(header);
    set_u16(header, ipv4::CHECKSUM, sum);
}

/// Where the number stands that names the fragment header, which is the last of `head`.
fn fragment_named_at(head: &[u8]) -> Option<usize> {
    Some(ipv6::walk(head).fragment?.1.named_at)
}

/// Bytes of the largest datagram.
const LONGEST: usize = 0xffff;
/// `net.ipv4.ipfrag_high_thresh`.
const MEMORY: usize = 4 * 1024 * 1024;
/// What a piece costs beside its bytes.
const OVERHEAD: usize = 256;
/// Datagrams at most at once.
const DATAGRAMS: usize = 4096;
