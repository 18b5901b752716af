//! Everything at once: packets on several queues, dumps, deletions, flushes, replaced tables and a hash that changes its size.

use std::fs;
use std::io;
use std::net::UdpSocket;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use lab::fill::{fill, udp};
use lab::namespace::Namespace;
use lab::router::{Commands, Judge, built};
use lab::topology::{Bench, Chain};
use lab::traffic::{self, Server};
use nfnl::conntrack::Flow;
use nfnl::message::Messages;
use nfnl::transport::{Datapath, Kernel, Transport};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::chain;
use crate::process::{Process, eventually};

/// Addresses of the client.
const HOSTS: std::ops::Range<u8> = 10..18;

/// Client, router and server, with our commands in the router.
fn chain_with_commands() -> io::Result<(Chain, Commands)> {
    let mut chain = chain()?;
    let commands = Commands::collect(Judge::Datapath, &built())?;
    commands.prefer(&mut chain.router);
    for host in HOSTS {
        chain.client.ip(&format!("addr add 10.1.0.{host}/24 dev eth0"))?;
    }
    Ok((chain, commands))
}

fn count(router: &Namespace) -> io::Result<usize> {
    router.must(&["conntrack", "-C"])?.trim().parse().map_err(io::Error::other)
}

/// `nf_conntrack_buckets` in the configuration file.
fn set_buckets(config: &Path, buckets: usize) -> io::Result<()> {
    fs::write(config, format!("nf_conntrack_max = 20000\nnf_conntrack_buckets = {buckets}\n"))
}

pub(crate) fn resized() -> io::Result<()> {
    const ENTRIES: u32 = 5000;
    let (chain, _commands) = chain_with_commands()?;
    let folder = tempfile::tempdir()?;
    let config = folder.path().join("conf");
    // Fewer would make the chains longer than a new connection puts up with.
    set_buckets(&config, 512)?;
    let mut datapath = Process::start(&chain.router, &["--config", &config.to_string_lossy()])?;
    chain.router.must(&["iptables", "-t", "nat", "-A", "POSTROUTING", "-o", "wan0", "-j", "MASQUERADE"])?;
    fill(&chain.router, Judge::Datapath, (0..ENTRIES).map(udp))?;
    let _echo = Server::udp_echo(&chain.server, "10.2.0.2:7")?;
    let socket = chain.client.within(|| UdpSocket::bind("10.1.0.2:4000"))??;
    socket.set_read_timeout(Some(Duration::from_secs(10)))?;
    socket.connect("10.2.0.2:7")?;
    for (round, buckets) in [300, 100_000, 1000, 333, 4096].into_iter().enumerate() {
        set_buckets(&config, buckets)?;
        datapath.hang_up()?;
        // A connection that is there goes on, and nothing is lost.
        for number in 0..20 {
            socket.send(&[round as u8, number])?;
            let answered = socket.recv(&mut [0; 64]);
            assert!(answered.is_ok(), "round {round}, packet {number}: {answered:?}");
        }
        assert_eq!(count(&chain.router)?, ENTRIES as usize + 1);
        let lines = chain.router.must(&["conntrack", "-L"])?;
        assert_eq!(lines.lines().count(), ENTRIES as usize + 1);
        for number in [0, 1, 2500, 4999] {
            let port = (1024 + number).to_string();
            let words = ["-p", "udp", "-s", "10.9.0.2", "-d", "10.8.0.1", "--sport", &port, "--dport", "9"];
            chain.router.must(&[&["conntrack", "-G"], &words[..]].concat())?;
        }
    }
    assert!(datapath.stop()?.success());
    Ok(())
}

/// A filter of one kind or another, and translation.
fn table(number: u64) -> String {
    let rules: String =
        (0..number % 2 * 200).map(|at| format!("-A FORWARD -s 172.16.{}.1 -j DROP\n", at % 250)).collect();
    format!(
        "*nat\n:PREROUTING ACCEPT\n:INPUT ACCEPT\n:OUTPUT ACCEPT\n:POSTROUTING ACCEPT\n-A POSTROUTING -o wan0 -j MASQUERADE\n\
         COMMIT\n*filter\n:INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\n{rules}-A FORWARD -m state --state INVALID -j DROP\n\
         COMMIT\n"
    )
}

pub(crate) fn at_once() -> io::Result<()> {
    let seconds = std::env::var("XT_STRESS_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(4);
    let (chain, _commands) = chain_with_commands()?;
    let folder = tempfile::tempdir()?;
    let config = folder.path().join("conf");
    set_buckets(&config, 1024)?;
    let mut datapath = Process::start(&chain.router, &["--queues", "4", "--config", &config.to_string_lossy()])?;
    chain.router.must_with(&["iptables-restore"], &table(0))?;
    let _echo = Server::udp_echo(&chain.server, "10.2.0.2:7")?;
    let _http = Server::http(&chain.server, "10.2.0.2:80", std::sync::Arc::new(vec![7; 10_000]))?;
    let router = &chain.router;
    let (stop, done) = (AtomicBool::new(false), [const { AtomicU64::new(0) }; 7]);
    // Repeats a step until the time is over, once at least; whoever fails ends it for all.
    let repeat = |who: usize, pause: u64, step: &dyn Fn(u64) -> io::Result<()>| -> io::Result<()> {
        for number in 0.. {
            step(number).inspect_err(|_| stop.store(true, Ordering::Relaxed))?;
            done[who].fetch_add(1, Ordering::Relaxed);
            if stop.load(Ordering::Relaxed) {
                break;
            }
            std::thread::sleep(Duration::from_millis(pause));
        }
        Ok(())
    };
    let all = std::thread::scope(|scope| {
        let mut threads = Vec::new();
        for half in [0, 1] {
            let (chain, repeat) = (&chain, &repeat);
            threads.push(scope.spawn(move || {
                repeat(half, 1, &|number| {
                    let host = HOSTS.start + (number % 4) as u8 * 2 + half as u8;
                    let source = format!("10.1.0.{host}:0");
                    chain.client.within(|| -> io::Result<()> {
                        let socket = UdpSocket::bind(source)?;
                        for port in [7, 9, 1000 + (number % 500) as u16] {
                            // Refused by the server where nobody listens.
                            let _ = socket.send_to(b"x", ("10.2.0.2", port));
                        }
                        Ok(())
                    })?
                })
            }));
        }
        // A flush may break it in the middle of a translation: it is tried, no more.
        threads.push(scope.spawn(|| {
            repeat(2, 20, &|_| traffic::fetch(&chain.client, "10.2.0.2:80", "/").map_or(Ok(()), |_| Ok(())))
        }));
        threads.push(scope.spawn(|| {
            repeat(3, 10, &|_| {
                let lines = router.must(&["conntrack", "-L"])?;
                let odd = lines.lines().find(|line| !line.contains(" src=10.") || !line.contains(" use="));
                odd.map_or(Ok(()), |line| Err(io::Error::other(format!("listed: {line}"))))
            })
        }));
        threads.push(scope.spawn(|| {
            repeat(4, 30, &|number| {
                let port = (1000 + number % 500).to_string();
                let words = ["conntrack", "-D", "-p", "udp", "--dport", &port];
                let finished = router.run(&words)?;
                // There may be nothing to delete.
                if finished.code() > 1 { Err(io::Error::other(finished.stderr)) } else { Ok(()) }
            })
        }));
        threads.push(scope.spawn(|| {
            repeat(5, 100, &|number| {
                router.must_with(&["iptables-restore"], &table(number))?;
                if number % 4 == 3 {
                    router.must(&["conntrack", "-F"])?;
                }
                Ok(())
            })
        }));
        threads.push(scope.spawn(|| {
            repeat(6, 150, &|number| {
                set_buckets(&config, [16, 8192, 500, 1024][number as usize % 4])?;
                datapath.hang_up()
            })
        }));
        let until = Instant::now() + Duration::from_secs(seconds);
        while Instant::now() < until && !stop.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(20));
        }
        stop.store(true, Ordering::Relaxed);
        threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| io::Error::other("a thread panicked"))?)
    });
    all?;
    assert!(done.iter().all(|steps| steps.load(Ordering::Relaxed) > 0));
    // No worker has failed at a packet.
    let (alive, status) = datapath.status()?;
    assert!(alive, "{status}");
    let rows = status.lines().skip_while(|line| !line.trim_start().starts_with("queue ")).skip(1);
    for row in rows {
        assert_eq!(row.split_ascii_whitespace().last(), Some("0"), "panics\n{status}");
    }
    // What is counted, listed and found is the same.
    set_buckets(&config, 1024)?;
    datapath.hang_up()?;
    eventually("the table is empty", Duration::from_secs(20), || {
        router.must(&["conntrack", "-F"])?;
        Ok(count(router)? == 0)
    })?;
    fill(router, Judge::Datapath, (0..2000).map(udp))?;
    // Packets that still waited in a queue may have opened connections of their own.
    eventually("all that is counted is listed", Duration::from_secs(20), || {
        Ok(count(router)? == router.must(&["conntrack", "-L"])?.lines().count())
    })?;
    assert_eq!(router.must(&["conntrack", "-L", "-s", "10.9.0.2"])?.lines().count(), 2000);
    for port in (1024..3024).step_by(97) {
        let port = port.to_string();
        let words = ["-p", "udp", "-s", "10.9.0.2", "-d", "10.8.0.1", "--sport", &port, "--dport", "9"];
        router.must(&[&["conntrack", "-G"], &words[..]].concat())?;
    }
    eventually("packets pass", Duration::from_secs(10), || {
        Ok(traffic::ask(&chain.client, "10.2.0.2:7", b"x", Duration::from_secs(1))?.is_some())
    })?;
    assert!(datapath.stop()?.success());
    Ok(())
}

/// Who reads events too slowly is told so, and hears in order what it hears.
pub(crate) fn overrun() -> io::Result<()> {
    for judge in [Judge::Kernel, Judge::Datapath] {
        let bench = Bench::new(judge, &built())?;
        bench.router.within(|| match judge {
            Judge::Kernel => Kernel::open().and_then(|transport| hear(transport, &bench.router, judge)),
            _ => Datapath::open().and_then(|transport| hear(transport, &bench.router, judge)),
        })??;
    }
    Ok(())
}

fn hear(mut transport: impl Transport, router: &Namespace, judge: Judge) -> io::Result<()> {
    /// `NFNLGRP_CONNTRACK_NEW`.
    const NEW: u32 = 1;
    const FLOWS: u32 = 40_000;
    transport.set_buffer_size(4096)?;
    transport.subscribe(NEW)?;
    // The server asks now and then whether somebody listens.
    let mut tries = 49_000..50_000;
    eventually("events come", Duration::from_secs(20), || {
        fill(router, judge, tries.by_ref().take(1).map(udp))?;
        ready(&transport, 200)
    })?;
    fill(router, judge, (0..FLOWS).map(udp))?;
    let (mut lost, mut heard, mut frame) = (false, Vec::new(), Vec::new());
    let mut read = |transport: &mut dyn Transport, heard: &mut Vec<u16>| -> io::Result<bool> {
        match transport.recv(&mut frame) {
            Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => return Ok(true),
            done => done?,
        }
        let flows = Messages::new(&frame).filter_map(|message| Flow::read(&message.ok()?).ok());
        heard.extend(flows.filter_map(|flow| flow.original.source_port).filter(|port| *port < 50_000));
        Ok(false)
    };
    while ready(&transport, 1000)? {
        lost |= read(&mut transport, &mut heard)?;
    }
    assert!(lost, "{}: nothing was lost, {} events came", judge.name(), heard.len());
    assert!(heard.is_sorted(), "{}: out of order", judge.name());
    assert!(heard.len() < FLOWS as usize);
    // From now on all is heard again.
    heard.clear();
    fill(router, judge, std::iter::once(udp(FLOWS + 7)))?;
    eventually("the next event", Duration::from_secs(20), || {
        if ready(&transport, 100)? {
            read(&mut transport, &mut heard)?;
        }
        Ok(heard == [1024 + FLOWS as u16 + 7])
    })
}

/// Whether there is something to read within some milliseconds.
fn ready(transport: &impl Transport, milliseconds: u16) -> io::Result<bool> {
    let mut polled = [PollFd::new(transport.as_fd(), PollFlags::POLLIN)];
    Ok(poll(&mut polled, PollTimeout::from(milliseconds))? > 0)
}
