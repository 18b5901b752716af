//! What a segment's options offer, and how a timestamp keeps it: `struct synproxy_options`.

use libxt::ext::targets::synproxy::Synproxy;

use crate::Now;
use crate::wire::tcp::{self, Options, Tcp, option};
use crate::wire::u32_at;

/// The options.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Offer {
    /// The maximum segment size.
    pub(super) size: Option<u16>,
    /// The window scale.
    pub(super) scale: Option<u8>,
    /// Selective acknowledgement.
    pub(super) sack: bool,
    /// The sender's timestamp, and the one that it echoes.
    pub(super) times: Option<[u32; 2]>,
    /// Explicit congestion notification, which is in the flags.
    pub(super) congestion: bool,
}

impl Offer {
    /// What a segment's options say; `None` if the header is not whole. As synproxy_parse_options().
    pub(super) fn of(header: &Tcp, segment: &[u8]) -> Option<Self> {
        let mut offer = Self::default();
        for found in Options::new(header.options(segment)?) {
            match (found.kind, found.data) {
                (option::MSS, &[high, low]) => offer.size = Some(u16::from_be_bytes([high, low])),
                (option::WINDOW_SCALE, &[scale]) => offer.scale = Some(scale.min(LARGEST_SCALE)),
                (option::TIMESTAMP, data @ [_, _, _, _, _, _, _, _]) => {
                    offer.times = u32_at(data, 0).zip(u32_at(data, 4)).map(|(value, echo)| [value, echo]);
                }
                (option::SACK_PERMITTED, []) => offer.sack = true,
                _ => {}
            }
        }
        Some(offer)
    }

    /// What the answer to a client's offer offers: what both have. Without a timestamp, which has to remember it, there is
    /// neither scaling nor selective acknowledgement. As synproxy_init_timestamp_cookie().
    pub(super) fn answered(&self, with: &Synproxy, now: Now) -> Self {
        let size = self.size.and(with.segment_size);
        let Some([theirs, _]) = self.times.filter(|_| with.timestamp) else { return Self { size, ..Self::default() } };
        let scale = self.scale.filter(|_| with.window_scale.is_some());
        let (sack, congestion) = (self.sack && with.sack, self.congestion && with.ecn);
        let clock = (now.monotonic / 1_000_000) as u32;
        let remembered = u32::from(scale.unwrap_or(NO_SCALE))
            | if sack { SACK } else { 0 }
            | if congestion { CONGESTION } else { 0 };
        let ours = clock & !REMEMBERED | remembered;
        Self { size, scale: scale.and(with.window_scale), sack, times: Some([ours, theirs]), congestion }
    }

    /// Takes from the timestamp that comes back what the client had offered. As synproxy_check_timestamp_cookie().
    pub(super) fn recall(&mut self) {
        let Some([_, echo]) = self.times else { return };
        let scale = (echo & u32::from(NO_SCALE)) as u8;
        self.scale = (scale != NO_SCALE || self.scale.is_some()).then_some(scale);
        self.sack |= echo & SACK != 0;
        self.congestion |= echo & CONGESTION != 0;
    }

    /// The bytes of the options. As synproxy_build_options().
    pub(super) fn write(&self) -> Written {
        let mut written = Written { bytes: [0; MOST], len: 0 };
        if let Some(size) = self.size {
            let [high, low] = size.to_be_bytes();
            written.put(&[option::MSS, 4, high, low]);
        }
        match (self.times, self.sack) {
            (Some([value, echo]), sack) => {
                let lead = if sack { [option::SACK_PERMITTED, 2] } else { [option::NOP; 2] };
                written.put(&lead);
                written.put(&[option::TIMESTAMP, 10]);
                written.put(&value.to_be_bytes());
                written.put(&echo.to_be_bytes());
            }
            (None, true) => written.put(&[option::NOP, option::NOP, option::SACK_PERMITTED, 2]),
            (None, false) => {}
        }
        if let Some(scale) = self.scale {
            written.put(&[option::NOP, option::WINDOW_SCALE, 3, scale]);
        }
        written
    }
}

/// Options as bytes, whole words.
#[derive(Clone, Copy, Debug)]
pub(super) struct Written {
    bytes: [u8; MOST],
    len: usize,
}

impl Written {
    pub(super) fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    fn put(&mut self, some: &[u8]) {
        if let Some(room) = self.bytes.get_mut(self.len..self.len + some.len()) {
            room.copy_from_slice(some);
            self.len += some.len();
        }
    }
}

/// Bytes of all options together.
const MOST: usize = 4 + 12 + 4;
const _: () = assert!(tcp::HEADER + MOST <= 60);
/// `TCP_MAX_WSCALE`.
const LARGEST_SCALE: u8 = 14;
/// Where in a timestamp what the client offered is remembered: the scale, or this for none; two bits.
const NO_SCALE: u8 = 0xf;
const SACK: u32 = 1 << 4;
const CONGESTION: u32 = 1 << 5;
const REMEMBERED: u32 = 0x3f;

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Now = Now { monotonic: 36_815_770_000_000, wall: 0 };

    fn all() -> Synproxy {
        Synproxy { sack: true, timestamp: true, window_scale: Some(7), segment_size: Some(1460), ecn: true }
    }

    /// The options of a SYN as Linux sends it.
    fn linux() -> Vec<u8> {
        let mut segment = vec![0; 20];
        segment[tcp::OFFSET] = 0xa0;
        segment.extend([2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 9, 0, 0, 0, 0, 1, 3, 3, 10]);
        segment
    }

    fn offered(segment: &[u8]) -> Option<Offer> {
        Offer::of(&Tcp::parse(segment).unwrap(), segment)
    }

    #[test]
    fn a_timestamp_brings_back_what_the_client_offered() {
        let offer = offered(&linux()).unwrap();
        assert_eq!(
            offer,
            Offer { size: Some(1460), scale: Some(10), sack: true, times: Some([9, 0]), congestion: false }
        );
        let answer = offer.answered(&all(), NOW);
        // As the kernel's own answer at that time.
        assert_eq!(answer.times, Some([36_815_770 & !0x3f | 0x1a, 9]));
        assert_eq!((answer.scale, answer.sack, answer.size), (Some(7), true, Some(1460)));
        let mut back = Offer { times: answer.times.map(|[ours, theirs]| [theirs, ours]), ..Offer::default() };
        back.recall();
        assert_eq!((back.scale, back.sack, back.congestion), (Some(10), true, false));
    }

    #[test]
    fn without_a_timestamp_nothing_is_remembered_and_so_nothing_offered() {
        let without = Synproxy { timestamp: false, ..all() };
        let answer = offered(&linux()).unwrap().answered(&without, NOW);
        assert_eq!(answer, Offer { size: Some(1460), ..Offer::default() });
        let plain = Offer { times: Some([9, 0]), ..Offer::default() }.answered(&all(), NOW);
        assert_eq!(plain.times, Some([36_815_770 & !0x3f | 0xf, 9]));
        assert_eq!((plain.size, plain.scale, plain.sack), (None, None, false));
    }

    #[test]
    fn options_are_written_in_whole_words() {
        let offer = offered(&linux()).unwrap();
        assert_eq!(offer.write().bytes(), [2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 9, 0, 0, 0, 0, 1, 3, 3, 10]);
        let times = Offer { times: Some([1, 2]), ..Offer::default() };
        assert_eq!(times.write().bytes(), [1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2]);
        let sack = Offer { sack: true, ..Offer::default() };
        assert_eq!(sack.write().bytes(), [1, 1, 4, 2]);
    }

    #[test]
    fn a_header_that_is_not_whole_offers_nothing_and_a_broken_option_ends_the_list() {
        let mut segment = linux();
        assert_eq!(offered(&segment[..39]), None);
        segment[tcp::OFFSET] = 0x40;
        assert_eq!(offered(&segment), None);
        let mut broken = linux();
        broken[25] = 1;
        assert_eq!(offered(&broken).unwrap(), Offer { size: Some(1460), ..Offer::default() });
    }
}
