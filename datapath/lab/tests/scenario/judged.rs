//! Rules that only the kernel can judge, of a packet as it stands before them: what a set's entry has counted, sets of networks
//! that grow, counters with a quota.

use std::{
    io, thread,
    time::{Duration, Instant},
};

use lab::{
    frame::{Ip, Tcp},
    suite::Test,
};

use super::{
    Stage,
    accounting::{holds, make},
    alone, arrives, claim, claim_after, client, fail,
    outside::counted,
    play_after, server, vanishes,
};

/// Far more than any of it takes.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

pub(super) fn client6() -> Ip {
    Ip::between([0xfd01, 0, 0, 0, 0, 0, 0, 2], [0xfd02, 0, 0, 0, 0, 0, 0, 2])
}

/// NFACCT_FLAGS with a limit of packets (1) or bytes (2), and NFACCT_QUOTA.
fn quota(kind: u8, limit: u8) -> Vec<u8> {
    [[8, 0, 5, 0], [0, 0, 0, kind], [12, 0, 6, 0], [0; 4], [0, 0, 0, limit]].concat()
}

/// A rule has counted, and not everything: it was asked.
fn between(stage: &mut Stage, name: &str, least: u64, most: u64) -> io::Result<()> {
    let count = stage.count(&format!("--comment {name} ")).or_else(|_| stage.count(&format!("--comment {name}")))?;
    if (least..=most).contains(&count) { Ok(()) } else { fail(format!("{name} counted {count}")) }
}

/// None of the rules is taken.
pub(super) fn taken_by_nobody(stage: &mut Stage, rules: &[&str]) -> io::Result<()> {
    for rule in rules {
        if stage.succeeds(&rule.split(' ').collect::<Vec<_>>())? {
            return fail(format!("taken: {rule}"));
        }
    }
    Ok(())
}

pub(crate) const TESTS: &[Test] = &[
    ("rules_ask_what_an_entry_has_counted_and_count_in_their_order", || {
        play_after(
            &[
                "ipset create c hash:ip counters initval 7",
                "ipset add c 10.1.0.2",
                "ipset add c 10.2.0.1",
                "ipset create n hash:net counters initval 7",
                "ipset add n 10.1.0.0/24",
                "ipset add n 10.1.0.3 nomatch",
                "ipset create p hash:ip,port counters initval 7",
                "ipset add p 10.2.0.2,udp:53",
                "ipset add p 10.2.0.2,icmp:echo-request",
                "ipset create plain hash:ip",
                "ipset add plain 10.1.0.2",
            ],
            &[
                "-t raw -A PREROUTING -m set --match-set c src --packets-lt 2 -m comment --comment few",
                "-t raw -A PREROUTING -m set --match-set c src --packets-lt 3 -m comment --comment fewer",
                "-t mangle -A PREROUTING -m set --match-set c src ! --update-counters --packets-gt 3 -m comment --comment many",
                "-t mangle -A FORWARD -m set --match-set n src --bytes-gt 90 -m comment --comment heavy",
                "-t mangle -A FORWARD -m set --match-set n src --return-nomatch --packets-gt 0 -m comment --comment but",
                "-A FORWARD -m set ! --match-set c src --packets-eq 4 -m comment --comment unless",
                "-A FORWARD -m set --match-set p dst,dst ! --packets-eq 1 ! --bytes-eq 64 -m comment --comment port",
                "-A FORWARD -m set --match-set plain src --packets-eq 0 -m comment --comment uncounted",
                "-A FORWARD -p udp -m set --match-set p dst,dst --packets-gt 3 -j DROP",
                "-t mangle -A POSTROUTING -o wan0 -m set --match-set c src --bytes-lt 1000 -m comment --comment light",
                "-A INPUT -m set --match-set c src --packets-gt 9 -m comment --comment in",
                "-A OUTPUT -m set --match-set c src --packets-eq 1 -m comment --comment first",
                "-A OUTPUT -m set --match-set c src --packets-gt 1 -m comment --comment later",
            ],
            false,
            |s| {
                let other = Ip::between([10, 1, 0, 3], [10, 2, 0, 2]);
                for length in [0, 4, 200] {
                    s.lan(client().udp(1, 53, &vec![b'x'; length]))?;
                    s.lan(other.udp(1, 53, b"data"))?;
                    s.lan(client().icmp(8, 0, 1 << 16, b"data"))?;
                    s.lan(client().tcp(&Tcp::segment(1, 80, Tcp::SYN, 1, 0), b""))?;
                    s.act("ipset list -o save c")?;
                    s.lan(Ip::between([10, 1, 0, 2], [10, 1, 0, 1]).udp(1, 9, b"data"))?;
                    s.act("ipset list -o save n")?;
                    s.own(Ip::between([10, 2, 0, 1], [10, 2, 0, 2]).udp(9, 53, b"data"))?;
                    s.act("ipset list -o save p")?;
                    s.wan(server().udp(53, 1, b"data"))?;
                }
                s.lan(Ip::between([0, 0, 0, 0], [255, 255, 255, 255]).udp(68, 67, b""))?;
                s.act("ipset list -o save p")?;
                s.lan(client().udp(2, 53, b"data"))?;
                for (name, least, most) in [
                    ("few", 1, 3),
                    ("fewer", 1, 2),
                    ("many", 1, 15),
                    ("heavy", 1, 20),
                    ("but", 1, 20),
                    ("unless", 1, 20),
                    ("light", 1, 20),
                    ("later", 1, 3),
                ] {
                    between(s, name, least, most)?;
                }
                counted(s, &[("first", 1)])
            },
        )
    }),
    ("ipv6_rules_ask_what_an_entry_has_counted", || {
        play_after(
            &[
                "ipset create c hash:ip family inet6 counters initval 7",
                "ipset add c fd01::2",
                "ipset create n hash:net,port family inet6 counters initval 7",
                "ipset add n fd02::/64,udp:53",
            ],
            &[
                "-t mangle -A PREROUTING -m set --match-set c src --packets-gt 1 -m comment --comment later",
                "-A FORWARD -m set --match-set n dst,dst --bytes-lt 100 -m comment --comment light",
                "-A FORWARD -m set --match-set n dst,dst --packets-gt 4 -j DROP",
                "-t mangle -A POSTROUTING -m set ! --match-set c src --packets-gt 2 -m comment --comment unless",
                "-A OUTPUT -m set --match-set n dst,dst --packets-gt 0 -m comment --comment out",
            ],
            true,
            |s| {
                for length in [0, 4, 40, 100] {
                    s.lan(client6().udp(1, 53, &vec![b'x'; length]))?;
                    s.lan(client6().udp(1, 54, b"data"))?;
                    s.act("ipset list -o save c")?;
                    let own = Ip::between([0xfd02, 0, 0, 0, 0, 0, 0, 1], [0xfd02, 0, 0, 0, 0, 0, 0, 2]);
                    s.own(own.udp(9, 53, b"data"))?;
                    s.act("ipset list -o save n")?;
                    s.lan(client6().udp(2, 53, b"data"))?;
                }
                Ok(())
            },
        )
    }),
    ("a_set_of_sets_with_counters_counts_in_itself_and_in_its_sets", || {
        play_after(
            &[
                "ipset create one hash:ip counters initval 7",
                "ipset add one 10.1.0.2",
                "ipset create two hash:net counters initval 7",
                "ipset add two 10.1.0.0/28",
                "ipset create all list:set counters",
                "ipset add all one",
                "ipset add all two",
                "ipset create loose list:set",
                "ipset add loose one",
            ],
            &[
                "-t mangle -A PREROUTING -m set --match-set all src -m comment --comment all",
                "-A FORWARD -m set --match-set all src ! --update-subcounters -m comment --comment outer",
                "-A FORWARD -m set --match-set all src ! --update-counters --packets-gt 4 -m comment --comment many",
                "-A FORWARD -m set --match-set loose src ! --update-subcounters -m comment --comment loose",
                "-t mangle -A POSTROUTING -m set --match-set loose src -m comment --comment inner",
            ],
            false,
            |s| {
                for last in [2, 3, 2, 20] {
                    s.lan(Ip::between([10, 1, 0, last], [10, 2, 0, 2]).udp(1, 53, b"data"))?;
                    s.act("ipset list -o save all")?;
                    s.lan(Ip::between([10, 1, 0, 30], [10, 2, 0, 2]).udp(1, 53, b""))?;
                    s.act("ipset list -o save one")?;
                    s.lan(Ip::between([10, 1, 0, 30], [10, 2, 0, 2]).udp(1, 53, b""))?;
                    s.act("ipset list -o save two")?;
                }
                s.lan(client().udp(1, 53, b"")).map(drop)
            },
        )
    }),
    ("a_rule_fills_and_empties_sets_of_networks", || {
        play_after(
            &[
                "ipset create empty hash:net initval 7",
                "ipset create some hash:net initval 7",
                "ipset add some 10.9.0.0/16",
                "ipset add some 10.8.8.0/24",
                "ipset create ports hash:net,port timeout 0 initval 7",
                "ipset add ports 192.168.0.0/20,tcp:1",
                "ipset create three hash:ip,port,net initval 7",
                "ipset create list list:set",
                "ipset add list some",
                "ipset create hosts hash:ip initval 7",
            ],
            &[
                "-t mangle -A PREROUTING -p udp -j SET --add-set empty src",
                "-A FORWARD -p udp -j SET --add-set some src --del-set empty dst",
                "-A FORWARD -p udp -j SET --add-set ports dst,dst --timeout 1000 --exist",
                "-t mangle -A POSTROUTING -p udp -j SET --add-set three src,src,dst",
                "-A FORWARD -p tcp -j SET --add-set list dst --del-set some src",
                "-A OUTPUT -p udp -j SET --add-set empty dst --del-set three src,src,dst",
                "-A INPUT -p udp -j SET --add-set some src --del-set hosts src",
                "-A FORWARD -m set --match-set some src -m comment --comment some",
                "-A FORWARD -m set --match-set empty src -m comment --comment empty",
            ],
            false,
            |s| {
                for last in [2, 3, 130] {
                    let from = Ip::between([10, 1, 0, last], [10, 2, 0, 2]);
                    s.lan(from.udp(1, 53, b""))?;
                    s.act("ipset list -o save some")?;
                    s.lan(from.udp(2, 54, b""))?;
                    s.act("ipset list -o save empty")?;
                    s.lan(from.tcp(&Tcp::segment(1, 80, Tcp::SYN, 1, 0), b""))?;
                    s.act("ipset list -o save three")?;
                }
                s.own(Ip::between([10, 2, 0, 1], [10, 2, 0, 2]).udp(1, 53, b""))?;
                s.act("ipset list -o save some")?;
                s.lan(Ip::between([10, 1, 0, 9], [10, 1, 0, 1]).udp(1, 9, b""))?;
                s.act("ipset list -o save empty")?;
                s.lan(client().udp(3, 53, b"")).map(drop)
            },
        )
    }),
    ("a_rule_fills_ipv6_sets_of_networks", || {
        play_after(
            &[
                "ipset create some hash:net family inet6 initval 7",
                "ipset add some 2001:db8::/48",
                "ipset create empty hash:net family inet6 initval 7",
            ],
            &[
                "-t mangle -A PREROUTING -j SET --add-set some src",
                "-A FORWARD -p udp -j SET --add-set empty src",
                "-A FORWARD -p tcp -j SET --del-set some src",
                "-A FORWARD -m set --match-set some src -m comment --comment some",
            ],
            true,
            |s| {
                s.lan(client6().udp(1, 53, b""))?;
                s.act("ipset list -o save some")?;
                s.lan(client6().tcp(&Tcp::segment(1, 80, Tcp::SYN, 1, 0), b""))?;
                s.act("ipset list -o save some")?;
                s.lan(client6().udp(1, 53, b""))?;
                s.act("ipset list -o save empty")?;
                s.lan(client6().udp(1, 53, b"")).map(drop)
            },
        )
    }),
    ("a_counter_with_a_quota_matches_once_it_is_used_up", || {
        claim(&[], |s| {
            make(s, &["packets"], &quota(1, 3))?;
            make(s, &["bytes"], &quota(2, 100))?;
            for rule in [
                "iptables -t raw -A PREROUTING -p udp --dport 9 -m nfacct --nfacct-name packets",
                "iptables -A FORWARD -p udp -m nfacct --nfacct-name packets -m comment --comment packets",
                "iptables -t mangle -A POSTROUTING -p udp -m nfacct --nfacct-name bytes -m comment --comment bytes",
                "iptables -A OUTPUT -p udp -m nfacct --nfacct-name bytes -j DROP",
                "iptables -A INPUT -p tcp -m nfacct --nfacct-name packets -m comment --comment in",
            ] {
                if !s.succeeds(&rule.split(' ').collect::<Vec<_>>())? {
                    return fail(format!("refused: {rule}"));
                }
            }
            for _ in 0..3 {
                arrives(&s.lan(client().udp(1, 53, b"data"))?)?;
            }
            // 32 bytes each: the third used up no more than 96.
            counted(s, &[("packets", 0), ("bytes", 0)])?;
            holds(s, "packets", (3, 96))?;
            arrives(&s.lan(client().udp(1, 53, b"data"))?)?;
            counted(s, &[("packets", 1), ("bytes", 1)])?;
            holds(s, "bytes", (4, 128))?;
            vanishes(&s.own(Ip::between([10, 2, 0, 1], [10, 2, 0, 2]).udp(9, 53, b"data"))?)?;
            holds(s, "bytes", (5, 160))?;
            s.lan(Ip::between([10, 1, 0, 2], [10, 1, 0, 1]).tcp(&Tcp::segment(1, 80, Tcp::SYN, 1, 0), b""))?;
            counted(s, &[("in", 1)])?;
            holds(s, "packets", (5, 168))?;
            // What stands before it goes on without it, and comes back to what it has counted.
            s.must_with(&["iptables", "-I", "FORWARD", "-p", "udp", "--dport", "54", "-j", "DROP"], "")?;
            vanishes(&s.lan(client().udp(1, 54, b"data"))?)?;
            arrives(&s.lan(client().udp(1, 9, b"data"))?)?;
            holds(s, "packets", (7, 232))
        })
    }),
    ("an_ipv6_counter_with_a_quota_matches_once_it_is_used_up", || {
        claim_after(&[], &[], true, |s| {
            make(s, &["packets"], &quota(1, 2))?;
            for rule in [
                "ip6tables -A FORWARD -p udp -m nfacct --nfacct-name packets -j DROP",
                "ip6tables -t mangle -A PREROUTING -p tcp -m nfacct --nfacct-name packets -j DROP",
            ] {
                if !s.succeeds(&rule.split(' ').collect::<Vec<_>>())? {
                    return fail(format!("refused: {rule}"));
                }
            }
            arrives(&s.lan(client6().udp(1, 53, b"data"))?)?;
            arrives(&s.lan(client6().tcp(&Tcp::segment(1, 80, Tcp::SYN, 1, 0), b""))?)?;
            vanishes(&s.lan(client6().tcp(&Tcp::segment(1, 80, Tcp::SYN, 1, 0), b""))?)?;
            vanishes(&s.lan(client6().udp(1, 53, b"data"))?)?;
            holds(s, "packets", (4, 2 * 52 + 2 * 60))
        })
    }),
    ("counters_of_devices_and_stations_are_refused_by_the_datapath", || {
        alone(&[], |s| {
            for set in ["d hash:net,iface", "m bitmap:ip,mac range 10.1.0.0/24 counters", "l list:set counters"] {
                let words = [vec!["ipset", "create"], set.split(' ').collect()].concat();
                s.must_with(&words, "")?;
            }
            s.must_with(&["ipset", "add", "l", "m"], "")?;
            taken_by_nobody(
                s,
                &[
                    "iptables -A FORWARD -j SET --add-set d src,src",
                    "iptables -A FORWARD -m set --match-set m src,src --packets-gt 1",
                    "iptables -A FORWARD -m set --match-set l src,src",
                ],
            )
        })
    }),
    ("what_the_kernel_judges_outlives_a_crash_with_its_rule", || {
        alone(&[], |s| {
            s.must_with(&["ipset", "create", "c", "hash:ip", "counters"], "")?;
            s.must_with(&["ipset", "add", "c", "10.1.0.2"], "")?;
            let rule = "iptables -A FORWARD -m set --match-set c src --packets-gt 2 -j DROP";
            s.must_with(&rule.split(' ').collect::<Vec<_>>(), "")?;
            arrives(&s.lan(client().udp(1, 53, b"first"))?)?;
            s.crash()?;
            arrives(&s.lan(client().udp(1, 53, b"second"))?)?;
            vanishes(&s.lan(client().udp(1, 53, b"third"))?)
        })
    }),
    ("the_kernel_is_asked_while_loopback_is_down", || {
        play_after(
            &[
                "ip link set lo down",
                "ipset create c hash:ip counters initval 7",
                "ipset add c 10.1.0.2",
                "ipset add c 10.2.0.1",
            ],
            &[
                "-t raw -A PREROUTING -m set --match-set c src --bytes-gt 100 -m comment --comment heavy",
                "-A FORWARD -m set --match-set c src --packets-gt 4 -j DROP",
                "-A INPUT -m set --match-set c src --packets-gt 2 -m comment --comment in",
                "-A OUTPUT -m set --match-set c src --packets-gt 1 -m comment --comment out",
            ],
            false,
            |s| {
                arrives(&s.lan(client().udp(1, 53, b"data"))?)?;
                arrives(&s.lan(client().udp(1, 53, b"data"))?)?;
                vanishes(&s.lan(client().udp(1, 53, b"data"))?)?;
                s.own(Ip::between([10, 2, 0, 1], [10, 2, 0, 2]).udp(9, 53, b"data"))?;
                s.act("ip link set lo up")?;
                s.own(Ip::between([10, 2, 0, 1], [10, 2, 0, 2]).udp(9, 53, b"data"))?;
                s.act("ip link set lo down")?;
                s.lan(Ip::between([10, 1, 0, 2], [10, 1, 0, 1]).udp(1, 9, b"data"))?;
                s.act("ipset list -o save c")?;
                vanishes(&s.lan(client().udp(1, 53, b"data"))?)?;
                counted(s, &[("heavy", 3), ("in", 1), ("out", 1)])
            },
        )
    }),
    ("the_kernel_is_asked_of_ipv6_while_loopback_is_down", || {
        play_after(
            &[
                "ip link set lo down",
                "ipset create c hash:ip family inet6 counters initval 7",
                "ipset add c fd01::2",
                "ipset create n hash:net family inet6 initval 7",
                "ipset add n 2001:db8::/61",
            ],
            &[
                "-t raw -A PREROUTING -m set --match-set c src --bytes-gt 100 -m comment --comment heavy",
                "-A FORWARD -m set --match-set c src --packets-gt 3 -j DROP",
                "-A FORWARD -p udp -j SET --add-set n src",
            ],
            true,
            |s| {
                arrives(&s.lan(client6().udp(1, 53, b"data"))?)?;
                s.act("ipset list -o save n")?;
                vanishes(&s.lan(client6().udp(1, 53, b"data"))?)?;
                counted(s, &[("heavy", 1)])
            },
        )
    }),
    ("what_the_kernel_is_asked_is_put_back_when_somebody_flushes_it", || {
        alone(&[], |s| {
            for command in [
                "ipset create c hash:ip counters",
                "ipset add c 10.1.0.2",
                "iptables -A FORWARD -m set --match-set c src --packets-gt 0 -j DROP",
            ] {
                s.must_with(&command.split(' ').collect::<Vec<_>>(), "")?;
            }
            vanishes(&s.lan(client().udp(1, 53, b""))?)?;
            s.must_with(&["nft", "flush", "ruleset"], "")?;
            let deadline = Instant::now() + PATIENCE;
            while !s.lan(client().udp(1, 53, b""))?.is_empty() {
                if Instant::now() > deadline {
                    return fail("packets pass");
                }
                thread::sleep(Duration::from_millis(100));
            }
            Ok(())
        })
    }),
];
