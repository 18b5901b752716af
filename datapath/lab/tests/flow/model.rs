//! What a router may choose for a flow, given the rules and what it chose before: one thing where the choice is not left to
//! chance, else anything of the range and class that is free. As nf_nat_core.c.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    ops::RangeInclusive,
};

use lab::frame::TCP;

use super::rules::{Chance, Range, Rule, Rules, Target, address, between, number};
use super::{Entry, Flow, Tuple, host};

/// One router's past in a round.
#[derive(Debug)]
pub(crate) struct Model<'a> {
    rules: &'a Rules,
    /// Tuples in the zone of their direction, and whether that is the original one.
    taken: BTreeSet<(Tuple, u16, bool)>,
    /// What sources became, the newest last: of a source in a zone, the tuples as packets leave.
    sources: BTreeMap<(u8, IpAddr, u16, u16), Vec<Tuple>>,
    /// Which address of a range was chosen for a source, and for its destination unless the range is persistent.
    spots: BTreeMap<Spot, IpAddr>,
    /// How far each rule with `--mode nth` has counted.
    counts: BTreeMap<usize, u32>,
    pub(crate) seen: Seen,
}

/// How often the model had how much to say.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    /// Both sides could be nothing else.
    pub(crate) forced: u32,
    /// Something was drawn.
    pub(crate) drawn: u32,
    /// Nothing was free.
    pub(crate) exhausted: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Source,
    Destination,
}

/// What may come of one side: an address, and of ports this one or any free one of a class.
#[derive(Clone, Debug)]
struct Choice {
    address: IpAddr,
    port: Port,
}

#[derive(Clone, Debug)]
enum Port {
    Only(u16),
    Free(RangeInclusive<u16>),
}

impl<'a> Model<'a> {
    pub(crate) fn new(rules: &'a Rules) -> Self {
        Self {
            rules,
            taken: BTreeSet::new(),
            sources: BTreeMap::new(),
            spots: BTreeMap::new(),
            counts: BTreeMap::new(),
            seen: Seen::default(),
        }
    }

    /// Judges what became of a flow's first packet, those before it being known.
    pub(crate) fn judge(&mut self, flow: &Flow, entry: Option<&Entry>) -> Result<(), String> {
        let zones = self.rules.zones_of(flow);
        let mut said = Vec::new();
        for range in self.candidates(Side::Destination, &flow.tuple) {
            let (choices, by_hash) = self.choose(Side::Destination, &range, &flow.tuple, zones);
            let Some(entry) = entry else {
                // Where nobody listens the router's reset ends it.
                let own = self.own();
                let reset = flow.tuple.protocol == TCP && choices.iter().any(|choice| own.contains(&choice.address));
                if reset || choices.iter().any(|choice| self.dies_behind(choice, flow, zones)) {
                    self.seen.exhausted += 1;
                    return Ok(());
                }
                said.push(format!("{range:?}: something was free"));
                continue;
            };
            let leaving = entry.reply.inverse();
            for between in betweens(&choices, flow.tuple, &leaving) {
                if let Err(why) = self.allows(&choices, Side::Destination, &between, zones) {
                    said.push(format!("{range:?}: {why}"));
                    continue;
                }
                let all = self.candidates(Side::Source, &between);
                // If more than one rule may have done it, nothing is learnt of how one of them chooses.
                let may = |range| {
                    self.allows(&self.choose(Side::Source, range, &between, zones).0, Side::Source, &leaving, zones)
                };
                let sure = all.iter().filter(|range| may(range).is_ok()).count() == 1;
                for behind in all {
                    let (more, also) = self.choose(Side::Source, &behind, &between, zones);
                    if let Err(why) = self.allows(&more, Side::Source, &leaving, zones) {
                        said.push(format!("{behind:?}: {why}"));
                        continue;
                    }
                    if entry.zones != zones {
                        return Err(format!("{}: zones {:?} instead of {zones:?}", flow.tuple, entry.zones));
                    }
                    let only = |all: &[Choice]| matches!(all, [Choice { port: Port::Only(_), .. }]);
                    *(if only(&choices) && only(&more) { &mut self.seen.forced } else { &mut self.seen.drawn }) += 1;
                    if by_hash {
                        self.learn(&range, &flow.tuple, zones, between.destination);
                    }
                    if also && sure {
                        self.learn(&behind, &between, zones, leaving.source);
                    }
                    return self.note(entry, leaving);
                }
            }
        }
        let got = entry.map_or("nothing".to_owned(), |entry| entry.reply.inverse().to_string());
        Err(format!("{} became {got}, but {}", flow.tuple, said.join("; or ")))
    }

    /// Whether a flow's first packet looks like an answer of one before it.
    pub(crate) fn is_answer(&self, flow: &Flow) -> bool {
        let [_, reply] = self.rules.zones_of(flow);
        self.taken.contains(&(flow.tuple, reply, false))
    }

    /// Whether a packet whose destination became this may find no source.
    fn dies_behind(&self, choice: &Choice, flow: &Flow, zones: [u16; 2]) -> bool {
        // Which of several it became nobody saw.
        let Port::Only(port) = choice.port else { return true };
        let between = set(flow.tuple, Side::Destination, choice.address, port);
        self.candidates_behind(&between).iter().any(|range| {
            let (choices, _) = self.choose(Side::Source, range, &between, zones);
            choices.iter().any(|choice| {
                let taken = |port| self.is_taken(&set(between, Side::Source, choice.address, port), zones);
                match &choice.port {
                    Port::Only(port) => taken(*port),
                    Port::Free(ports) => {
                        let (size, gone) = (ports.len(), ports.clone().filter(|port| taken(*port)).count());
                        // Of more than can all be tried some 250 are.
                        gone == size || size > 128 && gone * 10 > size * 9
                    }
                }
            })
        })
    }

    /// The ranges that a packet may be translated into on a side, by the rules.
    fn candidates(&mut self, side: Side, tuple: &Tuple) -> Vec<Range> {
        let rules = self.rules;
        if side == Side::Source {
            return self.candidates_behind(tuple);
        }
        for (at, rule) in rules.destination.iter().enumerate() {
            if !rule.fits(tuple) {
                continue;
            }
            if let Some(Chance::Nth(every, from)) = rule.chance {
                let count = self.counts.entry(at).or_insert(every - 1 - from);
                *count = if *count == every - 1 { 0 } else { *count + 1 };
                if *count != 0 {
                    continue;
                }
            }
            return vec![self.range(side, Some(rule), tuple)];
        }
        vec![self.range(side, None, tuple)]
    }

    fn candidates_behind(&self, tuple: &Tuple) -> Vec<Range> {
        let mut all = Vec::new();
        // What is for the router itself meets no rule of POSTROUTING.
        let local = self.own().contains(&tuple.destination);
        for rule in self.rules.source.iter().filter(|rule| !local && rule.fits(tuple)) {
            all.push(self.range(Side::Source, Some(rule), tuple));
            if rule.chance.is_none() {
                return all;
            }
        }
        all.push(self.range(Side::Source, None, tuple));
        all
    }

    /// The router's own addresses.
    fn own(&self) -> [IpAddr; 2] {
        [1, 2].map(|network| host(self.rules.six, network, 1))
    }

    /// What a rule, or its absence, comes to for a packet.
    fn range(&self, side: Side, rule: Option<&Rule>, tuple: &Tuple) -> Range {
        let six = self.rules.six;
        let one = |address| Some((address, address));
        match rule.map(|rule| &rule.target) {
            None | Some(Target::Accept) => Range { addresses: one(place(tuple, side)), ..Range::default() },
            Some(Target::Translate(range)) => range.clone(),
            Some(Target::Masquerade(range)) => {
                let inside = between((host(six, 1, 0), host(six, 1, 255))).contains(&number(tuple.destination));
                Range { addresses: one(host(six, if inside { 1 } else { 2 }, 1)), ..range.clone() }
            }
            Some(Target::Netmap(network)) => {
                let part = number(tuple.source) & if six { 0xffff } else { 0xff };
                Range { addresses: one(address(six, number(*network) | part)), ..Range::default() }
            }
            Some(Target::Redirect(range)) => Range { addresses: one(host(six, 1, 1)), ..range.clone() },
        }
    }

    /// As get_unique_tuple(): all that may come of it, and whether all of that is chosen anew.
    fn choose(&self, side: Side, range: &Range, tuple: &Tuple, zones: [u16; 2]) -> (Vec<Choice>, bool) {
        let only = |tuple: &Tuple| Choice { address: place(tuple, side), port: Port::Only(end(tuple, side)) };
        if side == Side::Source && !range.random {
            if fits(range, tuple) {
                if !self.is_taken(tuple, zones) {
                    return (vec![only(tuple)], false);
                }
            } else {
                let key = (tuple.protocol, tuple.source, tuple.ports.0, zones[0]);
                let known = self.sources.get(&key).map(Vec::as_slice).unwrap_or_default();
                let known = known.iter().map(|known| set(*tuple, side, known.source, known.ports.0));
                let known: BTreeSet<Tuple> = known.filter(|known| fits(range, known)).collect();
                // If there are several, which one is found first depends on a hash.
                let (gone, free): (Vec<Tuple>, Vec<Tuple>) =
                    known.into_iter().partition(|known| self.is_taken(known, zones));
                if !free.is_empty() {
                    let mut all: Vec<Choice> = free.iter().map(only).collect();
                    if !gone.is_empty() {
                        all.extend(self.choose_anew(side, range, tuple, zones));
                    }
                    return (all, false);
                }
            }
        }
        (self.choose_anew(side, range, tuple, zones), true)
    }

    fn choose_anew(&self, side: Side, range: &Range, tuple: &Tuple, zones: [u16; 2]) -> Vec<Choice> {
        let Some(addresses) = range.addresses else { return Vec::new() };
        let known = self.spots.get(&spot(range, tuple, zones));
        let all: Vec<IpAddr> = match known {
            Some(known) => vec![*known],
            None => between(addresses).map(|number| address(self.rules.six, number)).collect(),
        };
        all.into_iter()
            .map(|address| {
                let tuple = set(*tuple, side, address, end(tuple, side));
                Choice { address, port: self.choose_port(side, range, &tuple, zones) }
            })
            .collect()
    }

    /// As the end of get_unique_tuple() and nf_nat_l4proto_unique_tuple().
    fn choose_port(&self, side: Side, range: &Range, tuple: &Tuple, zones: [u16; 2]) -> Port {
        let own = end(tuple, side);
        let free = |port| !self.is_taken(&set(*tuple, side, place(tuple, side), port), zones);
        if !range.random {
            let keeps = match range.ports {
                None => free(own),
                Some((low, high)) if range.base.is_none() && (!tuple.ported() || (low..=high).contains(&own)) => {
                    low == high || free(own)
                }
                Some(_) => false,
            };
            if keeps {
                return Port::Only(own);
            }
        }
        let class = match range.ports {
            _ if !tuple.ported() => return Port::Only(own),
            Some((low, high)) => low..=high,
            None if tuple.echoes() => 0..=u16::MAX,
            None if side == Side::Destination => return Port::Only(own),
            None => match own {
                0..512 => 1..=511,
                512..1024 => 600..=1023,
                _ => 1024..=u16::MAX,
            },
        };
        if side == Side::Source || range.random {
            return Port::Free(class);
        }
        let (low, size) = (u32::from(*class.start()), class.len() as u32);
        let first = range.base.map_or(0, |base| u32::from(own.wrapping_sub(base)));
        let tried = (0..size.min(128)).map(|step| (low + (first + step) % size) as u16);
        match tried.clone().find(|port| free(*port)) {
            Some(port) => Port::Only(port),
            None if size > 128 => Port::Free(class),
            // The last one that was tried, though it is taken.
            None => { tried }.next_back().map_or(Port::Free(class), Port::Only),
        }
    }

    /// Whether what came of it is among the choices.
    fn allows(&self, choices: &[Choice], side: Side, got: &Tuple, zones: [u16; 2]) -> Result<(), String> {
        let (address, port) = (place(got, side), end(got, side));
        let fits = choices.iter().filter(|choice| choice.address == address).any(|choice| match &choice.port {
            Port::Only(only) => *only == port,
            Port::Free(ports) => ports.contains(&port) && !self.is_taken(got, zones),
        });
        fits.then_some(()).ok_or_else(|| format!("{address} {port} is not of {choices:?}"))
    }

    /// As nf_conntrack_tuple_taken(), of answers to such packets.
    fn is_taken(&self, leaving: &Tuple, [original, reply]: [u16; 2]) -> bool {
        let answers = leaving.inverse();
        self.taken.contains(&(answers, reply, false))
            || original == reply && self.taken.contains(&(answers, reply, true))
    }

    fn learn(&mut self, range: &Range, tuple: &Tuple, zones: [u16; 2], address: IpAddr) {
        if range.addresses.is_some_and(|all| between(all).contains(&number(address))) {
            self.spots.entry(spot(range, tuple, zones)).or_insert(address);
        }
    }

    /// The connection is there now.
    fn note(&mut self, entry: &Entry, leaving: Tuple) -> Result<(), String> {
        let [original, reply] = entry.zones;
        if !self.taken.insert((entry.reply, reply, false)) {
            return Err(format!("two connections have the answers {}", entry.reply));
        }
        self.taken.insert((entry.original, original, true));
        let Tuple { protocol, source, ports: (port, _), .. } = entry.original;
        self.sources.entry((protocol, source, port, original)).or_default().push(leaving);
        Ok(())
    }
}

/// What a packet may have been between the two sides' translations. An echo's id may have been changed twice.
fn betweens(choices: &[Choice], tuple: Tuple, leaving: &Tuple) -> Vec<Tuple> {
    let between = set(tuple, Side::Destination, leaving.destination, end(&tuple, Side::Destination));
    if !tuple.echoes() {
        return vec![Tuple { ports: (tuple.ports.0, leaving.ports.1), ..between }];
    }
    let ids = choices.iter().filter_map(|choice| match choice.port {
        Port::Only(id) if choice.address == leaving.destination => Some(id),
        _ => None,
    });
    ids.map(|id| Tuple { ports: (id, tuple.ports.1), ..between }).collect()
}

/// As in_range().
fn fits(range: &Range, tuple: &Tuple) -> bool {
    range.addresses.is_none_or(|all| between(all).contains(&number(tuple.source)))
        && range.ports.is_none_or(|(low, high)| !tuple.ported() || (low..=high).contains(&tuple.ports.0))
}

type Spot = ((u128, u128), IpAddr, Option<(IpAddr, u16)>);

/// What the choice of an address hangs on. As find_best_ips_proto().
fn spot(range: &Range, tuple: &Tuple, zones: [u16; 2]) -> Spot {
    let all = range.addresses.map_or((0, 0), |(first, last)| (number(first), number(last)));
    (all, tuple.source, (!range.persistent).then_some((tuple.destination, zones[0])))
}

fn place(tuple: &Tuple, side: Side) -> IpAddr {
    match side {
        Side::Source => tuple.source,
        Side::Destination => tuple.destination,
    }
}

/// The port of a side; of ICMP the id.
fn end(tuple: &Tuple, side: Side) -> u16 {
    match side {
        Side::Destination if !tuple.echoes() => tuple.ports.1,
        _ => tuple.ports.0,
    }
}

fn set(mut tuple: Tuple, side: Side, address: IpAddr, port: u16) -> Tuple {
    match side {
        Side::Source => tuple.source = address,
        Side::Destination => tuple.destination = address,
    }
    match side {
        Side::Destination if !tuple.echoes() => tuple.ports.1 = port,
        _ => tuple.ports.0 = port,
    }
    tuple
}
