//! Traversal, matches and targets.

use lab::{
    frame::{Ip, Tcp, fragments4},
    router::{Judge, built},
    suite::{self, Test},
    twin::{Rules, Script, Subject},
};

use super::{arrives, client, fail, icmp_answer, play, play6, server, vanishes, view};

fn syn(options: &[u8], data: &[u8]) -> Vec<u8> {
    let mut tcp = Tcp::segment(1, 80, Tcp::SYN, 100, 0);
    tcp.options = options.to_vec();
    client().tcp(&tcp, data)
}

/// Neither the kernel nor the datapath takes the rule.
pub(crate) fn refused(rule: &str) -> std::io::Result<()> {
    let script = Script { rules: Rules::from_commands(&[rule]), ..Script::default() };
    for judge in [Some(Judge::Kernel), suite::subject()].into_iter().flatten() {
        if Subject::new(judge, &built())?.load(&script).is_ok() {
            return fail(format!("{} takes it", judge.name()));
        }
    }
    Ok(())
}

pub(crate) const TESTS: &[Test] = &[
    ("jump_returns_goto_does_not_and_the_policy_counts", || {
        play(
            &[
                "-P FORWARD DROP",
                "-N first",
                "-N second",
                "-A FORWARD -p udp -j first",
                "-A FORWARD -p udp -m comment --comment back",
                "-A FORWARD -p tcp -g second",
                "-A FORWARD -p tcp -j ACCEPT",
                "-A first -p udp --dport 53 -j RETURN",
                "-A first -g second",
                "-A second -m comment --comment seen",
            ],
            |s| {
                vanishes(&s.lan(client().udp(1, 53, b""))?)?;
                vanishes(&s.lan(client().udp(1, 54, b""))?)?;
                vanishes(&s.lan(syn(&[], b""))?)?;
                s.counted("--comment back", 2)?;
                s.counted("--comment seen", 2)?;
                s.counted("-A FORWARD -p tcp -j ACCEPT", 0)
            },
        )
    }),
    ("until_tracking_looks_a_template_is_a_new_connection_without_a_mark", || {
        play(
            &[
                "-t raw -A PREROUTING -p udp -m conntrack --ctstate NEW -m comment --comment early",
                "-t raw -A PREROUTING -p udp -j CT --zone 0",
                "-t raw -A PREROUTING -p udp -m conntrack --ctstate NEW -m comment --comment template",
                "-t raw -A PREROUTING -p udp -m conntrack --ctstate INVALID -m comment --comment invalid",
                "-t raw -A PREROUTING -p udp -m connmark --mark 0 -m comment --comment unmarked",
                "-t raw -A PREROUTING -p udp -m conntrack --ctstatus CONFIRMED -m comment --comment confirmed",
                "-t raw -A PREROUTING -p udp -m conntrack --ctstatus NONE -m comment --comment status",
                "-t raw -A PREROUTING -p udp -m conntrack --ctstatus SEEN_REPLY,ASSURED,EXPECTED -m comment --comment more",
                "-A FORWARD -p udp -m conntrack --ctstatus CONFIRMED -m comment --comment later",
            ],
            |s| {
                arrives(&s.lan(client().udp(1, 53, b""))?)?;
                for (name, count) in
                    [("early", 0), ("template", 1), ("invalid", 0), ("unmarked", 1), ("confirmed", 1), ("status", 0)]
                {
                    s.counted(&format!("--comment {name}"), count)?;
                }
                // A packet's own connection is confirmed where it leaves.
                s.counted("--comment more", 0)?;
                s.counted("--comment later", 0)
            },
        )
    }),
    ("return_in_a_built_in_chain_asks_the_policy", || {
        play(&["-P FORWARD DROP", "-A FORWARD -p udp -j RETURN", "-A FORWARD -j ACCEPT"], |s| {
            vanishes(&s.lan(client().udp(1, 53, b""))?)?;
            arrives(&s.lan(syn(&[], b""))?).map(drop)
        })
    }),
    ("a_packet_too_short_for_its_header_is_dropped_even_by_a_counting_rule", || {
        play(
            &["-A FORWARD -p tcp --dport 80", "-A FORWARD -p udp --dport 53", "-A FORWARD -p icmp --icmp-type 8"],
            |s| {
                vanishes(&s.lan(client().packet(6, &[0; 19]))?)?;
                vanishes(&s.lan(client().packet(17, &[0; 7]))?)?;
                vanishes(&s.lan(client().packet(1, &[8; 7]))?)?;
                let mut second = client();
                second.fragment = 1;
                vanishes(&s.lan(second.packet(6, &[0; 40]))?)
            },
        )
    }),
    ("negated_states_match_invalid_packets_and_other_options_never_do", || {
        play(&["-A FORWARD -m conntrack ! --ctstate NEW", "-A FORWARD -m conntrack ! --ctproto udp"], |s| {
            arrives(&s.lan(client().tcp(&Tcp::segment(1, 80, Tcp::FIN, 1, 1), b""))?)?;
            s.counted("--ctstate NEW", 1)?;
            s.counted("--ctproto", 0)
        })
    }),
    ("limit_two_a_day_matches_once", || {
        play(&["-A FORWARD -m limit --limit 2/day --limit-burst 5"], |s| {
            for _ in 0..4 {
                arrives(&s.lan(client().udp(1, 53, b""))?)?;
            }
            s.counted("-m limit", 1)
        })
    }),
    ("limit_one_a_day_is_refused", || refused("-A FORWARD -m limit --limit 1/day")),
    ("a_reset_for_a_syn_acknowledges_it", || {
        play(&["-A FORWARD -p tcp -j REJECT --reject-with tcp-reset"], |s| {
            let left = s.lan(syn(&[2, 4, 5, 0xb4], b""))?;
            let reset = view(arrives(&left)?).tcp().map(|t| (t.flags, t.seq, t.ack, t.options.len()));
            assert_eq!(reset, Some((Tcp::RST | Tcp::ACK, 0, 101, 0)));
            let left = s.lan(client().tcp(&Tcp::segment(1, 80, Tcp::ACK, 100, 777), b"abc"))?;
            assert_eq!(view(arrives(&left)?).tcp().map(|t| (t.flags, t.seq, t.ack)), Some((Tcp::RST, 777, 0)));
            vanishes(&s.lan(client().tcp(&Tcp::segment(1, 80, Tcp::RST, 100, 0), b""))?)
        })
    }),
    ("every_kind_of_reject_sends_its_code", || {
        let kinds = [
            ("icmp-net-unreachable", 0),
            ("icmp-host-unreachable", 1),
            ("icmp-proto-unreachable", 2),
            ("icmp-port-unreachable", 3),
            ("icmp-net-prohibited", 9),
            ("icmp-host-prohibited", 10),
            ("icmp-admin-prohibited", 13),
        ];
        let rules: Vec<String> = kinds
            .iter()
            .map(|(kind, code)| {
                format!("-A FORWARD -p udp --dport {} -j REJECT --reject-with {kind}", 1000 + u32::from(*code))
            })
            .collect();
        play(&rules.iter().map(String::as_str).collect::<Vec<_>>(), |s| {
            for (_, code) in kinds {
                let mut ip = client();
                ip.tos = 0x10;
                let left = s.lan(ip.udp(1, 1000 + u16::from(code), &[1; 600]))?;
                icmp_answer(&left, 3, code)?;
            }
            Ok(())
        })
    }),
    ("reject_does_not_answer_what_must_not_be_answered", || {
        play(&["-A FORWARD -j REJECT"], |s| {
            let quoted = server().udp(1, 2, b"data");
            vanishes(&s.lan(client().icmp(3, 3, 0, &quoted))?)?;
            let parts = fragments4(&client().udp(1, 2, &[1; 64]), 40);
            vanishes(&s.lan(parts[1].clone())?)?;
            let mut broken = client().udp(1, 2, b"data");
            broken[26] ^= 1;
            vanishes(&s.lan(broken)?)
        })
    }),
    ("ipv6_is_rejected_in_its_own_words", || {
        play6(
            &[
                "-A FORWARD -p tcp -j REJECT --reject-with tcp-reset",
                "-A FORWARD -j REJECT --reject-with icmp6-adm-prohibited",
            ],
            |s| {
                let ip = Ip::between([0xfd01, 0, 0, 0, 0, 0, 0, 2], [0xfd02, 0, 0, 0, 0, 0, 0, 2]);
                let left = s.lan(ip.tcp(&Tcp::segment(1, 80, Tcp::SYN, 100, 0), b""))?;
                assert_eq!(view(arrives(&left)?).tcp().map(|t| t.ack), Some(101));
                icmp_answer(&s.lan(ip.udp(1, 53, &[1; 1400]))?, 1, 1).map(drop)
            },
        )
    }),
    ("tcpmss_lowers_never_raises_and_adds_at_the_front", || {
        play(&["-A FORWARD -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --set-mss 1000"], |s| {
            let mss = |packet: &[u8]| packet.get(42..44).map(|b| u16::from_be_bytes([b[0], b[1]]));
            assert_eq!(mss(&arrives(&s.lan(syn(&[2, 4, 5, 0xb4], b""))?)?.packet), Some(1000));
            assert_eq!(mss(&arrives(&s.lan(syn(&[2, 4, 2, 0], b""))?)?.packet), Some(512));
            let left = s.lan(syn(&[1, 1, 1, 1], b""))?;
            assert_eq!(view(arrives(&left)?).tcp().map(|t| t.options), Some(vec![2, 4, 2, 0x18, 1, 1, 1, 1]));
            arrives(&s.lan(syn(&[], b"data"))?).map(drop)
        })
    }),
    ("marks_travel_through_the_hooks_and_live_on_the_connection", || {
        play(
            &[
                "-t mangle -A PREROUTING -p udp --dport 53 -j MARK --set-xmark 0x5/0xf",
                "-t mangle -A FORWARD -m mark --mark 0x5 -j CONNMARK --save-mark",
                "-t mangle -A PREROUTING -p udp --sport 53 -j CONNMARK --restore-mark",
                "-A FORWARD -p udp --sport 53 -m mark --mark 0x5",
                "-t mangle -A POSTROUTING -m connmark --mark 0x5",
            ],
            |s| {
                arrives(&s.lan(client().udp(1, 53, b"x"))?)?;
                arrives(&s.wan(server().udp(53, 1, b"y"))?)?;
                s.one_entry(&["mark=5"])?;
                s.counted("--sport 53 -m mark", 1)?;
                s.counted("-m connmark", 2)
            },
        )
    }),
    ("headers_are_rewritten_with_right_checksums", || {
        play(
            &[
                "-t mangle -A PREROUTING -p udp --dport 1 -j TTL --ttl-set 9",
                "-t mangle -A PREROUTING -p udp --dport 2 -j TTL --ttl-inc 3",
                "-t mangle -A PREROUTING -p udp --dport 3 -j TOS --set-tos 0x10/0x3f",
                "-t mangle -A PREROUTING -p udp --dport 4 -j DSCP --set-dscp 46",
                "-t mangle -A FORWARD -p udp --dport 5 -j TTL --ttl-dec 63",
            ],
            |s| {
                for port in 1..=5 {
                    let mut ip = client();
                    ip.tos = 0xc1;
                    arrives(&s.lan(ip.udp(7, port, b"x"))?)?;
                }
                Ok(())
            },
        )
    }),
    ("every_match_of_the_header_counts_as_the_kernel_does", || {
        play(
            &[
                "-A FORWARD -m ttl --ttl-eq 63",
                "-A FORWARD -m length --length 28:29",
                "-A FORWARD -m tos --tos 0x10/0x10",
                "-A FORWARD -m dscp --dscp 4",
                "-A FORWARD -m iprange --src-range 10.1.0.1-10.1.0.2",
                "-A FORWARD -m addrtype --dst-type UNICAST",
                "-A FORWARD -m addrtype ! --src-type LOCAL",
                "-A FORWARD -m mac --mac-source 02:00:00:00:01:02",
                "-A FORWARD -m pkttype --pkt-type unicast",
                "-A FORWARD -p udp -m multiport ! --ports 1,2,50:60",
                "-A FORWARD -m statistic --mode nth --every 2 --packet 1",
                "-A FORWARD ! -s 10.1.0.3/32 ! -d 10.2.0.0/255.255.0.0",
            ],
            |s| {
                for (port, tos) in [(53, 0x10), (70, 0), (60, 0xff)] {
                    let mut ip = client();
                    ip.tos = tos;
                    arrives(&s.lan(ip.udp(99, port, b"x"))?)?;
                }
                s.counted("-m ttl", 3)?;
                s.counted("-m length", 3)?;
                s.counted("multiport", 1)?;
                s.counted("-m statistic", 1)
            },
        )
    }),
    ("log_passes_the_packet_on", || {
        play(&["-A FORWARD -j LOG --log-prefix lab", "-A FORWARD -p udp -j DROP"], |s| {
            vanishes(&s.lan(client().udp(1, 53, b"x"))?)?;
            s.counted("-j LOG", 1)
        })
    }),
];
