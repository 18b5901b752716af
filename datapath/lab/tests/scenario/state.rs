//! Matches that keep something beside their rules: buckets, counted connections, labels, measured rates.

use std::{io, time::Duration};

use lab::{
    frame::{Ip, Tcp},
    suite::Test,
};

use super::{Stage, arrives, client, play, play6, server, vanishes};

const TICK: Duration = Duration::from_millis(20);

/// From a client of the first network, or of the second one.
fn host(net: u8, last: u8) -> Ip {
    Ip::between([10, net, 0, last], [10, 3 - net, 0, 2])
}

fn host6(last: u16) -> Ip {
    Ip::between([0xfd01, 0, 0, 0, 0, 0, 0, last], [0xfd02, 0, 0, 0, 0, 0, 0, 2])
}

/// So many packets, one after the other.
fn repeat(stage: &mut Stage, packet: &[u8], times: usize) -> io::Result<()> {
    for _ in 0..times {
        arrives(&stage.lan(packet.to_vec())?)?;
    }
    Ok(())
}

pub(crate) const TESTS: &[Test] = &[
    ("each_source_has_a_bucket_of_its_own", || {
        play(
            &[
                "-A FORWARD -m hashlimit --hashlimit-upto 1/min --hashlimit-burst 2 --hashlimit-mode srcip --hashlimit-name one \
                 -m comment --comment upto",
                "-A FORWARD -m hashlimit --hashlimit-above 1/min --hashlimit-burst 2 --hashlimit-mode srcip --hashlimit-name two \
                 -m comment --comment above",
                "-A FORWARD -m hashlimit --hashlimit-upto 1/min --hashlimit-burst 2 --hashlimit-mode srcip --hashlimit-srcmask 24 \
                 --hashlimit-name net -m comment --comment net",
                "-A FORWARD -m hashlimit --hashlimit-upto 1/min --hashlimit-burst 2 --hashlimit-mode dstip,dstport \
                 --hashlimit-name dst -m comment --comment dst",
                "-A FORWARD -m hashlimit --hashlimit-upto 1/min --hashlimit-burst 2 --hashlimit-mode srcip,srcport,dstip,dstport \
                 --hashlimit-name all -m comment --comment all",
                "-A FORWARD -m hashlimit --hashlimit-upto 1/min --hashlimit-burst 3 --hashlimit-name nothing \
                 -m comment --comment nothing",
            ],
            |s| {
                for last in [2, 3] {
                    repeat(s, &host(1, last).udp(1, 53, b"data"), 3)?;
                    repeat(s, &host(1, last).udp(2, 54, b"data"), 1)?;
                    repeat(s, &host(1, last).icmp(8, 0, 7 << 16, b"data"), 1)?;
                }
                for (name, count) in [("upto", 4), ("above", 6), ("net", 2), ("dst", 6), ("all", 8), ("nothing", 3)] {
                    s.counted(&format!("--comment {name}"), count)?;
                }
                Ok(())
            },
        )
    }),
    ("a_bucket_fills_with_time", || {
        play(
            &[
                "-A FORWARD -m hashlimit --hashlimit-upto 2/sec --hashlimit-burst 1 --hashlimit-mode srcip --hashlimit-name x",
            ],
            |s| {
                repeat(s, &client().udp(1, 53, b""), 2)?;
                s.pause(Duration::from_millis(520));
                repeat(s, &client().udp(1, 53, b""), 2)?;
                s.counted("-m hashlimit", 2)
            },
        )
    }),
    ("rules_share_a_hash_table_by_name_and_the_first_says_how_it_works", || {
        play(
            &[
                "-A FORWARD -p udp --dport 1 -m hashlimit --hashlimit-upto 1/min --hashlimit-burst 2 --hashlimit-mode srcip \
                 --hashlimit-name x",
                "-A FORWARD -p udp --dport 2 -m hashlimit --hashlimit-upto 1/min --hashlimit-burst 9 --hashlimit-mode srcip,dstport \
                 --hashlimit-name x",
                "-t mangle -A FORWARD -p udp --dport 3 -m hashlimit --hashlimit-above 1/min --hashlimit-burst 9 --hashlimit-mode dstip \
                 --hashlimit-name x",
            ],
            |s| {
                for port in [2, 1, 2, 3, 3] {
                    repeat(s, &client().udp(9, port, b""), 1)?;
                }
                s.counted("--dport 1", 1)?;
                s.counted("--dport 2", 2)?;
                s.counted("--dport 3", 0)
            },
        )
    }),
    ("bytes_are_limited_in_portions_of_sixteen", || {
        play(
            &[
                "-A FORWARD -m hashlimit --hashlimit-upto 1kb/s --hashlimit-mode srcip --hashlimit-name b1 -m comment --comment plain",
                "-A FORWARD -m hashlimit --hashlimit-upto 1kb/s --hashlimit-burst 2kb --hashlimit-mode srcip --hashlimit-name b2 \
                 -m comment --comment burst",
                "-A FORWARD -m hashlimit --hashlimit-above 512b/s --hashlimit-burst 1kb --hashlimit-mode srcip --hashlimit-name b3 \
                 -m comment --comment above",
                "-A FORWARD -m hashlimit --hashlimit-upto 100b/s --hashlimit-mode srcip --hashlimit-name b4 -m comment --comment slow",
            ],
            |s| repeat(s, &client().udp(1, 53, &[1; 372]), 12),
        )
    }),
    ("a_rate_that_is_compared_itself_has_no_bucket", || {
        play(
            &[
                // Eight packets are too many and two are not, whether they take no time or some seconds.
                "-A FORWARD -m hashlimit --hashlimit-upto 30/min --hashlimit-rate-match --hashlimit-rate-interval 4 \
                 --hashlimit-burst 1 --hashlimit-mode srcip --hashlimit-name r1 -m comment --comment upto",
                "-A FORWARD -m hashlimit --hashlimit-above 30/min --hashlimit-rate-match --hashlimit-rate-interval 4 \
                 --hashlimit-burst 1 --hashlimit-mode srcip --hashlimit-name r2 -m comment --comment above",
                "-A FORWARD -m hashlimit --hashlimit-upto 100b/s --hashlimit-rate-match --hashlimit-rate-interval 4 \
                 --hashlimit-mode srcip --hashlimit-name r3 -m comment --comment bytes",
            ],
            |s| {
                repeat(s, &client().udp(1, 53, &[1; 172]), 8)?;
                s.pause(Duration::from_millis(4200));
                repeat(s, &client().udp(1, 53, &[1; 172]), 2)?;
                s.pause(Duration::from_millis(4200));
                repeat(s, &client().udp(1, 53, &[1; 172]), 1)
            },
        )
    }),
    ("a_full_hash_table_drops_whom_it_does_not_know", || {
        play(
            &[
                "-A FORWARD -m hashlimit --hashlimit-upto 100/sec --hashlimit-mode srcip --hashlimit-name f --hashlimit-htable-size 1 \
                 --hashlimit-htable-max 2 --hashlimit-htable-expire 300 --hashlimit-htable-gcinterval 100",
            ],
            |s| {
                repeat(s, &host(1, 2).udp(1, 53, b""), 1)?;
                repeat(s, &host(1, 3).udp(1, 53, b""), 1)?;
                vanishes(&s.lan(host(1, 4).udp(1, 53, b""))?)?;
                repeat(s, &host(1, 2).udp(1, 53, b""), 1)?;
                s.pause(Duration::from_millis(600));
                repeat(s, &host(1, 4).udp(1, 53, b""), 1)
            },
        )
    }),
    ("a_packet_without_ports_to_read_is_dropped_where_ports_tell_groups_apart", || {
        play(&["-A FORWARD -m hashlimit --hashlimit-upto 100/sec --hashlimit-mode srcport --hashlimit-name p"], |s| {
            vanishes(&s.lan(client().packet(17, &[1, 2]))?)?;
            vanishes(&s.lan(client().packet(51, &[1, 2, 3, 4]))?)?;
            repeat(s, &client().packet(50, &[1, 2, 3, 4]), 1)?;
            repeat(s, &client().packet(253, &[]), 1)
        })
    }),
    ("hashlimit_tells_ipv6_networks_apart", || {
        play6(
            &[
                "-A FORWARD -p udp -m hashlimit --hashlimit-upto 1/min --hashlimit-burst 2 --hashlimit-mode srcip --hashlimit-srcmask 126 \
                 --hashlimit-name v6 -m comment --comment net",
                "-A FORWARD -p udp -m hashlimit --hashlimit-upto 1/min --hashlimit-burst 1 --hashlimit-mode srcip,dstport \
                 --hashlimit-name v6port -m comment --comment port",
            ],
            |s| {
                for last in [2, 3, 4] {
                    repeat(s, &host6(last).udp(1, 53, b""), 2)?;
                }
                s.counted("--comment net", 4)?;
                s.counted("--comment port", 3)
            },
        )
    }),
    ("a_client_has_so_many_connections_and_closed_ones_no_longer_count", || {
        play(
            &[
                "-A FORWARD -p tcp --syn -m connlimit --connlimit-above 2 -m comment --comment above",
                "-A FORWARD -p tcp --syn -m connlimit --connlimit-above 2 -j DROP",
                "-A FORWARD -p tcp -m connlimit --connlimit-upto 2 -m comment --comment upto",
                "-A FORWARD -p tcp --syn -m connlimit --connlimit-upto 1 --connlimit-daddr --connlimit-mask 24 -m comment --comment daddr",
                "-A FORWARD -p tcp --syn -m connlimit ! --connlimit-above 3 --connlimit-mask 30 -m comment --comment mask",
            ],
            |s| {
                for port in 1..=4 {
                    s.lan(client().tcp(&Tcp::segment(port, 80, Tcp::SYN, 1000, 0), b""))?;
                    s.pause(TICK);
                }
                s.counted("--comment above", 2)?;
                s.counted("--comment upto", 2)?;
                s.counted("--comment daddr", 1)?;
                // The first one is reset and makes room for one.
                arrives(&s.wan(server().tcp(&Tcp::segment(80, 1, Tcp::RST | Tcp::ACK, 0, 1001), b""))?)?;
                s.pause(TICK);
                for port in [5, 6] {
                    s.lan(client().tcp(&Tcp::segment(port, 80, Tcp::SYN, 1000, 0), b""))?;
                    s.pause(TICK);
                }
                s.counted("--comment above", 3)?;
                let other = Ip::between([10, 1, 0, 3], [10, 2, 0, 2]);
                arrives(&s.lan(other.tcp(&Tcp::segment(1, 80, Tcp::SYN, 1000, 0), b""))?)?;
                s.counted("--comment above", 3)
            },
        )
    }),
    ("every_packet_may_count_its_connection", || {
        play(
            &[
                "-A FORWARD -m connlimit --connlimit-above 1 -m comment --comment one",
                "-A FORWARD -m connlimit --connlimit-above 0 -m comment --comment zero",
                "-A FORWARD -s 10.2.0.2 -m connlimit --connlimit-above 1 -m comment --comment server",
            ],
            |s| {
                s.handshake()?;
                s.pause(TICK);
                repeat(s, &client().tcp(&Tcp::segment(1234, 80, Tcp::ACK, 1001, 5001), b""), 3)?;
                s.pause(TICK);
                s.counted("--comment one", 0)?;
                repeat(s, &client().udp(1, 53, b""), 1)?;
                s.pause(TICK);
                arrives(&s.wan(server().udp(53, 1, b""))?)?;
                s.counted("--comment server", 1)?;
                // Nobody's connection counts while it is looked at.
                s.pause(TICK);
                arrives(&s.lan(client().tcp(&Tcp::segment(99, 80, Tcp::FIN, 1, 1), b""))?)?;
                s.pause(TICK);
                vanishes(&s.lan(client().packet(1, &[8, 0, 1]))?)?;
                s.counted("--comment zero", 9)
            },
        )
    }),
    ("connections_of_ipv6_clients_are_counted", || {
        play6(&["-A FORWARD -p udp -m connlimit --connlimit-above 1 --connlimit-mask 126 -j DROP"], |s| {
            arrives(&s.lan(host6(4).udp(1, 53, b""))?)?;
            s.pause(TICK);
            vanishes(&s.lan(host6(5).udp(1, 53, b""))?)?;
            s.pause(TICK);
            arrives(&s.lan(host6(8).udp(1, 53, b""))?).map(drop)
        })
    }),
    ("labels_stay_with_the_connection", || {
        play(
            &[
                "-t raw -A PREROUTING -m connlabel ! --label 3 -m comment --comment raw",
                "-A FORWARD -p udp --dport 53 -m connlabel --label 3 --set -m comment --comment set",
                "-A FORWARD -p udp -m connlabel --label 127 -m comment --comment last",
                "-A FORWARD -p udp -m connlabel ! --label 3 -m comment --comment lacks",
                "-A FORWARD -p udp -m connlabel --label 3 -m comment --comment with",
                "-A FORWARD -p udp --sport 53 -m connlabel ! --label 127 --set -m comment --comment not",
            ],
            |s| {
                arrives(&s.lan(client().udp(1, 53, b""))?)?;
                arrives(&s.lan(client().udp(1, 54, b""))?)?;
                arrives(&s.wan(server().udp(53, 1, b""))?)?;
                arrives(&s.wan(server().udp(54, 1, b""))?)?;
                arrives(&s.lan(client().udp(1, 53, b""))?)?;
                for (name, count) in [("raw", 5), ("set", 2), ("last", 1), ("lacks", 2), ("with", 3), ("not", 0)] {
                    s.counted(&format!("--comment {name}"), count)?;
                }
                Ok(())
            },
        )
    }),
    ("a_label_beyond_the_last_is_refused", || super::rules::refused("-A FORWARD -m connlabel --label 128")),
    ("device_groups_are_compared_under_a_mask", || {
        play(
            &[
                "-A FORWARD -m devgroup --src-group 0x12/0xf -m comment --comment src",
                "-A FORWARD -m devgroup ! --src-group 2 -m comment --comment not",
                "-A FORWARD -m devgroup --src-group 2 ! --dst-group 2 -m comment --comment both",
                "-A FORWARD -m devgroup --dst-group 0 -m comment --comment none",
            ],
            |s| {
                s.act("ip link set lan0 group 2")?;
                s.pause(Duration::from_millis(300));
                arrives(&s.lan(client().udp(1, 53, b""))?)?;
                arrives(&s.wan(server().udp(53, 1, b""))?)?;
                for (name, count) in [("src", 1), ("not", 1), ("both", 1), ("none", 1)] {
                    s.counted(&format!("--comment {name}"), count)?;
                }
                Ok(())
            },
        )
    }),
    ("devgroup_asks_only_for_devices_that_a_hook_has", || {
        super::rules::refused("-A OUTPUT -m devgroup --src-group 1")?;
        super::rules::refused("-t mangle -A PREROUTING -m devgroup --dst-group 1")?;
        super::rules::refused("-t mangle -A POSTROUTING -m devgroup --src-group 1")
    }),
    ("a_measured_rate_is_compared", || {
        play(
            &[
                "-t mangle -A PREROUTING -p udp --dport 53 -j RATEEST --rateest-name dns --rateest-interval 250ms --rateest-ewmalog 0.5s",
                "-t mangle -A PREROUTING -p udp --dport 99 -j RATEEST --rateest-name idle --rateest-interval 250ms --rateest-ewmalog 0.5s",
                "-A FORWARD -p tcp -m rateest --rateest dns --rateest-gt --rateest-pps 1 -m comment --comment busy",
                "-A FORWARD -p tcp -m rateest --rateest dns --rateest-lt --rateest-bps 8bit -m comment --comment silent",
                "-A FORWARD -p tcp -m rateest --rateest1 dns --rateest2 idle --rateest-gt --rateest-pps -m comment --comment more",
                "-A FORWARD -p tcp -m rateest --rateest-delta --rateest1 dns --rateest-pps1 100000 --rateest-gt --rateest-pps2 10 \
                 -m comment --comment delta",
                "-A FORWARD -p tcp -m rateest --rateest idle ! --rateest-eq --rateest-pps 0 -m comment --comment eq",
            ],
            |s| {
                let probe = client().tcp(&Tcp::segment(1, 80, Tcp::SYN, 1, 0), b"");
                repeat(s, &probe, 1)?;
                s.counted("--comment busy", 0)?;
                s.counted("--comment silent", 1)?;
                repeat(s, &client().udp(1, 53, &[0; 100]), 40)?;
                s.pause(Duration::from_millis(400));
                repeat(s, &probe, 1)?;
                for (name, count) in [("busy", 1), ("silent", 1), ("more", 1), ("delta", 2), ("eq", 0)] {
                    s.counted(&format!("--comment {name}"), count)?;
                }
                Ok(())
            },
        )
    }),
    ("an_estimator_must_be_there_and_cannot_be_two", || {
        super::rules::refused("-A FORWARD -m rateest --rateest nobody --rateest-gt --rateest-pps 1")
    }),
];
