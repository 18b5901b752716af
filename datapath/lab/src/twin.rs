//! The same rules and the same packets through two routers, and everything they show compared.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    io,
    ops::RangeInclusive,
    path::Path,
    time::{Duration, Instant},
};

use crate::{
    events::Events,
    frame::{Ip, View, describe, ethernet, get16, hardware},
    link::Mac,
    own::Own,
    router::{Daemon, Judge, settle},
    sent::Sent,
    topology::{Bench, CLIENT, LAN, SERVER, WAN},
};

/// A side of the router.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// The clients' network, at `lan0`.
    Lan,
    /// The servers' network, at `wan0`.
    Wan,
    /// The router itself: a socket of its own.
    Own,
}

/// A packet on one side.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Crossing {
    /// Where it was put on the wire or seen.
    pub side: Side,
    /// From the IP header on.
    pub packet: Vec<u8>,
}

/// Rules and packets: all that a router is given.
#[derive(Clone, Debug, Default)]
pub struct Script {
    /// Whether rules and packets are IPv6.
    pub six: bool,
    /// Tables with their chains and rules, see [`Rules`].
    pub rules: Rules,
    /// Packets in rounds: a round begins when all of the one before has left.
    pub rounds: Vec<Vec<Crossing>>,
    /// How long to wait before each packet.
    pub pace: Duration,
    /// How long to wait before a round, by its number.
    pub pauses: BTreeMap<usize, Duration>,
    /// A command of an administrator's before a round, by its number: words between blanks.
    pub acts: BTreeMap<usize, String>,
    /// Commands of an administrator's before the rules are loaded: words between blanks.
    pub before: Vec<&'static str>,
    /// sysctls with their values, for this script alone.
    pub settings: Vec<(&'static str, &'static str)>,
}

/// Rules in the words of `iptables-save`, without the `-t`.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// `(table, line)`: a line is `:CHAIN policy` or `-A …`.
    pub lines: Vec<(&'static str, String)>,
}

/// What a router did with a script.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// Packets that left, by round, sorted.
    pub left: Vec<Vec<Crossing>>,
    /// What the commands in between said, sorted.
    pub said: Vec<String>,
    /// `iptables-save -c`, without comments, sorted by table.
    pub counters: Vec<String>,
    /// `conntrack -L`, normalised and sorted.
    pub entries: Vec<String>,
    /// `conntrack -E`, normalised, in order.
    pub events: Vec<String>,
    /// From the clean slate to the end.
    pub took: Duration,
    /// How much of that the script wanted to wait.
    pub waited: Duration,
}

/// A router of the bench with its listener.
#[derive(Debug)]
pub struct Subject {
    bench: Bench,
    /// Our `conntrack`.
    ours: String,
    own: Own,
    events: Events,
    number: u32,
    six: bool,
    /// sysctls as they were before the script.
    changed: Vec<(&'static str, String)>,
    /// What commands in between said.
    said: Vec<String>,
    pace: Duration,
    /// When the script began.
    began: Instant,
    /// What was sent since a clean slate, as far as its answer depends on it.
    sent: Sent,
}

/// How commands about sets begin; several of them are one.
const SETS: &str = "ipset -exist ";

/// The protocol number of packets that only mark the end of a round.
const FENCE: u8 = 254;

impl Rules {
    /// From plain commands without the program's name, such as `-t nat -A POSTROUTING -j MASQUERADE`; `-N` and `-P` too.
    pub fn from_commands(commands: &[&str]) -> Self {
        let mut lines = Vec::new();
        for command in commands {
            let (table, rest) = match command.strip_prefix("-t ").and_then(|r| r.split_once(' ')) {
                Some((table, rest)) => (TABLES.into_iter().find(|t| *t == table).unwrap_or("filter"), rest),
                None => ("filter", *command),
            };
            let line = match rest.split_once(' ') {
                Some(("-N", chain)) => format!(":{chain} -"),
                Some(("-P", chain)) => format!(":{chain}"),
                _ => rest.to_owned(),
            };
            lines.push((table, line));
        }
        Self { lines }
    }

    /// The ports that rules translate to, and the ranges of them that they leave to the router.
    pub fn ports(&self) -> (BTreeSet<u16>, Vec<RangeInclusive<u16>>) {
        let (mut single, mut ranges) = (BTreeSet::new(), BTreeSet::new());
        for target in self.lines.iter().flat_map(|(_, line)| line.split("--to").skip(1)) {
            let value = target.split(' ').nth(1).unwrap_or_default();
            let ports = match value.rsplit_once(':') {
                Some((host, ports)) if host.contains('.') || host.ends_with(']') => ports,
                _ => value,
            };
            let ports = ports.split('/').next().unwrap_or_default();
            match ports.split_once('-').map(|(low, high)| (low.parse(), high.parse())) {
                Some((Ok(low), Ok(high))) => drop(ranges.insert((low, high))),
                _ => single.extend(ports.parse::<u16>()),
            }
        }
        (single, ranges.into_iter().map(|(low, high)| low..=high).collect())
    }

    /// The text for `iptables-restore`: every table, every built-in chain, and in each the rule that lets fences pass.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for table in TABLES {
            let chains = built_in(table);
            let _ = writeln!(text, "*{table}");
            for chain in chains {
                let own = self.lines.iter().find_map(|(t, l)| {
                    let (name, policy) = l.strip_prefix(':')?.split_once(' ')?;
                    (*t == table && name == *chain).then_some(policy)
                });
                let _ = writeln!(text, ":{chain} {} [0:0]", own.unwrap_or("ACCEPT"));
            }
            for (_, line) in self.lines.iter().filter(|(t, l)| *t == table && l.starts_with(':')) {
                let name = line.trim_start_matches(':').split(' ').next().unwrap_or_default();
                if !chains.contains(&name) {
                    let _ = writeln!(text, ":{name} - [0:0]");
                }
            }
            for chain in chains {
                let _ = writeln!(text, "-A {chain} -p {FENCE} -j ACCEPT");
            }
            for (_, line) in self.lines.iter().filter(|(t, l)| *t == table && !l.starts_with(':')) {
                let _ = writeln!(text, "{line}");
            }
            text += "COMMIT\n";
        }
        text
    }
}

impl Script {
    /// Words for a person who looks for the difference.
    pub fn tell(&self) -> String {
        let mut text = String::new();
        for command in &self.before {
            let _ = writeln!(text, "    first: {command}");
        }
        for (table, line) in &self.rules.lines {
            let _ = writeln!(text, "    -t {table} {line}");
        }
        for (name, value) in &self.settings {
            let _ = writeln!(text, "    sysctl {name}={value}");
        }
        for (number, round) in self.rounds.iter().enumerate() {
            if let Some(pause) = self.pauses.get(&number) {
                let _ = writeln!(text, "    before round {number}: {pause:?}");
            }
            if let Some(act) = self.acts.get(&number) {
                let _ = writeln!(text, "    before round {number}: {act}");
            }
            for crossing in round {
                let _ = writeln!(text, "    round {number} {}", tell(crossing));
            }
        }
        text
    }
}

impl Subject {
    /// A bench with a judge, a clean slate, and a listener for events.
    pub fn new(judge: Judge, built: &Path) -> io::Result<Self> {
        let bench = Bench::new(judge, built)?;
        let events = Events::listen(&bench.router, &[])?;
        let own = Own::open(&bench.router)?;
        let sent = Sent::naming();
        let ours = built.join("conntrack").to_string_lossy().into_owned();
        Ok(Self {
            bench,
            ours,
            own,
            events,
            number: 0,
            six: false,
            changed: Vec::new(),
            said: Vec::new(),
            pace: Duration::ZERO,
            began: Instant::now(),
            sent,
        })
    }

    /// The datapath dies at once, and another one takes over; nothing happens to a kernel. What nobody heard is lost.
    pub fn crash(&mut self) -> io::Result<()> {
        if let Some(daemon) = &mut self.bench.daemon {
            daemon.crash()?;
            *daemon = Daemon::start(&self.bench.router)?;
            self.events = Events::listen(&self.bench.router, &[])?;
        }
        Ok(())
    }

    /// From now on no fragment waits in vain: what is said of it would come in the middle of a later script.
    pub fn keep_fragments(&self) -> io::Result<()> {
        let day = "86400";
        self.bench.router.sysctl(&[("net.ipv4.ipfrag_time", day), ("net.ipv6.ip6frag_time", day)])?;
        self.bench.router.sysctl(&[("net.netfilter.nf_conntrack_frag6_timeout", day)])
    }

    /// From now on shows the ports that the router draws as they are.
    pub fn show_drawn(&mut self) {
        self.sent.show_drawn();
    }

    /// The router and its ports.
    pub fn bench(&mut self) -> &mut Bench {
        &mut self.bench
    }

    /// Loads a script's rules and settings, and forgets all connections.
    pub fn load(&mut self, script: &Script) -> io::Result<()> {
        (self.six, self.pace) = (script.six, script.pace);
        let router = &self.bench.router;
        let settled = !self.changed.is_empty();
        for (name, before) in std::mem::take(&mut self.changed).into_iter().rev() {
            router.sysctl(&[(name, &before)])?;
        }
        for &(name, value) in &script.settings {
            let file = format!("/proc/sys/{}", name.replace('.', "/"));
            self.changed.push((name, router.must(&["cat", &file])?.trim().to_owned()));
            router.sysctl(&[(name, value)])?;
        }
        if !script.settings.is_empty() || settled {
            settle(self.bench.judge(), router)?;
        }
        for together in script.before.chunk_by(|a, b| is_of_sets(a) && is_of_sets(b)) {
            if together.iter().all(|command| is_of_sets(command)) {
                let lines = together.iter().filter_map(|command| command.strip_prefix(SETS));
                router.must_with(&["ipset", "-exist", "restore"], &(lines.collect::<Vec<_>>().join("\n") + "\n"))?;
                continue;
            }
            for command in together {
                router.must(&command.split(' ').collect::<Vec<_>>())?;
            }
        }
        if !script.before.iter().all(|command| is_of_sets(command)) {
            settle(self.bench.judge(), router)?;
        }
        let restore = if script.six { "ip6tables-restore" } else { "iptables-restore" };
        if script.rules.lines.iter().any(|(_, line)| line.contains("--hashlimit-name") || line.contains("-m recent")) {
            // What rules of the same name kept ends with them.
            router.must_with(&[restore], &Rules::default().text())?;
        }
        router.must_with(&[restore], &script.rules.text())?;
        self.sent.begin(&script.rules);
        self.said.clear();
        self.began = Instant::now();
        self.forget()
    }

    /// Plays a script from a clean slate.
    pub fn play(&mut self, script: &Script) -> io::Result<Record> {
        self.load(script)?;
        let mut left = Vec::new();
        for (number, round) in script.rounds.iter().enumerate() {
            self.interlude(script, number)?;
            left.push(self.round(round)?);
        }
        // What was done behind the last round.
        self.interlude(script, script.rounds.len())?;
        self.finish(script, left)
    }

    /// What comes before a round: time, and what an administrator does.
    pub fn interlude(&mut self, script: &Script, number: usize) -> io::Result<()> {
        if let Some(&pause) = script.pauses.get(&number) {
            std::thread::sleep(pause);
        }
        if let Some(act) = script.acts.get(&number) {
            let mut words: Vec<&str> = act.split(' ').collect();
            // The original of this age updates nothing in zones.
            if self.bench.judge() == Judge::Kernel && words.starts_with(&["conntrack", "-U"]) {
                words.splice(..1, ["env", "XT_BACKEND=kernel", &self.ours]);
            }
            let updates = words.contains(&"-U");
            // Nothing found is an answer as well.
            let done = self.bench.router.run(&words)?;
            if words.starts_with(&["sysctl"]) {
                settle(self.bench.judge(), &self.bench.router)?;
            }
            let lines = done.stdout.lines().filter(|l| !is_fence(l)).map(normalise_entry).map(roughly);
            let mut lines: Vec<String> = lines.map(|l| self.sent.line(&l)).collect();
            sort_entries(&mut lines);
            let lines = lines.into_iter().filter(|_| !updates);
            self.said.extend(lines.map(|line| format!("{number}: {line}")));
        }
        Ok(())
    }

    /// Puts packets on the wire, waits until all of them are done with, and returns what left, sorted.
    pub fn round(&mut self, packets: &[Crossing]) -> io::Result<Vec<Crossing>> {
        let mut all = Vec::new();
        let mut fragments = self.sent.fragments(packets);
        for (at, Crossing { side, packet }) in packets.iter().enumerate() {
            if !self.pace.is_zero() {
                std::thread::sleep(self.pace);
            }
            let bytes = self.sent.send(packet, fragments.remove(&at));
            match side {
                Side::Lan => self.bench.lan.send(&ethernet(hardware(&bytes, LAN), CLIENT, &bytes))?,
                Side::Wan => self.bench.wan.send(&ethernet(hardware(&bytes, WAN), SERVER, &bytes))?,
                Side::Own => self.own.send(&self.bench.router, &bytes)?,
            }
            // One after the other: in a queue the next packet would be at its first hook before this one is through its
            // last. Packets that the judge itself sends take some turns more.
            let mut left = Vec::new();
            for _ in 0..4 {
                self.fence(&mut left)?;
            }
            self.sent.leave(packet, &mut left);
            all.append(&mut left);
        }
        all.sort();
        Ok(all)
    }

    /// Reads counters, entries and events.
    pub fn finish(&mut self, script: &Script, left: Vec<Vec<Crossing>>) -> io::Result<Record> {
        let save = if script.six { "ip6tables-save" } else { "iptables-save" };
        let counters = normalise_save(&self.bench.router.must(&[save, "-c"])?);
        let entries = self.bench.router.must(&["conntrack", "-L"])?;
        let events = self.drain_events()?;
        let events: Vec<String> = events.iter().map(|l| self.sent.line(l)).collect();
        let mut entries: Vec<_> =
            entries.lines().filter(|l| !is_fence(l)).map(normalise_entry).map(|l| self.sent.line(&l)).collect();
        sort_entries(&mut entries);
        let mut events = events;
        // The kernel looks for what is over when it has time; that has no seconds left.
        let short = script.settings.iter().any(|(name, value)| name.contains("timeout") && *value == "1");
        let over = |line: &str| line.split(' ').nth(3).is_some_and(|word| word.parse::<u32>().is_err());
        events.retain(|line| !line.contains("[DESTROY]") || !short && !over(line));
        // One command's are in the order of a hash.
        for some in events.chunk_by_mut(|a, b| a.contains("[USERSPACE]") && b.contains("[USERSPACE]")) {
            sort_entries(some);
        }
        let (took, waited) = (self.began.elapsed(), script.pauses.values().sum());
        Ok(Record { left, said: std::mem::take(&mut self.said), counters, entries, events, took, waited })
    }

    /// Whether the judge is still there; the kernel always is.
    pub fn alive(&mut self) -> bool {
        self.bench.daemon.as_mut().is_none_or(Daemon::alive)
    }

    /// What the datapath has said, for messages.
    pub fn said(&self) -> String {
        self.bench.daemon.as_ref().map(Daemon::said).unwrap_or_default()
    }

    fn forget(&mut self) -> io::Result<()> {
        self.own.close();
        self.bench.router.must(&["conntrack", "-F"])?;
        self.bench.lan.drain()?;
        self.bench.wan.drain()
    }

    fn drain_events(&mut self) -> io::Result<Vec<String>> {
        self.number += 1;
        let mark = format!("198.18.{}.{}", self.number / 250 % 250, self.number % 250 + 1);
        self.events.mark(&self.bench.router, &mark)?;
        let lines = self.events.until(&format!("src={mark} "), Duration::from_secs(20));
        let lines = lines.ok_or_else(|| io::Error::other("conntrack -E is silent"))?;
        // What was forgotten before the case began is not of the case.
        let forgotten = |l: &String| l.contains("[DESTROY]") && l.contains("[USERSPACE]");
        Ok(lines.iter().filter(|l| !forgotten(l) && !is_fence(l)).map(|l| normalise_entry(l)).collect())
    }

    fn fence(&mut self, left: &mut Vec<Crossing>) -> io::Result<()> {
        self.number += 1;
        let id = self.number.to_be_bytes();
        // Of the same family: the families' packets may overtake each other.
        let ip = match self.six {
            true => Ip::between([0xfd01, 0, 0, 0, 0, 0, 0, 8], [0xfd02, 0, 0, 0, 0, 0, 0, 8]),
            false => Ip::between([10, 1, 0, 8], [10, 2, 0, 8]),
        };
        let fence = ip.packet(FENCE, &id);
        self.bench.lan.send(&ethernet(LAN, CLIENT, &fence))?;
        // Ten seconds in which this process runs: a machine that stands still for a while is no fault of the router's.
        let mut patience = 100;
        loop {
            let Some(frame) = self.bench.wan.receive(Instant::now() + Duration::from_millis(100))? else {
                patience -= 1;
                if patience == 0 {
                    return Err(io::Error::other(format!("the router passes nothing any more\n{}", self.said())));
                }
                continue;
            };
            let Some(packet) = mine(&frame.bytes, SERVER) else { continue };
            match View::of(packet) {
                Some(view) if view.protocol == FENCE => {
                    if view.payload == id {
                        break;
                    }
                }
                _ => left.push(Crossing { side: Side::Wan, packet: packet.to_vec() }),
            }
        }
        while let Some(frame) = self.bench.lan.take()? {
            if let Some(packet) = mine(&frame.bytes, CLIENT) {
                left.push(Crossing { side: Side::Lan, packet: packet.to_vec() });
            }
        }
        Ok(())
    }
}

impl Record {
    /// What differs between the oracle's record and the other; empty if nothing does.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let mut all = Vec::new();
        for (number, (wanted, got)) in self.left.iter().zip(&other.left).enumerate() {
            for crossing in missing(wanted, got) {
                all.push(format!("round {number}: only the oracle let out {}", tell(crossing)));
            }
            for crossing in missing(got, wanted) {
                all.push(format!("round {number}: only the other let out {}", tell(crossing)));
            }
        }
        // A timeout may have run a second or two longer, or as long as one of them took.
        let seconds = 2 + u32::try_from(self.took.max(other.took).as_secs()).unwrap_or(0);
        let soon = |a: &str, b: &str| near(a, b, seconds);
        // On one router a flow may have been a stream by then, on the other not yet.
        let slow = |record: &Self| record.took.saturating_sub(record.waited) >= STREAM;
        let (one, two) = if slow(self) || slow(other) {
            (self.streaming(), other.streaming())
        } else {
            (self.clone(), other.clone())
        };
        lines("said", &one.said, &two.said, &mut all, soon);
        lines("counters", &one.counters, &two.counters, &mut all, |a, b| a == b);
        lines("entries", &one.entries, &two.entries, &mut all, soon);
        lines("events", &one.events, &two.events, &mut all, soon);
        all
    }

    /// What it shows, had every flow of UDP that was answered become a stream, and no event said so.
    fn streaming(&self) -> Self {
        let datagrams = |line: &str| line.contains("udp 17 ") || line.contains("udplite 136 ");
        let stream = |line: &String| match datagrams(line) {
            true => {
                let words = line.split(' ').filter(|word| *word != "[ASSURED]");
                // What is left of it follows the protocol's number.
                let mut timed = false;
                let kept = words.filter(|word| {
                    let time = std::mem::replace(&mut timed, matches!(*word, "17" | "136"));
                    !time || word.parse::<u32>().is_err()
                });
                kept.collect::<Vec<_>>().join(" ")
            }
            false => line.clone(),
        };
        let told = |line: &&String| !(line.contains("[UPDATE]") && datagrams(line));
        let mut record = self.clone();
        record.said = self.said.iter().map(stream).collect();
        record.entries = self.entries.iter().map(stream).collect();
        record.events = self.events.iter().filter(told).map(stream).collect();
        record
    }
}

/// A little less than the age at which UDP becomes a stream.
const STREAM: Duration = Duration::from_millis(1900);

/// The tables of a script, in the order in which they are loaded.
pub const TABLES: [&str; 5] = ["raw", "mangle", "nat", "filter", "security"];

/// The built-in chains of a table.
pub fn built_in(table: &str) -> &'static [&'static str] {
    match table {
        "raw" => &["PREROUTING", "OUTPUT"],
        "mangle" => &["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"],
        "nat" => &["PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"],
        _ => &["INPUT", "FORWARD", "OUTPUT"],
    }
}

/// The IP packet of a frame to this address; what a stack says about itself (ARP, neighbours, groups) is left out.
fn mine(frame: &[u8], to: Mac) -> Option<&[u8]> {
    let kind = get16(frame, 12)?;
    if frame.get(..6)? != to || !matches!(kind, 0x0800 | 0x86dd) {
        return None;
    }
    let packet = frame.get(14..)?;
    let chatter = View::of(packet).and_then(|v| v.icmp().filter(|_| v.source.is_ipv6()));
    (!matches!(chatter, Some((130..=137 | 143, _)))).then_some(packet)
}

fn normalise_save(text: &str) -> Vec<String> {
    let mut tables: Vec<Vec<String>> = Vec::new();
    for line in text.lines().filter(|l| !l.starts_with('#') && *l != "COMMIT") {
        // The fences are as many as the rounds, but a retry may cost one more: they are not the subject.
        if line.contains(&format!("-p {FENCE} ")) {
            continue;
        }
        if let Some(name) = line.strip_prefix('*') {
            tables.push(vec![name.to_owned()]);
        } else if let Some(table) = tables.last_mut() {
            let name = table.first().cloned().unwrap_or_default();
            table.push(format!("{name} {line}"));
        }
    }
    tables.sort();
    tables.concat()
}

/// Not by the time that is left, which stands first or behind the protocol's number: that is a second more here or there.
fn sort_entries(lines: &mut [String]) {
    lines.sort_by_cached_key(|line| {
        let words: Vec<&str> = line.split(' ').collect();
        let number = words.iter().position(|word| word.parse::<u32>().is_ok());
        let time = number.map_or(0, |number| if number == 0 { 0 } else { number + 1 });
        let timed = words.get(time).is_some_and(|word| word.parse::<u32>().is_ok());
        let kept = words.iter().enumerate().filter(|(at, _)| !timed || *at != time).map(|(_, word)| *word);
        kept.collect::<Vec<_>>().join(" ")
    });
}

/// Leaves out the use count and who asked.
fn normalise_entry(line: &str) -> String {
    let words = line.split_whitespace();
    let kept = words.filter(|w| !w.starts_with("use=") && !w.starts_with("portid=") && !w.starts_with("progname="));
    kept.collect::<Vec<_>>().join(" ")
}

/// What is left of an expectation's time, said so roughly that a slow machine says the same.
fn roughly(line: String) -> String {
    let Some((time, rest)) = line.split_once(' ').filter(|(_, rest)| rest.starts_with("proto=")) else { return line };
    let about = match time.parse::<u32>() {
        Ok(0..=60) => "at most 60",
        Ok(61..=180) => "at most 180",
        Ok(181..=300) => "at most 300",
        _ => time,
    };
    format!("{about} {rest}")
}

fn is_of_sets(command: &str) -> bool {
    command.starts_with(SETS)
}

fn is_fence(line: &str) -> bool {
    line.contains("src=10.1.0.8 ") || line.contains("src=fd01::8 ") || line.contains("203.0.113.254")
}

/// Whether two lines are equal but for numbers that so many seconds may lie between.
pub fn near(a: &str, b: &str, seconds: u32) -> bool {
    let (mut a, mut b) = (a.split(' '), b.split(' '));
    loop {
        match (a.next(), b.next()) {
            (None, None) => return true,
            (Some(x), Some(y)) if x == y => {}
            (Some(x), Some(y)) => match (x.parse::<u32>(), y.parse::<u32>()) {
                (Ok(x), Ok(y)) if x.abs_diff(y) <= seconds => {}
                _ => return false,
            },
            _ => return false,
        }
    }
}

fn lines(what: &str, wanted: &[String], got: &[String], all: &mut Vec<String>, same: impl Fn(&str, &str) -> bool) {
    if wanted.len() == got.len() && wanted.iter().zip(got).all(|(a, b)| same(a, b)) {
        return;
    }
    let before = all.len();
    for line in wanted.iter().filter(|a| !got.iter().any(|b| same(a, b))) {
        all.push(format!("{what}: only the oracle  {line}"));
    }
    for line in got.iter().filter(|b| !wanted.iter().any(|a| same(a, b))) {
        all.push(format!("{what}: only the other   {line}"));
    }
    if all.len() == before {
        all.push(format!("{what}: the same lines in another order or number:\n  {wanted:#?}\n  {got:#?}"));
    }
}

fn missing<'a>(from: &'a [Crossing], other: &[Crossing]) -> Vec<&'a Crossing> {
    let mut left: Vec<_> = other.iter().collect();
    from.iter()
        .filter(|c| match left.iter().position(|o| o == c) {
            Some(at) => {
                left.swap_remove(at);
                false
            }
            None => true,
        })
        .collect()
}

fn tell(crossing: &Crossing) -> String {
    let mut text = format!("{:?} {} ", crossing.side, describe(&crossing.packet));
    for byte in &crossing.packet {
        let _ = write!(text, "{byte:02x}");
    }
    text
}
