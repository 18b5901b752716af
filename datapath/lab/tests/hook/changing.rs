//! Every target in every chain that takes it: what becomes of a packet of its own, and what rules behind it see.

use std::{io, net::IpAddr};

use lab::{
    frame::{Ip, Tcp, View},
    nfacct,
    router::{Judge, built},
    suite,
    twin::{Crossing, Record, Rules, Script, Side, Subject},
};

use super::{
    packets::{Hosts, hosts},
    plan::{Chain, FWD, Hooks, IN, Known, OUT, POST, PRE},
    quiet::{CHATTER, quiet},
    targets::{Change, MARK, PORT, TARGETS},
};

/// A target in a chain, with a port of its own.
struct Place {
    chain: Chain,
    change: &'static Change,
    port: u16,
}

/// Plays the plan on the kernel, and on the other router.
pub(crate) fn play(six: bool) -> io::Result<()> {
    let places = places(six);
    let script = script(six, &places);
    let play = |router| -> io::Result<(Record, (u64, u64))> {
        let mut subject = Subject::new(router, &built())?;
        // Elements of sets have ports that a router might have drawn.
        subject.show_drawn();
        subject.bench().router.within(|| nfacct::make("hooks", &[]))??;
        let record = quiet(subject.play(&script)?);
        let counter = subject.bench().router.within(|| nfacct::reading("hooks"))??;
        if router == Judge::Datapath {
            suite::none_wrong(&log(&places, &subject.said()))?;
        }
        Ok((record, counter))
    };
    let accounted = places.iter().filter(|place| place.change.line.options.contains("nfacct"));
    let sent: usize = accounted.map(|place| place.packets(&hosts(six)).len()).sum();
    let kernel = || {
        let (record, counter) = play(Judge::Kernel)?;
        let mut wrong = judge(six, &places, &record);
        if counter.0 != sent as u64 {
            wrong.push(format!("{counter:?} accounted of {sent}"));
        }
        suite::none_wrong(&wrong)?;
        let packets: usize = script.rounds.iter().map(Vec::len).sum();
        println!("  {} targets, {packets} packets, {:.1} s on the kernel", places.len(), record.took.as_secs_f64());
        Ok((record, counter))
    };
    suite::compare(
        kernel,
        |judge, _| play(judge),
        |(record, counter), (other, again)| {
            let mut wrong = record.differences(other);
            if again != counter {
                wrong.push(format!("accounted: the oracle {counter:?}, the other {again:?}"));
            }
            wrong
        },
    )
}

fn places(six: bool) -> Vec<Place> {
    let mut places = Vec::new();
    for chain in Chain::every() {
        for change in TARGETS.iter().flat_map(|(_, changes)| *changes) {
            if change.line.six.is_none_or(|only| only == six) && change.line.legal(&chain) {
                places.push(Place { chain, change, port: PORT + places.len() as u16 });
            }
        }
    }
    places
}

impl Place {
    fn selector(&self) -> String {
        match self.change.tcp {
            true => format!("-p tcp --dport {} --tcp-flags SYN,RST SYN", self.port),
            false => format!("-p udp --dport {}", self.port),
        }
    }

    /// The rules in its own chain: the target, and whether the packet is changed.
    fn rules(&self, six: bool) -> Vec<String> {
        let options = self.change.line.options.replace("{hex}", &format!("{:x}", self.port));
        let fill = |options: &str| self.chain.fill(options, usize::from(self.port), six);
        let mut rules = vec![format!("-A {} {} {}", self.chain.name, self.selector(), fill(&options))];
        rules.extend(self.look(self.chain.name, six));
        rules
    }

    fn look(&self, chain: &str, six: bool) -> Option<String> {
        let seen = self.chain.fill(self.change.seen, usize::from(self.port), six);
        let one = format!("-A {chain} {} {seen}", self.selector());
        // An option of the protocol's own match stands with its ports.
        (!self.change.seen.is_empty()).then_some(one)
    }

    /// Whether its packet comes by a chain later.
    fn leads_to(&self, chain: &Chain) -> bool {
        let hook = self.chain.hook;
        match (chain.table, chain.name) {
            ("mangle", "POSTROUTING") => hook & (PRE | FWD | OUT) != 0,
            ("nat", "POSTROUTING") => (hook, self.chain.table) != (POST, "nat") && hook != IN,
            ("security", "INPUT") => hook == PRE || hook == IN && matches!(self.chain.table, "mangle" | "filter"),
            ("nat", "INPUT") => hook == PRE || hook == IN && self.chain.table != "nat",
            _ => false,
        }
    }

    /// Its packets, one for each way that comes by the chain.
    fn packets(&self, hosts: &Hosts) -> Vec<Crossing> {
        let Hosts { client, server, inner, outer, .. } = *hosts;
        let ways: [(Hooks, Side, IpAddr, IpAddr); 3] = [
            (PRE | FWD | POST, Side::Lan, client, server),
            (PRE | IN, Side::Lan, client, inner),
            (OUT | POST, Side::Own, outer, server),
        ];
        let mut packets = Vec::new();
        for (number, (hooks, side, from, to)) in (0u16..).zip(ways) {
            if hooks & self.chain.hook == 0 {
                continue;
            }
            let ip = Ip { tos: 0x14, ..Ip::between(from, to) };
            let source = self.port + 10_000 * (number + 1);
            let packet = match self.change.tcp {
                true => {
                    let syn = Tcp::segment(source, self.port, Tcp::SYN | 0xc0, 1000, 0);
                    ip.tcp(&Tcp { options: vec![2, 4, 5, 0xb4, 1, 3, 3, 7, 4, 2, 1, 1], ..syn }, b"")
                }
                false => ip.udp(source, self.port, b"changed"),
            };
            packets.push(Crossing { side, packet });
        }
        packets
    }
}

fn script(six: bool, places: &[Place]) -> Script {
    let hosts = hosts(six);
    let mut script = Script { six, before: before(six), ..Script::default() };
    script.before.extend(classes(places, six).into_iter().map(|command| &*command.leak()));
    let mut lines = Vec::new();
    for chain in Chain::every() {
        if six {
            lines.extend(CHATTER.iter().map(|rule| (chain.table, chain.fill(rule, 0, six))));
        }
        if chain.table == "raw" {
            lines.push((chain.table, format!("-A {} -j MARK --set-mark {MARK}", chain.name)));
        }
        for place in places {
            if place.chain == chain {
                lines.extend(place.rules(six).into_iter().map(|rule| (chain.table, rule)));
            } else if place.leads_to(&chain) {
                lines.extend(place.look(chain.name, six).map(|rule| (chain.table, rule)));
            }
        }
    }
    script.rules = Rules { lines };
    script.rounds = places.iter().map(|place| place.packets(&hosts)).collect();
    let set = if six { "lab6" } else { "lab" };
    let family = if six { "ip6" } else { "ip" };
    script.acts.insert(script.rounds.len(), format!("nft list table {family} marked"));
    script.rounds.push(Vec::new());
    for name in ["seen", "gone"] {
        script.acts.insert(script.rounds.len(), format!("ipset list -o save {set}-{name}"));
        script.rounds.push(Vec::new());
    }
    script
}

/// Counters of packets with the class that their target gives, where all of them leave.
fn classes(places: &[Place], six: bool) -> Vec<String> {
    let family = if six { "ip6" } else { "ip" };
    let mut commands = vec![
        format!("nft add table {family} marked"),
        format!("nft add chain {family} marked last {{ type filter hook postrouting priority 1000 ; }}"),
    ];
    for Place { port, .. } in places.iter().filter(|place| place.change.line.options.contains("CLASSIFY")) {
        commands.push(format!("nft add rule {family} marked last udp dport {port} meta priority 1:{port:x} counter"));
    }
    commands
}

/// Sets to be changed, counters of classes, and a way that is narrower than what hosts ask for.
fn before(six: bool) -> Vec<&'static str> {
    match six {
        false => vec![
            "ip link set dev wan0 mtu 1400",
            "ipset -exist create lab-seen hash:ip,port initval 7",
            "ipset -exist create lab-gone hash:ip,port initval 7",
            "ipset -exist add lab-gone 10.2.0.2,udp:10000-11000",
            "ipset -exist add lab-gone 10.1.0.1,udp:10000-11000",
        ],
        true => vec![
            "ip link set dev wan0 mtu 1400",
            "ipset -exist create lab6-seen hash:ip,port family inet6 initval 7",
            "ipset -exist create lab6-gone hash:ip,port family inet6 initval 7",
            "ipset -exist add lab6-gone fd02::2,udp:10000-11000",
            "ipset -exist add lab6-gone fd01::1,udp:10000-11000",
        ],
    }
}

/// Targets that did not get their packets on the kernel, or whose change no rule sees.
fn judge(six: bool, places: &[Place], record: &Record) -> Vec<String> {
    let mut wrong = Vec::new();
    let hosts = hosts(six);
    for place in places {
        let chain = &place.chain;
        let (head, selector) = (format!("{} [", chain.table), format!("--dport {} ", place.port));
        let own = |line: &&String| line.starts_with(&head) && line.contains(&format!("] -A {} ", chain.name));
        let mine = record.counters.iter().filter(own).filter(|line| format!("{line} ").contains(&selector));
        let counts: Vec<u64> = mine.filter_map(|line| line.split(['[', ':']).nth(1)?.parse().ok()).collect();
        // A copy is the machine's own, and meets the rule as well; it belongs to no connection.
        let copied =
            place.change.line.options.contains("-j TEE") && chain.hook & (OUT | POST) != 0 && chain.table != "nat";
        let sent = place.packets(&hosts).len() as u64 * if copied { 2 } else { 1 };
        let right = match (counts.as_slice(), place.change.line.known(chain)) {
            ([hit], _) => *hit == sent && place.change.seen.is_empty(),
            ([hit, seen], Known::None) => *hit == sent && *seen == 0,
            ([hit, seen], _) => *hit == sent && *seen == sent,
            _ => false,
        };
        if !right {
            wrong.push(format!("{} {} {}: {counts:?} of {sent}", chain.table, chain.name, place.change.line.options));
        }
    }
    let said = |text: &str| record.said.iter().filter(|line| line.contains(text)).count();
    let of = |name: &'static str| places.iter().filter(move |place| place.change.line.options.contains(name));
    // Every class leaves with each of its packets; every set has each port once for each host.
    let left: usize = of("CLASSIFY").map(|place| place.packets(&hosts).len()).sum();
    let counted: usize = (1..3).map(|n| n * said(&format!("counter packets {n} "))).sum();
    if counted != left {
        wrong.push(format!("{counted} packets of {left} have their class: {:#?}", record.said));
    }
    for (option, set, there) in [("--add-set", "-seen ", true), ("--del-set", "-gone ", false)] {
        for place in of(option) {
            let element = |host: IpAddr| format!("{set}{host},udp:{}", place.port);
            let packets = place.packets(&hosts);
            let mut to = packets.iter().filter_map(|crossing| Some(View::of(&crossing.packet)?.destination));
            if !to.all(|host| record.said.iter().any(|line| line.ends_with(&element(host))) == there) {
                wrong.push(format!("{} {}: {option} of {}", place.chain.table, place.chain.name, place.port));
            }
        }
    }
    wrong
}

/// Lines of the log that are not one for each packet, with the devices of the hook.
fn log(places: &[Place], said: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    for place in places.iter().filter(|place| place.change.line.options.contains("LOG --log")) {
        let lines: Vec<&str> = said.lines().filter(|line| line.contains(&format!("hook-{}: ", place.port))).collect();
        let wanted: &[&str] = match place.chain.hook {
            PRE | IN => &["IN=lan0 OUT= "],
            FWD => &["IN=lan0 OUT=wan0 "],
            OUT => &["IN= OUT=wan0 "],
            _ => &["IN=lan0 OUT=wan0 ", "IN= OUT=wan0 "],
        };
        let sent = place.packets(&hosts(false)).len();
        if lines.len() != sent || !lines.iter().all(|line| wanted.iter().any(|devices| line.contains(devices))) {
            wrong.push(format!("{} {}: logged {lines:#?}", place.chain.table, place.chain.name));
        }
    }
    wrong
}
