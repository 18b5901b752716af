//! A full table of connections: whom it makes room for, and who hears of those that had to go.

use std::{
    io,
    net::Ipv4Addr,
    time::{Duration, Instant},
};

use lab::{
    events::Events,
    fill::{fill, status, udp},
    frame::{View, ethernet},
    router::{Judge, built},
    suite::{self, Test},
    topology::{Bench, CLIENT, LAN},
};
use nfnl::conntrack::Flow;

use super::{client, fail};

/// Connections that come when there is no room.
const MORE: u16 = 20;

/// A router whose table is full of connections with some bits of a status, and a listener for those that end.
fn crowded(judge: Judge, bits: u32) -> io::Result<(Bench, Events)> {
    let bench = Bench::new(judge, &built())?;
    bench.router.must_with(&["iptables-restore"], "*filter\n-A FORWARD -m state --state NEW\nCOMMIT\n")?;
    let heard = Events::start(&bench.router, &["-E", "-e", "DESTROY", "-b", "4194304"], |number| {
        let source = format!("203.0.113.{}", number % 250);
        let tuple = ["-p", "udp", "-s", &source, "-d", "203.0.113.254", "--sport", "1", "--dport", "2"];
        bench.router.must(&[&["conntrack", "-I", "-t", "60", "-u", "SEEN_REPLY"][..], &tuple].concat())?;
        bench.router.must(&[&["conntrack", "-D"][..], &tuple].concat())?;
        Ok(source)
    })?;
    let max = bench.router.read_sysctl("net.netfilter.nf_conntrack_max")?;
    let max: u32 = max.trim().parse().map_err(io::Error::other)?;
    fill(&bench.router, judge, (0..max).map(|number| Flow { status: Some(status::CONFIRMED | bits), ..udp(number) }))?;
    Ok((bench, heard))
}

/// Sends datagrams of so many flows; how many arrive. Those that are dropped are waited for as well, by what `over` says.
fn sends(bench: &mut Bench, over: impl Fn(&Bench, u64) -> io::Result<bool>) -> io::Result<u64> {
    for port in 1..=MORE {
        bench.lan.send(&ethernet(LAN, CLIENT, &client().udp(port, 53, b"data")))?;
    }
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut arrived = 0;
    while !over(bench, arrived)? {
        if Instant::now() > deadline {
            return fail(format!("{arrived} of {MORE} arrived, and nobody says what became of the others"));
        }
        while let Some(frame) = bench.wan.receive(Instant::now() + Duration::from_millis(200))? {
            let view = frame.bytes.get(14..).and_then(View::of);
            arrived += u64::from(view.is_some_and(|view| view.source == Ipv4Addr::new(10, 1, 0, 2)));
        }
    }
    Ok(arrived)
}

/// A number of `conntrack -S`, of all CPUs or workers together.
fn statistic(bench: &Bench, key: &str) -> io::Result<u64> {
    let text = bench.router.must(&["conntrack", "-S"])?;
    let values = text.split_ascii_whitespace().filter_map(|word| word.strip_prefix(key)?.strip_prefix('='));
    Ok(values.filter_map(|value| value.parse::<u64>().ok()).sum())
}

fn judges() -> impl Iterator<Item = Judge> {
    [Some(Judge::Kernel), suite::subject()].into_iter().flatten()
}

pub(crate) const TESTS: &[Test] = &[("of_each_connection_that_made_room_in_a_full_table_the_end_is_told", || {
    for judge in judges() {
        let (mut bench, heard) = crowded(judge, status::SEEN_REPLY)?;
        let arrived = sends(&mut bench, |_, arrived| Ok(arrived >= MORE.into()))?;
        let made_room = statistic(&bench, "early_drop")?;
        if arrived != MORE.into() || made_room < arrived {
            return fail(format!("{}: {made_room} made room for {arrived}", judge.name()));
        }
        let mut ended = Vec::new();
        let deadline = Instant::now() + Duration::from_secs(30);
        while (ended.len() as u64) < made_room && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
            ended.extend(heard.take());
        }
        let theirs = |line: &&String| {
            line.contains("[DESTROY] udp") && line.contains(" src=10.9.") && !line.contains("[ASSURED]")
        };
        let theirs = ended.iter().filter(theirs).count() as u64;
        if (theirs, ended.len() as u64) != (made_room, made_room) {
            return fail(format!("{}: {made_room} made room, and of {theirs} this was told: {ended:#?}", judge.name()));
        }
    }
    Ok(())
})];
