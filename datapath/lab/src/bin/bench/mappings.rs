//! Translation by the ten thousand: 65,000 mappings to one address, made one after the other, and what becomes of more flows
//! than there are ports.

use std::{
    collections::BTreeSet,
    io,
    time::{Duration, Instant},
};

use lab::{
    frame::{Ip, View, ethernet},
    router::{Judge, built},
    topology::{Bench, CLIENT, LAN},
};

use crate::{header, line};

/// Flows that all find a port.
const MAPPINGS: u32 = 65_000;
/// Flows to one port of one server: as many more than there are ports from 1024 on.
const CROWD: u32 = 66_000;
/// Packets between two of a flow that is known to pass: what waits for a device has little room.
const BURST: u32 = 128;
/// The port that every client's flow comes from, so that all but the first must be given another one.
const PORT: u16 = 5_000;
const FENCE: u16 = 9;

/// What a router made of flows.
struct Made {
    seconds: f64,
    /// Entries of flows, and how many different answers they have.
    entries: usize,
    distinct: usize,
}

/// Both routers, on 65,000 flows and on too many.
pub(super) fn mappings(other: Judge) -> io::Result<()> {
    let mut benches = [Bench::new(Judge::Kernel, &built())?, Bench::new(other, &built())?];
    for bench in &mut benches {
        bench.router.sysctl(&[("net.netfilter.nf_conntrack_udp_timeout", "600")])?;
        let rule =
            ["iptables", "-t", "nat", "-A", "POSTROUTING", "-o", "wan0", "-j", "SNAT", "--to-source", "10.2.0.1"];
        bench.router.must(&rule)?;
    }
    // Half of them to either port: an address has 64,512 ports from 1024 on for each.
    let [kernel, ours] = both(&mut benches, MAPPINGS, |flow| 53 + (flow & 1) as u16)?;
    header(&format!("{MAPPINGS} mappings to one address"));
    line("seconds", [kernel.seconds, ours.seconds]);
    let rate = |made: &Made| made.entries as f64 / made.seconds;
    line("new translated connections/s", [rate(&kernel), rate(&ours)]);
    line("mappings, all distinct", [kernel.all()?, ours.all()?]);
    let [kernel, ours] = both(&mut benches, CROWD, |_| 53)?;
    header(&format!("{CROWD} flows for 64512 ports"));
    line("seconds", [kernel.seconds, ours.seconds]);
    line("mappings, all distinct", [kernel.all()?, ours.all()?]);
    println!("(the rest was dropped: 248 ports are tried for each, drawn anew four times)");
    Ok(())
}

impl Made {
    /// How many mappings there are, if no two are alike.
    fn all(&self) -> io::Result<f64> {
        if self.entries == self.distinct {
            return Ok(self.entries as f64);
        }
        Err(io::Error::other(format!("{} entries, {} of them distinct", self.entries, self.distinct)))
    }
}

fn both(benches: &mut [Bench; 2], flows: u32, to: impl Fn(u32) -> u16) -> io::Result<[Made; 2]> {
    let [kernel, ours] = benches;
    Ok([make(kernel, flows, &to)?, make(ours, flows, &to)?])
}

/// A datagram of each flow from a client of its own.
fn make(bench: &mut Bench, flows: u32, to: &impl Fn(u32) -> u16) -> io::Result<Made> {
    bench.router.must(&["conntrack", "-F"])?;
    bench.wan.drain()?;
    let began = Instant::now();
    for first in (0..flows).step_by(BURST as usize) {
        for flow in first..flows.min(first + BURST) {
            let [_, network, high, low] = flow.to_be_bytes();
            let client = [10, 7 + network, high, low];
            let packet = Ip::between(client, [10, 2, 0, 2]).udp(PORT, to(flow), b"");
            bench.lan.send(&ethernet(LAN, CLIENT, &packet))?;
        }
        fence(bench, first)?;
    }
    let seconds = began.elapsed().as_secs_f64();
    let list = bench.router.must(&["conntrack", "-L", "-p", "udp", "-d", "10.2.0.2"])?;
    let mut answers = BTreeSet::new();
    let mut entries = 0;
    for line in list.lines() {
        let mut words = line.split_whitespace().filter(|word| word.starts_with("sport=") || word.starts_with("dport="));
        let (Some(_), Some(there), Some(_), Some(here)) = (words.next(), words.next(), words.next(), words.next())
        else {
            continue;
        };
        entries += 1;
        answers.insert((there.to_owned(), here.to_owned()));
    }
    Ok(Made { seconds, entries, distinct: answers.len() })
}

/// Waits until what was sent is through: a packet of a flow of its own comes behind it.
fn fence(bench: &mut Bench, number: u32) -> io::Result<()> {
    let packet = Ip::between([10, 1, 0, 8], [10, 2, 0, 8]).udp(FENCE, FENCE, &number.to_be_bytes());
    bench.lan.send(&ethernet(LAN, CLIENT, &packet))?;
    let deadline = Instant::now() + Duration::from_secs(20);
    while let Some(frame) = bench.wan.receive(deadline)? {
        let view = View::of(frame.bytes.get(14..).unwrap_or_default());
        if view.is_some_and(|view| {
            view.ports().is_some_and(|(_, to)| to == FENCE) && view.payload.get(8..) == Some(&number.to_be_bytes()[..])
        }) {
            return Ok(());
        }
    }
    Err(io::Error::other("the router passes nothing any more"))
}
