//! A flood of SYNs at a full connection table: what an established connection still carries.

use std::{
    io,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread::{scope, sleep},
    time::{Duration, Instant},
};

use lab::{
    fill::{fill, udp},
    frame::{Ip, Tcp, ethernet},
    port::Port,
    router::{Judge, built},
    topology::{CLIENT, Chain, LAN, SERVER},
};

use crate::{bulk, header, line, median, rule_text};

/// SYNs a second, each from another address and port: about what the kernel can take here.
const RATE: u64 = 20_000;
const ROUNDS: usize = 3;

/// Goodput with and without the flood, on either router.
pub(super) fn flood(other: Judge) -> io::Result<()> {
    let chains = [Chain::new(Judge::Kernel, &built())?, Chain::new(other, &built())?];
    for (chain, judge) in chains.iter().zip([Judge::Kernel, other]) {
        chain.router.must_with(&["iptables-restore"], &rule_text(0))?;
        // Where the flood goes: a host that says nothing.
        let mac = SERVER.map(|byte| format!("{byte:02x}")).join(":");
        chain.router.ip(&format!("neigh replace 10.2.0.77 lladdr {mac} dev wan0 nud permanent\n"))?;
        let max = chain.router.read_sysctl("net.netfilter.nf_conntrack_max")?;
        let max: u32 = max.trim().parse().map_err(io::Error::other)?;
        fill(&chain.router, judge, (0..max).map(udp))?;
    }
    let full = chains[0].router.must(&["conntrack", "-C"])?;
    header(&format!("a full table of {}, bulk TCP, Mbit/s", full.trim()));
    for rate in [0, RATE] {
        let mut samples = [Vec::new(), Vec::new()];
        let mut sent = [0; 2];
        for _ in 0..ROUNDS {
            for (at, chain) in chains.iter().enumerate() {
                let (goodput, syns) = during(chain, rate)?;
                samples[at].push((goodput, 0.0));
                sent[at] += syns;
            }
        }
        let what = if rate == 0 { "no flood".to_owned() } else { format!("{rate} SYN/s of new connections") };
        line(&what, samples.map(|samples| median(samples).0));
        if rate != 0 {
            println!("({} and {} SYNs were sent in {ROUNDS} rounds)", sent[0], sent[1]);
        }
    }
    for (name, chain) in ["kernel", "ours"].into_iter().zip(&chains) {
        let text = chain.router.must(&["conntrack", "-S"])?;
        let sum = |key: &str| -> u64 {
            let values = text.split_ascii_whitespace().filter_map(|word| word.strip_prefix(key)?.strip_prefix('='));
            values.filter_map(|value| value.parse::<u64>().ok()).sum()
        };
        println!("{name}: {} made room, {} packets dropped for want of it", sum("early_drop"), sum("drop"));
    }
    Ok(())
}

/// What one connection carries while SYNs come at a rate, and how many came.
fn during(chain: &Chain, rate: u64) -> io::Result<(f64, u64)> {
    let (stop, sent) = (AtomicBool::new(false), AtomicU64::new(0));
    let port = Port::open(&chain.client, "eth0")?;
    scope(|scope| {
        let attack = scope.spawn(|| -> io::Result<()> {
            let began = Instant::now();
            while rate != 0 && !stop.load(Ordering::Relaxed) {
                let due = (began.elapsed().as_secs_f64() * rate as f64) as u64;
                for number in sent.load(Ordering::Relaxed)..due {
                    let [_, _, high, low] = (number as u32 / 50_000).to_be_bytes();
                    let syn = Tcp::segment(1024 + (number % 50_000) as u16, 80, Tcp::SYN, number as u32, 0);
                    let packet = Ip::between([10, 7, high, low], [10, 2, 0, 77]).tcp(&syn, b"");
                    port.send(&ethernet(LAN, CLIENT, &packet))?;
                }
                sent.fetch_max(due, Ordering::Relaxed);
                sleep(Duration::from_millis(1));
            }
            Ok(())
        });
        let goodput = bulk(chain);
        stop.store(true, Ordering::Relaxed);
        attack.join().map_err(|_| io::Error::other("the flood failed"))??;
        Ok((goodput?, sent.load(Ordering::Relaxed)))
    })
}
