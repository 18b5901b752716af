//! Timeout policies: made in the kernel as `nfct` makes them, named by rules, on the kernel and on the datapath.

use std::io;
use std::ops::ControlFlow;
use std::time::Duration;

use lab::frame::{Ip, Tcp, ethernet};
use lab::router::{Daemon, Judge, built};
use lab::topology::{Bench, CLIENT, LAN, SERVER, WAN};
use nfnl::message::{Header, flag, netfilter, subsystem};
use nfnl::request::Requester;
use nfnl::timeout::{self, Policy};
use nfnl::transport::{Datapath, Kernel, Transport};

use crate::process::eventually;

const TCP: u8 = 6;
const UDP: u8 = 17;

/// Connections live as long as the policy of their rule says, whoever judges.
pub(crate) fn policies() -> io::Result<()> {
    let mut shown = Vec::new();
    for judge in [Judge::Kernel, Judge::Datapath] {
        let mut bench = Bench::new(judge, &built())?;
        bench.router.within(|| -> io::Result<()> {
            let mut requester = Requester::new(Kernel::open()?, 0);
            make(&mut requester, "u", UDP, &[(1, 1000), (2, 2000)])?;
            make(&mut requester, "t", TCP, &[(1, 3000), (3, 5000)])?;
            make(&mut requester, "g", 255, &[(1, 7000)])
        })??;
        for line in [
            "iptables -t raw -A PREROUTING -p udp --dport 53 -j CT --timeout u",
            "iptables -t raw -A PREROUTING -p tcp -j CT --timeout t",
            "iptables -t raw -A PREROUTING -p 99 -j CT --timeout g",
        ] {
            bench.router.must(&line.split(' ').collect::<Vec<_>>())?;
        }
        for line in [
            "iptables -t raw -A PREROUTING -p udp -j CT --timeout t",
            "iptables -t raw -A PREROUTING -p udp -j CT --timeout none",
            "iptables -t raw -A PREROUTING -j CT --timeout u",
            "ip6tables -t raw -A PREROUTING -p udp -j CT --timeout u",
        ] {
            let refused = bench.router.run(&line.split(' ').collect::<Vec<_>>())?;
            assert_ne!(refused.code(), 0, "{line} on {}", judge.name());
        }
        let (here, there) = (Ip::between([10, 1, 0, 2], [10, 2, 0, 2]), Ip::between([10, 2, 0, 2], [10, 1, 0, 2]));
        let lan = |bench: &mut Bench, packet: Vec<u8>| bench.lan.send(&ethernet(LAN, CLIENT, &packet));
        lan(&mut bench, here.udp(1, 53, b"x"))?;
        lan(&mut bench, here.udp(2, 54, b"x"))?;
        lan(&mut bench, here.packet(99, b"x"))?;
        lan(&mut bench, here.tcp(&Tcp::segment(3, 80, Tcp::SYN, 100, 0), b""))?;
        std::thread::sleep(Duration::from_millis(100));
        bench.wan.send(&ethernet(WAN, SERVER, &there.tcp(&Tcp::segment(80, 3, Tcp::SYN | Tcp::ACK, 500, 101), b"")))?;
        std::thread::sleep(Duration::from_millis(100));
        lan(&mut bench, here.tcp(&Tcp::segment(3, 80, Tcp::ACK, 101, 501), b""))?;
        lan(&mut bench, here.tcp(&Tcp::segment(4, 80, Tcp::SYN, 100, 0), b""))?;
        std::thread::sleep(Duration::from_millis(200));
        let entries = bench.router.must(&["conntrack", "-L"])?;
        // Up to the next ten: some seconds may have passed.
        let rounded = |word: &str| word.parse::<u32>().ok().filter(|&n| n > 20).map(|n| n.div_ceil(10) * 10);
        let plain = |line: &str| {
            let words = line.split_whitespace().filter(|word| !word.starts_with("use="));
            words.map(|word| rounded(word).map_or(word.to_owned(), |n| n.to_string())).collect::<Vec<_>>().join(" ")
        };
        let mut lines: Vec<String> = entries.lines().map(plain).collect();
        lines.sort_unstable();
        shown.push(lines);
    }
    assert_eq!(shown[0], shown[1]);
    for wanted in [" 1000 src", " 7000 src", " 5000 ESTABLISHED"] {
        assert!(shown[0].iter().any(|line| line.contains(wanted)), "no {wanted:?} in {:#?}", shown[0]);
    }
    Ok(())
}

/// A policy that only the datapath has, the rule that names it and its connections survive a crash.
pub(crate) fn crash() -> io::Result<()> {
    let mut bench = Bench::new(Judge::Datapath, &built())?;
    bench.router.within(|| -> io::Result<()> {
        let mut requester = Requester::new(Datapath::open()?, 0);
        make(&mut requester, "first", UDP, &[(1, 500)])?;
        make(&mut requester, "kept", UDP, &[(1, 3000)])
    })??;
    let rule = ["iptables", "-t", "raw", "-A", "PREROUTING", "-p", "udp", "-j", "CT", "--timeout", "kept"];
    bench.router.must(&rule)?;
    let packet = |port| ethernet(LAN, CLIENT, &Ip::between([10, 1, 0, 2], [10, 2, 0, 2]).udp(port, 53, b"x"));
    let shows = |bench: &mut Bench, port: u16| {
        bench.lan.send(&packet(port))?;
        let sport = format!("sport={port} dport=53 [UNREPLIED]");
        eventually("the entry has the policy's timeout", Duration::from_secs(15), || {
            let entries = bench.router.must(&["conntrack", "-L"])?;
            let line = entries.lines().find(|line| line.contains(&sport)).unwrap_or_default();
            let seconds = line.split_whitespace().nth(2).and_then(|word| word.parse::<u32>().ok());
            Ok(seconds.is_some_and(|seconds| (2900..=3000).contains(&seconds)))
        })
    };
    shows(&mut bench, 1)?;
    for _ in 0..2 {
        if let Some(daemon) = &mut bench.daemon {
            daemon.crash()?;
        }
        bench.daemon = Some(Daemon::start(&bench.router)?);
        // One that was there, and one that begins now.
        shows(&mut bench, 1)?;
        shows(&mut bench, 2)?;
        assert!(bench.router.must(&["iptables-save"])?.contains("--timeout kept"));
    }
    Ok(())
}

/// The datapath answers the messages as the kernel does.
pub(crate) fn messages() -> io::Result<()> {
    let mut heard = Vec::new();
    for judge in [Judge::Kernel, Judge::Datapath] {
        let bench = Bench::new(judge, &built())?;
        let mut told = match judge {
            Judge::Kernel => bench.router.within(|| story(Requester::new(Kernel::open()?, 0)))??,
            _ => bench.router.within(|| story(Requester::new(Datapath::open()?, 0)))??,
        };
        for name in ["udp_timeout", "udp_timeout_stream", "tcp_timeout_established", "icmp_timeout", "generic_timeout"]
        {
            told.push(format!("{name} {}", bench.router.read_sysctl(&format!("net.netfilter.nf_conntrack_{name}"))?));
        }
        heard.push(told);
    }
    assert_eq!(heard[0], heard[1]);
    Ok(())
}

/// What a list of requests is answered with.
fn story<T: Transport>(mut requester: Requester<T>) -> io::Result<Vec<String>> {
    let mut all = Vec::new();
    let excl = flag::CREATE | flag::EXCL;
    for (number, flags, name, protocol, timeouts) in [
        (timeout::NEW, excl, Some("one"), Some(UDP), Some(vec![(1, 11), (2, 22)])),
        (timeout::NEW, excl, Some("one"), Some(UDP), Some(vec![(1, 11)])),
        (timeout::NEW, flag::CREATE, Some("one"), Some(UDP), Some(vec![(1, 12)])),
        (timeout::NEW, flag::CREATE | flag::REPLACE, Some("one"), Some(UDP), Some(vec![(1, 13)])),
        (timeout::NEW, flag::CREATE | flag::REPLACE, Some("one"), Some(TCP), Some(vec![(1, 13)])),
        (timeout::NEW, excl, Some("two"), Some(TCP), Some(vec![(3, 33), (11, 44)])),
        (timeout::NEW, excl, Some("all"), Some(255), Some(vec![(1, 9)])),
        (timeout::NEW, excl, Some("bad"), Some(99), Some(vec![(1, 9)])),
        (timeout::NEW, excl, Some("bad"), Some(TCP), None),
        (timeout::NEW, excl, None, Some(TCP), Some(vec![(1, 9)])),
        (timeout::DELETE, 0, Some("none"), None, None),
        (timeout::DELETE, 0, Some("all"), None, None),
        (timeout::DEFAULT_SET, 0, None, Some(UDP), Some(vec![(1, 41), (2, 142)])),
        (timeout::DEFAULT_SET, 0, None, Some(TCP), Some(vec![(3, 4343)])),
        (timeout::DEFAULT_SET, 0, None, Some(1), Some(vec![(1, 44)])),
        (timeout::DEFAULT_SET, 0, None, Some(99), Some(vec![(1, 45)])),
        (timeout::DEFAULT_SET, 0, None, Some(255), Some(vec![(1, 46)])),
        (timeout::DEFAULT_SET, 0, None, Some(UDP), None),
        (timeout::DEFAULT_SET, 0, None, None, Some(vec![(1, 47)])),
    ] {
        let policy =
            Policy { name: name.map(|name| name.as_bytes().to_vec()), family: Some(2), protocol, timeouts, uses: None };
        all.push(format!("{number} {name:?} {protocol:?}: {}", act(&mut requester, number, flags, &policy)));
    }
    let mut listed: Vec<String> =
        timeout::list(&mut requester).map_err(io::Error::other)?.iter().map(|policy| format!("{policy:?}")).collect();
    listed.sort_unstable();
    all.extend(listed);
    for protocol in [UDP, TCP, 1] {
        let asked = Policy { family: Some(2), protocol: Some(protocol), ..Policy::default() };
        let kind = netfilter(subsystem::CTNETLINK_TIMEOUT, timeout::DEFAULT_GET);
        let header = Header { kind, ..Header::default() };
        let mut said = String::new();
        let asking = requester.ask(
            header,
            |header, out| asked.write(header, out),
            |message| {
                said = format!("{:?}", message.netfilter().map(|(_, attributes)| Policy::parse(attributes)));
                ControlFlow::Continue(())
            },
        );
        all.push(format!("for all of {protocol}: {said} {:?}", asking.err().and_then(|error| error.errno())));
    }
    all.push(format!("all: {}", act(&mut requester, timeout::DELETE, 0, &Policy::default())));
    all.push(format!("{:?}", timeout::list(&mut requester).map_err(io::Error::other)?));
    Ok(all)
}

fn make<T: Transport>(
    requester: &mut Requester<T>,
    name: &str,
    protocol: u8,
    timeouts: &[(u16, u32)],
) -> io::Result<()> {
    let policy = Policy {
        name: Some(name.as_bytes().to_vec()),
        family: Some(2),
        protocol: Some(protocol),
        timeouts: Some(timeouts.to_vec()),
        uses: None,
    };
    match act(requester, timeout::NEW, flag::CREATE | flag::EXCL, &policy) {
        0 => Ok(()),
        errno => Err(io::Error::from_raw_os_error(errno)),
    }
}

/// The errno of the answer, 0 if it was done.
fn act<T: Transport>(requester: &mut Requester<T>, number: u8, flags: u16, policy: &Policy) -> i32 {
    let header = Header { kind: netfilter(subsystem::CTNETLINK_TIMEOUT, number), flags, ..Header::default() };
    let done = requester.act(header, |header, out| policy.write(header, out), |_| ControlFlow::Continue(()));
    done.map_or_else(|error| error.errno().unwrap_or(-1), |()| 0)
}
