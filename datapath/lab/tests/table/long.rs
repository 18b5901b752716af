//! A table of 100,000 rules: loaded in a bounded time, while packets go on.

use std::fmt::Write;
use std::io;
use std::time::{Duration, Instant};

use lab::suite::Test;

use super::load::Load;
use super::site::{FLOWS, on_both, same, saved_count};

pub(crate) const TESTS: &[Test] = &[("a_table_of_100000_rules_is_loaded_and_read_while_packets_go_on", loaded)];

const RULES: u32 = 100_000;

/// What a command took, and the longest time that no packet of some flow came meanwhile.
fn beside(site: &super::site::Site, work: impl FnOnce() -> io::Result<()>) -> io::Result<(Duration, Duration)> {
    let load = Load::start(site, FLOWS)?;
    load.wait_for(200);
    let began = Instant::now();
    work()?;
    let took = began.elapsed();
    load.wait_for(load.received() + 200);
    let gap = load.finish()?.iter().map(|flow| flow.gap).max();
    Ok((took, gap.unwrap_or_default()))
}

fn loaded() -> io::Result<()> {
    on_both(|site| {
        // None of the flows meets the long chain: it is the loading that is measured.
        let mut text = String::from(
            "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:LONG -\n-A FORWARD -p tcp -j LONG\n",
        );
        for number in 0..RULES {
            let [_, a, b, c] = number.to_be_bytes();
            let _ =
                writeln!(text, "-A LONG -s 10.{a}.{b}.{c}/32 -p tcp -m tcp --dport {} -j DROP", number % 60_000 + 1);
        }
        text += "COMMIT\n";
        for (what, options) in [("loaded", &[][..]), ("replaced", &["-c"][..])] {
            let (took, gap) = beside(site, || site.restore(&text, options))?;
            println!(
                "{}: {RULES} rules {what} in {} ms, longest gap {} ms",
                site.judge.name(),
                took.as_millis(),
                gap.as_millis()
            );
            bounded(took, gap)?;
        }
        let (took, gap) = beside(site, || {
            let saved = site.run("iptables-save -c")?;
            same("rules", saved.matches("-A LONG").count(), RULES as usize)?;
            saved_count(&saved, "-s 10.1.134.159/32").map(drop)
        })?;
        println!(
            "{}: {RULES} rules read in {} ms, longest gap {} ms",
            site.judge.name(),
            took.as_millis(),
            gap.as_millis()
        );
        bounded(took, gap)
    })
}

/// Packets waited neither long nor for most of the work.
fn bounded(took: Duration, gap: Duration) -> io::Result<()> {
    let most = (took / 2).clamp(Duration::from_secs(2), Duration::from_secs(15));
    if gap < most { Ok(()) } else { Err(io::Error::other(format!("no packet for {gap:?}"))) }
}
