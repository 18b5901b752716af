//! Packets of one new flow that are under way at once: a program of the router's keeps them until both are there.

use std::{collections::BTreeSet, io};

use lab::{
    frame::Tcp,
    held::Held,
    suite::Test,
    twin::{Crossing, Side},
};

use super::protocols::udplite;
use super::{Stage, claim_after, claim_alike, client, fail, server, vanishes, view};

/// The queue of the program.
const QUEUE: u16 = 4720;

/// Sends packets that are let go once all of them wait in FORWARD; those that left, in their order.
fn race(s: &mut Stage, packets: Vec<Crossing>) -> io::Result<Vec<Crossing>> {
    let mut held = s.within(|| Held::open(QUEUE))?;
    let count = packets.len();
    for packet in packets {
        vanishes(&s.send(vec![packet])?)?;
    }
    for _ in 0..count {
        held.take()?;
    }
    held.release()?;
    // What follows is seen behind them.
    let mut left = s.lan(client().packet(PLAIN, b"behind"))?;
    left.retain(|crossing| view(crossing).protocol != PLAIN);
    Ok(left)
}

/// A protocol of which nobody knows anything (RFC 3692).
const PLAIN: u8 = 253;

fn lan(packets: [Vec<u8>; 2]) -> Vec<Crossing> {
    packets.map(|packet| Crossing { side: Side::Lan, packet }).into()
}

/// Clashes resolved, entries not inserted, packets dropped.
fn statistics(s: &mut Stage) -> io::Result<[u64; 3]> {
    let text = s.must_with(&["conntrack", "-S"], "")?;
    let sum = |name: &str| {
        let numbers = text.split_whitespace().filter_map(|word| word.strip_prefix(name)?.strip_prefix('='));
        numbers.filter_map(|number| number.parse::<u64>().ok()).sum()
    };
    Ok(["clash_resolve", "insert_failed", "drop"].map(sum))
}

fn counts(s: &mut Stage, wanted: [u64; 3]) -> io::Result<()> {
    let got = statistics(s)?;
    if got == wanted { Ok(()) } else { fail(format!("clashes, failures, drops: {got:?}, not {wanted:?}")) }
}

/// How many left, and what was counted.
fn leave(s: &mut Stage, packets: Vec<Crossing>, wanted: usize, counted: [u64; 3]) -> io::Result<Vec<Crossing>> {
    let left = race(s, packets)?;
    counts(s, counted)?;
    if left.len() == wanted { Ok(left) } else { fail(format!("{} left, not {wanted}", left.len())) }
}

/// Rules that hold a protocol's packets and track.
fn rules(protocol: &str, more: &[&str]) -> Vec<String> {
    let hold = format!("-t mangle -A FORWARD -p {protocol} -j NFQUEUE --queue-num {QUEUE}");
    let track = "-A FORWARD -m state --state NEW".to_owned();
    [hold, track].into_iter().chain(more.iter().map(|&rule| rule.to_owned())).collect()
}

fn alike(protocol: &str, more: &[&str], talk: impl Fn(&mut Stage) -> io::Result<()>) -> io::Result<()> {
    let rules = rules(protocol, more);
    claim_alike(&[], &rules.iter().map(String::as_str).collect::<Vec<_>>(), false, talk)
}

/// One datagram to one port, the next to another.
const TURNS: [&str; 2] = [
    "-t nat -A PREROUTING -p udp --dport 99 -m statistic --mode nth --every 2 --packet 0 -j DNAT --to-destination 10.2.0.2:53",
    "-t nat -A PREROUTING -p udp --dport 99 -j DNAT --to-destination 10.2.0.2:54",
];

pub(crate) const TESTS: &[Test] = &[
    ("a_second_datagram_of_a_new_flow_joins_it", || {
        // Such a rule has connections counted.
        alike("udp", &["-A INPUT -m connbytes --connbytes 0: --connbytes-dir both --connbytes-mode bytes"], |s| {
            leave(s, lan([client().udp(1, 53, b"a"), client().udp(1, 53, b"bb")]), 2, [1, 0, 0]).map(drop)
        })
    }),
    ("datagrams_of_both_ends_at_once_are_one_connection", || {
        alike("udp", &[], |s| {
            let (one, two) = (client().udp(1, 53, b"a"), server().udp(53, 1, b"b"));
            let both = vec![Crossing { side: Side::Lan, packet: one }, Crossing { side: Side::Wan, packet: two }];
            leave(s, both, 2, [1, 0, 0]).map(drop)
        })
    }),
    ("a_datagram_that_was_led_elsewhere_passes_and_is_answered", || {
        alike("udp", &TURNS, |s| {
            let left = leave(s, lan([client().udp(1, 99, b"a"), client().udp(1, 99, b"b")]), 2, [1, 0, 0])?;
            let ports: Vec<_> = left.iter().filter_map(|crossing| view(crossing).ports()).map(|(_, to)| to).collect();
            if ports != [54, 53] && ports != [53, 54] {
                return fail(format!("they went to {ports:?}"));
            }
            s.clear(&["mangle"])?;
            s.must_with(&["iptables", "-t", "mangle", "-A", "FORWARD", "-m", "state", "--state", "ESTABLISHED"], "")?;
            for port in [53, 54] {
                let left = s.wan(server().udp(port, 1, b"r"))?;
                let [answer] = left.as_slice() else { return fail(format!("{port} does not answer: {left:?}")) };
                if view(answer).ports() != Some((99, 1)) {
                    return fail(format!("{port} answers as {:?}", view(answer).ports()));
                }
            }
            s.one_entry(&["dport=99"]).or_else(|_| {
                let udp = s.entries()?.into_iter().filter(|line| line.starts_with("udp")).count();
                if udp == 1 { Ok(()) } else { fail(format!("{udp} entries")) }
            })
        })
    }),
    ("a_flush_ends_the_connection_that_no_list_shows_too", || {
        alike("udp", &TURNS, |s| {
            leave(s, lan([client().udp(1, 99, b"a"), client().udp(1, 99, b"b")]), 2, [1, 0, 0])?;
            s.clear(&["mangle"])?;
            s.must_with(&["conntrack", "-F"], "")?;
            for port in [53, 54] {
                let left = s.wan(server().udp(port, 1, b"r"))?;
                match left.as_slice() {
                    [new] if view(new).ports() == Some((port, 1)) => {}
                    _ => return fail(format!("{port} is still an answer: {left:?}")),
                }
            }
            Ok(())
        })
    }),
    ("of_a_burst_that_opens_a_translated_flow_nothing_is_lost", || {
        // All four leave, by so many ports.
        for (target, ports) in [
            ("MASQUERADE", 1),
            ("MASQUERADE --random-fully", 4),
            ("SNAT --to-source 10.2.0.1:7000", 1),
            ("SNAT --to-source 10.2.0.1:7000-7001", 1),
        ] {
            let rules = rules("udp", &[&format!("-t nat -A POSTROUTING -p udp -j {target}")]);
            claim_after(&[], &rules.iter().map(String::as_str).collect::<Vec<_>>(), false, |s| {
                let burst = [b"a", b"b", b"c", b"d"]
                    .map(|data| Crossing { side: Side::Lan, packet: client().udp(1000, 53, data) });
                let left = race(s, burst.into())?;
                let sources: BTreeSet<_> =
                    left.iter().filter_map(|crossing| view(crossing).ports()).map(|(from, _)| from).collect();
                match (left.len(), sources.len()) == (4, ports) {
                    true => counts(s, [3, 0, 0]),
                    false => fail(format!(
                        "{target}: {} left by {sources:?} {:?}",
                        left.len(),
                        left.iter().map(|c| (view(c).source, view(c).ports())).collect::<Vec<_>>()
                    )),
                }
            })?;
        }
        Ok(())
    }),
    ("segments_of_one_opening_led_to_two_servers_do_not_both_pass", || {
        let turns = TURNS.map(|rule| rule.replace("-p udp", "-p tcp"));
        alike("tcp", &turns.each_ref().map(String::as_str), |s| {
            let syn = |number| client().tcp(&Tcp::segment(1, 99, Tcp::SYN, number, 0), b"");
            leave(s, lan([syn(1000), syn(2000)]), 1, [0, 1, 1]).map(drop)
        })
    }),
    ("second_packets_of_protocols_without_a_state_join_the_first", || {
        for protocol in [33, 47, 50, 136, 252] {
            let packet = |data: &[u8]| match protocol {
                136 => udplite(&client(), 17, (1, 53), data),
                _ => client().packet(protocol, &[&[0x20, 0, 8, 0, 0, 0, 0, 7, 0, 0, 0, 1], data].concat()),
            };
            alike(&protocol.to_string(), &[], |s| leave(s, lan([packet(b"a"), packet(b"bb")]), 2, [1, 0, 0]).map(drop))
                .map_err(|error| io::Error::other(format!("protocol {protocol}: {error}")))?;
        }
        Ok(())
    }),
    ("second_packets_of_protocols_with_a_state_are_dropped", || {
        let begin = [0, 0, 0, 7, 0, 0, 16, 0, 0, 1, 0, 1, 0, 0, 0, 9];
        // With a parameter more it is another one.
        let init = |more: &[u8]| client().sctp(1, 53, 0, &[(1, 0, &[&begin, more].concat())]);
        let echo = |data: &[u8]| client().icmp(8, 0, 0x70001, data);
        for (protocol, packets) in [("sctp", [init(&[]), init(&[0x80, 0, 0, 4])]), ("icmp", [echo(b"a"), echo(b"bb")])]
        {
            alike(protocol, &[], |s| leave(s, lan(packets.clone()), 1, [0, 1, 1]).map(drop))
                .map_err(|error| io::Error::other(format!("{protocol}: {error}")))?;
        }
        Ok(())
    }),
];
