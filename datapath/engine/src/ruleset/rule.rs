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
                head.settle_strays();
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

    /// The kernel masks the packet's IPv4 address and not the rule's: one with bits beyond its mask is never equal. No option
    /// makes such a rule.
    fn settle_strays(&mut self) {
        let stray = self.addresses & !self.mask;
        for (half, inversion) in [(!0 << 32, header::INV_SOURCE), (!0 >> 32, header::INV_DESTINATION)] {
            if stray & half == 0 {
                continue;
            }
            if self.inversions & inversion == 0 {
                // Nothing fits.
                self.tests |= test::PROTOCOL | test::NO_PROTOCOL;
                self.inversions &= !header::INV_PROTOCOL;
            }
            self.addresses &= !half;
            self.mask &= !half;
            self.inversions &= !inversion;
        }
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

#[cfg(test)]
mod tests {
    use libxt::ext::matches::udp::Udp;
    use libxt::value::interface::Interface;
    use proptest::prelude::*;

    use super::*;

    /// ip_packet_match() and ip6_packet_match() as they read, with port_match() of xt_tcpudp.c.
    fn plain(rule: &Header, first: Option<&Match>, key: &Key) -> Fit {
        let differs = |bit: u8, differ: bool| differ != (rule.inversions & bit != 0);
        let and = |a: [u8; 16], b: [u8; 16]| -> [u8; 16] { core::array::from_fn(|at| a[at] & b[at]) };
        let (source, destination) = (key.source.to_ne_bytes(), key.destination.to_ne_bytes());
        let beyond = |packet: [u8; 16], range: &header::Range| match rule.af {
            Af::V4 => and(packet, range.mask) != range.address,
            Af::V6 => and(packet, range.mask) != and(range.address, range.mask),
        };
        let elsewhere = |name: u128, interface: &Interface| {
            and(name.to_ne_bytes(), interface.mask) != and(interface.name, interface.mask)
        };
        if differs(header::INV_SOURCE, beyond(source, &rule.source))
            || differs(header::INV_DESTINATION, beyond(destination, &rule.destination))
            || differs(header::INV_INPUT, elsewhere(key.input, &rule.input))
            || differs(header::INV_OUTPUT, elsewhere(key.output, &rule.output))
        {
            return Fit::Miss;
        }
        let inverted = rule.inversions & header::INV_PROTOCOL != 0;
        match rule.af {
            Af::V4 => {
                let other = u16::from(key.protocol) != rule.protocol;
                if rule.protocol != 0 && differs(header::INV_PROTOCOL, other) {
                    return Fit::Miss;
                }
                let whole = rule.flags & header::F_FRAGMENT_V4 != 0 && !key.later_fragment;
                if differs(header::INV_FRAGMENT, whole) {
                    return Fit::Miss;
                }
            }
            Af::V6 if rule.flags & header::F_PROTOCOL_V6 != 0 => {
                if key.cut {
                    return Fit::Drop;
                }
                let same = u16::from(key.protocol) == rule.protocol;
                if same && inverted || !same && rule.protocol != 0 && !inverted {
                    return Fit::Miss;
                }
            }
            Af::V6 => {}
        }
        let (ports, bit) = match first {
            Some(Match::Udp(udp)) => ([udp.source, udp.destination], port::UDP),
            Some(Match::Tcp(tcp)) => ([tcp.source, tcp.destination], port::TCP),
            _ => return Fit::Hit(0),
        };
        if key.port_bits & bit == 0 {
            return Fit::Hit(0);
        }
        let fit = ports.iter().zip(key.ports).all(|(ports, port)| {
            let Ports { min, max } = ports.value;
            ports.holds(min <= port && port <= max)
        });
        if fit { Fit::Hit(1) } else { Fit::Miss }
    }

    /// Few addresses, so that many are met.
    fn address(af: Af) -> impl Strategy<Value = [u8; 16]> {
        let near = prop::sample::select(vec![0u8, 1, 2, 0x80, 0xff]);
        (near.clone(), near).prop_map(move |(a, b)| {
            let mut address = [0; 16];
            match af {
                Af::V4 => (address[0], address[3]) = (a, b),
                Af::V6 => (address[0], address[15]) = (a, b),
            }
            address
        })
    }

    fn mask(af: Af) -> impl Strategy<Value = [u8; 16]> {
        (0usize..=3, address(af)).prop_map(move |(kind, holes)| {
            let length = af.address_len();
            let mut mask = [0; 16];
            match kind {
                0 => {}
                1 => mask[..length].fill(0xff),
                2 => mask[..length / 2].fill(0xff),
                _ => mask = holes,
            }
            mask
        })
    }

    fn range(af: Af) -> impl Strategy<Value = header::Range> {
        // As the commands make it, and as only a blob made by hand has it.
        (address(af), mask(af), 0..8).prop_map(|(address, mask, by_hand)| header::Range {
            address: if by_hand == 0 { address } else { core::array::from_fn(|at| address[at] & mask[at]) },
            mask,
        })
    }

    fn interface() -> impl Strategy<Value = Interface> {
        prop::sample::select(vec!["", "+", "eth0", "eth1", "eth+", "e+", "eth"])
            .prop_map(|name| Interface::parse(name).unwrap())
    }

    fn device() -> impl Strategy<Value = u128> {
        prop::sample::select(vec!["", "eth0", "eth1", "eth10", "lo"]).prop_map(|name| {
            let mut bytes = [0; 16];
            bytes[..name.len()].copy_from_slice(name.as_bytes());
            u128::from_ne_bytes(bytes)
        })
    }

    const PROTOCOLS: [u16; 7] = [0, 6, 17, 58, 255, 256, 256 + 6];

    fn rule(af: Af) -> impl Strategy<Value = Header> {
        let sides = (range(af), range(af), interface(), interface());
        let bits = (prop::sample::select(PROTOCOLS.to_vec()), 0u8..8, any::<u8>(), any::<u8>());
        (sides, bits).prop_map(move |((source, destination, input, output), (protocol, flags, some, more))| Header {
            source,
            destination,
            input,
            output,
            protocol,
            flags,
            // Few at a time.
            inversions: some & more & 0x7f,
            ..Header::any(af)
        })
    }

    fn ports() -> impl Strategy<Value = Condition<Ports>> {
        let edge = prop::sample::select(vec![0u16, 1, 52, 53, 54, 1024, 65534, 65535]);
        (edge.clone(), edge, any::<bool>())
            .prop_map(|(min, max, inverted)| Condition::new(Ports { min, max }, inverted))
    }

    fn first() -> impl Strategy<Value = Option<Match>> {
        (0..3, ports(), ports()).prop_map(|(kind, source, destination)| match kind {
            0 => None,
            1 => Some(Match::Udp(Udp { source, destination })),
            _ => Some(Match::Tcp(Tcp { source, destination, ..Tcp::default() })),
        })
    }

    fn key(af: Af) -> impl Strategy<Value = Key> {
        let port = || prop::sample::select(vec![0u16, 1, 52, 53, 54, 1023, 1024, 65534, 65535]);
        let sides = (address(af), address(af), device(), device());
        let bits = (prop::sample::select(vec![port::UDP | port::TCP, port::UDP, 0]), any::<bool>(), 0..6);
        (sides, port(), port(), prop::sample::select(PROTOCOLS.to_vec()), bits).prop_map(
            |((source, destination, input, output), sport, dport, protocol, (port_bits, later_fragment, cut))| {
                let word = |b: [u8; 16]| u64::from(u32::from_be_bytes([b[0], b[1], b[2], b[3]]));
                Key {
                    addresses: word(source) << 32 | word(destination),
                    source: u128::from_ne_bytes(source),
                    destination: u128::from_ne_bytes(destination),
                    input,
                    output,
                    ports: [sport, dport],
                    protocol: protocol as u8,
                    later_fragment,
                    cut: cut == 0,
                    port_bits,
                }
            },
        )
    }

    fn compiled(rule: &Header, first: Option<&Match>, key: &Key) -> Fit {
        let (mut shared, mut pairs) = (Shared::default(), Pairs::default());
        // Another rule before it: what is shared must be found by number.
        Head::new(&Header::any(rule.af), None, &mut shared, &mut pairs);
        let head = Head::new(rule, first, &mut shared, &mut pairs);
        head.fits(key, rule.af, &shared, 1)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn a_compiled_head_fits_what_the_plain_comparison_fits_v4(
            rule in rule(Af::V4), first in first(), key in key(Af::V4)
        ) {
            prop_assert_eq!(compiled(&rule, first.as_ref(), &key), plain(&rule, first.as_ref(), &key));
        }

        #[test]
        fn a_compiled_head_fits_what_the_plain_comparison_fits_v6(
            rule in rule(Af::V6), first in first(), key in key(Af::V6)
        ) {
            prop_assert_eq!(compiled(&rule, first.as_ref(), &key), plain(&rule, first.as_ref(), &key));
        }
    }
}
