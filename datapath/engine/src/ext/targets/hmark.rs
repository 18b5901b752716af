//! `-j HMARK`: gives the packets of a flow one mark, both ways, by a hash of addresses, ports and protocol.

use libxt::ext::Families;
use libxt::ext::targets::hmark::Hmark;
use libxt::family::Af;

use super::{Outcome, Target};
use crate::conntrack::Direction;
use crate::ext::{Maker, Scene, jhash};
use crate::ruleset::Refused;
use crate::wire::{icmp, ipv4, ipv6, u16_at};

pub(super) const MAKER: Maker<Target> = Maker::of::<Hmark>(Families::Both, |revision, info, site| {
    let value: Hmark = site.decode(revision, info)?;
    // As hmark_tg_check().
    if value.modulus == 0 {
        return Err(Refused::invalid("HMARK: no marks to choose from"));
    }
    if value.protocol_mask != 0 && value.given.0 & NETWORK_LAYER != 0 {
        return Err(Refused::invalid("HMARK: of addresses alone no protocol can be hashed"));
    }
    if value.given.0 & SPI_MASK != 0 && value.given.0 & PORT_MASKS != 0 {
        return Err(Refused::invalid("HMARK: a mask of the SPI beside one of ports"));
    }
    if value.given.0 & SPI != 0 && value.given.0 & PORTS != 0 {
        return Err(Refused::invalid("HMARK: bits of the SPI beside those of ports"));
    }
    Ok(Target::Hmark(Box::new(value)))
});

/// struct hmark_tuple.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tuple {
    source: u32,
    destination: u32,
    /// The larger port in the upper half.
    ports: u32,
    protocol: u8,
}

/// As hmark_tg_v4() and hmark_tg_v6(): what cannot be hashed keeps its mark.
pub(super) fn act(value: &Hmark, scene: &mut Scene<'_, '_>) -> Outcome {
    let tuple = match (value.given.0 & CONNECTION != 0, scene.af()) {
        (true, _) => of_connection(value, scene),
        (false, Af::V4) => of_ipv4(value, scene.packet.data.bytes()),
        (false, Af::V6) => of_ipv6(value, scene.packet.data.bytes()),
    };
    if let Some(tuple) = tuple {
        scene.packet.mark = tuple.mark(value);
    }
    Outcome::Continue
}

impl Tuple {
    fn between(value: &Hmark, af: Af, source: &[u8; 16], destination: &[u8; 16]) -> Self {
        let source = masked(af, source, &value.source);
        Self { source, destination: masked(af, destination, &value.destination), ..Self::default() }
    }

    /// As hmark_swap_ports().
    fn set_ports(&mut self, value: &Hmark, ports: [u8; 4]) {
        let mut bits = ports;
        for ((bits, mask), set) in bits.iter_mut().zip(value.port_mask).zip(value.port_set) {
            *bits = *bits & mask | set;
        }
        let [a, b, c, d] = bits.map(u32::from);
        let (source, destination) = (a << 8 | b, c << 8 | d);
        self.ports = source.max(destination) << 16 | source.min(destination);
    }

    /// As hmark_hash(): the direction does not matter.
    fn mark(&self, value: &Hmark) -> u32 {
        let (low, high) = (self.source.min(self.destination), self.source.max(self.destination));
        let hash = jhash::three(low, high, self.ports, value.seed);
        let hash = hash ^ u32::from(u16::from(self.protocol) & value.protocol_mask);
        jhash::scale(hash, value.modulus).wrapping_add(value.offset)
    }
}

/// An address under its mask; IPv6's four words are folded into one. As hmark_addr_mask().
fn masked(af: Af, address: &[u8; 16], mask: &[u8; 16]) -> u32 {
    let words = address.chunks_exact(4).zip(mask.chunks_exact(4)).take(af.address_len() / 4);
    words.fold(0, |all, (address, mask)| {
        let word = |bytes: &[u8]| bytes.first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes));
        all ^ word(address) & word(mask)
    })
}

/// As hmark_ct_set_htuple().
fn of_connection(value: &Hmark, scene: &Scene<'_, '_>) -> Option<Tuple> {
    let (connection, _) = scene.connection()?;
    let (original, reply) = (connection.tuple(Direction::Original), connection.tuple(Direction::Reply));
    let mut tuple = Tuple::between(value, original.af, &original.source.0, &reply.source.0);
    if value.given.0 & NETWORK_LAYER == 0 {
        tuple.protocol = original.protocol;
        if tuple.protocol != ICMP {
            let [[a, b], [c, d]] = [original.ports.ends().0, reply.ports.ends().0].map(u16::to_be_bytes);
            tuple.set_ports(value, [a, b, c, d]);
        }
    }
    Some(tuple)
}

/// As hmark_pkt_set_htuple_ipv4(): of an error counts what it quotes.
fn of_ipv4(value: &Hmark, packet: &[u8]) -> Option<Tuple> {
    let mut bytes = packet;
    if *bytes.get(ipv4::PROTOCOL)? == ICMP
        && let Some([kind, ..]) = bytes.get(header_len(bytes)..)?.first_chunk::<{ icmp::HEADER }>()
        && matches!(kind, 3 | 4 | 5 | 11 | 12)
    {
        bytes = bytes.get(header_len(bytes) + icmp::HEADER..).filter(|quote| quote.len() >= ipv4::HEADER)?;
    }
    let (source, destination) = (ipv4::address(bytes, ipv4::SOURCE)?, ipv4::address(bytes, ipv4::DESTINATION)?);
    let mut tuple = Tuple::between(value, Af::V4, &source.0, &destination.0);
    if value.given.0 & NETWORK_LAYER != 0 {
        return Some(tuple);
    }
    tuple.protocol = *bytes.get(ipv4::PROTOCOL)?;
    let fragment = u16_at(bytes, ipv4::FRAGMENT)? & 0x3fff != 0;
    if let (false, Some(ports)) = (fragment, ports_of(tuple.protocol, bytes.get(header_len(bytes)..))) {
        tuple.set_ports(value, ports);
    }
    Some(tuple)
}

fn header_len(bytes: &[u8]) -> usize {
    bytes.first().map_or(0, |first| usize::from(first & 15) * 4)
}

/// As hmark_pkt_set_htuple_ipv6(): a packet whose headers are cut counts as one without any.
fn of_ipv6(value: &Hmark, packet: &[u8]) -> Option<Tuple> {
    let Some(mut end) = end_of_chain(packet) else { return Some(Tuple::default()) };
    let mut bytes = packet;
    if end.protocol == ICMPV6 && !end.fragment {
        let message = bytes.get(end.at..).and_then(|message| message.first_chunk::<{ icmp::HEADER }>());
        if let Some([1..128, ..]) = message {
            bytes = bytes
                .get(end.at + icmp::HEADER..)
                .filter(|quote| quote.first().is_some_and(|first| first >> 4 == 6))?;
            end = end_of_chain(bytes)?;
        }
    }
    let (source, destination) = (ipv6::address(bytes, ipv6::SOURCE)?, ipv6::address(bytes, ipv6::DESTINATION)?);
    let mut tuple = Tuple::between(value, Af::V6, &source.0, &destination.0);
    if value.given.0 & NETWORK_LAYER != 0 {
        return Some(tuple);
    }
    tuple.protocol = end.protocol;
    let ports = ports_of(end.protocol, bytes.get(end.at..));
    if let (false, Some(ports)) = (end.fragment || end.protocol == ICMPV6, ports) {
        tuple.set_ports(value, ports);
    }
    Some(tuple)
}

/// Where a chain of headers ends for HMARK: at an authentication header, too, which has an SPI of its own.
struct End {
    protocol: u8,
    at: usize,
    /// There was a fragment header.
    fragment: bool,
}

/// As ipv6_find_hdr() with IP6_FH_F_AUTH.
fn end_of_chain(bytes: &[u8]) -> Option<End> {
    bytes.first_chunk::<{ ipv6::HEADER }>()?;
    let mut end = End { protocol: *bytes.get(ipv6::NEXT)?, at: ipv6::HEADER, fragment: false };
    while ipv6::is_extension(end.protocol) {
        let &[next, length] = bytes.get(end.at..)?.first_chunk()?;
        match end.protocol {
            ipv6::AUTHENTICATION => break,
            ipv6::FRAGMENT => {
                end.fragment = true;
                if u16_at(bytes, end.at + 2)? & !7 != 0 {
                    let known = !ipv6::is_extension(next);
                    return known.then_some(End { protocol: next, ..end });
                }
            }
            ipv6::ROUTING => drop(bytes.get(end.at..end.at + 4)?),
            _ => {}
        }
        end.at += ipv6::extension_len(end.protocol, length);
        end.protocol = next;
    }
    Some(end)
}

/// The four bytes that are ports or an SPI, of protocols that have them. As proto_ports_offset().
fn ports_of(protocol: u8, segment: Option<&[u8]>) -> Option<[u8; 4]> {
    let at = match protocol {
        6 | 17 | 33 | 50 | 132 | 136 => 0,
        ipv6::AUTHENTICATION => 4,
        _ => return None,
    };
    segment?.get(at..)?.first_chunk().copied()
}

const ICMP: u8 = 1;
const ICMPV6: u8 = 58;
/// `XT_HMARK_SPI`, `_SPI_MASK`, `_SPORT` and `_DPORT`, `_SPORT_MASK` and `_DPORT_MASK`, `_CT`, `_METHOD_L3`.
const SPI: u32 = 1 << 2;
const SPI_MASK: u32 = 1 << 3;
const PORTS: u32 = 3 << 4;
const PORT_MASKS: u32 = 3 << 6;
const CONNECTION: u32 = 1 << 12;
const NETWORK_LAYER: u32 = 1 << 13;

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Hmark {
        Hmark {
            source: [0xff; 16],
            destination: [0xff; 16],
            port_mask: [0xff; 4],
            protocol_mask: 0xffff,
            modulus: 10,
            offset: 100,
            ..Hmark::default()
        }
    }

    fn packet(from: u8, to: u8, sport: u8, dport: u8) -> Vec<u8> {
        let mut bytes = vec![0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, from, 10, 0, 0, to];
        bytes.extend([0, sport, 0, dport, 0, 8, 0, 0]);
        bytes
    }

    #[test]
    fn both_ways_of_a_flow_and_errors_about_it_get_the_same_mark() {
        let flow = of_ipv4(&all(), &packet(1, 2, 9, 53)).unwrap();
        assert_eq!(flow.mark(&all()), of_ipv4(&all(), &packet(2, 1, 53, 9)).unwrap().mark(&all()));
        assert!((100..110).contains(&flow.mark(&all())));
        let mut error = packet(7, 1, 0, 0);
        (error[9], error[20]) = (1, 3);
        error.extend(packet(1, 2, 9, 53));
        assert_eq!(of_ipv4(&all(), &error), Some(flow));
        assert_eq!(of_ipv4(&all(), &error[..40]), None);
    }

    #[test]
    fn fragments_and_protocols_without_ports_are_hashed_by_their_addresses() {
        let mut fragment = packet(1, 2, 9, 53);
        fragment[6] = 0x20;
        assert_eq!(of_ipv4(&all(), &fragment).unwrap().ports, 0);
        let mut other = packet(1, 2, 9, 53);
        other[9] = 47;
        assert_eq!(of_ipv4(&all(), &other).unwrap().ports, 0);
        assert_eq!(of_ipv4(&all(), &packet(1, 2, 9, 53)[..22]).unwrap().ports, 0);
    }

    #[test]
    fn an_ipv6_packet_whose_headers_are_cut_is_hashed_as_one_of_zeros() {
        let mut bytes = vec![0x60, 0, 0, 0, 0, 8, 17, 64];
        bytes.extend([7; 32]);
        bytes.extend([0, 9, 0, 53, 0, 8, 0, 0]);
        assert_eq!(of_ipv6(&all(), &bytes).unwrap().ports, 53 << 16 | 9);
        bytes[6] = 0;
        assert_eq!(of_ipv6(&all(), &bytes[..41]), Some(Tuple::default()));
        // An authentication header's SPI stands where others have ports.
        bytes[6] = ipv6::AUTHENTICATION;
        assert_eq!(of_ipv6(&all(), &bytes).map(|tuple| tuple.protocol), Some(51));
    }
}
