//! What a match or a target sees and may touch: `struct xt_action_param` and the packet.

use libxt::family::Af;

use crate::conntrack::{Connection, Direction, Template, Tracked, Tracker};
use crate::effects::Effects;
use crate::ext::rates::Rates;
use crate::ext::stores::Stores;
use crate::host::{Host, Now, RouteKey};
use crate::notes::Answer;
use crate::packet::{Hook, Packet};
use crate::ruleset::Key;
use crate::wire::Headers;

/// A packet in front of a rule.
pub struct Scene<'a, 'p> {
    /// The packet; its hook and devices are those of the hook being judged.
    pub packet: &'a mut Packet<'p>,
    /// Its outline; whoever changes bytes keeps it true.
    pub headers: &'a mut Headers,
    /// What rules compare the packet with, as long as it is true; whoever changes addresses, ports, protocol, devices or
    /// the length of the packet takes it away.
    pub(crate) key: Option<Key>,
    /// The hook being judged, which may be an earlier one than where the packet was taken.
    pub hook: Hook,
    /// The table being walked.
    pub table: &'static str,
    /// What tracking said of it.
    pub tracked: Tracked,
    /// What `-j CT` laid down for the tracking that follows.
    pub template: Option<Template>,
    /// What REJECT made it as, if it is an answer of this machine's own to a packet it refused.
    pub(crate) answer: Option<Answer>,
    /// The kernel's own error about an untracked packet: it has no connection, and `-j CT` takes it for one that has.
    pub(crate) orphaned: bool,
    /// A rule changed addresses past what its connection knows: no tuple says any more whose packet it is.
    pub(crate) strayed: bool,
    /// `-j TRACE` was met (`skb->nf_trace`).
    pub traced: bool,
    /// A match found the packet unfit to be judged: it is dropped.
    pub hotdrop: bool,
    /// The time.
    pub now: Now,
    /// The machine.
    pub host: &'a dyn Host,
    /// The connections.
    pub tracker: &'a mut Tracker,
    /// What happens besides.
    pub out: &'a mut Effects,
    /// How many answers may still be sent.
    pub rates: &'a mut Rates,
    /// What rules share or keep.
    pub stores: &'a mut Stores,
    /// Random numbers.
    pub random: &'a mut Random,
}

impl Scene<'_, '_> {
    /// The packet as routing sees it.
    pub fn route_key(&self) -> RouteKey {
        let (headers, packet) = (&self.headers, &self.packet);
        let plain = RouteKey::to(headers.destination.ip(headers.af));
        RouteKey {
            source: Some(headers.source.ip(headers.af)),
            mark: packet.mark,
            tos: headers.tos,
            in_device: packet.in_device.map_or(plain.in_device, |device| device.index),
            out_device: packet.out_device.map(|device| device.index),
            ..plain
        }
    }

    /// The transport header and what follows it.
    pub fn segment(&self) -> &[u8] {
        self.headers.segment(self.packet.data.bytes())
    }

    /// What the kernel's matches for a protocol take for its header when they do not ask whether this is a fragment: behind the
    /// first, ipv6_find_hdr() finds none, and all stays at the packet's beginning.
    pub fn supposed_segment(&self) -> &[u8] {
        match self.headers.af {
            Af::V6 if self.headers.fragment_offset() != 0 => self.packet.data.bytes(),
            _ => self.segment(),
        }
    }

    /// Its length in bytes as rules count it.
    pub fn len(&self) -> usize {
        self.packet.data.len()
    }

    /// Whether there is no byte.
    pub fn is_empty(&self) -> bool {
        self.packet.data.is_empty()
    }

    /// The family.
    pub fn af(&self) -> Af {
        self.headers.af
    }

    /// Its connection and the direction it travels in.
    pub fn connection(&self) -> Option<(&Connection, Direction)> {
        match self.tracked {
            Tracked::Of { id, direction, .. } => Some((self.tracker.get(id)?, direction)),
            _ => None,
        }
    }

    /// Whether the template of `-j CT` counts as its connection: until tracking looks at the packet.
    pub fn has_template(&self) -> bool {
        self.tracked == Tracked::Unseen && self.template.is_some()
    }

    /// The transport checksum as it stands was not made by the sender but left to the device.
    pub fn partial(&self) -> bool {
        self.packet.checksum == crate::packet::Checksum::Partial
    }
}

/// A small generator of random numbers (xorshift64*), for `statistic` and ports: nobody's secret depends on it.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// One that starts from a seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    /// The next 32 bits.
    pub fn draw(&mut self) -> u32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) as u32
    }
}
