//! Random NAT rules, as lines for `iptables-restore` and as the model reads them.

use std::{
    fmt::Write as _,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    ops::RangeInclusive,
};

use lab::{
    frame::{ICMP, ICMPV6, SCTP, TCP, UDP},
    random::Random,
};

use super::{Flow, Tuple, host};

/// All rules of a round.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rules {
    pub(crate) six: bool,
    /// PREROUTING's.
    pub(crate) destination: Vec<Rule>,
    /// POSTROUTING's.
    pub(crate) source: Vec<Rule>,
    /// Whether tenants have zones: of both directions, or of the original one alone.
    pub(crate) zones: Option<bool>,
}

/// A rule of the nat table.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    /// Its protocol's number, if it names one.
    pub(crate) protocol: Option<u8>,
    /// The destination it is for, and the port.
    pub(crate) to: Option<(IpAddr, Option<u16>)>,
    /// Sources with an odd last number alone.
    pub(crate) odd: bool,
    pub(crate) chance: Option<Chance>,
    pub(crate) target: Target,
}

/// How load is spread.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Chance {
    /// `--mode nth`: every so many, from this one on.
    Nth(u32, u32),
    /// `--mode random`.
    Random,
}

/// What a rule does.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    Accept,
    Translate(Range),
    Masquerade(Range),
    /// The network becomes another one, the host stays.
    Netmap(IpAddr),
    /// To the router itself.
    Redirect(Range),
}

/// Where a target translates to; addresses of a network as the numbers of their hosts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) addresses: Option<(IpAddr, IpAddr)>,
    pub(crate) ports: Option<(u16, u16)>,
    /// The port that becomes the first.
    pub(crate) base: Option<u16>,
    /// Ports are drawn whether they must or not.
    pub(crate) random: bool,
    /// One source, one address.
    pub(crate) persistent: bool,
}

impl Rules {
    pub(crate) fn draw(random: &mut Random, six: bool) -> Self {
        let mut rules = Self { six, ..Self::default() };
        if random.one_in(4) {
            rules.zones = Some(random.one_in(2));
        }
        for _ in 0..random.below(4) {
            rules.destination.push(Rule::draw(random, six, true));
        }
        for _ in 0..1 + random.below(3) {
            rules.source.push(Rule::draw(random, six, false));
        }
        rules
    }

    /// Whether a choice depends on which packets came through the last hook before; or packets of one tuple, of which
    /// nothing says in which zone they are, would be between two hooks together.
    pub(crate) fn one_by_one(&self) -> bool {
        // Both sides may change the id of an echo.
        let echoes = |rule: &Rule| rule.protocol.is_none_or(|protocol| matches!(protocol, ICMP | ICMPV6));
        let free = |rule: &Rule| match &rule.target {
            Target::Translate(range) => range.ports.is_some() || echoes(rule),
            Target::Redirect(range) => range.ports.is_some(),
            _ => false,
        };
        self.zones.is_some() || self.destination.iter().any(free)
    }

    /// Zones of a tenant's connections.
    pub(crate) fn zones_of(&self, flow: &Flow) -> [u16; 2] {
        let zone = u16::from(flow.tenant);
        match self.zones {
            Some(true) => [zone; 2],
            Some(false) => [zone, 0],
            None => [0; 2],
        }
    }

    /// The text for `iptables-restore`; `fence` is the protocol of packets that are left alone.
    pub(crate) fn text(&self, fence: u8) -> String {
        let mut text = String::from("*raw\n:PREROUTING ACCEPT\n:OUTPUT ACCEPT\n");
        if let Some(both) = self.zones {
            for tenant in 1..3 {
                let option = if both { "zone" } else { "zone-orig" };
                let _ = writeln!(text, "-A PREROUTING -m tos --tos {:#x}/0xff -j CT --{option} {tenant}", tenant << 4);
            }
        }
        text += "COMMIT\n*nat\n:PREROUTING ACCEPT\n:INPUT ACCEPT\n:OUTPUT ACCEPT\n:POSTROUTING ACCEPT\n";
        for (chain, rules) in [("PREROUTING", &self.destination), ("POSTROUTING", &self.source)] {
            let _ = writeln!(text, "-A {chain} -p {fence} -j ACCEPT");
            for rule in rules {
                let _ = writeln!(text, "-A {chain}{}", rule.words(self.six, chain == "PREROUTING"));
            }
        }
        // Something that asks for connections, or there may be none.
        text + "COMMIT\n*filter\n:FORWARD ACCEPT\n-A FORWARD -m conntrack --ctstate INVALID -j DROP\nCOMMIT\n"
    }
}

impl Rule {
    fn draw(random: &mut Random, six: bool, destination: bool) -> Self {
        let icmp = if six { ICMPV6 } else { ICMP };
        let mut protocol = random.choose(&[None, Some(UDP), Some(UDP), Some(TCP), Some(TCP), Some(SCTP), Some(icmp)]);
        let mut range = Range::default();
        let first = 2 + random.below(3) as u8;
        let last = first + random.choose(&[0, 0, 0, 1, 3]);
        // The router's own network on that side, or inside: hairpin.
        let network = if destination && random.one_in(4) { 1 } else { 2 };
        range.addresses = Some((host(six, network, first), host(six, network, last)));
        // The id of an echo is both sides' own: one of them changes it. With ICMPv6 no rule may name one.
        let own = protocol == Some(ICMPV6) || destination && protocol == Some(ICMP);
        if protocol.is_some() && !own && random.one_in(2) {
            let low = random.choose(&[3_000, 7_000, 60_000]);
            range.ports = Some((low, low + random.choose(&[0, 0, 1, 3, 15, 99, 255])));
        }
        let ports = matches!(protocol, Some(TCP | UDP | SCTP));
        if destination && ports && range.ports.is_some() && random.one_in(4) {
            range.base = Some(random.choose(&[53, 80, 5_000]));
        }
        range.random = !destination && random.one_in(5);
        range.persistent = random.one_in(4);
        let target = match (destination, random.below(8)) {
            (_, 0) => Target::Accept,
            (true, 1) if !six => {
                protocol = Some(UDP);
                let port = random.choose(&[None, Some((5_300, 5_300))]);
                Target::Redirect(Range { ports: port, ..Range::default() })
            }
            (false, 1) => Target::Netmap(host(six, 3, 0)),
            (false, 2..=4) => Target::Masquerade(Range { addresses: None, persistent: false, ..range }),
            _ => Target::Translate(range),
        };
        let outer = random.one_in(5);
        Self {
            protocol,
            to: match (destination, outer) {
                (true, true) => Some((host(six, 2, 1), None)),
                (true, false) if ports && random.one_in(3) => Some((host(six, 2, 2), Some(80))),
                _ => None,
            },
            odd: !six && random.one_in(4),
            // In front of routing every flow is counted, whatever became of the others.
            chance: match random.below(4) {
                0 if destination => {
                    let every = 2 + random.below(3) as u32;
                    Some(Chance::Nth(every, random.below(u64::from(every)) as u32))
                }
                0 => Some(Chance::Random),
                _ => None,
            },
            target,
        }
    }

    /// Whether a packet is one for the rule, but for its chance.
    pub(crate) fn fits(&self, tuple: &Tuple) -> bool {
        let last = match tuple.source {
            IpAddr::V4(ip) => ip.octets()[3],
            IpAddr::V6(ip) => ip.octets()[15],
        };
        self.protocol.is_none_or(|protocol| protocol == tuple.protocol)
            && self.to.is_none_or(|(address, port)| {
                address == tuple.destination && port.is_none_or(|port| port == tuple.ports.1)
            })
            && (!self.odd || last % 2 == 1)
    }

    fn words(&self, six: bool, destination: bool) -> String {
        let mut words = String::new();
        if let Some(protocol) = self.protocol {
            let _ = write!(words, " -p {protocol}");
        }
        if self.odd {
            words += " -s 0.0.0.1/0.0.0.1";
        }
        if let Some((address, port)) = self.to {
            let _ = write!(words, " -d {address}");
            match (port, self.protocol) {
                (Some(port), Some(SCTP)) => drop(write!(words, " -m sctp --dport {port}")),
                (Some(port), Some(TCP)) => drop(write!(words, " -m tcp --dport {port}")),
                (Some(port), _) => drop(write!(words, " -m udp --dport {port}")),
                _ => {}
            }
        }
        match self.chance {
            Some(Chance::Nth(every, from)) => {
                let _ = write!(words, " -m statistic --mode nth --every {every} --packet {from}");
            }
            Some(Chance::Random) => words += " -m statistic --mode random --probability 0.5",
            None => {}
        }
        match &self.target {
            Target::Accept => words += " -j ACCEPT",
            Target::Translate(range) => {
                let (target, option) = if destination { ("DNAT", "to-destination") } else { ("SNAT", "to-source") };
                let _ = write!(words, " -j {target} --{option} {}", range.place(six));
                words += range.flags();
                words += if range.persistent { " --persistent" } else { "" };
            }
            Target::Masquerade(range) => {
                words += " -j MASQUERADE";
                if let Some((low, high)) = range.ports {
                    let _ = write!(words, " --to-ports {low}-{high}");
                }
                words += range.flags();
            }
            Target::Netmap(network) => {
                let _ = write!(words, " -j NETMAP --to {network}/{}", if six { 112 } else { 24 });
            }
            Target::Redirect(range) => {
                words += " -j REDIRECT";
                if let Some((low, _)) = range.ports {
                    let _ = write!(words, " --to-ports {low}");
                }
            }
        }
        words
    }
}

impl Range {
    /// The addresses and ports in the words of an option.
    fn place(&self, six: bool) -> String {
        let mut text = String::new();
        if let Some((first, last)) = self.addresses {
            let all = if first == last { first.to_string() } else { format!("{first}-{last}") };
            text = if six && self.ports.is_some() { format!("[{all}]") } else { all };
        }
        if let Some((low, high)) = self.ports {
            let _ = write!(text, ":{low}-{high}");
        }
        if let Some(base) = self.base {
            let _ = write!(text, "/{base}");
        }
        text
    }

    fn flags(&self) -> &'static str {
        if self.random { " --random-fully" } else { "" }
    }
}

/// The addresses from one to another.
pub(crate) fn between((first, last): (IpAddr, IpAddr)) -> RangeInclusive<u128> {
    number(first)..=number(last)
}

/// An address as a number.
pub(crate) fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(ip) => ip.to_bits().into(),
        IpAddr::V6(ip) => ip.to_bits(),
    }
}

/// The address of a number.
pub(crate) fn address(six: bool, number: u128) -> IpAddr {
    if six { Ipv6Addr::from_bits(number).into() } else { Ipv4Addr::from_bits(number as u32).into() }
}
