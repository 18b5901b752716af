//! Counters: exact with several workers, through edits of other rules, and in exactly one reading each when they are zeroed.

use std::fmt::Write;
use std::io;

use lab::suite::Test;

use super::load::{LENGTH, Load};
use super::site::{FLOWS, Site, of_flow, on_both, packets, same, saved_count};

pub(crate) const TESTS: &[Test] = &[
    ("every_packet_is_counted_once_in_every_rule_of_its_way_with_several_workers", exact),
    ("counters_stay_exact_while_other_rules_come_and_go", edited),
    ("a_reading_that_zeroes_takes_every_count_and_takes_it_once", zeroed),
    ("saved_counters_are_there_again_when_they_are_restored", restored),
];

/// Rules that count each flow in five tables' worth of hooks, some behind a jump.
fn counting() -> String {
    let rules = |chain: &str| {
        (0..FLOWS).fold(String::new(), |mut text, flow| {
            let _ =
                writeln!(text, "-A {chain} {} -m comment --comment {}-{flow}.", of_flow(flow), chain.to_lowercase());
            text
        })
    };
    format!(
        "*raw\n:PREROUTING ACCEPT\n:OUTPUT ACCEPT\n{}COMMIT\n\
         *mangle\n:PREROUTING ACCEPT\n:INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\n:POSTROUTING ACCEPT\n{}COMMIT\n\
         *nat\n:PREROUTING ACCEPT\n:INPUT ACCEPT\n:OUTPUT ACCEPT\n:POSTROUTING ACCEPT\n{}\
         -A POSTROUTING -s 192.0.2.1 -j SNAT --to-source 192.0.2.2\nCOMMIT\n\
         *filter\n:INPUT ACCEPT\n:FORWARD DROP\n:OUTPUT ACCEPT\n:LEAF -\n-A FORWARD -p udp -j LEAF\n{}\
         -A FORWARD -p udp -j ACCEPT\nCOMMIT\n",
        rules("PREROUTING"),
        rules("POSTROUTING"),
        rules("POSTROUTING").replace("postrouting", "nat"),
        rules("LEAF")
    )
}

fn exact() -> io::Result<()> {
    on_both(|site| {
        site.restore(&counting(), &[])?;
        let load = Load::start(site, FLOWS)?;
        load.wait_for(packets());
        let flows = load.finish()?;
        let saved = site.run("iptables-save -c")?;
        let mut all = 0;
        for (number, flow) in flows.iter().enumerate() {
            for chain in ["prerouting", "postrouting", "leaf"] {
                let rule = format!("{chain}-{number}.");
                same(&rule, saved_count(&saved, &rule)?, (flow.sent, flow.sent * LENGTH))?;
            }
            let first = format!("nat-{number}.");
            same(&first, saved_count(&saved, &first)?, (1, LENGTH))?;
            all += flow.sent;
        }
        same("the jump", saved_count(&saved, "-A FORWARD -p udp -j LEAF")?, (all, all * LENGTH))?;
        same("the last rule", saved_count(&saved, "-A FORWARD -p udp -j ACCEPT")?, (all, all * LENGTH))
    })
}

fn edited() -> io::Result<()> {
    on_both(|site| {
        site.restore(&counting(), &[])?;
        let load = Load::start(site, FLOWS)?;
        let mut round = 0;
        while round < 8 || load.is_short_of(packets()) {
            let stranger = format!("-s 192.0.2.{}", round % 250);
            site.run(&format!("iptables -I FORWARD {stranger} -j DROP"))?;
            site.run(&format!("iptables -A LEAF {stranger} -j DROP"))?;
            site.restore(
                &format!("*filter\n:OTHER -\n-A OTHER {stranger}\n-I LEAF {stranger} -j OTHER\nCOMMIT\n"),
                &["-n"],
            )?;
            site.run(&format!("iptables -D LEAF {stranger} -j OTHER"))?;
            site.run(&format!("iptables -D LEAF {stranger} -j DROP"))?;
            site.run("iptables -F OTHER")?;
            site.run("iptables -X OTHER")?;
            site.run("iptables -D FORWARD 1")?;
            round += 1;
        }
        let flows = load.finish()?;
        let saved = site.run("iptables-save -c -t filter")?;
        for (number, flow) in flows.iter().enumerate() {
            let rule = format!("leaf-{number}.");
            same(&rule, saved_count(&saved, &rule)?, (flow.sent, flow.sent * LENGTH))?;
        }
        let all: u64 = flows.iter().map(|flow| flow.sent).sum();
        same("the last rule", saved_count(&saved, "-A FORWARD -p udp -j ACCEPT")?, (all, all * LENGTH))
    })
}

fn zeroed() -> io::Result<()> {
    on_both(|site| {
        site.restore(&counting(), &[])?;
        let load = Load::start(site, FLOWS)?;
        let mut sums = [(0, 0); FLOWS as usize];
        let mut rounds = 0;
        while rounds < 20 || load.is_short_of(packets()) {
            add(&mut sums, &site.run("iptables -nvxL LEAF -Z")?)?;
            rounds += 1;
        }
        let flows = load.finish()?;
        add(&mut sums, &site.run("iptables -nvxL LEAF -Z")?)?;
        for (number, (flow, sum)) in flows.iter().zip(sums).enumerate() {
            same(&format!("flow {number} in {rounds} readings"), sum, (flow.sent, flow.sent * LENGTH))?;
        }
        let saved = site.run("iptables-save -c -t filter")?;
        same("behind the last reading", saved_count(&saved, "leaf-0.")?, (0, 0))
    })
}

/// Adds what a listing says of each flow.
fn add(sums: &mut [(u64, u64)], listed: &str) -> io::Result<()> {
    for (number, sum) in sums.iter_mut().enumerate() {
        let line = listed.lines().find(|line| line.contains(&format!("leaf-{number}.")));
        let mut words = line.unwrap_or_default().split_ascii_whitespace().map(|word| word.parse::<u64>().ok());
        let (Some(Some(packets)), Some(Some(bytes))) = (words.next(), words.next()) else {
            return Err(io::Error::other(format!("no flow {number} in\n{listed}")));
        };
        *sum = (sum.0 + packets, sum.1 + bytes);
    }
    Ok(())
}

fn restored() -> io::Result<()> {
    on_both(|site: &Site| {
        site.restore(&counting(), &[])?;
        let load = Load::start(site, FLOWS)?;
        load.wait_for(1000);
        load.finish()?;
        let without_times =
            |text: String| text.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\n");
        let saved = site.run("iptables-save -c")?;
        site.restore(&counting(), &[])?;
        let empty = site.run("iptables-save -c")?;
        same("without -c", saved_count(&empty, "leaf-0.")?, (0, 0))?;
        site.restore(&saved, &["-c"])?;
        same("with -c", without_times(site.run("iptables-save -c")?), without_times(saved))
    })
}
