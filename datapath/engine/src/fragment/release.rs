//! The fragments of a judged datagram get its verdict, and the bytes the judgement made of it.

use std::ops::Range;

use libxt::family::Af;

use super::cut::{self, Cut};
use super::datagram::Datagram;
use super::piece::Piece;
use super::{CARRIED, Fragments, LIFETIME, Pulled};
use crate::effects::{Effects, Release};
use crate::host::Now;
use crate::packet::{Hook, Packet, Verdict};
use crate::wire::{Headers, ipv4, ipv6, set_u16, u16_at};

impl Fragments {
    /// Gives every piece the verdict of the whole. `last` is the piece that was just taken in: its verdict is the answer,
    /// its bytes are changed in place.
    ///
    /// Between two hooks fragments keep the sizes in which they came. Those in which they leave are found at the last hook.
    pub(crate) fn release(
        &mut self,
        datagram: Datagram,
        last: &mut Packet<'_>,
        whole: &mut Packet<'_>,
        verdict: Verdict,
        now: Now,
        out: &mut Effects,
    ) -> Verdict {
        if verdict != Verdict::Accept {
            datagram.give_up_but(last.id, out);
            return Verdict::Drop;
        }
        if last.in_device.is_some() {
            cut::look_for_socket(whole.af, &mut whole.data);
        }
        match last.hook {
            // What goes no further than this machine goes on in one piece, so that the kernel's «time exceeded» quotes the
            // whole, as it does where the kernel reassembles.
            Hook::Prerouting if hops(whole.af, whole.data.bytes()) <= 1 => datagram.leave_whole(last, whole, out),
            Hook::Postrouting => {
                let mtu = last.out_device.map_or(usize::MAX, |device| device.mtu as usize);
                match datagram.cut(&whole.data, mtu) {
                    Cut::Whole => datagram.leave_whole(last, whole, out),
                    // There is no packet to answer with for a piece more than came: they stay as they came.
                    Cut::Pieces { parts, .. } if parts.len() > datagram.len() => datagram.go_on(last, whole, out),
                    Cut::Pieces { header, parts, anew } => {
                        let df = anew && datagram.keeps_df();
                        datagram.leave(last, whole, header, &parts, df, out)
                    }
                    Cut::Nothing => {
                        datagram.give_up_but(last.id, out);
                        Verdict::Drop
                    }
                }
            }
            _ => {
                self.carry(&datagram, whole, now);
                datagram.go_on(last, whole, out)
            }
        }
    }

    /// Remembers for the next hook how much of a datagram stands in one stretch, if that is more than its first piece.
    fn carry(&mut self, datagram: &Datagram, whole: &Packet<'_>, now: Now) {
        let bytes = whole.data.pulled().max(datagram.pulled);
        if datagram.pieces.first().is_none_or(|first| bytes <= first.stretch(whole.af)) {
            return;
        }
        let Some(headers) = Headers::parse(whole.af, whole.data.bytes()) else { return };
        if self.pulled.len() >= CARRIED {
            self.pulled.swap_remove(0);
        }
        let until = now.monotonic.saturating_add(LIFETIME);
        self.pulled.push(Pulled { flow: datagram.flow.between(&headers), bytes, until });
    }
}

impl Datagram {
    /// Leaves as one packet: that of `last`, or of the first piece if their headers differ in length. The kernel does not look
    /// anew where the header of a rewritten packet ends.
    fn leave_whole(mut self, last: &mut Packet<'_>, whole: &Packet<'_>, out: &mut Effects) -> Verdict {
        let af = self.flow.af;
        let length = |piece: &Piece| piece.header(af);
        let lasts = self.pieces.iter().find(|piece| piece.id == last.id).map(length);
        if self.pieces.first().map(length) == lasts {
            let verdict = answer(last, whole, whole.data.bytes());
            self.give_up_but(last.id, out);
            return verdict;
        }
        let first = self.pieces.remove(0);
        let start = out.bytes.len();
        out.bytes.extend_from_slice(whole.data.bytes());
        let release = first.go(start, whole, out);
        out.releases.push(release);
        self.give_up_but(last.id, out);
        Verdict::Drop
    }

    /// Leaves in these parts: one by each packet that came, `last` with the last of them, and packets too many are dropped.
    fn leave(
        self,
        last: &mut Packet<'_>,
        whole: &Packet<'_>,
        header: usize,
        parts: &[Range<usize>],
        df: bool,
        out: &mut Effects,
    ) -> Verdict {
        let bytes = whole.data.bytes();
        let Some((final_part, parts)) = parts.split_last() else {
            self.give_up_but(last.id, out);
            return Verdict::Drop;
        };
        let mut parts = parts.iter();
        for piece in self.pieces.iter().filter(|piece| piece.id != last.id) {
            let start = out.bytes.len();
            let written = parts.next().and_then(|part| cut::write(&self, bytes, header, part, df, &mut out.bytes));
            let release = match written {
                Some(()) => piece.go(start, whole, out),
                None => Release::drop(piece.id),
            };
            out.releases.push(release);
        }
        let start = out.bytes.len();
        let written = cut::write(&self, bytes, header, final_part, df, &mut out.bytes);
        let verdict = match (written, out.bytes.get(start..)) {
            (Some(()), Some(bytes)) => answer(last, whole, bytes),
            _ => Verdict::Drop,
        };
        out.bytes.truncate(start);
        verdict
    }

    /// Goes on in the pieces in which it came.
    fn go_on(self, last: &mut Packet<'_>, whole: &Packet<'_>, out: &mut Effects) -> Verdict {
        let first = self.pieces.first().map_or(0, |first| first.header(self.flow.af));
        let Some((head, payload)) = split(self.flow.af, whole.data.bytes(), first) else {
            self.give_up_but(last.id, out);
            return Verdict::Drop;
        };
        let final_offset = self.pieces.last().map_or(0, |piece| piece.offset);
        let mut verdict = Verdict::Accept;
        for piece in &self.pieces {
            let end = if piece.offset == final_offset { payload.len() } else { piece.offset + piece.payload.len() };
            let start = out.bytes.len();
            out.bytes.extend_from_slice(&piece.head);
            out.bytes.extend_from_slice(payload.get(piece.offset..end).unwrap_or_default());
            let more = piece.offset != final_offset;
            renew(self.flow.af, out.bytes.get_mut(start..).unwrap_or_default(), head, piece.head.len(), more);
            if piece.id == last.id {
                verdict = answer(last, whole, out.bytes.get(start..).unwrap_or_default());
                out.bytes.truncate(start);
            } else {
                let release = piece.go(start, whole, out);
                out.releases.push(release);
            }
        }
        verdict
    }
}

impl Piece {
    /// Lets the packet of this piece go with the bytes from `start` on, which are left out if they are those it had.
    fn go(&self, start: usize, whole: &Packet<'_>, out: &mut Effects) -> Release {
        let bytes = out.bytes.get(start..).unwrap_or_default();
        let same = bytes.len() == self.len && bytes.iter().eq(self.head.iter().chain(&self.payload));
        if same {
            out.bytes.truncate(start);
        }
        Release {
            id: self.id,
            verdict: Verdict::Accept,
            bytes: (!same).then_some(start..out.bytes.len()),
            mark: (self.mark != whole.mark).then_some(whole.mark),
            priority: whole.priority,
            tasks: whole.tasks,
        }
    }
}

/// Makes these the packet's bytes, unless they are.
fn answer(last: &mut Packet<'_>, whole: &Packet<'_>, bytes: &[u8]) -> Verdict {
    last.mark = whole.mark;
    last.priority = whole.priority;
    if last.data.bytes() == bytes {
        return Verdict::Accept;
    }
    if !last.data.resize(bytes.len()) {
        return Verdict::Drop;
    }
    last.data.make_mut().copy_from_slice(bytes);
    Verdict::Accept
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
        Af::V6 => first,
    };
    bytes.get(..headers.end)?.split_at_checked(cut)
}

/// Brings what the judgement changed in the whole packet's header into one fragment's, the first `header` bytes of it. That
/// more follow may have been said by a piece behind which nothing came.
fn renew(af: Af, fragment: &mut [u8], head: &[u8], header: usize, more: bool) {
    let fields = match af {
        Af::V4 => [ipv4::TOS..ipv4::TOS + 1, ipv4::TTL..ipv4::TTL + 1, ipv4::SOURCE..ipv4::HEADER],
        Af::V6 => [0..4, ipv6::HOP_LIMIT..ipv6::SOURCE, ipv6::SOURCE..ipv6::HEADER],
    };
    for field in fields {
        if let (Some(to), Some(from)) = (fragment.get_mut(field.clone()), head.get(field)) {
            to.copy_from_slice(from);
        }
    }
    match af {
        Af::V4 => {
            let place = u16_at(fragment, ipv4::FRAGMENT).unwrap_or(0);
            let place = place & !ipv4::MF | if more { ipv4::MF } else { 0 };
            let payload = fragment.len().saturating_sub(header);
            ipv4::set_fragment(fragment, place, payload);
        }
        Af::V6 => {
            // The fragment header is the last of them.
            if let Some(flags) = header.checked_sub(5).and_then(|at| fragment.get_mut(at)) {
                *flags = *flags & !1 | u8::from(more);
            }
            let len = fragment.len().saturating_sub(ipv6::HEADER).min(0xffff) as u16;
            set_u16(fragment, ipv6::LENGTH, len);
        }
    }
}
