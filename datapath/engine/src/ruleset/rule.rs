//! A compiled rule: in one small record what makes most rules miss, and beside it what is looked at only if that fits.
//!
//! A walk compares numbers that were read off the packet once ([`Key`]) with records of 32 bytes, two in a cache line.

use std::ops::Range;

use libxt::ext::matches::tcp::Tcp;
use libxt::family::Af;
use libxt::value::condition::Condition;
use libxt::value::header::{self, Header};
use libxt::value::port::Ports;

use crate::ext::Scene;
use crate::ext::matches::Match;
use crate::packet::Verdict;
use crate::wire::{tcp, udp};

/// A rule but for its head.
#[derive(Debug)]
pub(super) struct Rule {
    /// Its matches among the table's.
    pub(super) matches: Range<u32>,
    pub(super) target: Step,
}

/// What a rule does once it matched.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    /// The table's verdict.
    Verdict(Verdict),
    /// `XT_RETURN`.
    Return,
    /// To this rule, and back behind this one at the end of that chain.
    Jump(u32),
    /// To this rule, for good.
    Goto(u32),
    /// The ERROR target: nothing sound leads here.
    Error,
    /// This one among the table's targets.
    Target(u32),
}

/// The header of a rule and, if its first match asks for ports alone, that match.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(32))]
pub(super) struct Head {
    /// IPv4: source in the upper, destination in the lower half.
    addresses: u64,
    mask: u64,
    /// The least source port and how many follow, then of destination ports.
    ports: [[u16; 2]; 2],
    /// Which pair of interfaces among the table's.
    interfaces: u32,
    protocol: u8,
    /// What there is to test, see [`mod@test`].
    tests: u8,
    /// `INV_*`.
    inversions: u8,
    /// Bits of [`port`].
    port_bits: u8,
}

const _: () = assert!(size_of::<Head>() == 32);

mod test {
    /// The addresses of IPv6, which stand apart.
    pub(super) const ADDRESSES: u8 = 1 << 0;
    pub(super) const INTERFACES: u8 = 1 << 1;
    pub(super) const PROTOCOL: u8 = 1 << 2;
    /// The rule names a protocol beyond any packet's.
    pub(super) const NO_PROTOCOL: u8 = 1 << 3;
    /// `IPT_F_FRAG` is set.
    pub(super) const FRAGMENT: u8 = 1 << 4;
    pub(super) const PORTS: u8 = 1 << 5;
    /// IPv6: the protocol is 0, whatever that means.
    pub(super) const ZERO_PROTOCOL: u8 = 1 << 6;
    /// `IPT_INV_FRAG` is set.
    pub(super) const NOT_FRAGMENT: u8 = 1 << 7;
    /// Tests of their own.
    pub(super) const RARE: u8 = ADDRESSES | INTERFACES | FRAGMENT | NOT_FRAGMENT;
}

mod port {
    pub(super) const SOURCE_INVERTED: u8 = 1 << 0;
    pub(super) const DESTINATION_INVERTED: u8 = 1 << 1;
    /// The match is `udp`; in a key, there are ports as it reads them.
    pub(super) const UDP: u8 = 1 << 2;
    /// The same for `tcp`.
    pub(super) const TCP: u8 = 1 << 3;
}

/// What many rules of a table share or few have.
#[derive(Debug, Default)]
pub(super) struct Shared {
    interfaces: Vec<[Masked; 2]>,
    /// IPv6: source and destination of each rule.
    addresses: Vec<[Masked; 2]>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Masked {
    value: u128,
    mask: u128,
}

/// How a packet stands to a rule's [`Head`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    Miss,
    /// The header fits; the matches are still to be asked, all but so many of the first.
    Hit(u32),
    /// The packet is unfit to be judged.
    Drop,
}

/// What heads are compared with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key {
    addresses: u64,
    source: u128,
    destination: u128,
    input: u128,
    output: u128,
    ports: [u16; 2],
    protocol: u8,
    later_fragment: bool,
    cut: bool,
    /// Bits of [`port`].
    port_bits: u8,
}

impl Key {
    pub(crate) fn of(scene: &Scene<'_, '_>) -> Self {
        let headers = &scene.headers;
        let word = |bytes: &[u8; 16]| u64::from(u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]));
        let name = |device: Option<&crate::Device>| device.map_or(0, |device| u128::from_ne_bytes(device.name));
        let later_fragment = headers.fragment_offset() != 0;
        let segment = scene.segment();
        let ports = match segment {
            &[a, b, c, d, ..] => [u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])],
            _ => [0; 2],
        };
        Self {
            addresses: word(&headers.source.0) << 32 | word(&headers.destination.0),
            source: u128::from_ne_bytes(headers.source.0),
            destination: u128::from_ne_bytes(headers.destination.0),
            input: name(scene.packet.in_device),
            output: name(scene.packet.out_device),
            ports,
            protocol: headers.protocol,
            later_fragment,
            cut: headers.cut,
            port_bits: match segment.len() {
                length if later_fragment || length < udp::HEADER => 0,
                ..tcp::HEADER => port::UDP,
                _ => port::UDP | port::TCP,
            },
        }
    }
}

impl Head {
    /// `first` is the rule's first match.
    pub(super) fn new(header: &Header, first: Option<&Match>, shared: &mut Shared, pairs: &mut Pairs) -> Self {
        let masked = |value: &[u8; 16], mask: &[u8; 16]| Masked {
            value: u128::from_ne_bytes(*value),
            mask: u128::from_ne_bytes(*mask),
        };
        let source = masked(&header.source.address, &header.source.mask);
        let destination = masked(&header.destination.address, &header.destination.mask);
        let mut head = Self {
            addresses: 0,
            mask: 0,
            ports: [[0; 2]; 2],
            interfaces: 0,
            protocol: u8::try_from(header.protocol).unwrap_or(0),
            tests: 0,
            inversions: header.inversions,
            port_bits: 0,
        };
        let mut set = |bit: u8, wanted: bool| head.tests |= if wanted { bit } else { 0 };
        match header.af {
            Af::V4 => {
                set(test::PROTOCOL, header.protocol != 0);
                set(test::FRAGMENT, header.flags & header::F_FRAGMENT_V4 != 0);
                set(test::NOT_FRAGMENT, header.inversions & header::INV_FRAGMENT != 0);
                let word = |bytes: &[u8; 16]| u64::from(u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]));
                let both = |source, destination| word(source) << 32 | word(destination);
                head.addresses = both(&header.source.address, &header.destination.address);
                head.mask = both(&header.source.mask, &header.destination.mask);
            }
            Af::V6 => {
                set(test::PROTOCOL, header.flags & header::F_PROTOCOL_V6 != 0);
                set(test::ZERO_PROTOCOL, header.protocol == 0);
                let inverted = header.inversions & (header::INV_SOURCE | header::INV_DESTINATION) != 0;
                set(test::ADDRESSES, source.mask != 0 || destination.mask != 0 || inverted);
                shared.addresses.push([source, destination]);
            }
        }
        let mut set = |bit: u8, wanted: bool| head.tests |= if wanted { bit } else { 0 };
        set(test::NO_PROTOCOL, header.protocol > u16::from(u8::MAX));
        let input = masked(&header.input.name, &header.input.mask);
        let output = masked(&header.output.name, &header.output.mask);
        if input.mask != 0 || output.mask != 0 || header.inversions & (header::INV_INPUT | header::INV_OUTPUT) != 0 {
            set(test::INTERFACES, true);
            head.interfaces = *pairs.0.entry([input, output]).or_insert_with(|| {
                shared.interfaces.push([input, output]);
                shared.interfaces.len() as u32 - 1
            });
        }
        let (source, destination, tcp) = match first {
            Some(Match::Udp(udp)) => (udp.source, udp.destination, false),
            Some(Match::Tcp(tcp)) if asks_ports_only(tcp) => (tcp.source, tcp.destination, true),
            _ => return head,
        };
        head.tests |= test::PORTS;
        head.port_bits = if tcp { port::TCP } else { port::UDP };
        let bits = &mut head.port_bits;
        head.ports = [span(source, port::SOURCE_INVERTED, bits), span(destination, port::DESTINATION_INVERTED, bits)];
        head
    }

    /// As ip_packet_match() and ip6_packet_match(), with udp_mt() and tcp_mt() where a match is part of the head; `at` is
    /// the rule's number.
    #[inline(always)]
    pub(super) fn fits(&self, key: &Key, af: Af, shared: &Shared, at: u32) -> Fit {
        let inverted = |bit: u8| self.inversions & bit != 0;
        if af == Af::V4 {
            let differ = (key.addresses ^ self.addresses) & self.mask;
            if self.inversions & (header::INV_SOURCE | header::INV_DESTINATION) == 0 {
                if differ != 0 {
                    return Fit::Miss;
                }
            } else if (differ >> 32 != 0) != inverted(header::INV_SOURCE)
                || (differ as u32 != 0) != inverted(header::INV_DESTINATION)
            {
                return Fit::Miss;
            }
        }
        if self.tests & test::RARE != 0 && !self.fits_rarely(key, af, shared, at) {
            return Fit::Miss;
        }
        if self.tests & test::PROTOCOL != 0 {
            let same = self.protocol == key.protocol && self.tests & test::NO_PROTOCOL == 0;
            if af == Af::V6 && key.cut {
                return Fit::Drop;
            }
            if same == inverted(header::INV_PROTOCOL) && (same || self.tests & test::ZERO_PROTOCOL == 0) {
                return Fit::Miss;
            }
        }
        if self.tests & test::PORTS == 0 {
            return Fit::Hit(0);
        }
        if self.port_bits & key.port_bits == 0 {
            // No such ports: the match knows what to do with the packet.
            return Fit::Hit(0);
        }
        let [[from, span], [first, reach]] = self.ports;
        let [source, destination] = key.ports;
        if (source.wrapping_sub(from) <= span) == (self.port_bits & port::SOURCE_INVERTED != 0)
            || (destination.wrapping_sub(first) <= reach) == (self.port_bits & port::DESTINATION_INVERTED != 0)
        {
            return Fit::Miss;
        }
        Fit::Hit(1)
    }

    /// What few rules ask: IPv6's addresses, interfaces, fragments.
    #[inline]
    fn fits_rarely(&self, key: &Key, af: Af, shared: &Shared, at: u32) -> bool {
        let inverted = |bit: u8| self.inversions & bit != 0;
        if af == Af::V6 && self.tests & test::ADDRESSES != 0 {
            let Some([source, destination]) = shared.addresses.get(at as usize) else { return false };
            if source.fits(key.source) == inverted(header::INV_SOURCE)
                || destination.fits(key.destination) == inverted(header::INV_DESTINATION)
            {
                return false;
            }
        }
        if self.tests & test::INTERFACES != 0 {
            let Some([input, output]) = shared.interfaces.get(self.interfaces as usize) else { return false };
            if input.fits(key.input) == inverted(header::INV_INPUT)
                || output.fits(key.output) == inverted(header::INV_OUTPUT)
            {
                return false;
            }
        }
        if self.tests & (test::FRAGMENT | test::NOT_FRAGMENT) != 0 {
            let asked = self.tests & test::FRAGMENT != 0;
            return (asked && !key.later_fragment) == inverted(header::INV_FRAGMENT);
        }
        true
    }
}

/// A range of ports as its least and how many follow; without any port it turns the inversion `bit` round.
fn span(ports: Condition<Ports>, bit: u8, bits: &mut u8) -> [u16; 2] {
    let Ports { min, max } = ports.value;
    let none = min > max;
    if ports.inverted != none {
        *bits |= bit;
    }
    if none { [0, u16::MAX] } else { [min, max - min] }
}

fn asks_ports_only(tcp: &Tcp) -> bool {
    let flags = &tcp.flags;
    flags.value.mask.0 == 0 && flags.value.compared.0 == 0 && !flags.inverted && tcp.option.value == 0
}

/// Which pairs of interfaces a table has already, while it is compiled.
#[derive(Debug, Default)]
pub(super) struct Pairs(std::collections::HashMap<[Masked; 2], u32>);

impl Masked {
    #[inline]
    fn fits(&self, bytes: u128) -> bool {
        (bytes ^ self.value) & self.mask == 0
    }
}
