//! Rewriting payload: lengths, checksums and later sequence numbers follow. As nf_nat_helper.c.

use libxt::family::Af;

use super::Call;
use crate::conntrack::tuple::protocol;
use crate::packet::Checksum;
use crate::wire::checksum::Sum;
use crate::wire::{Headers, ipv4, ipv6, set_u16, tcp, u16_at, u32_at};

/// Bytes of a UDP header.
const UDP_HEADER: usize = 8;

impl Call<'_, '_> {
    /// Where the payload begins behind the transport header; `None` if that is cut.
    pub(crate) fn payload_at(&self) -> Option<usize> {
        let segment = self.segment();
        match self.headers.protocol {
            protocol::TCP => Some(usize::from(segment.first_chunk::<{ tcp::HEADER }>()?[tcp::OFFSET] >> 4) * 4),
            _ => segment.get(..UDP_HEADER).map(<[u8]>::len),
        }
    }

    /// What the transport carries; empty if its header says nonsense.
    pub(crate) fn payload(&self) -> &[u8] {
        self.payload_at().and_then(|at| self.segment().get(at..)).unwrap_or_default()
    }

    /// Replaces `length` bytes of the payload from `at` on; `false` if they are not there or the packet cannot grow so far.
    /// As nf_nat_mangle_tcp_packet() and nf_nat_mangle_udp_packet().
    pub(crate) fn mangle(&mut self, at: usize, length: usize, text: &[u8]) -> bool {
        let done = self.replace(at, length, text);
        if let (Some(sequence), protocol::TCP) = (done, self.headers.protocol) {
            let grown = text.len() as i64 - length as i64;
            self.tracker.shift(self.id, self.direction, sequence, grown as i32);
        }
        done.is_some()
    }

    /// The same without a word about sequence numbers. The segment's, or what stands in its place, if all went well.
    pub(super) fn replace(&mut self, at: usize, length: usize, text: &[u8]) -> Option<u32> {
        let start = self.headers.transport.checked_add(self.payload_at()?)?.checked_add(at)?;
        let end = start.checked_add(length).filter(|&end| end <= self.headers.end)?;
        let old = self.headers.end;
        let new = old - length + text.len();
        if new > usize::from(u16::MAX) || !self.fits(new) {
            return None;
        }
        self.packet.data.pull(old);
        if new > old && !self.packet.data.resize(new) {
            return None;
        }
        let partial = self.packet.checksum == Checksum::Partial;
        let bytes = self.packet.data.make_mut();
        bytes.copy_within(end..old, start + text.len());
        bytes.get_mut(start..start + text.len())?.copy_from_slice(text);
        self.packet.data.resize(new);
        self.headers.end = new;
        let bytes = self.packet.data.make_mut();
        set_lengths(bytes, self.headers, new)?;
        sum_up(bytes, self.headers, partial)
    }

    /// Whether the length fields can say it.
    fn fits(&self, new: usize) -> bool {
        match self.headers.af {
            Af::V4 => true,
            Af::V6 => new.saturating_sub(ipv6::HEADER) <= usize::from(u16::MAX),
        }
    }
}

/// The lengths of IP and UDP headers follow.
fn set_lengths(bytes: &mut [u8], headers: &Headers, end: usize) -> Option<()> {
    match headers.af {
        Af::V4 => {
            let old = u16_at(bytes, ipv4::LENGTH)?;
            let new = u16::try_from(end).ok()?;
            set_u16(bytes, ipv4::LENGTH, new);
            let sum = u16_at(bytes, ipv4::CHECKSUM)?;
            let sum = crate::wire::checksum::update(sum, &old.to_be_bytes(), &new.to_be_bytes());
            set_u16(bytes, ipv4::CHECKSUM, sum);
        }
        Af::V6 => set_u16(bytes, ipv6::LENGTH, u16::try_from(end.checked_sub(ipv6::HEADER)?).ok()?),
    }
    if headers.protocol == protocol::UDP {
        let length = u16::try_from(end.checked_sub(headers.transport)?).ok()?;
        set_u16(bytes, headers.transport + 4, length);
    }
    Some(())
}

/// The transport checksum anew, or as far as the kernel wants it. As nf_nat_csum_recalc().
fn sum_up(bytes: &mut [u8], headers: &Headers, partial: bool) -> Option<u32> {
    let segment = bytes.get_mut(headers.transport..headers.end)?;
    let length = segment.len();
    let sequence = u32_at(segment, 4)?;
    let (at, absent) = match headers.protocol {
        protocol::TCP => (tcp::CHECKSUM, None),
        _ => (6, Some(0)),
    };
    let had = u16_at(segment, at)?;
    if absent == Some(had) && !partial {
        return Some(sequence);
    }
    let start = Sum::default().pseudo_header(headers.af, headers.source, headers.destination, headers.protocol, length);
    if partial {
        set_u16(segment, at, !start.finish());
        return Some(sequence);
    }
    set_u16(segment, at, 0);
    let sum = start.bytes(segment).finish();
    set_u16(segment, at, if sum == 0 && absent.is_some() { u16::MAX } else { sum });
    Some(sequence)
}
