//! An engine that is programmed by rule texts and fed with packets, for all scenario tests.
#![allow(
    dead_code,
    unreachable_pub,
    unnameable_types,
    clippy::unwrap_used,
    reason = "helpers of tests, of which each file uses its own part"
)]

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use engine::conntrack::Settings;
use engine::host::{AddressKind, Route, RouteKey, SocketFound, SocketPair};
use engine::packet::{Buffer, PacketId};
use engine::wire::checksum::{Sum, checksum};
use engine::{Device, Effects, Engine, Hook, Host, Now, Packet, Refused, Verdict};
use libxt::backend::{Backend, Counters, Get};
use libxt::ext::{Given, Kind, Object, Revision, entries, find};
use libxt::family::Af;
use libxt::rule::{Encoded, Rule, Target, encode};
use libxt::table::Table;
use libxt::value::header;
use libxt::value::interface::Interface;
use libxt::value::network::Network;

pub const SECOND: u64 = 1_000_000_000;

/// A router between a client network (eth0, 10.0.0.1) and a server network (eth1, 192.0.2.1).
pub struct Router {
    pub engine: Engine,
    pub now: Now,
    pub out: Effects,
    pub host: Machine,
    /// What the kernel says of all packets that follow.
    pub answers: u8,
    /// In which revision rules name their targets, if not in the one that is usual.
    pub revision: Option<u8>,
    next: u32,
}

pub struct Machine {
    pub devices: [Device; 3],
    pub sockets: Vec<(SocketPair, SocketFound)>,
}

/// A packet that went through, as it left a hook.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    pub verdict: Verdict,
    pub bytes: Vec<u8>,
    pub mark: u32,
    pub id: PacketId,
}

struct Socket<'a>(Af, &'a mut Engine);

impl Default for Router {
    fn default() -> Self {
        Self {
            engine: Engine::new(Settings::default(), *b"0123456789abcdef"),
            now: Now { monotonic: 1_000 * SECOND, wall: 1_700_000_000 * SECOND },
            out: Effects::default(),
            host: Machine { devices: [device(1, "lo"), device(2, "eth0"), device(3, "eth1")], sockets: Vec::new() },
            answers: 0,
            revision: None,
            next: 1,
        }
    }
}

impl Router {
    /// Lines as `iptables` takes them behind its name: `-t nat -A POSTROUTING …`, `-N chain`, `-P INPUT DROP`.
    pub fn load(&mut self, af: Af, lines: &[&str]) {
        for line in lines {
            self.try_load(af, line).unwrap_or_else(|errno| panic!("{line}: errno {errno}"));
        }
    }

    /// One line; the error is the errno.
    pub fn try_load(&mut self, af: Af, line: &str) -> Result<(), i32> {
        self.try_load_words(af, line.split_whitespace().collect())
    }

    /// One line in its words, which may hold blanks.
    pub fn try_load_words(&mut self, af: Af, mut words: Vec<&str>) -> Result<(), i32> {
        let mut socket = Socket(af, &mut self.engine);
        let table = match words.iter().position(|word| *word == "-t") {
            Some(at) => words.drain(at..at + 2).nth(1).unwrap(),
            None => "filter",
        };
        let mut table = Table::open(&mut socket, table).unwrap();
        match words.as_slice() {
            ["-N", chain] => table.create(chain).unwrap(),
            ["-F", chain] => table.flush(chain).unwrap(),
            ["-P", chain, policy] => table.set_policy(chain, policy, None).unwrap(),
            ["-A", chain, rule @ ..] => append(&mut table, af, self.revision, chain, rule),
            _ => panic!("{words:?}"),
        }
        let mut blob = table.to_blob().unwrap();
        let mut old = vec![Counters::default(); 4096];
        socket.replace(&mut blob, &mut old).map_err(|error| error.raw_os_error().unwrap())
    }

    /// A table as its next replace would send it.
    pub fn blob(&mut self, af: Af, table: &str) -> Vec<u8> {
        Table::open(&mut Socket(af, &mut self.engine), table).unwrap().to_blob().unwrap()
    }

    /// Many rules at the end of one chain of the filter table, in one replace.
    pub fn load_at_once(&mut self, af: Af, chain: &str, rules: &[String]) {
        let mut socket = Socket(af, &mut self.engine);
        let mut table = Table::open(&mut socket, "filter").unwrap();
        for rule in rules {
            append(&mut table, af, self.revision, chain, &rule.split_whitespace().collect::<Vec<_>>());
        }
        let mut blob = table.to_blob().unwrap();
        socket.replace(&mut blob, &mut []).unwrap();
    }

    /// Packets and bytes of each entry of a table.
    pub fn counters(&mut self, af: Af, table: &str) -> Vec<(u64, u64)> {
        entries_of(&mut self.engine, af, table).into_iter().map(|counters| (counters.packets, counters.bytes)).collect()
    }

    pub fn wait(&mut self, nanoseconds: u64) {
        self.now.monotonic += nanoseconds;
        self.now.wall += nanoseconds;
        while self.engine.expire(self.now, &self.host, &mut self.out) {}
    }

    /// A packet at one hook, with its devices by index.
    pub fn at(&mut self, hook: Hook, devices: (u32, u32), bytes: &[u8], mark: u32) -> Seen {
        self.out.clear();
        self.at_keeping(hook, devices, bytes, mark)
    }

    /// The same, without clearing the effects.
    pub fn at_keeping(&mut self, hook: Hook, devices: (u32, u32), bytes: &[u8], mark: u32) -> Seen {
        let mut room = bytes.to_vec();
        room.resize(bytes.len() + 0x1_0000, 0);
        let find = |index: u32| self.host.devices.iter().find(|device| device.index == index);
        let id = PacketId { queue: 0, number: self.next };
        self.next += 1;
        let mut packet = Packet {
            id,
            in_device: find(devices.0),
            out_device: find(devices.1),
            mark,
            answers: self.answers,
            ..Packet::new(
                if bytes.first().is_some_and(|first| first >> 4 == 6) { Af::V6 } else { Af::V4 },
                hook,
                Buffer::new(&mut room, bytes.len()),
            )
        };
        let verdict = self.engine.packet(&mut packet, self.now, &self.host, &mut self.out);
        Seen { verdict, mark: packet.mark, bytes: packet.data.bytes().to_vec(), id }
    }

    /// A packet from device `from` routed to device `to`: PREROUTING, FORWARD, POSTROUTING, with a hop less on the way.
    pub fn forward(&mut self, from: u32, to: u32, bytes: &[u8]) -> Option<Vec<u8>> {
        self.out.clear();
        let mut seen = self.at_keeping(Hook::Prerouting, (from, 0), bytes, 0);
        if seen.verdict != Verdict::Accept {
            return None;
        }
        lose_a_hop(&mut seen.bytes);
        for hook in [Hook::Forward, Hook::Postrouting] {
            seen = self.at_keeping(hook, (from, to), &seen.bytes, seen.mark);
            if seen.verdict != Verdict::Accept {
                return None;
            }
        }
        Some(seen.bytes)
    }

    /// A packet from device `from` to this machine.
    pub fn deliver(&mut self, from: u32, bytes: &[u8]) -> Option<Vec<u8>> {
        self.out.clear();
        let seen = self.at_keeping(Hook::Prerouting, (from, 0), bytes, 0);
        if seen.verdict != Verdict::Accept {
            return None;
        }
        let seen = self.at_keeping(Hook::Input, (from, 0), &seen.bytes, seen.mark);
        (seen.verdict == Verdict::Accept).then_some(seen.bytes)
    }

    /// A packet this machine sends.
    pub fn emit(&mut self, to: u32, bytes: &[u8]) -> Option<Vec<u8>> {
        self.out.clear();
        let seen = self.at_keeping(Hook::Output, (0, to), bytes, 0);
        if seen.verdict != Verdict::Accept {
            return None;
        }
        let seen = self.at_keeping(Hook::Postrouting, (0, to), &seen.bytes, seen.mark);
        (seen.verdict == Verdict::Accept).then_some(seen.bytes)
    }

    /// The packets that were to be sent.
    pub fn sent(&self) -> Vec<Vec<u8>> {
        self.out.sends.iter().map(|send| self.out.bytes[send.bytes.clone()].to_vec()).collect()
    }

    /// The lines that were logged.
    pub fn logged(&self) -> Vec<String> {
        let text = |log: &engine::effects::Log| String::from_utf8(self.out.bytes[log.text.clone()].to_vec()).unwrap();
        self.out.logs.iter().map(text).collect()
    }
}

impl Backend for Socket<'_> {
    fn af(&self) -> Af {
        self.0
    }

    fn get(&mut self, what: Get, value: &mut Vec<u8>) -> io::Result<()> {
        self.1.get(self.0, what, value).map_err(error)
    }

    fn replace(&mut self, blob: &mut [u8], old: &mut [Counters]) -> io::Result<()> {
        let mut counters = Vec::new();
        self.1.replace(self.0, blob, &mut counters).map_err(error)?;
        for (to, from) in old.iter_mut().zip(counters) {
            *to = from;
        }
        Ok(())
    }

    fn add_counters(&mut self, blob: &[u8]) -> io::Result<()> {
        self.1.add_counters(self.0, blob).map_err(error)
    }

    fn table_names(&mut self) -> io::Result<Vec<String>> {
        Ok(self.1.table_names(self.0).into_iter().map(String::from).collect())
    }
}

/// The machine's addresses. Those who measure ask often.
const OWN: [IpAddr; 5] = [
    IpAddr::V4(Ipv4Addr::new(127, 0, 0, 1)),
    IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1)),
    IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)),
];

impl Host for Machine {
    fn masquerade_address(&self, af: Af, device: u32, _: &RouteKey) -> Option<IpAddr> {
        self.first_address(af, device)
    }

    fn first_address(&self, af: Af, device: u32) -> Option<IpAddr> {
        let text = match (af, device) {
            (Af::V4, 1) => "127.0.0.1",
            (Af::V4, 2) => "10.0.0.1",
            (Af::V4, 3) => "192.0.2.1",
            (Af::V6, 2) => "fd00::1",
            (Af::V6, 3) => "2001:db8::1",
            _ => return None,
        };
        text.parse().ok()
    }

    fn address_kind(&self, address: IpAddr, _device: Option<u32>) -> AddressKind {
        match address {
            _ if OWN.contains(&address) => AddressKind::Local,
            IpAddr::V4(ip) if ip.is_broadcast() || ip.octets()[3] == 255 => AddressKind::Broadcast,
            _ if address.is_multicast() => AddressKind::Multicast,
            _ => AddressKind::Unicast,
        }
    }

    fn route(&self, key: &RouteKey) -> Option<Route> {
        let destination = key.destination;
        let inside = match destination {
            IpAddr::V4(ip) => ip.octets()[0] == 10,
            IpAddr::V6(ip) => ip.octets()[0] == 0xfd,
        };
        let af = if destination.is_ipv4() { Af::V4 } else { Af::V6 };
        let device = if inside { 2 } else { 3 };
        Some(Route { device, source: self.first_address(af, device), mtu: 1500, gateway: None })
    }

    fn minutes_west(&self) -> i32 {
        0
    }

    fn socket(&self, pair: &SocketPair) -> Option<SocketFound> {
        self.sockets.iter().find(|(known, _)| known == pair).map(|(_, found)| *found)
    }

    fn device(&self, index: u32) -> Option<&Device> {
        self.devices.iter().find(|device| device.index == index)
    }
}

fn append(table: &mut Table, af: Af, revision: Option<u8>, chain: &str, rule: &[&str]) {
    let mut encoded = Encoded::default();
    let rule = parse(af, rule);
    let mut wanted = |object: &dyn Object| {
        let fits = |one: &&Revision| one.families.contain(af) && object.fits(one.number);
        let mut all = object.revisions().iter().filter(fits);
        match revision {
            Some(number) if object.kind() == Kind::Target => all.find(|one| one.number == number).copied(),
            _ => all.next().copied(),
        }
    };
    encode(&rule, &mut wanted, &mut encoded).unwrap();
    table.append(chain, &encoded.as_new_rule()).unwrap();
}

fn error(refused: Refused) -> io::Error {
    io::Error::from_raw_os_error(refused.errno)
}

pub fn device(index: u32, text: &str) -> Device {
    let mut name = [0; 16];
    name[..text.len()].copy_from_slice(text.as_bytes());
    Device { index, name, loopback: text == "lo", mtu: 1500, group: 0, hardware: 1 }
}

/// The counters of a table's entries, by `GET_INFO` and `GET_ENTRIES`.
pub fn entries_of(engine: &mut Engine, af: Af, table: &str) -> Vec<Counters> {
    let bytes = table_bytes(engine, af, table);
    libxt::blob::entries(af, &bytes).map(|entry| entry.unwrap().counters()).collect()
}

/// The entries of a table as a read gives them.
pub fn table_bytes(engine: &mut Engine, af: Af, table: &str) -> Vec<u8> {
    let mut value = vec![0; 84];
    value[..table.len()].copy_from_slice(table.as_bytes());
    engine.get(af, Get::Info, &mut value).unwrap();
    let size = value[80..84].to_vec();
    let mut value = vec![0; 40];
    value[..table.len()].copy_from_slice(table.as_bytes());
    value[32..36].copy_from_slice(&size);
    engine.get(af, Get::Entries, &mut value).unwrap();
    value.split_off(40)
}

/// The part of the rule grammar that tests use.
pub fn parse(af: Af, words: &[&str]) -> Rule {
    let mut rule = Rule::new(af);
    let mut matches: Vec<Box<dyn Object>> = Vec::new();
    let mut inverted = false;
    let mut words = words.iter().copied().peekable();
    while let Some(word) = words.next() {
        let invert = |bit: u8| if inverted { bit } else { 0 };
        match word {
            "!" => {
                inverted = true;
                continue;
            }
            "-p" => {
                rule.header.protocol = libxt::value::protocol::parse(words.next().unwrap()).unwrap();
                rule.header.inversions |= invert(header::INV_PROTOCOL);
                if af == Af::V6 {
                    rule.header.flags |= header::F_PROTOCOL_V6;
                }
            }
            "-s" | "-d" => {
                let network = Network::parse(words.next().unwrap(), af).unwrap();
                let keep = af.address_len();
                let mut mask = [0; 16];
                mask[..keep].copy_from_slice(&network.mask[..keep]);
                let mut address = network.address;
                address.iter_mut().zip(mask).for_each(|(address, mask)| *address &= mask);
                let range = header::Range { address, mask };
                if word == "-s" {
                    rule.header.source = range;
                    rule.header.inversions |= invert(header::INV_SOURCE);
                } else {
                    rule.header.destination = range;
                    rule.header.inversions |= invert(header::INV_DESTINATION);
                }
            }
            "-i" => {
                rule.header.input = Interface::parse(words.next().unwrap()).unwrap();
                rule.header.inversions |= invert(header::INV_INPUT);
            }
            "-o" => {
                rule.header.output = Interface::parse(words.next().unwrap()).unwrap();
                rule.header.inversions |= invert(header::INV_OUTPUT);
            }
            "-f" => {
                rule.header.flags |= header::F_FRAGMENT_V4;
                rule.header.inversions |= invert(header::INV_FRAGMENT);
            }
            "-m" => matches.push((find(Kind::Match, words.next().unwrap(), af).unwrap().new)()),
            "-j" | "-g" => {
                let name = words.next().unwrap();
                if word == "-g" {
                    rule.header.flags |= if af == Af::V4 { header::F_GOTO_V4 } else { header::F_GOTO_V6 };
                }
                rule.target = match libxt::table::verdict_number(name) {
                    Some(verdict) => Target::Verdict(verdict),
                    None => match find(Kind::Target, name, af) {
                        Some(entry) => Target::Extension((entry.new)()),
                        None => Target::Chain(name.to_owned()),
                    },
                };
            }
            option => {
                let name = option.strip_prefix("--").unwrap_or_else(|| panic!("{option}"));
                let around = libxt::ext::Surroundings {
                    af,
                    protocol: rule.header.protocol,
                    protocol_inverted: rule.header.inversions & header::INV_PROTOCOL != 0,
                };
                let of = |object: &dyn Object| (0..object.option_count()).find(|&at| object.option(at).name == name);
                let known = matches!(&rule.target, Target::Extension(target) if of(&**target).is_some())
                    || matches.iter().any(|one| of(&**one).is_some());
                if !known {
                    let protocol = u8::try_from(around.protocol).ok();
                    let entry = entries(Kind::Match)
                        .iter()
                        .find(|entry| {
                            entry.protocol.is_some() && entry.protocol == protocol && entry.families.contain(af)
                        })
                        .unwrap_or_else(|| panic!("{option}"));
                    matches.push((entry.new)());
                }
                let object = match &mut rule.target {
                    Target::Extension(target) if of(&**target).is_some() => target,
                    _ => matches.iter_mut().rev().find(|one| of(&***one).is_some()).unwrap(),
                };
                let at = of(&**object).unwrap();
                let spec = object.option(at);
                let value = if spec.argument { words.next().unwrap() } else { "" };
                let mut given = Given::new(value, inverted, around);
                if spec.second {
                    let second = words.peek().copied().filter(|word| !word.starts_with(['-', '!']));
                    given = given.with_second(second);
                    if second.is_some() {
                        words.next();
                    }
                }
                object.set(at, &given).unwrap_or_else(|problem| panic!("{option}: {problem}"));
            }
        }
        inverted = false;
    }
    let around = libxt::ext::Surroundings {
        af,
        protocol: rule.header.protocol,
        protocol_inverted: rule.header.inversions & header::INV_PROTOCOL != 0,
    };
    for one in &mut matches {
        one.check(&around).unwrap();
    }
    if let Target::Extension(target) = &mut rule.target {
        target.check(&around).unwrap();
    }
    rule.matches = matches;
    rule
}

/// An IP packet around a segment, of the family of its addresses, checksums right where `protocol` has one we know.
pub fn ip(source: &str, destination: &str, protocol: u8, segment: &[u8]) -> Vec<u8> {
    let (source, destination): (IpAddr, IpAddr) = (source.parse().unwrap(), destination.parse().unwrap());
    let mut segment = segment.to_vec();
    let at = match protocol {
        6 => Some(16),
        17 => Some(6),
        1 | 58 => Some(2),
        _ => None,
    };
    let af = if source.is_ipv4() { Af::V4 } else { Af::V6 };
    if let Some(at) = at.filter(|at| segment.len() >= at + 2) {
        segment[at..at + 2].fill(0);
        let start = match protocol {
            1 => Sum::default(),
            _ => Sum::default().pseudo_header(af, source.into(), destination.into(), protocol, segment.len()),
        };
        let sum = start.bytes(&segment).finish();
        segment[at..at + 2].copy_from_slice(&sum.to_be_bytes());
    }
    let mut packet = match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let [high, low] = (20 + segment.len() as u16).to_be_bytes();
            let mut header = vec![0x45, 0, high, low, 0x12, 0x34, 0, 0, 64, protocol, 0, 0];
            header.extend(source.octets());
            header.extend(destination.octets());
            header
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            let [high, low] = (segment.len() as u16).to_be_bytes();
            let mut header = vec![0x60, 0, 0, 0, high, low, protocol, 64];
            header.extend(source.octets());
            header.extend(destination.octets());
            header
        }
        _ => panic!("two families"),
    };
    sum_header(&mut packet);
    packet.extend(segment);
    packet
}

pub fn tcp(ports: (u16, u16), numbers: (u32, u32), flags: u8, payload: &[u8]) -> Vec<u8> {
    let mut segment = Vec::new();
    segment.extend(ports.0.to_be_bytes());
    segment.extend(ports.1.to_be_bytes());
    segment.extend(numbers.0.to_be_bytes());
    segment.extend(numbers.1.to_be_bytes());
    segment.extend([0x50, flags, 0x72, 0x10, 0, 0, 0, 0]);
    segment.extend(payload);
    segment
}

pub fn udp(ports: (u16, u16), payload: &[u8]) -> Vec<u8> {
    let mut segment = Vec::new();
    segment.extend(ports.0.to_be_bytes());
    segment.extend(ports.1.to_be_bytes());
    segment.extend((8 + payload.len() as u16).to_be_bytes());
    segment.extend([0, 0]);
    segment.extend(payload);
    segment
}

pub fn echo(kind: u8, id: u16) -> Vec<u8> {
    let [high, low] = id.to_be_bytes();
    vec![kind, 0, 0, 0, high, low, 0, 1, b'a', b'b', b'c', b'd']
}

/// The header checksum of an IPv4 packet; nothing for IPv6.
pub fn sum_header(packet: &mut [u8]) {
    if packet[0] >> 4 == 4 {
        packet[10..12].fill(0);
        let len = usize::from(packet[0] & 15) * 4;
        let sum = checksum(&packet[..len]);
        packet[10..12].copy_from_slice(&sum.to_be_bytes());
    }
}

pub fn lose_a_hop(packet: &mut [u8]) {
    let at = if packet[0] >> 4 == 4 { 8 } else { 7 };
    packet[at] -= 1;
    sum_header(packet);
}

/// Source and destination address of a packet.
pub fn addresses(packet: &[u8]) -> (IpAddr, IpAddr) {
    let four = |at: usize| IpAddr::from(<[u8; 4]>::try_from(&packet[at..at + 4]).unwrap());
    let sixteen = |at: usize| IpAddr::from(<[u8; 16]>::try_from(&packet[at..at + 16]).unwrap());
    if packet[0] >> 4 == 4 { (four(12), four(16)) } else { (sixteen(8), sixteen(24)) }
}
