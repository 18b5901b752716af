//! What the client, the router and the server do, and what must come of it.

use std::{
    io::{self, Read, Write},
    net::{IpAddr, Ipv4Addr, TcpStream, UdpSocket},
    sync::Arc,
    time::{Duration, Instant},
};

use lab::{
    frame::{Ip, Tcp, View, describe, ethernet},
    namespace::Namespace,
    port::Port,
    random::Random,
    topology::{CLIENT, LAN},
    traffic::{Attempt, Server, ask, connect, fetch},
};

use crate::{Demo, title};

impl Demo {
    pub(crate) fn traffic(&mut self) {
        title("Traffic");
        self.downloads();
        self.ports();
        self.datagrams();
        self.oddities();
    }

    fn downloads(&mut self) {
        self.prove("an HTTP download through MASQUERADE arrives byte for byte", |chain| {
            let body = Arc::new(noise(8 << 20));
            let server = Server::http(&chain.server, "10.2.0.2:80", Arc::clone(&body))?;
            let began = Instant::now();
            let got = fetch(&chain.client, "10.2.0.2:80", "/download")?;
            let rate = 8.0 * got.len() as f64 / began.elapsed().as_secs_f64() / 1e6;
            let caller = server.callers().first().map(|c| c.ip());
            Ok(if got != *body {
                Err(format!("{} bytes came of {}, or they differ", got.len(), body.len()))
            } else if caller != Some(IpAddr::V4(Ipv4Addr::new(10, 2, 0, 1))) {
                Err(format!("the server saw {caller:?} instead of the router's 10.2.0.1"))
            } else {
                Ok(format!("{} bytes equal, {rate:.0} Mbit/s, the server saw 10.2.0.1", got.len()))
            })
        });
        self.prove("IPv6 is filtered statefully without translation", |chain| {
            chain.route_back()?;
            let body = Arc::new(noise(1 << 20));
            let server = Server::http(&chain.server, "[fd02::2]:80", Arc::clone(&body))?;
            let got = fetch(&chain.client, "[fd02::2]:80", "/six")?;
            let (refused, took, _) = connect(&chain.client, "[fd02::2]:81", Duration::from_secs(2))?;
            chain.server.ip("route del 10.1.0.0/24\n")?;
            let caller = server.callers().first().map(|c| c.ip().to_string());
            Ok(if got != *body {
                Err("the bytes differ".into())
            } else if caller.as_deref() != Some("fd01::2") {
                Err(format!("the server saw {caller:?}"))
            } else if refused != Attempt::Refused {
                Err(format!("port 81: {refused:?}"))
            } else {
                Ok(format!("{} bytes equal, another port reset in {} ms", got.len(), took.as_millis()))
            })
        });
        self.prove(
            "a connection to the DNATed port reaches the web server, which sees the caller's address",
            |chain| {
                let body = Arc::new(noise(100_000));
                let server = Server::http(&chain.client, "10.1.0.2:80", Arc::clone(&body))?;
                let got = fetch(&chain.server, "10.2.0.1:8080", "/inside")?;
                let caller = server.callers().first().map(|c| c.ip());
                Ok(if got != *body {
                    Err("the bytes differ".into())
                } else if caller != Some(IpAddr::V4(Ipv4Addr::new(10, 2, 0, 2))) {
                    Err(format!("it saw {caller:?}"))
                } else {
                    Ok("10.2.0.1:8080 led to 10.1.0.2:80, which saw 10.2.0.2".into())
                })
            },
        );
    }

    fn ports(&mut self) {
        self.prove("a refused port answers with a RST at once", |chain| {
            let (attempt, took, _) = connect(&chain.client, "10.2.0.2:113", Duration::from_secs(3))?;
            Ok(if attempt == Attempt::Refused && took < Duration::from_millis(500) {
                Ok(format!("refused after {:.1} ms", took.as_secs_f64() * 1e3))
            } else {
                Err(format!("{attempt:?} after {took:?}"))
            })
        });
        self.prove("a port rejected by ICMP is unreachable at once", |chain| {
            let (attempt, took, _) = connect(&chain.client, "10.2.0.2:25", Duration::from_secs(3))?;
            Ok(if attempt == Attempt::Refused && took < Duration::from_millis(500) {
                Ok(format!("admin-prohibited after {:.1} ms", took.as_secs_f64() * 1e3))
            } else {
                Err(format!("{attempt:?} after {took:?}"))
            })
        });
        self.prove("a dropped port stays silent until the time is over", |chain| {
            let _server = Server::tcp_echo(&chain.server, "10.2.0.2:23")?;
            let (attempt, took, _) = connect(&chain.client, "10.2.0.2:23", Duration::from_secs(2))?;
            Ok(if attempt == Attempt::Silent {
                Ok(format!("no answer in {:.1} s from a port where a server listens", took.as_secs_f64()))
            } else {
                Err(format!("{attempt:?} after {took:?}"))
            })
        });
    }

    fn datagrams(&mut self) {
        self.prove("ping passes, there and back", |chain| {
            let mut port = Port::open(&chain.client, "eth0")?;
            let mut best = Duration::MAX;
            for sequence in 1..=3u32 {
                let echo = Ip::between([10, 1, 0, 2], [10, 2, 0, 2]).icmp(8, 0, 0x4d2 << 16 | sequence, b"ping");
                let began = Instant::now();
                port.send(&ethernet(LAN, CLIENT, &echo))?;
                let reply = expect(&mut port, |view| {
                    view.icmp() == Some((0, 0))
                        && view.payload.get(4..8) == Some(&(0x4d2 << 16 | sequence).to_be_bytes())
                })?;
                if reply.is_none() {
                    return Ok(Err(format!("no reply to echo {sequence}")));
                }
                best = best.min(began.elapsed());
            }
            Ok(Ok(format!("three of three, best {:.2} ms", best.as_secs_f64() * 1e3)))
        });
        self.prove("a UDP request gets its reply through MASQUERADE", |chain| {
            let server = Server::udp_echo(&chain.server, "10.2.0.2:5353")?;
            let answer = ask(&chain.client, "10.2.0.2:5353", b"hello", Duration::from_secs(2))?;
            let caller = server.callers().first().map(|c| c.ip().to_string());
            Ok(match answer {
                Some((data, from)) if data == b"echo hello" && caller.as_deref() == Some("10.2.0.1") => {
                    Ok(format!("answered by {from}, which saw 10.2.0.1"))
                }
                other => Err(format!("{other:?}, the server saw {caller:?}")),
            })
        });
        self.prove("REDIRECT brings DNS requests for any server to the router", |chain| {
            let _server = Server::udp_echo(&chain.router, "0.0.0.0:5300")?;
            let answer = ask(&chain.client, "10.2.0.77:53", b"who", Duration::from_secs(2))?;
            Ok(match answer {
                Some((data, from)) if data == b"echo who" && from.to_string() == "10.2.0.77:53" => {
                    Ok("the router answered in the name of 10.2.0.77:53".into())
                }
                other => Err(format!("{other:?}")),
            })
        });
        self.prove("an ICMP error comes back RELATED with its inner header translated back", |chain| {
            let mut port = Port::open(&chain.client, "eth0")?;
            let before = counter(&chain.router, "filter", "-A FORWARD -p icmp -m state --state RELATED -j ACCEPT")?;
            let probe = Ip::between([10, 1, 0, 2], [10, 2, 0, 2]).udp(40_000, 33_434, b"traceroute");
            port.send(&ethernet(LAN, CLIENT, &probe))?;
            let error = expect(&mut port, |view| view.icmp() == Some((3, 3)))?;
            let after = counter(&chain.router, "filter", "-A FORWARD -p icmp -m state --state RELATED -j ACCEPT")?;
            let Some(error) = error else { return Ok(Err("no error came back".into())) };
            let quoted = View::of(&error).and_then(|v| v.quoted());
            let inner = quoted.map(|q| (q.source, q.ports()));
            let wanted = Some((IpAddr::V4(Ipv4Addr::new(10, 1, 0, 2)), Some((40_000, 33_434))));
            Ok(if inner != wanted {
                Err(format!("it came as {}", describe(&error)))
            } else if after != before + 1 {
                Err(format!("the RELATED rule counted {before}, then {after}"))
            } else {
                Ok(describe(&error))
            })
        });
        self.prove("traceroute sees the router as the first hop", |chain| {
            let mut port = Port::open(&chain.client, "eth0")?;
            let mut ip = Ip::between([10, 1, 0, 2], [10, 2, 0, 2]);
            ip.ttl = 1;
            port.send(&ethernet(LAN, CLIENT, &ip.udp(40_001, 33_435, b"traceroute")))?;
            let error = expect(&mut port, |view| view.icmp() == Some((11, 0)))?;
            Ok(
                match error
                    .as_deref()
                    .and_then(View::of)
                    .map(|v| (v.source.to_string(), v.quoted().and_then(|q| q.ports())))
                {
                    Some((source, Some((40_001, 33_435)))) if source == "10.1.0.1" => {
                        Ok("time exceeded from 10.1.0.1".into())
                    }
                    other => Err(format!("{other:?}")),
                },
            )
        });
    }

    fn oddities(&mut self) {
        self.prove("a NOTRACK datagram passes untranslated and leaves no entry", |chain| {
            let socket = chain.server.within(|| UdpSocket::bind("10.2.0.2:514"))??;
            socket.set_read_timeout(Some(Duration::from_secs(2)))?;
            let client = chain.client.within(|| UdpSocket::bind("10.1.0.2:40514"))??;
            client.send_to(b"<13>hello", "10.2.0.2:514")?;
            let mut buffer = [0; 100];
            let from = match socket.recv_from(&mut buffer) {
                Ok((_, from)) => from.to_string(),
                Err(e) => return Ok(Err(format!("it did not arrive: {e}"))),
            };
            let entries = chain.router.run(&["conntrack", "-L", "-p", "udp", "--dport", "514"])?.stdout;
            Ok(if from == "10.1.0.2:40514" && entries.is_empty() {
                Ok(format!("the collector saw {from}"))
            } else {
                Err(format!("the collector saw {from}, entries: {entries}"))
            })
        });
        self.prove(
            "packets with impossible flags, forged sources and stray ACKs are logged up to the limit and dropped",
            |chain| {
                let port = Port::open(&chain.client, "eth0")?;
                let mut wire = Port::open(&chain.server, "eth0")?;
                let log =
                    "-A LOGDROP -m limit --limit 3/min --limit-burst 8 -j LOG --log-prefix \"fw-drop: \" --log-level 6";
                let (logged, dropped) =
                    (counter(&chain.router, "filter", log)?, counter(&chain.router, "filter", "-A LOGDROP -j DROP")?);
                let ip = Ip::between([10, 1, 0, 2], [10, 2, 0, 2]);
                let forged = Ip::between([192, 168, 7, 7], [10, 2, 0, 2]);
                for number in 0..4 {
                    let source = 41_000 + number;
                    for packet in [
                        ip.tcp(&Tcp::segment(source, 80, 0, 1, 0), b""),
                        ip.tcp(&Tcp::segment(source, 80, Tcp::SYN | Tcp::FIN, 1, 0), b""),
                        ip.tcp(&Tcp::segment(source, 80, Tcp::SYN | Tcp::RST, 1, 0), b""),
                        ip.tcp(&Tcp::segment(source, 80, Tcp::ACK, 1, 1), b"stray"),
                        forged.tcp(&Tcp::segment(source, 80, Tcp::SYN, 1, 0), b""),
                    ] {
                        port.send(&ethernet(LAN, CLIENT, &packet))?;
                    }
                }
                let through =
                    expect(&mut wire, |view| view.tcp().is_some_and(|t| t.source >= 41_000 && t.source < 41_010))?;
                let logged = counter(&chain.router, "filter", log)? - logged;
                let dropped = counter(&chain.router, "filter", "-A LOGDROP -j DROP")? - dropped;
                // The impossible flags are INVALID, never NEW: they meet the --tcp-flags rules.
                Ok(match through {
                    Some(packet) => Err(format!("one arrived: {}", describe(&packet))),
                    None if dropped == 20 && logged <= 8 => Ok(format!("20 of 20 dropped, {logged} logged")),
                    None => Err(format!("{dropped} of 20 dropped, {logged} logged")),
                })
            },
        );
        self.prove("traffic over lo is accepted by -i lo", |chain| {
            let before = counter(&chain.router, "filter", "-A INPUT -i lo -j ACCEPT")?;
            let _server = Server::udp_echo(&chain.router, "127.0.0.1:9")?;
            let answer = ask(&chain.router, "127.0.0.1:9", b"self", Duration::from_secs(2))?;
            let after = counter(&chain.router, "filter", "-A INPUT -i lo -j ACCEPT")?;
            Ok(if answer.is_some() && after == before + 2 {
                Ok("both packets counted".into())
            } else {
                Err(format!("{answer:?}, counted {}", after - before))
            })
        });
        self.prove("marks set in mangle are seen in FORWARD and kept on the connection", |chain| {
            let seen = counter(&chain.router, "mangle", "-A FORWARD -m mark --mark 0x1")?;
            let listed = chain.router.must(&["conntrack", "-L", "-m", "1", "-p", "tcp"])?;
            Ok(if seen > 10 && listed.lines().any(|l| l.contains("dport=80 ") && l.contains("mark=1")) {
                Ok(format!("{seen} packets marked, entry listed by its mark"))
            } else {
                Err(format!("{seen} packets, listed: {listed}"))
            })
        });
        self.prove("goto skips what follows, and the policy decides", |chain| {
            let skipped = counter(&chain.router, "filter", "-A FORWARD -i lan0 -o wan0 -j ACCEPT")?;
            let policy = policy(&chain.router, "filter", "FORWARD")?;
            Ok(if skipped == 0 && policy > 0 {
                Ok(format!("the line behind the goto counted 0, the policy {policy}"))
            } else {
                Err(format!("the line behind the goto counted {skipped}, the policy {policy}"))
            })
        });
    }
}

/// Says something and hears it again.
pub(crate) fn echo(stream: &mut TcpStream, data: &[u8]) -> io::Result<()> {
    stream.write_all(data)?;
    let mut back = vec![0; data.len()];
    stream.read_exact(&mut back)?;
    if back == data { Ok(()) } else { Err(io::Error::other("the echo differs")) }
}

/// Waits a second for a packet that fits.
fn expect(port: &mut Port, fits: impl Fn(&View<'_>) -> bool) -> io::Result<Option<Vec<u8>>> {
    let deadline = Instant::now() + Duration::from_secs(1);
    while let Some(frame) = port.receive(deadline)? {
        let packet = frame.bytes.get(14..).unwrap_or_default();
        if View::of(packet).is_some_and(|v| fits(&v)) {
            return Ok(Some(packet.to_vec()));
        }
    }
    Ok(None)
}

/// Packets that a rule has counted, found by its line in `iptables-save`.
fn counter(router: &Namespace, table: &str, rule: &str) -> io::Result<u64> {
    let text = router.must(&["iptables-save", "-c", "-t", table])?;
    let spellings = [rule.to_owned(), rule.replace("-m state --state", "-m conntrack --ctstate")];
    text.lines()
        .find_map(|line| {
            let (count, rest) = line.strip_prefix('[')?.split_once("] ")?;
            spellings.iter().any(|s| s == rest).then(|| count.split(':').next()?.parse().ok()).flatten()
        })
        .ok_or_else(|| io::Error::other(format!("no rule {rule} in\n{text}")))
}

/// Packets that a policy has counted.
fn policy(router: &Namespace, table: &str, chain: &str) -> io::Result<u64> {
    let text = router.must(&["iptables-save", "-c", "-t", table])?;
    text.lines()
        .find_map(|l| l.strip_prefix(&format!(":{chain} "))?.split_once('[')?.1.split(':').next()?.parse().ok())
        .ok_or_else(|| io::Error::other(format!("no chain {chain}")))
}

fn noise(length: usize) -> Vec<u8> {
    let mut random = Random::new(0xdeca_f000);
    (0..length.div_ceil(8)).flat_map(|_| random.bits().to_le_bytes()).take(length).collect()
}
