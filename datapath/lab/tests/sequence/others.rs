//! UDP, UDPLite, ICMP, ICMPv6, SCTP, GRE and what has no ports, a thousand sequences at a time, each between a client of its
//! own and the server. Now and then all timeouts are a second long, so that what is touched then is gone at the next packet.

use std::{
    collections::BTreeMap,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    thread,
    time::Duration,
};

use lab::{
    frame::ethernet,
    generate::datagrams::datagrams,
    random::Random,
    router::{Judge, settle},
    suite,
    topology::{CLIENT, LAN, SERVER, WAN},
    twin::{Crossing, Side, near},
};

use super::super::{BURST, FENCE, Router, Shown, TOGETHER};

/// Their timeouts, far apart.
const TIMEOUTS: [(&str, &str); 15] = [
    ("udp_timeout", "1000"),
    ("udp_timeout_stream", "2000"),
    ("icmp_timeout", "3000"),
    ("icmpv6_timeout", "4000"),
    ("gre_timeout", "5000"),
    ("gre_timeout_stream", "6000"),
    ("generic_timeout", "7000"),
    ("sctp_timeout_closed", "8000"),
    ("sctp_timeout_cookie_wait", "9000"),
    ("sctp_timeout_cookie_echoed", "10000"),
    ("sctp_timeout_established", "20000"),
    ("sctp_timeout_shutdown_sent", "11000"),
    ("sctp_timeout_shutdown_recd", "12000"),
    ("sctp_timeout_shutdown_ack_sent", "13000"),
    ("sctp_timeout_heartbeat_sent", "14000"),
];

/// Longer than UDP waits before an answered connection is a stream, and than the short timeouts last.
const BETWEEN: Duration = Duration::from_millis(2200);

pub(crate) fn sequences() -> io::Result<()> {
    let number = |name: &str| std::env::var(name).ok().and_then(|n| n.parse::<u64>().ok());
    let wanted = number("LAB_SEQUENCES").unwrap_or(1_000);
    let seed = number("LAB_SEED").unwrap_or(1);
    let judge = suite::subject().unwrap_or(Judge::Kernel);
    println!("  kernel against {}, LAB_SEED={seed}", judge.name());
    let mut routers = [router(Judge::Kernel)?, router(judge)?];
    let mut random = Random::new(seed);
    let (mut played, mut packets, mut differ) = (0, 0, Vec::new());
    while played < wanted {
        let all: Vec<Vec<Crossing>> = (0..TOGETHER)
            .map(|at| {
                let six = random.one_in(3);
                datagrams(&mut random, client(six, at), server(six))
            })
            .collect();
        let short = 1 + random.below(4) as usize;
        for router in &mut routers {
            router.begin(&[])?;
        }
        let mut known = BTreeMap::new();
        for step in 0..all.iter().map(Vec::len).max().unwrap_or(0) {
            for router in &mut routers {
                // What is touched now is gone before the next packet.
                if step == short {
                    set(router, true)?;
                }
            }
            let shown = [play(&mut routers[0], &all, step)?, play(&mut routers[1], &all, step)?];
            if step == short {
                for router in &mut routers {
                    set(router, false)?;
                }
            }
            thread::sleep(BETWEEN);
            let mut listed = shown;
            for (router, shown) in routers.iter_mut().zip(&mut listed) {
                list(router, shown)?;
            }
            let [wanted, got] = &listed;
            for at in 0..TOGETHER {
                let nothing = Vec::new();
                let of = |shown: &Shown| shown.get(&at).unwrap_or(&nothing).clone();
                let (wanted, got) = (of(wanted), of(got));
                if wanted.len() != got.len() || !wanted.iter().zip(&got).all(|(a, b)| near(a, b, 300)) {
                    known.entry(at).or_insert_with(|| format!("after step {step}: {wanted:?}\n  but {got:?}"));
                }
            }
        }
        played += u64::from(TOGETHER);
        packets += all.iter().map(Vec::len).sum::<usize>();
        for (at, why) in known {
            let told: Vec<String> = all[usize::from(at)]
                .iter()
                .map(|sent| format!("    {:?} {} {:02x?}", sent.side, lab::frame::describe(&sent.packet), sent.packet))
                .collect();
            differ.push(format!("sequence {at}, short timeouts at step {short}\n{}\n  {why}", told.join("\n")));
        }
        if differ.len() > 20 {
            break;
        }
    }
    println!("  {played} sequences of {packets} packets, {} differ", differ.len());
    if differ.is_empty() { Ok(()) } else { Err(io::Error::other(differ.join("\n"))) }
}

fn router(judge: Judge) -> io::Result<Router> {
    let router = Router::new(judge)?;
    let namespace = &router.bench.router;
    namespace.ip("route add 10.3.0.0/16 via 10.1.0.2\nroute add fd03::/64 via fd01::2\n")?;
    let mut rules = format!("*mangle\n-A FORWARD -p {FENCE} -j ACCEPT\n");
    for (state, tos) in super::super::MARKS {
        rules += &format!("-A FORWARD -m conntrack --ctstate {state} -j TOS --set-tos {tos}/0xff\n");
    }
    namespace.must_with(&["ip6tables-restore"], &format!("{rules}COMMIT\n"))?;
    for (name, seconds) in TIMEOUTS {
        namespace.sysctl(&[(&format!("net.netfilter.nf_conntrack_{name}"), seconds)])?;
    }
    Ok(router)
}

/// Makes all timeouts short, or what they were, and waits until they are in force.
fn set(router: &mut Router, short: bool) -> io::Result<()> {
    for (name, seconds) in TIMEOUTS {
        let seconds = if short { "1" } else { seconds };
        router.bench.router.sysctl(&[(&format!("net.netfilter.nf_conntrack_{name}"), seconds)])?;
    }
    settle(router.bench.judge(), &router.bench.router)
}

/// Sends one packet of each sequence: what rules said of it, and its news.
fn play(router: &mut Router, all: &[Vec<Crossing>], step: usize) -> io::Result<Shown> {
    let mut shown = Shown::new();
    let sent: Vec<&Crossing> = all.iter().filter_map(|sequence| sequence.get(step)).collect();
    for burst in sent.chunks(BURST) {
        for one in burst {
            match one.side {
                Side::Wan => router.bench.wan.send(&ethernet(WAN, SERVER, &one.packet))?,
                _ => router.bench.lan.send(&ethernet(LAN, CLIENT, &one.packet))?,
            }
        }
        router.fence(&mut |view, packet| {
            let Some(at) = number(view.source).or_else(|| number(view.destination)) else { return };
            let tos = match packet {
                [first, second, ..] if first >> 4 == 6 => first << 4 | second >> 4,
                [_, second, ..] => *second,
                _ => 0,
            };
            shown.entry(at).or_default().push(format!("TOS {tos:#x}"));
        })?;
        for line in router.heard()? {
            // The kernel looks for what is over when it has time.
            if !line.contains("[DESTROY]") {
                note(&mut shown, &line);
            }
        }
    }
    Ok(shown)
}

fn list(router: &mut Router, shown: &mut Shown) -> io::Result<()> {
    for family in ["ipv4", "ipv6"] {
        for line in router.bench.router.must(&["conntrack", "-L", "-f", family])?.lines() {
            note(shown, line);
        }
    }
    for lines in shown.values_mut() {
        // Entries of one client come in the order of each table's hash.
        let entries = lines.iter().position(|line| !line.starts_with(['T', '[', ' '])).unwrap_or(lines.len());
        lines[entries..].sort_unstable();
    }
    Ok(())
}

/// Files a line under the client's number.
fn note(shown: &mut Shown, line: &str) {
    let address = |word: &str| word.strip_prefix("src=").or(word.strip_prefix("dst="))?.parse().ok();
    let Some(at) = line.split_whitespace().filter_map(address).find_map(number) else { return };
    let kept = line.split_whitespace().filter(|word| !word.starts_with("use="));
    shown.entry(at).or_default().push(kept.collect::<Vec<_>>().join(" "));
}

fn client(six: bool, at: u16) -> IpAddr {
    let [high, low] = at.to_be_bytes();
    if six { Ipv6Addr::new(0xfd03, 0, 0, 0, 0, 0, 1, at).into() } else { Ipv4Addr::new(10, 3, high, low).into() }
}

fn server(six: bool) -> IpAddr {
    if six { Ipv6Addr::new(0xfd02, 0, 0, 0, 0, 0, 0, 2).into() } else { Ipv4Addr::new(10, 2, 0, 2).into() }
}

/// The number of a client.
fn number(address: IpAddr) -> Option<u16> {
    match address {
        IpAddr::V4(address) => match address.octets() {
            [10, 3, high, low] => Some(u16::from_be_bytes([high, low])),
            _ => None,
        },
        IpAddr::V6(address) => match address.segments() {
            [0xfd03, 0, 0, 0, 0, 0, 1, at] => Some(at),
            _ => None,
        },
    }
}
