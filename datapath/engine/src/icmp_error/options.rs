//! IP options that an ICMP error echoes: record route and timestamp. As ip_options_echo() with ip_options_build().

use core::ops::Range;

use crate::conntrack::Address;
use crate::host::{AddressKind, Host, Now};

/// Options of an answer, filled up to whole words.
#[derive(Clone, Copy, Debug)]
pub(super) struct Options {
    bytes: [u8; MOST],
    len: usize,
}

impl Options {
    /// None.
    pub(super) const NONE: Self = Self { bytes: [0; MOST], len: 0 };

    /// What an answer from `source` echoes of a packet's options, with its own address and time written into the next free
    /// places. `None` if a place is cut off: then there is no answer.
    pub(super) fn echo(options: &[u8], source: Address, host: &dyn Host, now: Now) -> Option<Self> {
        let mut echoed = Self::NONE;
        if let Some(route) = find(options, RECORD_ROUTE).and_then(|range| options.get(range)) {
            let own = echoed.append(route)?;
            let next = usize::from(*own.get(2)?);
            if next <= own.len() {
                place(own, next)?.copy_from_slice(source.0.get(..4)?);
                own[2] += 4;
            }
        }
        if let Some(times) = find(options, TIMESTAMP).and_then(|range| options.get(range)) {
            let own = echoed.append(times)?;
            let (mut next, kind) = (usize::from(*own.get(2)?), own.get(3)? & 0x0f);
            if next <= own.len() && kind == ADDRESS_AND_TIME {
                place(own, next)?.copy_from_slice(source.0.get(..4)?);
                next += 4;
            }
            let timed = match kind {
                _ if next > own.len() => false,
                TIME | ADDRESS_AND_TIME => true,
                // The sender says whose times it wants.
                PRESCRIBED => match own.get(next - 1..next + 7) {
                    Some(&[a, b, c, d, ..]) => {
                        let its = host.address_kind([a, b, c, d].into(), None) != AddressKind::Unicast;
                        next += if its { 4 } else { 0 };
                        its
                    }
                    _ => false,
                },
                _ => false,
            };
            if timed {
                let midnight = (now.wall / 1_000_000 % MILLISECONDS_A_DAY) as u32;
                place(own, next)?.copy_from_slice(&midnight.to_be_bytes());
                next += 4;
            }
            own[2] = next as u8;
        }
        echoed.len = echoed.len.next_multiple_of(4);
        Some(echoed)
    }

    /// The bytes, a multiple of four.
    pub(super) fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    fn append(&mut self, option: &[u8]) -> Option<&mut [u8]> {
        let own = self.bytes.get_mut(self.len..self.len + option.len())?;
        own.copy_from_slice(option);
        self.len += option.len();
        Some(own)
    }
}

/// Where the option of a kind stands, its two leading bytes included.
pub(crate) fn find(options: &[u8], wanted: u8) -> Option<Range<usize>> {
    let mut at = 0;
    loop {
        let kind = *options.get(at)?;
        let length = match kind {
            END => return None,
            NOTHING => 1,
            _ => usize::from(*options.get(at + 1)?).max(2),
        };
        let range = at..at + length;
        options.get(range.clone())?;
        if kind == wanted {
            return (length > 4).then_some(range);
        }
        at = range.end;
    }
}

/// The four bytes that an option's pointer, which counts from 1, points to.
fn place(option: &mut [u8], pointer: usize) -> Option<&mut [u8]> {
    option.get_mut(pointer.checked_sub(1)?..pointer + 3).filter(|_| pointer > 3)
}

/// Bytes of options that an IPv4 header holds.
const MOST: usize = 40;
/// `IPOPT_END`.
const END: u8 = 0;
/// `IPOPT_NOOP`.
const NOTHING: u8 = 1;
/// `IPOPT_RR`.
pub(crate) const RECORD_ROUTE: u8 = 7;
/// `IPOPT_TIMESTAMP`.
pub(crate) const TIMESTAMP: u8 = 68;
/// `IPOPT_TS_TSONLY`.
pub(crate) const TIME: u8 = 0;
/// `IPOPT_TS_TSANDADDR`.
pub(crate) const ADDRESS_AND_TIME: u8 = 1;
/// `IPOPT_TS_PRESPEC`.
pub(crate) const PRESCRIBED: u8 = 3;
const MILLISECONDS_A_DAY: u64 = 24 * 60 * 60 * 1000;
