//! Ports and echo ids that a router draws at random, under names that are the same on every router.
//!
//! Two routers that draw are compared up to what they drew: every drawn number gets a name, itself a port number, that
//! follows from the packet that made the router draw and from the class of what it drew. Where a name differs the choice
//! was a wrong one: not in the range or class, not the connection's own, or not there at all.

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{DefaultHasher, Hash, Hasher},
    net::IpAddr,
    ops::RangeInclusive,
};

use crate::{
    frame::{ICMP, ICMPV6, TCP, UDP, get16, set16},
    pieces::fragment_header6,
};

/// What one router drew since a clean slate.
#[derive(Clone, Debug, Default)]
pub struct Draws {
    /// Numbers that hosts have spoken of: nobody drew these.
    spoken: BTreeSet<u16>,
    /// Ranges that rules draw from.
    ranges: Vec<RangeInclusive<u16>>,
    names: BTreeMap<(End, u16), u16>,
    numbers: BTreeMap<(End, u16), u16>,
}

/// Whose number it is, and towards whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct End {
    protocol: u8,
    own: IpAddr,
    peer: IpAddr,
    /// The peer's port, 0 if that is drawn as well or there is none.
    port: u16,
}

/// The end whose number made the router draw.
type Cause = (IpAddr, u16);

/// A port or an echo id in a packet.
#[derive(Clone, Debug)]
struct Spot {
    at: usize,
    /// The checksums over it, the innermost first.
    sums: Vec<Sum>,
    protocol: u8,
    own: IpAddr,
    peer: IpAddr,
    /// The number at the other end.
    other: Option<u16>,
    /// 0 at the source, 1 at the destination, each of the packet or of what it quotes.
    side: usize,
}

#[derive(Clone, Copy, Debug)]
struct Sum {
    at: usize,
    /// Zero says that there is none.
    optional: bool,
}

/// Names are taken from here, which no host and no rule speaks of.
const NAMES: std::ops::Range<u16> = 40_000..50_000;

impl Draws {
    /// Nothing is drawn yet, these numbers are not, and some are drawn from these ranges.
    pub fn speaking(spoken: BTreeSet<u16>, ranges: Vec<RangeInclusive<u16>>) -> Self {
        Self { spoken, ranges, ..Self::default() }
    }

    /// Puts into a packet of a script the numbers that this router drew, and notes what hosts speak of.
    pub fn send(&mut self, packet: &mut [u8]) {
        for spot in spots(packet) {
            let Some(number) = get16(packet, spot.at) else { continue };
            let end = spot.end(|port| !NAMES.contains(&port));
            match self.numbers.get(&(end, number)) {
                Some(&drawn) if NAMES.contains(&number) => put(packet, spot.at, drawn, &spot.sums),
                _ => {
                    self.spoken.insert(number);
                }
            }
        }
    }

    /// Gives the numbers that a router drew in a packet that left their names; `cause` is the script's packet that came
    /// before.
    pub fn leave(&mut self, cause: &[u8], packet: &mut [u8]) {
        let told: Vec<Cause> = spots(cause).iter().filter_map(|s| Some((s.own, get16(cause, s.at)?))).collect();
        for spot in spots(packet) {
            let Some(number) = get16(packet, spot.at) else { continue };
            if self.is_spoken(number) {
                continue;
            }
            let end = spot.end(|port| self.is_plain(port));
            let cause = told.get(spot.side).or(told.first()).copied();
            let name = self.name(end, number, cause);
            put(packet, spot.at, name, &spot.sums);
        }
    }

    /// Gives the drawn numbers in a line of `conntrack` their names.
    pub fn line(&mut self, line: &str) -> String {
        let mut words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let protocol = words.iter().find_map(|w| w.parse::<u8>().ok()).unwrap_or(0);
        let mut from = 0;
        let mut told: Vec<Cause> = Vec::new();
        while let Some(at) = words.iter().skip(from).position(|w| w.starts_with("src=")).map(|at| at + from) {
            let end = words.iter().skip(at + 1).position(|w| w.starts_with("src=")).map_or(words.len(), |n| n + at + 1);
            let half = words.get(at..end).unwrap_or_default();
            let value = |key: &str| half.iter().find_map(|w| w.strip_prefix(key));
            let (source, destination) = (value("src=").map(str::parse), value("dst=").map(str::parse));
            let (Some(Ok(source)), Some(Ok(destination))) = (source, destination) else { break };
            let number = |key: &str| value(key).and_then(|n| n.parse::<u16>().ok());
            let reply = !told.is_empty();
            let found: Vec<(&str, u16, usize)> = match (number("sport="), number("dport="), number("id=")) {
                (Some(s), Some(d), _) => vec![("sport=", s, 0), ("dport=", d, 1)],
                (.., Some(id)) => vec![("id=", id, usize::from(reply))],
                _ => Vec::new(),
            };
            let mut named = Vec::new();
            for &(key, number, side) in &found {
                let other = found.iter().find(|(_, _, s)| *s != side).map(|(_, n, _)| *n);
                let (own, peer) = if side == 0 { (source, destination) } else { (destination, source) };
                let of = End { protocol, own, peer, port: other.filter(|n| self.is_plain(*n)).unwrap_or(0) };
                let cause = told.get(1 - side).or(told.first()).copied();
                let name = match self.names.get(&(of, number)) {
                    _ if self.is_spoken(number) => number,
                    Some(&name) => name,
                    None if reply => self.name(of, number, cause),
                    // A host spoke, or nobody knows who.
                    None => number,
                };
                named.push((own, name));
                if let Some(word) = words.iter_mut().take(end).skip(at).find(|w| w.starts_with(key)) {
                    *word = format!("{key}{name}");
                }
            }
            if !reply {
                told = named;
            }
            from = end;
        }
        words.join(" ")
    }

    /// Whether a number is told of an end: nobody drew it, nor is it one that might have been.
    fn is_plain(&self, number: u16) -> bool {
        self.is_spoken(number) && !NAMES.contains(&number)
    }

    fn is_spoken(&self, number: u16) -> bool {
        self.spoken.contains(&number)
    }

    /// The name of a number; the same for two numbers that could as well have been drawn the other way round, one after
    /// the other.
    fn name(&mut self, end: End, number: u16, cause: Option<Cause>) -> u16 {
        if let Some(&name) = self.names.get(&(end, number)) {
            return name;
        }
        let mut hasher = DefaultHasher::new();
        (end, cause, self.class(end.protocol, number)).hash(&mut hasher);
        let span = u64::from(NAMES.end - NAMES.start);
        let name = NAMES.start + u16::try_from(hasher.finish() % span).unwrap_or(0);
        self.names.insert((end, number), name);
        self.numbers.insert((end, name), number);
        name
    }

    /// What a number may become when it is drawn anew without a range, and the ranges.
    fn class(&self, protocol: u8, number: u16) -> usize {
        match self.ranges.iter().position(|range| range.contains(&number)) {
            Some(range) => 3 + range,
            None if matches!(protocol, ICMP | ICMPV6) => 2,
            None => match number {
                0..512 => 0,
                512..1024 => 1,
                _ => 2,
            },
        }
    }
}

impl Spot {
    fn end(&self, plain: impl Fn(u16) -> bool) -> End {
        let port = self.other.filter(|port| plain(*port)).unwrap_or(0);
        End { protocol: self.protocol, own: self.own, peer: self.peer, port }
    }
}

/// The numbers of a packet and of the packet it quotes.
fn spots(packet: &[u8]) -> Vec<Spot> {
    let mut all = Vec::new();
    find(packet, 0, &mut all, &[]);
    all
}

fn find(packet: &[u8], begin: usize, all: &mut Vec<Spot>, outer: &[Sum]) {
    let Some((protocol, source, destination, at)) = outline(packet, begin) else { return };
    let sums = |at: usize, optional: bool| [&[Sum { at, optional }][..], outer].concat();
    let spot = |at, sums, own, peer, other, side| Spot { at, sums, protocol, own, peer, other, side };
    match (protocol, packet.get(at).copied()) {
        (TCP | UDP, _) => {
            let (Some(from), Some(to)) = (get16(packet, at), get16(packet, at + 2)) else { return };
            // The checksum of a quote that ends within the header is left alone, as l4proto_manip_pkt() leaves it.
            let sums = match protocol {
                TCP if packet.len() < at + 20 => outer.to_vec(),
                TCP => sums(at + 16, false),
                _ => sums(at + 6, true),
            };
            all.push(spot(at, sums.clone(), source, destination, Some(to), 0));
            all.push(spot(at + 2, sums, destination, source, Some(from), 1));
        }
        (ICMP, Some(8 | 13)) | (ICMPV6, Some(128)) if packet.len() >= at + 6 => {
            all.push(spot(at + 4, sums(at + 2, false), source, destination, None, 0));
        }
        (ICMP, Some(0 | 14)) | (ICMPV6, Some(129)) if packet.len() >= at + 6 => {
            all.push(spot(at + 4, sums(at + 2, false), destination, source, None, 1));
        }
        (ICMP, Some(3 | 4 | 5 | 11 | 12)) | (ICMPV6, Some(1..=4 | 100)) if begin == 0 => {
            find(packet, at + 8, all, &[Sum { at: at + 2, optional: false }]);
        }
        _ => {}
    }
}

/// Protocol, addresses and where the transport header begins; `None` without one, as in a later fragment.
fn outline(packet: &[u8], begin: usize) -> Option<(u8, IpAddr, IpAddr, usize)> {
    let bytes = packet.get(begin..)?;
    match bytes.first()? >> 4 {
        4 if get16(bytes, 6)? & 0x1fff == 0 => {
            let octets = |at: usize| <[u8; 4]>::try_from(bytes.get(at..at + 4)?).ok();
            let header = usize::from(bytes.first()? & 15) * 4;
            Some((*bytes.get(9)?, octets(12)?.into(), octets(16)?.into(), begin + header))
        }
        6 => {
            let octets = |at: usize| <[u8; 16]>::try_from(bytes.get(at..at + 16)?).ok();
            let (source, destination) = (octets(8)?.into(), octets(24)?.into());
            let (mut next, mut at) = (*bytes.get(6)?, 40);
            loop {
                let length = match next {
                    44 if get16(bytes, at + 2)? & !7 != 0 => return None,
                    44 => 8,
                    // Hop-by-hop, routing, destination options, authentication.
                    0 | 43 | 60 => 8 + 8 * usize::from(*bytes.get(at + 1)?),
                    51 => 8 + 4 * usize::from(*bytes.get(at + 1)?),
                    protocol => return Some((protocol, source, destination, begin + at)),
                };
                next = *bytes.get(at)?;
                at += length;
            }
        }
        _ => None,
    }
}

/// Writes sixteen bits, and lets every checksum over them be as right or wrong as it was.
fn put(packet: &mut [u8], at: usize, value: u16, sums: &[Sum]) {
    let Some(old) = get16(packet, at) else { return };
    set16(packet, at, value);
    let mut changes = vec![(old, value)];
    for sum in sums {
        let Some(had) = get16(packet, sum.at).filter(|had| !(sum.optional && *had == 0)) else { continue };
        let new = changes.iter().fold(had, |sum, (old, new)| follow(sum, *old, *new));
        let new = if new == 0 && sum.optional { 0xffff } else { new };
        set16(packet, sum.at, new);
        changes.push((had, new));
    }
}

/// Writes sixteen bits that the checksum at `sum` covers.
pub(crate) fn write(packet: &mut [u8], at: usize, value: u16, sum: usize) {
    put(packet, at, value, &[Sum { at: sum, optional: false }]);
}

/// As RFC 1624.
fn follow(sum: u16, old: u16, new: u16) -> u16 {
    let mut total = u32::from(!sum) + u32::from(!old) + u32::from(new);
    while total > 0xffff {
        total = (total & 0xffff) + (total >> 16);
    }
    !u16::try_from(total).unwrap_or(0)
}

/// Moves the identification of fragments away from where it was, or back: a sender that repeats itself does not meet what
/// is left of its last attempt.
pub fn shift(packet: &mut [u8], by: u16, ids: &BTreeSet<u16>) {
    identification(packet, 0, by, ids, &[]);
    if let Some((protocol, _, _, at)) = outline(packet, 0)
        && matches!((protocol, packet.get(at)), (ICMP, Some(3 | 4 | 5 | 11 | 12)) | (ICMPV6, Some(1..=4)))
    {
        identification(packet, at + 8, by, ids, &[Sum { at: at + 2, optional: false }]);
    }
}

/// The identification of an IPv4 fragment.
pub fn fragment_id(packet: &[u8]) -> Option<u16> {
    let fragment = packet.first()? >> 4 == 4 && get16(packet, 6)? & 0x3fff != 0;
    fragment.then(|| get16(packet, 4)).flatten()
}

fn identification(packet: &mut [u8], begin: usize, by: u16, ids: &BTreeSet<u16>, outer: &[Sum]) {
    if packet.get(begin).is_some_and(|b| b >> 4 == 6) && begin > 0 {
        let Some(at) = packet.get(begin..).and_then(fragment_header6).map(|at| begin + at + 6) else { return };
        if let Some(id) = get16(packet, at).filter(|id| ids.contains(id)) {
            put(packet, at, id ^ by, outer);
        }
        return;
    }
    if packet.get(begin).is_none_or(|b| b >> 4 != 4) {
        return;
    }
    let Some(id) = get16(packet, begin + 4).filter(|id| ids.contains(id)) else { return };
    let sums = [&[Sum { at: begin + 10, optional: false }][..], outer].concat();
    put(packet, begin + 4, id ^ by, &sums);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{Ip, View};

    fn cause() -> Vec<u8> {
        Ip::between([10, 1, 0, 2], [10, 2, 0, 2]).udp(20_001, 53, b"x")
    }

    #[test]
    fn two_routers_that_draw_different_ports_look_the_same_and_each_gets_back_its_own() {
        let mut both = Vec::new();
        for port in [1024, 61_000] {
            let mut draws = Draws::default();
            draws.send(&mut cause());
            let mut out = Ip::between([10, 2, 0, 1], [10, 2, 0, 2]).udp(port, 53, b"x");
            draws.leave(&cause(), &mut out);
            let (name, _) = View::of(&out).unwrap().ports().unwrap();
            let mut answer = Ip::between([10, 2, 0, 2], [10, 2, 0, 1]).udp(53, name, b"y");
            draws.send(&mut answer);
            assert_eq!(answer, Ip::between([10, 2, 0, 2], [10, 2, 0, 1]).udp(53, port, b"y"));
            let line = format!(
                "udp 17 29 src=10.1.0.2 dst=10.2.0.2 sport=20001 dport=53 src=10.2.0.2 dst=10.2.0.1 sport=53 dport={port}"
            );
            let line = draws.line(&line);
            assert!(line.ends_with(&format!("sport=53 dport={name}")), "{line}");
            both.push((out, line));
        }
        assert_eq!(both[0], both[1]);
    }

    #[test]
    fn a_port_of_another_class_has_another_name() {
        let name = |port| {
            let mut draws = Draws::speaking(BTreeSet::new(), vec![3000..=3003]);
            draws.send(&mut cause());
            let mut out = Ip::between([10, 2, 0, 1], [10, 2, 0, 2]).udp(port, 53, b"x");
            draws.leave(&cause(), &mut out);
            out
        };
        assert_ne!(name(3000), name(61_000));
        assert_ne!(name(700), name(61_000));
        assert_eq!(name(3000), name(3003));
    }

    #[test]
    fn a_drawn_port_in_a_quote_is_named_and_both_checksums_stay_right() {
        let mut draws = Draws::default();
        draws.send(&mut cause());
        let mut out = Ip::between([10, 2, 0, 1], [10, 2, 0, 2]).udp(5555, 53, b"x");
        let mut error = Ip::between([10, 2, 0, 2], [10, 2, 0, 1]).icmp(3, 3, 0, &out);
        draws.leave(&cause(), &mut out);
        draws.leave(&cause(), &mut error);
        assert_eq!(error, Ip::between([10, 2, 0, 2], [10, 2, 0, 1]).icmp(3, 3, 0, &out));
    }

    #[test]
    fn a_number_that_looks_drawn_and_is_not_known_says_nothing_of_its_end() {
        let mut draws = Draws::default();
        draws.send(&mut cause());
        let mut out = Ip::between([10, 2, 0, 1], [10, 2, 0, 2]).udp(1024, 49_546, b"x");
        draws.leave(&cause(), &mut out);
        let (name, _) = View::of(&out).unwrap().ports().unwrap();
        // What a host says of both has the one's number and the other's word.
        let mut said = Ip::between([10, 2, 0, 2], [10, 2, 0, 1]).udp(49_546, name, b"y");
        draws.send(&mut said);
        assert_eq!(View::of(&said).unwrap().ports(), Some((49_546, 1024)));
        let line = draws.line("udp 17 29 src=10.2.0.1 dst=10.2.0.2 sport=1024 dport=49546");
        assert!(line.contains(&format!("sport={name} ")), "{line}");
    }

    #[test]
    fn a_shifted_fragment_comes_back() {
        let packet = Ip { fragment: 0x2000, ..Ip::between([10, 1, 0, 2], [10, 2, 0, 2]) }.udp(1, 2, b"12345678");
        let mut moved = packet.clone();
        shift(&mut moved, 0x1000, &BTreeSet::from([0x1234]));
        assert_eq!(fragment_id(&moved), Some(0x0234));
        assert_eq!(crate::frame::checksum(0, &moved[..20]), 0);
        shift(&mut moved, 0x1000, &BTreeSet::from([0x0234]));
        assert_eq!(moved, packet);
    }
}
