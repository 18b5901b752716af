//! Random NAT rules and many flows at once through the kernel and through the datapath. What each made of every flow is held
//! against a model of the kernel's choices: what is not left to chance must be so and no other, what is drawn must be of the
//! range, the class and free. Packets and their answers leave as the entries say, to the byte.
//! `LAB_FLOWS`, `LAB_SEED` and `LAB_JUDGE` change the number of flows, the seed and the second router; `LAB_SET` plays no
//! set of rules before that one.

#![allow(clippy::print_stdout, reason = "the seed must be seen")]

mod flow;

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::IpAddr,
    process::ExitCode,
    time::{Duration, Instant},
};

use flow::{Entry, Flow, GRE, SCTP, Tuple, UNKNOWN, entry, host, model::Model, number, rules::Rules, tell};
use lab::{
    frame::{Ip, View, ethernet},
    random::Random,
    router::{Judge, built},
    suite,
    topology::{Bench, CLIENT, LAN, SERVER, WAN},
};

fn main() -> ExitCode {
    suite::main(&[("random_flows_are_translated_as_the_kernel_may", flows)])
}

/// Flows under one set of rules.
const TOGETHER: u32 = 300;
/// Packets between two fences: what waits for a device has little room.
const BURST: usize = 100;
/// The protocol of packets that mark the end of a burst.
const FENCE: u8 = 254;
/// Differences that are shown.
const SHOWN: usize = 5;

fn flows() -> io::Result<()> {
    let given = |name: &str| std::env::var(name).ok().and_then(|n| n.parse::<u64>().ok());
    let seed = given("LAB_SEED").unwrap_or(1);
    let judge = suite::subject().unwrap_or(Judge::Kernel);
    // The kernel alone proves the model.
    let wanted = given("LAB_FLOWS").unwrap_or(if judge == Judge::Kernel { 3_000 } else { 12_000 });
    println!("  kernel against {}, LAB_SEED={seed}", judge.name());
    let mut routers = [Router::new(Judge::Kernel)?, Router::new(judge)?];
    let mut random = Random::new(seed);
    let (mut played, mut sets) = (0, 0);
    let mut seen = [[0; 3]; 2];
    while played < wanted {
        let six = random.one_in(3);
        let rules = Rules::draw(&mut random, six);
        let flows = draw(&mut random, &rules);
        if given("LAB_SET").is_some_and(|first| sets < first) {
            played += flows.len() as u64;
            sets += 1;
            continue;
        }
        for (at, router) in routers.iter_mut().enumerate() {
            let mut differences = Vec::new();
            let seen_now = router.play(&rules, &flows, &mut differences).map_err(|e| {
                io::Error::other(format!(
                    "rule set {sets}, {}: {e}\n{}",
                    ["the kernel", "the other"][at],
                    rules.text(FENCE)
                ))
            })?;
            for (all, now) in seen[at].iter_mut().zip(seen_now) {
                *all += now;
            }
            if !differences.is_empty() {
                let who = ["the kernel", "the other"][at];
                let text = rules.text(FENCE);
                let shown: Vec<String> = differences.iter().take(SHOWN).cloned().collect();
                return Err(io::Error::other(format!(
                    "rule set {sets}, {who}: {} differences\n{text}  {}",
                    differences.len(),
                    shown.join("\n  ")
                )));
            }
        }
        played += flows.len() as u64;
        sets += 1;
    }
    for (who, [forced, drawn, exhausted]) in ["kernel", "other"].iter().zip(seen) {
        println!(
            "  {who}: {forced} flows could become one thing only, {drawn} were drawn, {exhausted} found nothing free"
        );
    }
    println!("  {played} flows under {sets} sets of rules");
    Ok(())
}

fn draw(random: &mut Random, rules: &Rules) -> Vec<Flow> {
    let outer = rules.destination.iter().any(|rule| rule.to.is_some());
    let all = (0..TOGETHER).map(|number| Flow::draw(random, 0x0100_0000 + number, rules.six, outer));
    let mut known = BTreeSet::new();
    all.filter(|flow| known.insert((flow.tuple, rules.zones_of(flow)))).collect()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Side {
    Lan,
    Wan,
}

struct Router {
    bench: Bench,
    fences: u32,
}

impl Router {
    fn new(judge: Judge) -> io::Result<Self> {
        let bench = Bench::new(judge, &built())?;
        for timeout in TIMEOUTS {
            bench.router.sysctl(&[(&format!("net.netfilter.nf_conntrack_{timeout}"), "600")])?;
        }
        Ok(Self { bench, fences: 0 })
    }

    /// Plays flows from a clean slate. How many could become one thing only, were drawn, and found nothing free.
    fn play(&mut self, rules: &Rules, flows: &[Flow], differences: &mut Vec<String>) -> io::Result<[u32; 3]> {
        let (restore, family) = if rules.six { ("ip6tables-restore", "ipv6") } else { ("iptables-restore", "ipv4") };
        self.bench.router.must_with(&[restore], &rules.text(FENCE))?;
        self.bench.router.must(&["conntrack", "-F"])?;
        let burst = if rules.one_by_one() { 1 } else { BURST };
        let first: Vec<(Side, Vec<u8>)> =
            flows.iter().map(|flow| (Side::Lan, flow.packet(flow.tuple, false, HOPS))).collect();
        let left = self.send(&first, burst, rules.six)?;
        let list = self.bench.router.must(&["conntrack", "-L", "-f", family])?;
        let entries: Vec<Entry> = list.lines().filter_map(entry).filter(|e| e.original.protocol != FENCE).collect();
        let known: BTreeMap<(Tuple, u16), &Entry> = entries.iter().map(|e| ((e.original, e.zones[0]), e)).collect();
        let mut model = Model::new(rules);
        let (mut expected, mut answers, mut answered) = (Vec::new(), Vec::new(), Vec::new());
        for flow in flows {
            if model.is_answer(flow) {
                // It looks like what answers another one, and is taken for that.
                continue;
            }
            let entry = known.get(&(flow.tuple, rules.zones_of(flow)[0])).copied();
            if let Err(why) = model.judge(flow, entry) {
                let seen = left.iter().find(|(_, packet)| number(packet) == Some(flow.number));
                let seen = seen.map_or("nothing".to_owned(), |(side, packet)| format!("{side:?} {}", tell(packet)));
                differences.push(format!("{why}; {seen} left"));
            }
            let Some(entry) = entry else { continue };
            let leaving = entry.reply.inverse();
            let Some(side) = side(rules.six, leaving.destination) else { continue };
            expected.push((flow.number, side, flow.packet(leaving, false, HOPS - 1)));
            if !matches!(flow.tuple.protocol, GRE | SCTP | UNKNOWN) {
                answers.push((side, flow.packet(entry.reply, true, HOPS)));
                answered.push((flow.number, Side::Lan, flow.packet(flow.tuple.inverse(), true, HOPS - 1)));
            }
        }
        compare(&expected, &left, differences);
        if differences.is_empty() {
            let back = self.send(&answers, BURST, rules.six)?;
            compare(&answered, &back, differences);
        }
        Ok([model.seen.forced, model.seen.drawn, model.seen.exhausted])
    }

    /// Sends packets, so many at once, and returns what left.
    fn send(&mut self, packets: &[(Side, Vec<u8>)], burst: usize, six: bool) -> io::Result<Vec<(Side, Vec<u8>)>> {
        let mut left = Vec::new();
        for some in packets.chunks(burst) {
            for (side, packet) in some {
                match side {
                    Side::Lan => self.bench.lan.send(&ethernet(LAN, CLIENT, packet))?,
                    Side::Wan => self.bench.wan.send(&ethernet(WAN, SERVER, packet))?,
                }
            }
            self.fence(six, &mut left)?;
        }
        // What the router itself answers comes later than what it passes.
        self.fence(six, &mut left)?;
        Ok(left)
    }

    /// Waits until all that was sent has arrived or is gone, both ways.
    fn fence(&mut self, six: bool, left: &mut Vec<(Side, Vec<u8>)>) -> io::Result<()> {
        self.fences += 1;
        let id = self.fences.to_be_bytes();
        let ends = [host(six, 1, 8), host(six, 2, 8)];
        let (there, back) = (Ip::between(ends[0], ends[1]), Ip::between(ends[1], ends[0]));
        let Bench { lan, wan, .. } = &mut self.bench;
        let there = ethernet(LAN, CLIENT, &there.packet(FENCE, &id));
        let back = ethernet(WAN, SERVER, &back.packet(FENCE, &id));
        // One after the other: two that are new at once clash.
        for (side, frame) in [(Side::Wan, there), (Side::Lan, back)] {
            let port = match side {
                Side::Wan => {
                    lan.send(&frame)?;
                    &mut *wan
                }
                Side::Lan => {
                    wan.send(&frame)?;
                    &mut *lan
                }
            };
            let deadline = Instant::now() + Duration::from_secs(20);
            loop {
                let frame = port.receive(deadline)?.ok_or_else(|| io::Error::other("a router passes nothing"))?;
                let packet = frame.bytes.get(14..).unwrap_or_default();
                match View::of(packet) {
                    Some(view) if view.protocol == FENCE && view.payload == id => break,
                    Some(view) if view.protocol == FENCE => {}
                    Some(_) => left.push((side, packet.to_vec())),
                    None => {}
                }
            }
        }
        Ok(())
    }
}

/// Every flow's packet must have left once, as it should look.
fn compare(expected: &[(u32, Side, Vec<u8>)], left: &[(Side, Vec<u8>)], differences: &mut Vec<String>) {
    let mut found: BTreeMap<u32, Vec<&(Side, Vec<u8>)>> = BTreeMap::new();
    for packet in left {
        if let Some(number) = number(&packet.1) {
            found.entry(number).or_default().push(packet);
        }
    }
    for (number, side, packet) in expected {
        let all = found.get(number).map(Vec::as_slice).unwrap_or_default();
        if all.iter().filter(|(at, got)| at == side && got == packet).count() != 1 {
            let got: Vec<String> = all.iter().map(|(side, packet)| format!("{side:?} {}", tell(packet))).collect();
            differences.push(format!("{side:?} {} should have left; got {}", tell(packet), got.join(" and ")));
        }
    }
}

/// Where packets to an address leave, if they are not for the router.
fn side(six: bool, address: IpAddr) -> Option<Side> {
    let of = |network| (2..=254).any(|last| host(six, network, last) == address);
    let own = [host(six, 1, 1), host(six, 2, 1)].contains(&address);
    (!own).then(|| if of(1) { Side::Lan } else { Side::Wan })
}

/// Hops that packets have when they are sent.
const HOPS: u8 = 64;

/// Lifetimes that a slow machine must not see the end of.
const TIMEOUTS: [&str; 10] = [
    "udp_timeout",
    "udp_timeout_stream",
    "icmp_timeout",
    "icmpv6_timeout",
    "generic_timeout",
    "gre_timeout",
    "gre_timeout_stream",
    "sctp_timeout_cookie_wait",
    "tcp_timeout_syn_sent",
    "tcp_timeout_close",
];
