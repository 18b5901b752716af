//! The conntrack command on a datapath beside the original on the kernel: the same packets through two routers, then the
//! same command lines at both, and everything that they say compared.

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use lab::conntrack_lines::{self, ENTRIES, Heard, excused};
use lab::events::Events;
use lab::frame::{Ip, Tcp, UDP, View, ethernet};
use lab::random::Random;
use lab::router::{Judge, built};
use lab::topology::{Bench, CLIENT, LAN, SERVER, WAN};
use nfnl::transport::datapath::directories;

/// Lines in their order: later ones see what earlier ones changed.
const LINES: &[&str] = &[
    "-L",
    "-L -o extended",
    "-L -o id",
    "-L -o extended,id,timestamp",
    "-L -o ktimestamp",
    "-L -o xml",
    "-L -o xml,ktimestamp",
    "-L -o save",
    "-L -f ipv6",
    "-L -p tcp",
    "-L -p tcp --state ESTABLISHED",
    "-L -p tcp --state SYN_SENT -o xml",
    "-L -p udp --sport 2",
    "-L -p udp --reply-port-src 53",
    "-L -p icmp --icmp-type 8",
    "-L -p icmp --icmp-id 9",
    "-L -p 99",
    "-L -s 10.1.0.2",
    "-L -s 10.1.0.0/24 -d 10.2.0.2",
    "-L -r 10.2.0.2",
    "-L -q 10.2.0.1",
    "-L -s fd01::2",
    "-L -m 7",
    "-L -m 0x6/0x6",
    "-L -u ASSURED",
    "-L -u UNREPLIED",
    "-L -u SEEN_REPLY -p icmp",
    "-L -u !ASSURED",
    "-L -n",
    "-L -n 10.2.0.1",
    "-L -g",
    "-L -j",
    "-L -w 0",
    "-L -w 5",
    "-L --orig-zone 0",
    "-L dying",
    "-L unconfirmed",
    "-L expect",
    "-L expect -o xml",
    "-L expect -f ipv6",
    "-C",
    "-C expect",
    "-G expect -p udp -s 10.2.0.2 -d 10.1.0.2 --sport 9 --dport 6000 --reply-port-src 1 --reply-port-dst 2",
    "-G expect -p udp -s 10.2.0.2 -d 10.1.0.2 --sport 9 --dport 6001 --reply-port-src 1 --reply-port-dst 2",
    "-G -p udp -s 10.1.0.2 -d 10.2.0.2 --sport 2 --dport 53",
    "-G -p udp -s 10.1.0.2 -d 10.2.0.2 --sport 77 --dport 53",
    "-G -p udp -r 10.2.0.2 -q 10.2.0.1 --reply-port-src 54 --reply-port-dst 3",
    "-G -p icmp -s 10.1.0.2 -d 10.2.0.2 --icmp-type 8 --icmp-code 0 --icmp-id 9",
    "-G -p icmpv6 -s fd01::2 -d fd02::2 --icmpv6-type 128 --icmpv6-code 0 --icmpv6-id 9",
    "-G -p 99 -s 10.1.0.2 -d 10.2.0.2",
    "-L -z -o save",
    "-L",
    // Without a family the original of this age fails.
    "-U -f ipv4 -p udp --sport 2 -m 5",
    "-U -s 10.1.0.2 -p tcp --sport 1000 -t 100",
    "-U -s 10.1.0.2 -p tcp --sport 1000 -t 100000 -m 0x10/0xf",
    "-U -f ipv6 -p udp -u ASSURED",
    "-U -s 10.1.0.2 -p tcp --sport 1000 -u FIXED_TIMEOUT",
    "-U -s 10.1.0.9 -m 1",
    "-L -o extended",
    "-I -p udp -s 10.9.0.1 -d 10.9.0.2 --sport 1 --dport 2 -t 300",
    "-I -p udp -s 10.9.0.1 -d 10.9.0.2 --sport 1 --dport 2 -t 300",
    "-A -p udp -s 10.9.0.1 -d 10.9.0.2 --sport 1 --dport 2 -t 300",
    "-A -p udp -s 10.9.0.1 -d 10.9.0.2 --sport 3 --dport 2 -t 300 -m 9",
    "-I -p tcp -s 10.9.0.1 -d 10.9.0.2 --sport 1 --dport 2 -t 300 --state ESTABLISHED -u ASSURED,SEEN_REPLY",
    "-I -p udp -s 10.9.0.1 -d 10.9.0.2 --sport 4 --dport 2 -t 300 -n 10.9.0.7:88",
    "-I -p udp -s 10.9.0.1 -d 10.9.0.2 --sport 5 --dport 2 -t 300 -g 10.9.0.8 -w 5",
    "-I -p icmp -s 10.9.0.1 -d 10.9.0.2 --icmp-type 8 --icmp-code 0 --icmp-id 3 -t 300",
    "-I -p udp -s fd09::1 -d fd09::2 --sport 1 --dport 2 -t 300",
    "-I -p 99 -s 10.9.0.3 -d 10.9.0.2 -t 300",
    "-I -p udp -s 10.9.0.1 -d 10.9.0.2 --sport 6 --dport 2 -t 300 -u EXPECTED",
    "-L -o extended",
    "-L -w 5 -o xml",
    "-I expect -s 10.1.0.2 -d 10.2.0.2 --tuple-src 10.2.0.2 --tuple-dst 10.1.0.2 --mask-src 255.255.255.255 --mask-dst 255.255.255.255 -p udp --sport 6000 --dport 69 -t 200 --tuple-port-src 0 --tuple-port-dst 6000 --mask-port-src 0 --mask-port-dst 65535",
    "-I expect -s 10.1.0.2 -d 10.2.0.2 --tuple-src 10.2.0.2 --tuple-dst 10.1.0.2 --mask-src 255.255.255.255 --mask-dst 255.255.255.255 -p udp --sport 6000 --dport 69 -t 200 --tuple-port-src 7 --tuple-port-dst 400 --mask-port-src 255 --mask-port-dst 65535",
    "-I expect -s 10.1.0.2 -d 10.2.0.2 --tuple-src 10.2.0.2 --tuple-dst 10.1.0.2 --mask-src 255.255.255.255 --mask-dst 255.255.255.255 -p udp --sport 2 --dport 53 -t 200 --tuple-port-src 0 --tuple-port-dst 500 --mask-port-src 0 --mask-port-dst 65535",
    "-I expect -s 10.1.0.2 -d 10.2.0.2 --tuple-src 10.2.0.2 --tuple-dst 10.1.0.2 --mask-src 255.255.255.255 --mask-dst 255.255.255.255 -p udp --sport 77 --dport 53 -t 200 --tuple-port-src 0 --tuple-port-dst 500 --mask-port-src 0 --mask-port-dst 65535",
    "-L expect",
    "-L",
    "-D expect -p udp -s 10.2.0.2 -d 10.1.0.2 --sport 8 --dport 400 --reply-port-src 1 --reply-port-dst 2",
    "-D expect -p udp -s 10.2.0.2 -d 10.1.0.2 --sport 7 --dport 400 --reply-port-src 1 --reply-port-dst 2",
    "-L expect",
    "-D -p tcp --sport 1001",
    "-D -p tcp --sport 1001",
    "-D -m 9",
    "-D -u UNREPLIED -p icmp",
    "-D -s 10.9.0.0/24 -o save",
    "-D -f ipv6 -o xml",
    "-L",
    "-F -f ipv6",
    "-F expect",
    "-F",
    "-L",
    "-C",
];

/// The same packets, the same lines, the same answers.
pub(crate) fn commands() -> io::Result<()> {
    let mut routers = [Router::new(Judge::Kernel)?, Router::new(Judge::Datapath)?];
    for router in &mut routers {
        router.traffic()?;
    }
    let mut differences = Vec::new();
    for line in LINES {
        let words: Vec<&str> = ["conntrack"].into_iter().chain(line.split(' ')).collect();
        let mut heard = Vec::new();
        for router in &routers {
            let finished = router.bench.router.run(&words)?;
            heard.push((sorted(&finished.stdout), sorted(&finished.stderr), finished.code()));
        }
        if heard[0] != heard[1] {
            differences.push(format!("conntrack {line}\n--- theirs {:#?}\n--- ours {:#?}", heard[0], heard[1]));
        }
    }
    assert!(differences.is_empty(), "{} of {} differ:\n{}", differences.len(), LINES.len(), differences.join("\n"));
    Ok(())
}

/// Random lines, each over the same entries: the original on the kernel's table, ours on the datapath's.
/// `CONNTRACK_CASES` says how many, `CONNTRACK_SEED` which.
pub(crate) fn random_lines() -> io::Result<()> {
    let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    let seed = number("CONNTRACK_SEED").unwrap_or(1);
    println!("CONNTRACK_SEED={seed}");
    let mut random = Random::new(seed);
    let mut entries = tempfile::NamedTempFile::new()?;
    entries.write_all(ENTRIES.as_bytes())?;
    let entries = entries.path().to_string_lossy().into_owned();
    let routers = [Router::new(Judge::Kernel)?, Router::new(Judge::Datapath)?];
    let fill = |router: &Router| -> io::Result<()> {
        router.bench.router.must(&["conntrack", "-F"])?;
        router.bench.router.must(&["conntrack", "-R", &entries]).map(|_| ())
    };
    let run = |router: &Router, line: &str| -> io::Result<Heard> {
        let words: Vec<&str> = ["conntrack"].into_iter().chain(line.split(' ')).collect();
        let finished = router.bench.router.run(&words)?;
        Ok((
            sorted(&finished.stdout),
            sorted(&finished.stderr),
            Some(finished.code()).filter(|code| *code >= 0 && *code < 128),
        ))
    };
    let mut differences = Vec::new();
    let count = number("CONNTRACK_CASES").unwrap_or(250);
    for _ in 0..count {
        let line = conntrack_lines::line(&mut random);
        let mut heard = Vec::new();
        for router in &routers {
            fill(router)?;
            heard.push((run(router, &line)?, run(router, "-L -o extended")?));
        }
        if heard[0] != heard[1] && !excused(&line, &heard[0].0, &heard[1].0) {
            differences.push(format!("conntrack {line}\n--- theirs: {:#?}\n--- ours: {:#?}", heard[0], heard[1]));
        }
    }
    assert!(differences.is_empty(), "{} of {count} differ:\n{}", differences.len(), differences.join("\n"));
    Ok(())
}

/// Events of the same life, in the forms in which they can be written.
pub(crate) fn events() -> io::Result<()> {
    for form in ["-o extended", "-o timestamp,id", "-o ktimestamp -p udp", "-o xml", "-o save", "-e NEW,DESTROY"] {
        let mut heard = Vec::new();
        for judge in [Judge::Kernel, Judge::Datapath] {
            let mut router = Router::new(judge)?;
            let words: Vec<&str> = form.split(' ').collect();
            // The moment from which all is heard is marked by an entry of another network: see Events.
            let mut log = Events::listen(&router.bench.router, &words)?;
            router.traffic()?;
            for line in ["-D -p udp --sport 2", "-U -p tcp --sport 1000 -s 10.1.0.2 -m 3", "-F"] {
                let line: Vec<&str> = ["conntrack"].into_iter().chain(line.split(' ')).collect();
                router.bench.router.run(&line)?;
            }
            std::thread::sleep(Duration::from_millis(300));
            let lines: Vec<String> = log.stop().iter().map(|line| plain(line)).collect();
            // What listening began with is not part of the life.
            let mut lines: Vec<String> = lines.into_iter().filter(|line| !line.contains("203.0.113.")).collect();
            assert!(lines.len() > 5, "{form}: {lines:?}");
            // A flush follows the hash, whose seed is each table's own.
            let is_end = |line: &String| {
                ["[DESTROY]", "type=\"destroy\"", "-D ", "</conntrack>"].iter().any(|end| line.contains(end))
            };
            let flushed = lines.iter().rposition(|line| !is_end(line)).map_or(0, |at| at + 1);
            lines[flushed..].sort_unstable();
            heard.push(lines);
        }
        let different = heard[0].iter().zip(&heard[1]).position(|(theirs, ours)| theirs != ours);
        assert!(
            heard[0] == heard[1],
            "{form}: from event {different:?} on\n--- theirs {:#?}\n--- ours {:#?}",
            heard[0],
            heard[1]
        );
    }
    Ok(())
}

/// The counters of `-S` have the same names in the same order; how many there are is the number of CPUs there, of queues
/// here.
pub(crate) fn statistics() -> io::Result<()> {
    let mut names = Vec::new();
    for judge in [Judge::Kernel, Judge::Datapath] {
        let mut router = Router::new(judge)?;
        router.traffic()?;
        let text = router.bench.router.must(&["conntrack", "-S"])?;
        for (number, line) in text.lines().enumerate() {
            assert!(line.starts_with(&format!("cpu={number:<4}\t")), "{text}");
        }
        let first = text.lines().next().unwrap_or_default();
        names.push(first.split(['0', '1', '2', '3', '4', '5', '6', '7', '8', '9']).collect::<String>());
        let expected = router.bench.router.must(&["conntrack", "-S", "expect"])?;
        assert!(expected.starts_with("cpu=0   \t"), "{expected}");
    }
    assert_eq!(names[0], names[1]);
    Ok(())
}

/// The texts that stand for files of `/proc/net`.
pub(crate) fn texts() -> io::Result<()> {
    let mut heard = Vec::new();
    for judge in [Judge::Kernel, Judge::Datapath] {
        let mut router = Router::new(judge)?;
        router.traffic()?;
        let namespace = &router.bench.router;
        let folder = match judge {
            Judge::Kernel => PathBuf::from("/proc/thread-self/net"),
            _ => {
                let all = namespace.within(directories)??;
                let made = all.iter().map(|directory| directory.join("net")).find(|folder| folder.exists());
                made.ok_or_else(|| io::Error::other(format!("no texts in {all:?}")))?
            }
        };
        let read = |name: &str| namespace.must(&["cat", &folder.join(name).display().to_string()]);
        let entries =
            read("nf_conntrack").map_err(|error| io::Error::other(format!("{}: {error}", folder.display())))?;
        let counts = read("stat/nf_conntrack")?;
        // One line for each CPU there.
        let counts: Vec<String> =
            counts.lines().take(2).map(|line| line.replace(|c: char| c.is_ascii_digit(), "0")).collect();
        heard.push((sorted(&entries), sorted(&read("nf_conntrack_expect")?), counts[0].clone(), counts[1].len()));
    }
    assert_eq!(heard[0], heard[1]);
    assert!(heard[0].0.len() > 10 && heard[0].1.len() == 1, "{heard:#?}");
    Ok(())
}

struct Router {
    bench: Bench,
}

impl Router {
    /// A router that counts, dates, marks and translates.
    fn new(judge: Judge) -> io::Result<Self> {
        let bench = Bench::new(judge, &built())?;
        bench.router.sysctl(&[
            ("net.netfilter.nf_conntrack_acct", "1"),
            ("net.netfilter.nf_conntrack_timestamp", "1"),
            ("net.netfilter.nf_conntrack_events", "1"),
        ])?;
        for line in [
            "iptables -A FORWARD -m conntrack --ctstate NEW",
            "ip6tables -A FORWARD -m conntrack --ctstate NEW",
            "iptables -t mangle -A FORWARD -p tcp -j CONNMARK --set-mark 7",
            "iptables -t raw -A PREROUTING -p udp --dport 69 -j CT --helper tftp",
            "iptables -t nat -A POSTROUTING -o wan0 -p udp --dport 54 -j SNAT --to-source 10.2.0.1",
            "iptables -t nat -A PREROUTING -i lan0 -p tcp --dport 8080 -j DNAT --to-destination 10.2.0.2:80",
        ] {
            bench.router.must(&line.split(' ').collect::<Vec<_>>())?;
        }
        // The word of a sysctl comes by inotify, or within a few seconds without.
        std::thread::sleep(Duration::from_secs(1));
        Ok(Self { bench })
    }

    /// A life of every protocol, both ways.
    fn traffic(&mut self) -> io::Result<()> {
        let (here, there) = (Ip::between([10, 1, 0, 2], [10, 2, 0, 2]), Ip::between([10, 2, 0, 2], [10, 1, 0, 2]));
        let outside = Ip::between([10, 2, 0, 2], [10, 2, 0, 1]);
        let six = [[0xfd01, 0, 0, 0, 0, 0, 0, 2u16], [0xfd02, 0, 0, 0, 0, 0, 0, 2]];
        let (here6, there6) = (Ip::between(six[0], six[1]), Ip::between(six[1], six[0]));
        self.lan(&here.udp(1, 53, b"question"))?;
        self.lan(&here.udp(2, 53, b"question"))?;
        self.wan(&there.udp(53, 2, b"an answer"))?;
        self.lan(&here.udp(6000, 69, b"\0\x01name\0octet\0"))?;
        self.lan(&here.udp(3, 54, b"question"))?;
        self.wan(&outside.udp(54, 3, b"an answer"))?;
        for port in [1000, 1002] {
            // Through DNAT the second one.
            let to = if port == 1000 { 80 } else { 8080 };
            self.lan(&here.tcp(&Tcp::segment(port, to, Tcp::SYN, 100, 0), b""))?;
            self.wan(&there.tcp(&Tcp::segment(80, port, Tcp::SYN | Tcp::ACK, 500, 101), b""))?;
            self.lan(&here.tcp(&Tcp::segment(port, to, Tcp::ACK, 101, 501), b""))?;
            self.lan(&here.tcp(&Tcp::segment(port, to, Tcp::ACK | Tcp::PSH, 101, 501), b"hello"))?;
        }
        self.wan(&there.tcp(&Tcp::segment(80, 1002, Tcp::ACK | Tcp::FIN, 501, 106), b""))?;
        self.lan(&here.tcp(&Tcp::segment(1001, 80, Tcp::SYN, 100, 0), b""))?;
        self.lan(&here.icmp(8, 0, 9 << 16 | 1, b"ping"))?;
        self.wan(&there.icmp(0, 0, 9 << 16 | 1, b"ping"))?;
        self.lan(&here.icmp(8, 0, 10 << 16 | 1, b"ping"))?;
        self.lan(&here.packet(99, b"whatever"))?;
        self.lan(&here6.udp(1, 53, b"question"))?;
        self.wan(&there6.udp(53, 1, b"an answer"))?;
        self.lan(&here6.icmp(128, 0, 9 << 16 | 1, b"ping"))?;
        self.wan(&there6.icmp(129, 0, 9 << 16 | 1, b"ping"))
    }

    fn lan(&mut self, packet: &[u8]) -> io::Result<()> {
        let Bench { lan, wan, .. } = &mut self.bench;
        lan.send(&ethernet(LAN, CLIENT, packet))?;
        arrives(wan, packet)
    }

    fn wan(&mut self, packet: &[u8]) -> io::Result<()> {
        let Bench { lan, wan, .. } = &mut self.bench;
        wan.send(&ethernet(WAN, SERVER, packet))?;
        arrives(lan, packet)
    }
}

/// Waits until a packet of this protocol and payload's length comes out on the other side.
fn arrives(port: &mut lab::port::Port, sent: &[u8]) -> io::Result<()> {
    let wanted = View::of(sent).ok_or_else(|| io::Error::other("no packet"))?;
    let deadline = Instant::now() + Duration::from_secs(5);
    while let Some(frame) = port.receive(deadline)? {
        let view = frame.bytes.get(14..).and_then(View::of);
        if view.is_some_and(|view| view.protocol == wanted.protocol && view.payload.len() == wanted.payload.len()) {
            return Ok(());
        }
    }
    let which = if wanted.protocol == UDP { "a datagram" } else { "a packet" };
    Err(io::Error::other(format!("{which} of protocol {} does not arrive: {:?}", wanted.protocol, wanted.ports())))
}

/// Lines without what two tables never share, in an order of their own: the hash's is random.
fn sorted(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = text.lines().map(plain).collect();
    lines.sort_unstable();
    lines
}

/// A line without version, entry number, port of netlink, program's name, dates, and seconds that may have passed.
fn plain(line: &str) -> String {
    let mut line = line.replace("v1.4.7", "V").replace("v1.4.9", "V");
    for (open, close) in [
        ("id=", " "),
        ("<id>", "<"),
        ("[start=", "]"),
        ("[stop=", "]"),
        ("delta-time=", " "),
        ("<deltatime>", "<"),
        ("<start>", "<"),
        ("<stop>", "<"),
        ("<when>", "<"),
        (" [USERSPACE] portid=", "\n"),
    ] {
        // An ICMP identifier is no entry's number, and stays.
        for at in line.match_indices(open).map(|(at, _)| at + open.len()).collect::<Vec<_>>().into_iter().rev() {
            let end = line[at..].find(close).map_or(line.len(), |end| at + end);
            if open != "id=" || line[at..end].parse::<u64>().is_ok_and(|number| number > 0xffff) {
                line.replace_range(at..end, "N");
            }
        }
    }
    if line.starts_with('[')
        && let Some((time, rest)) = line.split_once("]\t")
        && time.contains('.')
    {
        line = format!("[TIME]\t{rest}");
    }
    // XML after which the original says who changed the entry, which a repaired one leaves out.
    if let Some(end) = line.find("</flow>") {
        line.truncate(end + "</flow>".len());
    }
    let mut words: Vec<String> = Vec::new();
    for word in line.split(' ') {
        let mut before = words.iter().rev().map(String::as_str).filter(|word| !word.is_empty());
        // The seconds of an expectation stand first.
        let timed = match (before.next(), before.next()) {
            (None, _) | (Some("-t"), _) => true,
            (Some(number), Some(name)) => {
                number.parse::<u8>().is_ok()
                    && name.starts_with(|first: char| first.is_ascii_lowercase())
                    && !name.contains('=')
            }
            _ => false,
        };
        let counted = word.parse::<u32>().ok().filter(|_| timed);
        words.push(counted.map_or_else(|| word.to_owned(), rounded));
    }
    let line = words.join(" ");
    match line.split_once("<timeout>").and_then(|(head, tail)| Some((head, tail.split_once('<')?))) {
        Some((head, (seconds, tail))) => {
            format!("{head}<timeout>{}<{tail}", seconds.parse().map_or_else(|_| seconds.to_owned(), rounded))
        }
        None => line,
    }
}

/// Seconds up to the next half minute: as they were set, if no half minute has passed since.
fn rounded(seconds: u32) -> String {
    format!("{}s", seconds.div_ceil(30) * 30)
}
