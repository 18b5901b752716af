//! A TCP segment as tracking reads it: header, options, whether it is sound.

use super::super::View;
use super::{Kind, Peer, after, flag};

/// The largest window scale (RFC 7323).
pub(super) const SCALE_MAX: u8 = 14;

const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const PSH: u8 = 0x08;
const ACK: u8 = 0x10;
const URG: u8 = 0x20;

/// A segment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment<'a> {
    pub(super) kind: Kind,
    pub(super) syn: bool,
    pub(super) acks: bool,
    pub(super) rst: bool,
    pub(super) sequence: u32,
    pub(super) ack: u32,
    /// The sequence number behind its last byte, SYN and FIN counted.
    pub(super) end: u32,
    pub(super) window: u16,
    options: &'a [u8],
}

impl<'a> Segment<'a> {
    /// `None` for a header that is cut off, a bad checksum, or flags that no TCP sends together. As tcp_error().
    pub(super) fn sound(view: &View<'a>) -> Option<Self> {
        let header = view.transport.first_chunk::<20>()?;
        let header_len = usize::from(header[12] >> 4) * 4;
        let Some(options) = view.transport.get(20..header_len) else {
            view.complaints.plain("truncated packet");
            return None;
        };
        if view.verify && !view.adds_up(view.transport.len()) {
            view.complaints.plain("bad checksum");
            return None;
        }
        let flags = header[13] & (FIN | SYN | RST | PSH | ACK | URG);
        const SYN_URG: u8 = SYN | URG;
        const SYN_ACK: u8 = SYN | ACK;
        const RST_ACK: u8 = RST | ACK;
        const FIN_ACK: u8 = FIN | ACK;
        const FIN_ACK_URG: u8 = FIN | ACK | URG;
        const ACK_URG: u8 = ACK | URG;
        if !matches!(flags & !PSH, SYN | SYN_URG | SYN_ACK | RST | RST_ACK | FIN_ACK | FIN_ACK_URG | ACK | ACK_URG) {
            view.complaints.plain("invalid tcp flag combination");
            return None;
        }
        let word = |at: usize| u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        let (syn, acks, rst, fin) = (flags & SYN != 0, flags & ACK != 0, flags & RST != 0, flags & FIN != 0);
        let kind = match (rst, syn, fin, acks) {
            (true, ..) => Kind::Rst,
            (_, true, _, true) => Kind::SynAck,
            (_, true, _, false) => Kind::Syn,
            (_, _, true, _) => Kind::Fin,
            (_, _, _, true) => Kind::Ack,
            _ => Kind::None,
        };
        let data = u32::try_from(view.transport.len() - header_len).unwrap_or(0);
        let sequence = word(4);
        Some(Self {
            kind,
            syn,
            acks,
            rst,
            sequence,
            ack: word(8),
            end: sequence.wrapping_add(data).wrapping_add(u32::from(syn)).wrapping_add(u32::from(fin)),
            window: u16::from_be_bytes([header[14], header[15]]),
            options,
        })
    }

    /// Window scale, and whether scaling and SACK are offered, take the place of what the peer had; a segment without any
    /// option leaves it. As tcp_options().
    pub(super) fn offer(&self, peer: &mut Peer) {
        if self.options.is_empty() {
            return;
        }
        peer.scale = 0;
        peer.flags &= flag::BE_LIBERAL;
        for (kind, value) in self.walk() {
            match (kind, value) {
                (3, &[shift]) => {
                    peer.scale = shift.min(SCALE_MAX);
                    peer.flags |= flag::WINDOW_SCALE;
                }
                (4, []) => peer.flags |= flag::SACK_PERM,
                _ => {}
            }
        }
    }

    /// The highest sequence number that a SACK block acknowledges, or the plain acknowledgement. As tcp_sack().
    pub(super) fn sack(&self) -> u32 {
        let mut sack = self.ack;
        for (_, value) in self.walk().filter(|(kind, value)| *kind == 5 && value.len() % 8 == 0) {
            for block in value.chunks_exact(8) {
                if let &[_, _, _, _, a, b, c, d] = block {
                    let end = u32::from_be_bytes([a, b, c, d]);
                    if after(end, sack) {
                        sack = end;
                    }
                }
            }
        }
        sack
    }

    /// Kinds and values of the options, up to the first that is broken.
    fn walk(&self) -> impl Iterator<Item = (u8, &'a [u8])> + use<'a> {
        let mut rest = self.options;
        core::iter::from_fn(move || {
            loop {
                match *rest {
                    [1, ref behind @ ..] => rest = behind,
                    [kind, len, ..] if kind != 0 && len >= 2 => {
                        let value = rest.get(2..usize::from(len))?;
                        rest = rest.get(usize::from(len)..)?;
                        return Some((kind, value));
                    }
                    _ => return None,
                }
            }
        })
    }
}
