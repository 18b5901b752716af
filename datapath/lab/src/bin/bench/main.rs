//! `make bench`: ours and the kernel's iptables-legacy side by side, interleaved in one run, with ratios.

#![allow(clippy::print_stdout, reason = "a benchmark prints")]

mod commands;
mod entries;
mod flood;
mod mappings;

use std::{
    fmt::Write as _,
    fs,
    io::{self, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::sleep,
    time::{Duration, Instant},
};

use commands::COST;
use lab::{
    frame::{Ip, ethernet},
    namespace::Namespace,
    router::{Judge, built},
    sandbox::{Rights, enter},
    topology::{Bench, CLIENT, Chain, LAN},
};

/// How long one measurement of traffic lasts.
const SPAN: Duration = Duration::from_millis(700);
/// Interleaved rounds of traffic; the median counts.
const ROUNDS: usize = 3;
/// What is measured, in this order.
const SECTIONS: [&str; 6] = ["traffic", "rules", "connections", "mappings", "million", "flood"];
/// Rules ahead of the deciding one.
const AHEAD: [usize; 4] = [0, 100, 1_000, 10_000];

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let Some((COST, words)) = words.split_first().map(|(first, words)| (first.as_str(), words)) {
        return match commands::cost(words) {
            Ok(()) => ExitCode::SUCCESS,
            Err(e) => {
                eprintln!("{e}");
                ExitCode::FAILURE
            }
        };
    }
    let has = |name: &str| words.iter().any(|w| w == name);
    let other = if has("--kernel") { Judge::Kernel } else { Judge::Datapath };
    let run = || -> io::Result<()> {
        // Sections by name, or all of them.
        let all = !words.iter().any(|word| SECTIONS.contains(&word.as_str()));
        // The kernel's limit is the whole machine's, and can be moved only from its first network namespace.
        let mut limit = (all || has("million")).then(entries::Limit::raise);
        let sandbox = enter(if has("--rootless") { Rights::Rootless } else { Rights::AsStarted })?;
        let began = Instant::now();
        println!(
            "kernel: iptables-legacy in the kernel; ours: {}; ratio: ours to the kernel's; {}",
            if other == Judge::Datapath { "our commands and xt-datapath over NFQUEUE" } else { "the kernel again" },
            if sandbox.rootless { "rootless" } else { "as root" }
        );
        for name in SECTIONS.into_iter().filter(|name| all || has(name)) {
            match name {
                "traffic" => traffic(other)?,
                "rules" => commands::rules()?,
                "connections" => connections(other)?,
                "mappings" => mappings::mappings(other)?,
                "million" => {
                    entries::million()?;
                    drop(limit.take());
                }
                _ => flood::flood(other)?,
            }
        }
        println!("\n{:.0} s in all", began.elapsed().as_secs_f64());
        Ok(())
    };
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            println!("bench: {e}");
            ExitCode::FAILURE
        }
    }
}

/// A kind of traffic: its name, its unit, and one measurement.
type Kind = (&'static str, &'static str, fn(&Chain) -> io::Result<f64>);

fn traffic(other: Judge) -> io::Result<()> {
    let chains = [Chain::new(Judge::Kernel, &built())?, Chain::new(other, &built())?];
    let kinds: [Kind; 3] =
        [("bulk TCP", "Mbit/s", bulk), ("small UDP", "packets/s", small), ("new TCP", "connections/s", fresh)];
    println!(
        "\n{:<34}{:>12}{:>12}{:>8}{:>16}{:>16}",
        "through the router", "kernel", "ours", "ratio", "kernel cpu/unit", "ours cpu/unit"
    );
    for ahead in AHEAD {
        let text = rule_text(ahead);
        for chain in &chains {
            chain.router.must_with(&["iptables-restore"], &text)?;
        }
        for (name, unit, measure) in kinds {
            let mut samples: [Vec<(f64, f64)>; 2] = [Vec::new(), Vec::new()];
            for _ in 0..ROUNDS {
                for (chain, samples) in chains.iter().zip(&mut samples) {
                    let busy = busy();
                    let rate = measure(chain)?;
                    samples.push((rate, busy_since(busy)));
                    sleep(Duration::from_millis(30));
                }
            }
            let [(kernel, kernel_busy), (ours, ours_busy)] = samples.map(median);
            let cost = |rate: f64, busy: f64| if rate > 0.0 { busy / (rate * SPAN.as_secs_f64()) } else { f64::NAN };
            println!(
                "{:<34}{kernel:>12.0}{ours:>12.0}{:>8.2}{:>13.0} ns{:>13.0} ns",
                format!("{name}, {unit}, {ahead} rules ahead"),
                ours / kernel,
                cost(kernel, kernel_busy),
                cost(ours, ours_busy)
            );
        }
    }
    println!("(cpu/unit: busy time of the whole machine, generators included, per packet, connection or Mbit)");
    Ok(())
}

/// Masquerading, a state rule, and `ahead` rules before it that match no packet.
fn rule_text(ahead: usize) -> String {
    let mut text = String::from(
        "*nat\n:PREROUTING ACCEPT\n:INPUT ACCEPT\n:OUTPUT ACCEPT\n:POSTROUTING ACCEPT\n\
         -A POSTROUTING -o wan0 -j MASQUERADE\nCOMMIT\n*filter\n:INPUT ACCEPT\n:FORWARD DROP\n:OUTPUT ACCEPT\n",
    );
    fillers(&mut text, ahead);
    text += "-A FORWARD -m state --state NEW,ESTABLISHED,RELATED -j ACCEPT\nCOMMIT\n";
    text
}

fn fillers(text: &mut String, count: usize) {
    for number in 0..count {
        let _ =
            writeln!(text, "-A FORWARD -s 172.{}.{}.{} -j DROP", 16 + number / 65536, number / 256 % 256, number % 256);
    }
}

fn bulk(chain: &Chain) -> io::Result<f64> {
    let listener = chain.server.within(|| TcpListener::bind("10.2.0.2:5001"))??;
    let mut sender = connect(chain, "10.2.0.2:5001")?;
    let (mut receiver, _) = listener.accept()?;
    receiver.set_read_timeout(Some(Duration::from_secs(2)))?;
    let stop = Arc::new(AtomicBool::new(false));
    let theirs = Arc::clone(&stop);
    let thread = std::thread::spawn(move || {
        let data = vec![0x5a; 128 << 10];
        while !theirs.load(Ordering::Relaxed) && sender.write_all(&data).is_ok() {}
    });
    let mut buffer = vec![0; 256 << 10];
    let (began, mut bytes) = (Instant::now(), 0u64);
    while began.elapsed() < SPAN {
        bytes += receiver.read(&mut buffer)? as u64;
    }
    let took = began.elapsed();
    stop.store(true, Ordering::Relaxed);
    drop(receiver);
    let _ = thread.join();
    Ok(bytes as f64 * 8.0 / 1e6 / took.as_secs_f64())
}

fn small(chain: &Chain) -> io::Result<f64> {
    let sink = chain.server.within(|| UdpSocket::bind("10.2.0.2:5002"))??;
    let socket = chain.client.within(|| UdpSocket::bind("10.1.0.2:0"))??;
    socket.connect("10.2.0.2:5002")?;
    let (before, _) = chain.server.device_packets("eth0")?;
    let began = Instant::now();
    while began.elapsed() < SPAN {
        for _ in 0..64 {
            let _ = socket.send(&[0x11; 22]);
        }
    }
    let took = began.elapsed();
    sleep(Duration::from_millis(50));
    let (after, _) = chain.server.device_packets("eth0")?;
    drop(sink);
    Ok((after - before) as f64 / took.as_secs_f64())
}

fn fresh(chain: &Chain) -> io::Result<f64> {
    let listener = chain.server.within(|| TcpListener::bind("10.2.0.2:5003"))??;
    listener.set_nonblocking(true)?;
    let stop = Arc::new(AtomicBool::new(false));
    let made = Arc::new(AtomicU64::new(0));
    std::thread::scope(|scope| {
        let accept = scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                if listener.accept().is_err() {
                    std::thread::yield_now();
                }
            }
        });
        let began = Instant::now();
        let mut result = Ok(());
        let client = chain.client.within(|| -> io::Result<()> {
            let to: SocketAddr = "10.2.0.2:5003".parse().map_err(io::Error::other)?;
            while began.elapsed() < SPAN {
                let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
                // Resets at close: no port waits.
                socket.set_linger(Some(Duration::ZERO))?;
                if socket.connect_timeout(&to.into(), Duration::from_millis(500)).is_ok() {
                    made.fetch_add(1, Ordering::Relaxed);
                }
            }
            Ok(())
        });
        if let Err(e) = client.and_then(|r| r) {
            result = Err(e);
        }
        let took = began.elapsed();
        stop.store(true, Ordering::Relaxed);
        let _ = accept.join();
        result.map(|()| made.load(Ordering::Relaxed) as f64 / took.as_secs_f64())
    })
}

fn connect(chain: &Chain, to: &str) -> io::Result<TcpStream> {
    let to: SocketAddr = to.parse().map_err(io::Error::other)?;
    chain.client.within(move || TcpStream::connect_timeout(&to, Duration::from_secs(3)))?
}

fn connections(other: Judge) -> io::Result<()> {
    const ENTRIES: u64 = 100_000;
    let mut benches = [Bench::new(Judge::Kernel, &built())?, Bench::new(other, &built())?];
    for bench in &mut benches {
        bench.router.must_with(&["iptables-restore"], &rule_text(0))?;
        for number in 0..ENTRIES {
            let host = 2 + (number / 50_000) as u8;
            let packet = Ip::between([10, 1, 0, host], [10, 2, 0, host]).udp(1024 + (number % 50_000) as u16, 9, b"");
            bench.lan.send(&ethernet(LAN, CLIENT, &packet))?;
            if number % 64 == 0 {
                bench.wan.drain()?;
                if bench.judge() == Judge::Datapath {
                    sleep(Duration::from_millis(1));
                }
            }
        }
        sleep(Duration::from_millis(200));
    }
    header("connections, seconds");
    let counts = benches.iter().map(|b| b.router.must(&["conntrack", "-C"])).collect::<io::Result<Vec<_>>>()?;
    let times = both(&benches, 3, |router| {
        let began = Instant::now();
        router.must(&["conntrack", "-L"])?;
        Ok(began.elapsed())
    })?;
    line(&format!("conntrack -L of {} and {}", counts[0].trim(), counts[1].trim()), times);
    Ok(())
}

/// Takes turns, and returns the median seconds of either.
fn both(
    benches: &[Bench; 2],
    rounds: usize,
    work: impl Fn(&Namespace) -> io::Result<Duration>,
) -> io::Result<[f64; 2]> {
    let mut samples = [Vec::new(), Vec::new()];
    for _ in 0..rounds {
        for (bench, samples) in benches.iter().zip(&mut samples) {
            samples.push((work(&bench.router)?.as_secs_f64(), 0.0));
        }
    }
    Ok(samples.map(|s| median(s).0))
}

pub(crate) fn header(title: &str) {
    println!("\n{title:<34}{:>12}{:>12}{:>8}", "kernel", "ours", "ratio");
}

pub(crate) fn line(what: &str, [kernel, ours]: [f64; 2]) {
    println!("{what:<34}{kernel:>12.3}{ours:>12.3}{:>8.2}", ours / kernel);
}

fn median(mut samples: Vec<(f64, f64)>) -> (f64, f64) {
    samples.sort_by(|a, b| a.0.total_cmp(&b.0));
    samples.get(samples.len() / 2).copied().unwrap_or((f64::NAN, f64::NAN))
}

/// Busy and idle ticks of all processors.
fn busy() -> (u64, u64) {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    let ticks: Vec<u64> =
        text.lines().next().unwrap_or_default().split_whitespace().filter_map(|t| t.parse().ok()).collect();
    let idle = ticks.iter().skip(3).take(2).sum();
    (ticks.iter().take(8).sum::<u64>() - idle, idle)
}

/// Nanoseconds that the processors have worked since.
fn busy_since(before: (u64, u64)) -> f64 {
    (busy().0 - before.0) as f64 * 1e7
}
