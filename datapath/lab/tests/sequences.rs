//! Random sequences through the kernel and through the datapath, a thousand at a time: after each step the state that
//! rules see of every packet, all entries and the events of every connection are equal.
//! `LAB_SEQUENCES`, `LAB_SEED` and `LAB_JUDGE` change their number, the seed and the second router.

#![allow(clippy::print_stdout, reason = "the seed must be seen")]

mod sequence;

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io,
    process::ExitCode,
    time::{Duration, Instant},
};

use lab::{
    events::Events,
    frame::{Ip, TCP, View, describe, ethernet},
    generate::segments::{Sent, segments},
    random::Random,
    router::{Judge, built, settle},
    suite,
    topology::{Bench, CLIENT, LAN, SERVER, WAN},
    twin::{Side, near},
};

fn main() -> ExitCode {
    suite::main(&[
        ("random_tcp_sequences_move_alike", sequences),
        ("random_sequences_of_other_protocols_move_alike", sequence::others::sequences),
    ])
}

/// Sequences that are played together.
const TOGETHER: u16 = 1000;
/// Packets between two fences: what waits for a device, and for a listener, has little room.
const BURST: usize = 200;
/// The protocol of packets that mark the end of a burst.
const FENCE: u8 = 254;

fn sequences() -> io::Result<()> {
    let number = |name: &str| std::env::var(name).ok().and_then(|n| n.parse::<u64>().ok());
    let wanted = number("LAB_SEQUENCES").unwrap_or(2_000);
    let seed = number("LAB_SEED").unwrap_or(1);
    let judge = suite::subject().unwrap_or(Judge::Kernel);
    println!("  kernel against {}, LAB_SEED={seed}", judge.name());
    let mut routers = [Router::new(Judge::Kernel)?, Router::new(judge)?];
    let mut random = Random::new(seed);
    let (mut played, mut packets, mut differ) = (0, 0, Vec::new());
    while played < wanted {
        let all: Vec<Vec<Sent>> = (0..TOGETHER).map(|at| segments(&mut random, PORT + at, 80)).collect();
        let settings = settings(&mut random);
        for router in &mut routers {
            router.begin(&settings)?;
        }
        let mut known = BTreeMap::new();
        for step in 0..all.iter().map(Vec::len).max().unwrap_or(0) {
            let shown = [routers[0].step(&all, step)?, routers[1].step(&all, step)?];
            for (port, why) in differences(&shown[0], &shown[1]) {
                known.entry(port).or_insert_with(|| format!("after step {step}: {why}"));
            }
        }
        played += u64::from(TOGETHER);
        packets += all.iter().map(Vec::len).sum::<usize>();
        for (port, why) in known {
            let sequence = all.get(usize::from(port.wrapping_sub(PORT))).map(Vec::as_slice).unwrap_or_default();
            differ.push(format!("sequence {} of {settings:?}\n{}  {why}", port - PORT, tell(sequence)));
        }
        if differ.len() > 20 {
            break;
        }
    }
    println!("  {played} sequences of {packets} packets, {} differ", differ.len());
    if differ.is_empty() { Ok(()) } else { Err(io::Error::other(differ.join("\n"))) }
}

/// By what rules mark packets of each state.
const MARKS: [(&str, &str); 4] = [("NEW", "0x20"), ("ESTABLISHED", "0x40"), ("RELATED", "0x60"), ("INVALID", "0x80")];

/// The client's first port.
const PORT: u16 = 2000;

fn settings(random: &mut Random) -> [(&'static str, &'static str); 4] {
    [
        ("net.netfilter.nf_conntrack_tcp_be_liberal", if random.one_in(4) { "1" } else { "0" }),
        ("net.netfilter.nf_conntrack_tcp_loose", if random.one_in(4) { "0" } else { "1" }),
        ("net.netfilter.nf_conntrack_tcp_ignore_invalid_rst", if random.one_in(4) { "1" } else { "0" }),
        ("net.netfilter.nf_conntrack_tcp_max_retrans", random.choose(&["1", "3"])),
    ]
}

/// So long and so far apart that a machine with much to do makes no difference; ordered as the kernel's own.
const TIMEOUTS: [(&str, &str); 10] = [
    ("close", "1000"),
    ("last_ack", "3000"),
    ("close_wait", "6000"),
    ("syn_recv", "7000"),
    ("fin_wait", "12000"),
    ("syn_sent", "13000"),
    ("time_wait", "14000"),
    ("max_retrans", "30000"),
    ("unacknowledged", "31000"),
    ("established", "432000"),
];

/// What rules said of packets, the entry, and what happened to it, by the client's port.
type Shown = BTreeMap<u16, Vec<String>>;

struct Router {
    bench: Bench,
    events: Events,
    fences: u32,
}

impl Router {
    fn new(judge: Judge) -> io::Result<Self> {
        let bench = Bench::new(judge, &built())?;
        bench.router.sysctl(&[("net.netfilter.nf_conntrack_events", "1")])?;
        for (state, seconds) in TIMEOUTS {
            bench.router.sysctl(&[(&format!("net.netfilter.nf_conntrack_tcp_timeout_{state}"), seconds)])?;
        }
        let mut rules = format!("*mangle\n-A FORWARD -p {FENCE} -j ACCEPT\n");
        for (state, tos) in MARKS {
            let _ = writeln!(rules, "-A FORWARD -m conntrack --ctstate {state} -j TOS --set-tos {tos}/0xff");
        }
        bench.router.must_with(&["iptables-restore"], &format!("{rules}COMMIT\n"))?;
        let events = Events::listen(&bench.router, &[])?;
        Ok(Self { bench, events, fences: 0 })
    }

    fn begin(&mut self, settings: &[(&str, &str)]) -> io::Result<()> {
        self.bench.router.sysctl(settings)?;
        self.bench.router.must(&["conntrack", "-F"])?;
        settle(self.bench.judge(), &self.bench.router)?;
        // A thousand ends at once may be more than a listener has room for.
        let deadline = Instant::now() + Duration::from_secs(20);
        while self.hear(Duration::from_millis(200))?.is_err() {
            if Instant::now() > deadline {
                return Err(io::Error::other("conntrack -E hears nothing any more"));
            }
        }
        Ok(())
    }

    /// Sends one packet of each sequence. What rules said of it, the entry that is there then, and its news.
    fn step(&mut self, all: &[Vec<Sent>], step: usize) -> io::Result<Shown> {
        let mut shown = Shown::new();
        let sent: Vec<&Sent> = all.iter().filter_map(|sequence| sequence.get(step)).collect();
        for burst in sent.chunks(BURST) {
            for one in burst {
                let packet = packet(one);
                match one.side {
                    Side::Wan => self.bench.wan.send(&ethernet(WAN, SERVER, &packet))?,
                    _ => self.bench.lan.send(&ethernet(LAN, CLIENT, &packet))?,
                }
            }
            self.fence(&mut |view, packet| {
                if view.protocol == TCP {
                    let ends = view.ports().unwrap_or_default();
                    let client = if ends.0 == 80 { ends.1 } else { ends.0 };
                    let tos = packet.get(1).copied().unwrap_or_default();
                    shown.entry(client).or_default().push(format!("TOS {tos:#x}"));
                }
            })?;
            for line in self.heard()? {
                note(&mut shown, &line);
            }
        }
        for line in self.bench.router.must(&["conntrack", "-L", "-p", "tcp"])?.lines() {
            note(&mut shown, line);
        }
        Ok(shown)
    }

    /// What was heard until now.
    fn heard(&mut self) -> io::Result<Vec<String>> {
        self.hear(Duration::from_secs(20))?.map_err(io::Error::other)
    }

    /// The same, if no more than so much time goes by before that is known.
    fn hear(&mut self, limit: Duration) -> io::Result<Result<Vec<String>, String>> {
        self.fences += 1;
        let mark = format!("198.18.{}.{}", self.fences / 250 % 250, self.fences % 250 + 1);
        self.events.mark(&self.bench.router, &mark)?;
        let heard = self.events.until(&format!("src={mark} "), limit);
        Ok(heard.ok_or_else(|| format!("conntrack -E on {} is silent", self.bench.judge().name())))
    }

    /// Waits until all that was sent has arrived or is gone, both ways; what arrives is shown.
    fn fence(&mut self, show: &mut dyn FnMut(&View<'_>, &[u8])) -> io::Result<()> {
        for _ in 0..2 {
            self.fences += 1;
            let id = self.fences.to_be_bytes();
            let (there, back) = (Ip::between([10, 1, 0, 8], [10, 2, 0, 8]), Ip::between([10, 2, 0, 8], [10, 1, 0, 8]));
            let Bench { lan, wan, .. } = &mut self.bench;
            lan.send(&ethernet(LAN, CLIENT, &there.packet(FENCE, &id)))?;
            wan.send(&ethernet(WAN, SERVER, &back.packet(FENCE, &id)))?;
            for port in [wan, lan] {
                let deadline = Instant::now() + Duration::from_secs(5);
                loop {
                    let frame = port.receive(deadline)?.ok_or_else(|| io::Error::other("a router passes nothing"))?;
                    let packet = frame.bytes.get(14..).unwrap_or_default();
                    match View::of(packet) {
                        Some(view) if view.protocol == FENCE && view.payload == id => break,
                        Some(view) => show(&view, packet),
                        None => {}
                    }
                }
            }
        }
        Ok(())
    }
}

fn packet(sent: &Sent) -> Vec<u8> {
    let ip = match sent.side {
        Side::Wan => Ip::between([10, 2, 0, 2], [10, 1, 0, 2]),
        _ => Ip::between([10, 1, 0, 2], [10, 2, 0, 2]),
    };
    ip.tcp(&sent.header, &b"abcdefghij"[..sent.data.min(10)])
}

/// Files a line under the client's port.
fn note(shown: &mut Shown, line: &str) {
    let port = |word: &str| word.strip_prefix("sport=").or(word.strip_prefix("dport="))?.parse::<u16>().ok();
    let Some(client) = line.split_whitespace().filter_map(port).find(|&port| port != 80) else { return };
    if !line.contains("tcp") {
        return;
    }
    let kept = line.split_whitespace().filter(|word| !word.starts_with("use="));
    shown.entry(client).or_default().push(kept.collect::<Vec<_>>().join(" "));
}

fn differences(wanted: &Shown, got: &Shown) -> Vec<(u16, String)> {
    let ports: std::collections::BTreeSet<u16> = wanted.keys().chain(got.keys()).copied().collect();
    let nothing = Vec::new();
    let mut all = Vec::new();
    for port in ports {
        let (wanted, got) = (wanted.get(&port).unwrap_or(&nothing), got.get(&port).unwrap_or(&nothing));
        if wanted.len() != got.len() || !wanted.iter().zip(got).all(|(a, b)| near(a, b, 300)) {
            all.push((port, format!("{wanted:?}\n  but {got:?}")));
        }
    }
    all
}

fn tell(sequence: &[Sent]) -> String {
    let mut text = String::new();
    for (step, sent) in sequence.iter().enumerate() {
        let _ = writeln!(text, "    {step} {} options {:02x?}", describe(&packet(sent)), sent.header.options);
    }
    text
}
