//! A TCP segment without payload as this machine makes it, in a packet of its own.

use std::ops::Range;

use libxt::family::Af;

use super::checksum::{Sum, checksum};
use super::{ipv4, ipv6, set_u16, tcp};
use crate::conntrack::Address;

/// The segment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Segment<'a> {
    pub(crate) af: Af,
    pub(crate) from: Address,
    pub(crate) to: Address,
    /// Source and destination.
    pub(crate) ports: (u16, u16),
    /// Sequence and acknowledgement.
    pub(crate) numbers: (u32, u32),
    /// See [`tcp::flag`].
    pub(crate) flags: u8,
    pub(crate) window: u16,
    /// Whole words, 40 bytes at most.
    pub(crate) options: &'a [u8],
}

impl Segment<'_> {
    /// Appends the packet with complete checksums; the answer is where it stands.
    pub(crate) fn put(&self, out: &mut Vec<u8>) -> Option<Range<usize>> {
        let length = u8::try_from(tcp::HEADER + self.options.len()).ok().filter(|length| *length <= 60)?;
        let start = out.len();
        match self.af {
            Af::V4 => {
                let whole = ipv4::HEADER as u8 + length;
                out.extend_from_slice(&[0x45, 0, 0, whole, 0, 0, 0x40, 0, HOPS, PROTOCOL, 0, 0]);
                out.extend_from_slice(self.from.0.get(..4)?);
                out.extend_from_slice(self.to.0.get(..4)?);
                let header = out.get_mut(start..)?;
                let sum = checksum(header);
                set_u16(header, ipv4::CHECKSUM, sum);
            }
            Af::V6 => {
                out.extend_from_slice(&[0x60, 0, 0, 0, 0, length, PROTOCOL, HOPS]);
                out.extend_from_slice(&self.from.0);
                out.extend_from_slice(&self.to.0);
                debug_assert_eq!(out.len() - start, ipv6::HEADER);
            }
        }
        let at = out.len();
        out.extend_from_slice(&self.ports.0.to_be_bytes());
        out.extend_from_slice(&self.ports.1.to_be_bytes());
        out.extend_from_slice(&self.numbers.0.to_be_bytes());
        out.extend_from_slice(&self.numbers.1.to_be_bytes());
        out.extend_from_slice(&[length << 2, self.flags]);
        out.extend_from_slice(&self.window.to_be_bytes());
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(self.options);
        let segment = out.get_mut(at..)?;
        let sum = Sum::default().pseudo_header(self.af, self.from, self.to, PROTOCOL, segment.len());
        let sum = sum.bytes(segment).finish();
        set_u16(segment, tcp::CHECKSUM, sum);
        Some(start..out.len())
    }
}

const PROTOCOL: u8 = 6;
/// TTL and hop limit of what this machine sends.
const HOPS: u8 = 64;
