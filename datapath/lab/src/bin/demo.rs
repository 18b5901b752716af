//! `make demo`: a legacy firewall script, real traffic through the router it programs, and a list of what was proved.

#![allow(clippy::print_stdout, reason = "a demonstration prints")]

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{IpAddr, Ipv4Addr, TcpStream, UdpSocket},
    process::{Child, ExitCode, Stdio},
    sync::{Arc, Mutex},
    thread::sleep,
    time::{Duration, Instant},
};

use lab::{
    frame::{Ip, Tcp, View, describe, ethernet},
    namespace::Namespace,
    port::Port,
    random::Random,
    router::{Judge, built},
    sandbox::{Rights, enter},
    topology::{CLIENT, Chain, LAN},
    traffic::{Attempt, Server, ask, connect, fetch},
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

/// The script, exactly as it lies in `demo/`.
const SCRIPT: &str = include_str!("../../../../demo/rc.firewall");

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let mut rights = Rights::AsStarted;
    let mut judge = Judge::Datapath;
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        match (word.as_str(), rest.as_slice().first().and_then(|n| Judge::from_name(n))) {
            ("--rootless", _) => rights = Rights::Rootless,
            ("--judge", Some(named)) => {
                judge = named;
                rest.next();
            }
            _ => {
                println!("usage: demo [--judge datapath|kernel|ours-on-kernel] [--rootless]");
                return ExitCode::from(2);
            }
        }
    }
    match run(judge, rights) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(e) => {
            println!("demo: {e}");
            ExitCode::FAILURE
        }
    }
}

fn run(judge: Judge, rights: Rights) -> io::Result<bool> {
    let sandbox = enter(rights)?;
    let began = Instant::now();
    title(&format!(
        "client - router - server, judged by {}, {}",
        if judge == Judge::Datapath { "xt-datapath" } else { judge.name() },
        if sandbox.rootless { "rootless in a user namespace" } else { "as root" }
    ));
    let mut demo = Demo { chain: Chain::new(judge, &built())?, proofs: Vec::new() };
    let events = Events::listen(&demo.chain.router);
    demo.script();
    match events {
        Ok(events) => {
            demo.traffic(&events);
            demo.prove_list();
            demo.cut();
            demo.prove_events(events);
        }
        Err(e) => demo.proofs.push(("conntrack -E listens".into(), Err(e.to_string()))),
    }
    demo.show();
    demo.prove_daemon();
    let all = demo.proofs.iter().all(|(_, outcome)| outcome.is_ok());
    title("What was proved");
    for (claim, outcome) in &demo.proofs {
        match outcome {
            Ok(detail) => println!("  proved      {claim}: {detail}"),
            Err(why) => println!("  NOT PROVED  {claim}: {why}"),
        }
    }
    let proved = demo.proofs.iter().filter(|(_, outcome)| outcome.is_ok()).count();
    println!("\n{proved} of {} proved in {:.1} s", demo.proofs.len(), began.elapsed().as_secs_f64());
    Ok(all)
}

/// What a proof found: a detail worth printing, or why it failed.
type Outcome = Result<String, String>;

struct Demo {
    chain: Chain,
    proofs: Vec<(String, Outcome)>,
}

impl Demo {
    fn prove(&mut self, claim: &str, proof: impl FnOnce(&Chain) -> Result<Outcome, io::Error>) {
        let outcome = proof(&self.chain).unwrap_or_else(|e| Err(e.to_string()));
        println!("  {} {claim}", if outcome.is_ok() { "+" } else { "-" });
        self.proofs.push((claim.to_owned(), outcome));
    }

    fn script(&mut self) {
        title("demo/rc.firewall");
        self.prove("rc.firewall runs unchanged and silently", |chain| {
            let began = Instant::now();
            let done = chain.router.run_with(&["sh", "-s"], SCRIPT)?;
            let took = began.elapsed().as_millis();
            let commands = SCRIPT.lines().filter(|l| l.starts_with("ip")).count();
            Ok(if done.status.success() && done.stdout.is_empty() && done.stderr.is_empty() {
                Ok(format!("{commands} lines of iptables and ip6tables in {took} ms"))
            } else {
                Err(format!("exit {}: {}{}", done.code(), done.stdout, done.stderr))
            })
        });
        self.prove("iptables-save | iptables-restore changes nothing", |chain| {
            let before = rules(&chain.router.must(&["iptables-save"])?);
            chain.router.must_with(&["iptables-restore"], &before)?;
            let after = rules(&chain.router.must(&["iptables-save"])?);
            let count = before.lines().filter(|l| l.starts_with("-A")).count();
            Ok(if count < 40 {
                Err(format!("only {count} rules were saved"))
            } else if before == after {
                Ok(format!("{count} rules in four tables"))
            } else {
                Err(format!("before:\n{before}\nafter:\n{after}"))
            })
        });
    }

    fn traffic(&mut self, events: &Events) {
        title("Traffic");
        self.downloads();
        self.ports();
        self.datagrams();
        self.oddities();
        let _ = events;
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

    fn prove_list(&mut self) {
        self.prove("conntrack -L shows a live connection with both directions and its translation", |chain| {
            let _server = Server::tcp_echo(&chain.server, "10.2.0.2:7001")?;
            let (_, _, stream) = connect(&chain.client, "10.2.0.2:7001", Duration::from_secs(3))?;
            let Some(mut stream) = stream else { return Ok(Err("no connection".into())) };
            echo(&mut stream, b"hello")?;
            let text = chain.router.must(&["conntrack", "-L", "-p", "tcp", "--dport", "7001"])?;
            let wanted = ["ESTABLISHED", "src=10.1.0.2 dst=10.2.0.2", "dst=10.2.0.1", "[ASSURED]", "mark=2"];
            Ok(match wanted.iter().find(|w| !text.contains(**w)) {
                None => Ok(text.trim().to_owned()),
                Some(missing) => Err(format!("no {missing} in: {text}")),
            })
        });
    }

    fn cut(&mut self) {
        self.prove("conntrack -D cuts a live connection", |chain| {
            let _server = Server::tcp_echo(&chain.server, "10.2.0.2:7000")?;
            let (_, _, stream) = connect(&chain.client, "10.2.0.2:7000", Duration::from_secs(3))?;
            let Some(mut stream) = stream else { return Ok(Err("no connection".into())) };
            echo(&mut stream, b"before")?;
            let cut = chain.router.must(&["conntrack", "-D", "-p", "tcp", "--dport", "7000"])?;
            stream.set_read_timeout(Some(Duration::from_millis(1500)))?;
            let after = echo(&mut stream, b"after");
            let left = chain.router.run(&["conntrack", "-L", "-p", "tcp", "--dport", "7000"])?.stdout;
            Ok(if after.is_ok() {
                Err(format!("it still echoes; -D said: {cut}"))
            } else if !left.is_empty() {
                Err(format!("an entry is left: {left}"))
            } else {
                Ok(format!("deleted {}", cut.trim()))
            })
        });
    }

    fn prove_events(&mut self, mut events: Events) {
        sleep(Duration::from_millis(100));
        let log = events.stop();
        title("conntrack -E during the run");
        print(&log, 60);
        self.prove("conntrack -E followed the run", |_| {
            let has = |kind: &str, what: &str| log.lines().any(|l| l.contains(kind) && l.contains(what));
            let wanted = [
                ("[NEW]", "dport=80 "),
                ("[UPDATE]", "ESTABLISHED"),
                ("[UPDATE]", "TIME_WAIT"),
                ("[NEW]", "dport=8080 "),
                ("[NEW]", "type=8 "),
                ("[NEW]", "dport=5353 "),
                ("[DESTROY]", "dport=7000 "),
            ];
            Ok(match wanted.iter().find(|(kind, what)| !has(kind, what)) {
                None => Ok(format!("{} events, among them new, updated and destroyed", log.lines().count())),
                Some((kind, what)) => Err(format!("no {kind} event with {what}")),
            })
        });
    }

    fn show(&mut self) {
        for words in [
            &["iptables", "-L", "-v", "-n"][..],
            &["iptables", "-t", "nat", "-S"][..],
            &["conntrack", "-L"][..],
            &["ip6tables", "-L", "FORWARD", "-v", "-n"][..],
        ] {
            title(&words.join(" "));
            let claim = format!("{} shows what an administrator looks for", words.join(" "));
            let mut shown = String::new();
            self.prove(&claim, |chain| {
                shown = chain.router.must(words)?;
                let wanted: &[&str] = match words {
                    ["iptables", "-L", ..] => {
                        &["Chain INPUT (policy DROP", "Chain BADTCP (2 references)", "[goto]", "tcp-reset"]
                    }
                    ["iptables", ..] => &[
                        "-A PREROUTING -i wan0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 10.1.0.2:80",
                        "-j MASQUERADE",
                    ],
                    ["conntrack", ..] => &["src=10.1.0.2 dst=10.2.0.2", "dst=10.2.0.1"],
                    _ => &["Chain FORWARD (policy DROP", "tcp-reset"],
                };
                Ok(match wanted.iter().find(|w| !shown.contains(**w)) {
                    None => Ok(format!("{} lines", shown.lines().count())),
                    Some(missing) => Err(format!("no {missing}")),
                })
            });
            print(&shown, 80);
        }
    }

    fn prove_daemon(&mut self) {
        if self.chain.daemon.is_none() {
            return;
        }
        let alive = self.chain.daemon.as_mut().is_some_and(lab::router::Daemon::alive);
        self.prove("xt-datapath judged all of it: the kernel's own tables and conntrack were never used", |chain| {
            let names = chain.router.within(|| std::fs::read_to_string("/proc/thread-self/net/ip_tables_names"))?;
            let names = names.unwrap_or_default();
            Ok(if !alive {
                Err("the datapath has died".into())
            } else if names.trim().is_empty() {
                Ok("no legacy table exists in the router".into())
            } else {
                Err(format!("the kernel has tables there: {}", names.replace('\n', " ")))
            })
        });
    }
}

/// A running `conntrack -E`.
struct Events {
    child: Child,
    log: Arc<Mutex<String>>,
}

impl Events {
    fn listen(namespace: &Namespace) -> io::Result<Self> {
        let mut child = namespace.spawn("conntrack", |command| {
            command.arg("-E").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        })?;
        let log = Arc::new(Mutex::new(String::new()));
        if let Some(stream) = child.stdout.take() {
            let log = Arc::clone(&log);
            std::thread::spawn(move || {
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    if let Ok(mut log) = log.lock() {
                        log.push_str(&line);
                        log.push('\n');
                    }
                }
            });
        }
        sleep(Duration::from_millis(200));
        Ok(Self { child, log })
    }

    fn stop(&mut self) -> String {
        let _ = kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap_or(i32::MAX)), Signal::SIGTERM);
        let _ = self.child.wait();
        self.log.lock().map(|l| l.clone()).unwrap_or_default()
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn echo(stream: &mut TcpStream, data: &[u8]) -> io::Result<()> {
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

/// A save without comments and counters.
fn rules(save: &str) -> String {
    save.lines()
        .filter(|l| !l.starts_with('#'))
        .map(|l| format!("{}\n", if l.starts_with(':') { l.split(" [").next().unwrap_or(l) } else { l }))
        .map(|l| if l.starts_with(':') { l.replace('\n', " [0:0]\n") } else { l })
        .collect()
}

fn noise(length: usize) -> Vec<u8> {
    let mut random = Random::new(0xdeca_f000);
    (0..length.div_ceil(8)).flat_map(|_| random.bits().to_le_bytes()).take(length).collect()
}

fn title(text: &str) {
    println!("\n== {text}");
}

fn print(text: &str, most: usize) {
    for line in text.lines().take(most) {
        println!("    {line}");
    }
    if text.lines().count() > most {
        println!("    ... {} lines more", text.lines().count() - most);
    }
}
