//! Marks and priorities that SET takes from the entries of sets.

use std::{
    thread,
    time::{Duration, Instant},
};

use lab::{
    frame::{Ip, Tcp},
    suite::Test,
};

use super::{
    Stage, alone, arrives, claim, claim_after, client, fail,
    judged::{PATIENCE, client6, taken_by_nobody},
    outside::counted,
    play_after,
};

pub(crate) const TESTS: &[Test] = &[
    ("a_packet_gets_the_mark_that_its_entry_maps_to", || {
        play_after(
            &[
                "ipset create hosts hash:ip skbinfo initval 7",
                "ipset add hosts 10.1.0.2 skbmark 0x12/0xff",
                "ipset add hosts 10.2.0.1 skbmark 0x7",
                "ipset create nets hash:net skbinfo counters initval 7",
                "ipset add nets 10.2.0.0/24 skbmark 0x3400/0xff00",
                "ipset add nets 10.2.0.3 nomatch",
                "ipset create plain hash:ip",
                "ipset add plain 10.1.0.2",
                "ipset create seen hash:ip initval 7",
                "ip rule add fwmark 0x7 lookup 100",
                "ip route add 10.2.0.9 via 10.1.0.2 table 100",
            ],
            &[
                "-t mangle -A PREROUTING -j MARK --set-mark 0xf0000",
                "-t mangle -A PREROUTING -j SET --map-set hosts src --map-mark",
                "-t mangle -A PREROUTING -m mark --mark 0xf0012 -m comment --comment host",
                "-t mangle -A PREROUTING -j SET --map-set plain src --map-mark",
                "-t mangle -A FORWARD -j SET --add-set seen src --map-set nets dst --map-mark",
                "-A FORWARD -m mark --mark 0xf3412 -m comment --comment both",
                "-A FORWARD -m mark --mark 0xf3400 -m comment --comment net",
                "-t mangle -A OUTPUT -j SET --map-set hosts src --map-mark",
                "-t mangle -A POSTROUTING -o lan0 -m mark --mark 7 -m comment --comment rerouted",
                "-A INPUT -m mark --mark 0x12/0xff -m comment --comment in",
            ],
            false,
            |s| {
                let other = Ip::between([10, 1, 0, 3], [10, 2, 0, 2]);
                for _ in 0..2 {
                    s.lan(client().udp(1, 53, b"data"))?;
                    s.lan(other.udp(1, 53, b"data"))?;
                    s.lan(Ip::between([10, 1, 0, 2], [10, 2, 0, 3]).udp(1, 53, b"data"))?;
                    s.lan(Ip::between([10, 1, 0, 2], [10, 1, 0, 1]).udp(1, 53, b"data"))?;
                    s.own(Ip::between([10, 2, 0, 1], [10, 2, 0, 9]).udp(9, 53, b"data"))?;
                    s.act("ipset list -o save seen")?;
                    s.lan(client().tcp(&Tcp::segment(1, 80, Tcp::SYN, 1, 0), b""))?;
                    s.act("ipset list -o save nets")?;
                }
                // What an entry maps to may change at any time.
                s.lan(client().udp(1, 53, b"data"))?;
                s.act("ipset -exist add hosts 10.1.0.2 skbmark 0x21/0xff")?;
                s.lan(client().udp(1, 53, b"data"))?;
                counted(s, &[("host", 9), ("both", 5), ("net", 2), ("rerouted", 2)])
            },
        )
    }),
    ("an_ipv6_packet_gets_the_mark_that_its_entry_maps_to", || {
        play_after(
            &["ipset create hosts hash:ip family inet6 skbinfo initval 7", "ipset add hosts fd01::2 skbmark 0x12/0xff"],
            &[
                "-t mangle -A PREROUTING -j SET --map-set hosts src --map-mark",
                "-t mangle -A POSTROUTING -j SET --map-set hosts dst --map-mark",
                "-A FORWARD -m mark --mark 0x12 -m comment --comment there",
                "-t mangle -A POSTROUTING -m mark --mark 0x12 -m comment --comment back",
            ],
            true,
            |s| {
                s.lan(client6().udp(1, 53, b"data"))?;
                s.lan(Ip::between([0xfd01, 0, 0, 0, 0, 0, 0, 3], [0xfd02, 0, 0, 0, 0, 0, 0, 2]).udp(1, 53, b"data"))?;
                s.wan(Ip::between([0xfd02, 0, 0, 0, 0, 0, 0, 2], [0xfd01, 0, 0, 0, 0, 0, 0, 2]).udp(53, 1, b"data"))?;
                counted(s, &[("there", 1), ("back", 2)])
            },
        )
    }),
    ("a_packet_gets_the_priority_that_its_entry_maps_to", || {
        claim_after(
            &[
                "ipset create hosts hash:ip skbinfo",
                "ipset add hosts 10.1.0.2 skbprio 1:2 skbmark 0x5",
                "ipset add hosts 10.1.0.3 skbprio 3:4",
                "ipset add hosts 10.1.0.4",
            ],
            &[
                "-t mangle -A FORWARD -j CLASSIFY --set-class 5:6",
                "-t mangle -A FORWARD -s 10.1.0.2 -j SET --map-set hosts src --map-prio",
                "-t mangle -A POSTROUTING ! -s 10.1.0.2 -j SET --map-set hosts src --map-mark --map-prio",
                "-t mangle -A POSTROUTING -m mark ! --mark 0 -m comment --comment marked",
            ],
            false,
            |s| {
                let seen = "table ip seen { chain last { type filter hook postrouting priority 1000; \
                            meta priority 1:2 counter\n meta priority 3:4 counter\n meta priority 5:6 counter\n \
                            ip saddr 10.1.0.4 meta priority 0 counter\n}\n}\n";
                s.must_with(&["nft", "-f", "-"], seen)?;
                for last in 2..6 {
                    let from = Ip::between([10, 1, 0, last], [10, 2, 0, 2]);
                    arrives(&s.lan(from.udp(1, 53, b"x"))?)?;
                    arrives(&s.lan(from.udp(2, 53, &[7; 300]))?)?;
                }
                // An entry without a priority maps to 0, and who has no entry keeps what it had.
                let text = s.must_with(&["nft", "list", "table", "ip", "seen"], "")?;
                let counts = text.matches("counter packets 2 ").count();
                if counts == 4 { counted(s, &[("marked", 0)]) } else { fail(text) }
            },
        )
    }),
    ("maps_stand_where_the_kernel_has_them", || {
        claim(&[], |s| {
            s.must_with(&["ipset", "create", "m", "hash:ip", "skbinfo"], "")?;
            taken_by_nobody(
                s,
                &[
                    "iptables -A FORWARD -j SET --map-set m src --map-mark",
                    "iptables -t raw -A PREROUTING -j SET --map-set m src --map-mark",
                    "iptables -t mangle -A PREROUTING -j SET --map-set m src --map-prio",
                    "iptables -t mangle -A INPUT -j SET --map-set m src --map-mark --map-prio",
                ],
            )
        })
    }),
    ("another_programs_table_mangle_stays", || {
        alone(&[], |s| {
            let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
            let run = |s: &mut Stage, text: &str| {
                let words = words(text);
                s.must_with(&words.iter().map(String::as_str).collect::<Vec<_>>(), "")
            };
            run(s, "ipset create m hash:ip skbinfo")?;
            run(s, "ipset add m 10.1.0.2 skbmark 0x9")?;
            run(s, "nft add table ip mangle")?;
            run(s, "nft add chain ip mangle theirs")?;
            run(s, "iptables -t mangle -A PREROUTING -j SET --map-set m src --map-mark")?;
            run(s, "iptables -t mangle -A PREROUTING -m mark --mark 9 -m comment --comment mapped")?;
            arrives(&s.lan(client().udp(1, 53, b""))?)?;
            counted(s, &[("mapped", 1)])?;
            // Taken away, it comes back; meanwhile packets keep their marks.
            run(s, "nft delete table ip mangle")?;
            run(s, "nft add table ip mangle")?;
            run(s, "nft add chain ip mangle theirs")?;
            let deadline = Instant::now() + PATIENCE;
            loop {
                let before = s.count("--comment mapped")?;
                arrives(&s.lan(client().udp(1, 53, b""))?)?;
                if s.count("--comment mapped")? > before {
                    break;
                }
                if Instant::now() > deadline {
                    return fail("nothing is mapped any more");
                }
                thread::sleep(Duration::from_millis(100));
            }
            let both = run(s, "nft list table ip mangle")?;
            if both.contains("chain theirs") && both.contains("chain xt_datapath") { Ok(()) } else { fail(both) }
        })
    }),
];
