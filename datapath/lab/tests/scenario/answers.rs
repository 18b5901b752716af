//! What the router itself says about packets: REJECT's answers, and the errors of its stack.

use std::io;

use lab::{
    frame::{Ip, Tcp},
    suite::Test,
    twin::Crossing,
};

use super::{Stage, arrives, claim, client, icmp_answer, play, play6, server, server_to_router, vanishes, view};

fn client6() -> Ip {
    Ip::between([0xfd01, 0, 0, 0, 0, 0, 0, 2], [0xfd02, 0, 0, 0, 0, 0, 0, 2])
}

fn server6() -> Ip {
    Ip::between([0xfd02, 0, 0, 0, 0, 0, 0, 2], [0xfd01, 0, 0, 0, 0, 0, 0, 2])
}

fn dying(ip: Ip) -> Ip {
    Ip { ttl: 1, ..ip }
}

fn syn() -> Tcp {
    Tcp::segment(1234, 80, Tcp::SYN, 1000, 0)
}

/// A record of the route of so many bytes whose next place is at `next`, filled up to whole words.
fn route(length: u8, next: u8) -> Vec<u8> {
    let mut options = vec![1, 7, length, next];
    options.resize((usize::from(length) + 1).next_multiple_of(4), 0);
    options
}

/// The packet that an IPv4 error quotes.
fn quote(crossing: &Crossing) -> &[u8] {
    view(crossing).payload.get(8..).unwrap_or_default()
}

const RAW_STATES: &[&str] = &[
    "-t raw -A OUTPUT -m connmark --mark 0",
    "-t raw -A OUTPUT -m conntrack --ctstate RELATED",
    "-t raw -A OUTPUT -m conntrack --ctstate INVALID",
    "-t raw -A OUTPUT -j NOTRACK",
    "-A OUTPUT -m conntrack --ctstate RELATED -m comment --comment filter",
    "-A OUTPUT -m conntrack --ctstate UNTRACKED -m comment --comment filter",
];

/// Whether the router's last packet carried a connection in raw OUTPUT, where NOTRACK was no help then.
fn carried(stage: &mut Stage, so_far: u64) -> io::Result<()> {
    stage.counted("--mark 0x0", so_far)?;
    stage.counted("-A OUTPUT -m conntrack --ctstate RELATED -m comment", so_far)
}

pub(crate) const TESTS: &[Test] = &[
    ("an_error_of_the_routers_own_carries_the_connection_of_the_packet_that_died", || {
        play(RAW_STATES, |s| {
            icmp_answer(&s.lan(dying(client()).tcp(&syn(), b""))?, 11, 0)?;
            carried(s, 1)?;
            icmp_answer(&s.lan(dying(client()).udp(1, 53, b"a"))?, 11, 0)?;
            carried(s, 2)?;
            // What no protocol takes.
            icmp_answer(&s.lan(Ip::between([10, 1, 0, 2], [10, 1, 0, 1]).packet(200, b"data"))?, 3, 2)?;
            carried(s, 3)?;
            s.counted("--ctstate UNTRACKED", 0)
        })
    }),
    ("an_error_of_the_routers_own_carries_the_connection_with_ipv6_too", || {
        play6(RAW_STATES, |s| {
            icmp_answer(&s.lan(dying(client6()).tcp(&syn(), b""))?, 3, 0)?;
            carried(s, 1)?;
            icmp_answer(&s.lan(dying(client6()).udp(1, 53, b"a"))?, 3, 0)?;
            carried(s, 2)?;
            let router = Ip::between([0xfd01, 0, 0, 0, 0, 0, 0, 2], [0xfd01, 0, 0, 0, 0, 0, 0, 1]);
            icmp_answer(&s.lan(router.packet(200, b"data"))?, 4, 1)?;
            carried(s, 3)?;
            s.counted("--ctstate UNTRACKED", 0)
        })
    }),
    ("an_error_about_a_datagram_without_a_socket_carries_no_connection", || {
        play(RAW_STATES, |s| {
            icmp_answer(&s.lan(Ip::between([10, 1, 0, 2], [10, 1, 0, 1]).udp(5, 4000, b"a"))?, 3, 3)?;
            carried(s, 0)?;
            s.counted("--ctstate INVALID", 1)?;
            s.counted("--ctstate UNTRACKED", 1)
        })?;
        play6(RAW_STATES, |s| {
            let router = Ip::between([0xfd01, 0, 0, 0, 0, 0, 0, 2], [0xfd01, 0, 0, 0, 0, 0, 0, 1]);
            icmp_answer(&s.lan(router.udp(5, 4000, b"a"))?, 1, 4)?;
            carried(s, 0)?;
            s.counted("--ctstate UNTRACKED", 1)
        })
    }),
    ("an_error_about_an_untracked_or_invalid_packet_is_tracked_as_any_other", || {
        play(
            &[
                "-t raw -A PREROUTING -p udp --dport 53 -j NOTRACK",
                "-t raw -A OUTPUT -m conntrack --ctstate INVALID",
                "-A OUTPUT -m conntrack --ctstate RELATED",
                "-A OUTPUT -m conntrack --ctstate INVALID -m comment --comment filter",
            ],
            |s| {
                icmp_answer(&s.lan(dying(client()).udp(1, 53, b"a"))?, 11, 0)?;
                s.counted("INVALID -m comment", 1)?;
                arrives(&s.lan(client().udp(1, 54, b"a"))?)?;
                let mut broken = dying(client()).udp(1, 54, b"a");
                broken[28] ^= 1;
                // The quote's ports are those of a live connection.
                icmp_answer(&s.lan(broken)?, 11, 0)?;
                s.counted("--ctstate RELATED", 1)
            },
        )
    }),
    ("an_error_about_a_dying_answer_tells_that_there_was_one", || {
        play(&["-t raw -A OUTPUT -j NOTRACK", "-t nat -A POSTROUTING -o wan0 -j MASQUERADE"], |s| {
            arrives(&s.lan(client().udp(1, 53, b"a"))?)?;
            let answer = dying(server_to_router()).udp(53, 1, b"b");
            let left = s.wan(answer.clone())?;
            let quoted = quote(icmp_answer(&left, 11, 0)?);
            assert_eq!(quoted.get(16..20), Some(&[10, 2, 0, 1][..]));
            s.one_entry(&["src=10.1.0.2", "dst=10.2.0.1"])
        })
    }),
    ("an_error_about_a_reset_that_ends_a_connection_is_related", || {
        play(&["-A OUTPUT -m state --state RELATED"], |s| {
            arrives(&s.lan(client().tcp(&syn(), b""))?)?;
            icmp_answer(&s.wan(dying(server()).tcp(&Tcp::segment(80, 1234, Tcp::RST, 0, 0), b""))?, 11, 0)?;
            s.counted("--state RELATED", 1)?;
            s.no_entry()
        })
    }),
    ("an_answer_to_a_reset_that_ends_a_translated_connection_is_translated", || {
        play(
            &[
                "-t nat -A POSTROUTING -o wan0 -j MASQUERADE",
                "-A FORWARD -d 10.1.0.2 -j REJECT --reject-with icmp-admin-prohibited",
            ],
            |s| {
                arrives(&s.lan(client().tcp(&Tcp::segment(1234, 80, Tcp::ACK, 1000, 5000), b"x"))?)?;
                let left = s.wan(server_to_router().tcp(&Tcp::segment(80, 1234, Tcp::RST, 5000, 0), b""))?;
                let quoted = quote(icmp_answer(&left, 3, 13)?);
                assert_eq!(quoted.get(16..20), Some(&[10, 2, 0, 1][..]));
                Ok(())
            },
        )
    }),
    ("a_refused_reset_is_quoted_before_its_checksum_is_complete", || {
        play(
            &[
                "-A FORWARD -p tcp -j REJECT --reject-with tcp-reset",
                "-A OUTPUT -p tcp -j REJECT --reject-with icmp-port-unreachable",
                "-A OUTPUT -p icmp -m state --state RELATED",
            ],
            |s| {
                let left = s.wan(server().tcp(&Tcp::segment(1234, 80, Tcp::SYN, 1000, 0), b""))?;
                let quoted = quote(icmp_answer(&left, 3, 3)?);
                assert_eq!(quoted.get(36..38), Some(&[0x14, 0x21][..]), "the sum of the pseudo-header");
                s.counted("--state RELATED", 1)?;
                // It goes the way of the SYN, which makes it the connection's first packet.
                s.one_entry(&["SYN_SENT", "[UNREPLIED]"])
            },
        )
    }),
    ("a_refused_reset_is_quoted_whole_with_ipv6", || {
        play6(
            &[
                "-A FORWARD -p tcp -j REJECT --reject-with tcp-reset",
                "-A OUTPUT -p tcp -j REJECT --reject-with icmp6-port-unreachable",
            ],
            |s| {
                let left = s.wan(server6().tcp(&Tcp::segment(1234, 80, Tcp::SYN, 1000, 0), b""))?;
                icmp_answer(&left, 1, 4).map(drop)
            },
        )
    }),
    ("nobody_owns_what_reject_answers", || {
        play(
            &[
                "-A FORWARD -p tcp -j REJECT --reject-with tcp-reset",
                "-A FORWARD -p udp -j REJECT",
                "-A OUTPUT -m owner --uid-owner 0",
                "-A OUTPUT -m owner ! --uid-owner 0",
                "-A OUTPUT -p icmp -m owner --socket-exists",
                "-A OUTPUT -p tcp -m owner --socket-exists",
                "-t mangle -A POSTROUTING -m owner --gid-owner 0",
            ],
            |s| {
                arrives(&s.lan(client().tcp(&syn(), b""))?)?;
                arrives(&s.lan(client().udp(1, 53, b""))?)?;
                s.counted("-A OUTPUT -m owner --uid-owner 0", 0)?;
                s.counted("-A OUTPUT -m owner ! --uid-owner 0", 2)?;
                s.counted("-A OUTPUT -p icmp", 1)?;
                s.counted("-A OUTPUT -p tcp", 0)?;
                s.counted("--gid-owner", 0)
            },
        )
    }),
    ("the_stacks_own_answers_come_from_sockets_that_nobody_owns", || {
        play(
            &[
                "-A OUTPUT -m owner --uid-owner 0",
                "-A OUTPUT -p icmp -m owner --socket-exists",
                "-A OUTPUT -p tcp -m owner --socket-exists",
            ],
            |s| {
                let router = Ip::between([10, 1, 0, 2], [10, 1, 0, 1]);
                arrives(&s.lan(router.tcp(&syn(), b""))?)?;
                arrives(&s.lan(router.udp(1, 4000, b""))?)?;
                arrives(&s.lan(router.icmp(8, 0, 1, b""))?)?;
                s.counted("-A OUTPUT -m owner --uid-owner 0", 0)
            },
        )
    }),
    ("the_stacks_own_resets_of_ipv6_have_no_socket", || {
        play6(&["-A OUTPUT -p tcp -m owner --socket-exists", "-A OUTPUT -p icmpv6 -m owner --socket-exists"], |s| {
            let router = Ip::between([0xfd01, 0, 0, 0, 0, 0, 0, 2], [0xfd01, 0, 0, 0, 0, 0, 0, 1]);
            arrives(&s.lan(router.tcp(&syn(), b""))?)?;
            arrives(&s.lan(router.icmp(128, 0, 1, b""))?)?;
            s.counted("-p tcp", 0)?;
            s.counted("-p ipv6-icmp", 1)
        })
    }),
    ("a_programs_own_packets_have_its_owner", || {
        play(
            &[
                "-A OUTPUT -m owner --uid-owner 0",
                "-A OUTPUT -m owner --socket-exists",
                "-t mangle -A POSTROUTING -m owner ! --gid-owner 0",
            ],
            |s| {
                let router = Ip::between([10, 1, 0, 1], [10, 1, 0, 2]);
                arrives(&s.own(router.udp(2000, 53, b"data"))?)?;
                arrives(&s.own(router.tcp(&syn(), b""))?)?;
                arrives(&s.own(router.icmp(3, 3, 0, &client().udp(1, 53, b"data")))?)?;
                s.counted("-A OUTPUT -m owner --uid-owner 0", 3)?;
                s.counted("--socket-exists", 3)?;
                s.counted("--gid-owner", 0)
            },
        )
    }),
    ("what_refuses_an_untracked_packet_cannot_be_left_untracked", || {
        play(
            &[
                "-t raw -A PREROUTING -j NOTRACK",
                "-t raw -A OUTPUT -j NOTRACK",
                "-A OUTPUT -p tcp --syn -j REJECT --reject-with icmp-admin-prohibited",
                "-A FORWARD -p udp -j REJECT",
                "-A FORWARD -p tcp -j REJECT --reject-with tcp-reset",
                "-A OUTPUT -m conntrack --ctstate INVALID -m comment --comment out",
                "-A INPUT -m conntrack --ctstate INVALID -m comment --comment in",
            ],
            |s| {
                icmp_answer(&s.lan(client().udp(1, 53, b"a"))?, 3, 3)?;
                s.counted("--comment out", 1)?;
                arrives(&s.lan(client().tcp(&Tcp { source: 1, destination: 80, ..syn() }, b""))?)?;
                s.counted("--comment out", 2)?;
                vanishes(&s.own(Ip::between([10, 1, 0, 1], [10, 1, 0, 1]).tcp(&syn(), b""))?)?;
                s.counted("--comment out", 3)?;
                s.counted("--comment in", 1)
            },
        )
    }),
    ("an_error_that_a_program_sends_carries_no_connection", || {
        play(RAW_STATES, |s| {
            // Of a packet that is on its way, as the stack would say it, but by a program.
            let sent = client().udp(1, 53, b"data");
            arrives(&s.lan(sent.clone())?)?;
            arrives(&s.own(Ip::between([10, 1, 0, 1], [10, 1, 0, 2]).icmp(11, 0, 0, &sent))?)?;
            carried(s, 0)?;
            s.counted("--ctstate UNTRACKED", 1)
        })
    }),
    ("where_addresses_are_translated_an_error_with_a_wrong_checksum_goes_nowhere", || {
        play(&["-t nat -A POSTROUTING -s 10.9.0.0/16 -j MASQUERADE", "-A OUTPUT -m state --state RELATED"], |s| {
            let sent = client().udp(1, 53, b"data");
            arrives(&s.lan(sent.clone())?)?;
            let mut error = server().icmp(3, 1, 0, &sent);
            arrives(&s.own(error.clone())?)?;
            error[22] ^= 1;
            vanishes(&s.own(error)?)?;
            s.counted("--state RELATED", 1)
        })
    }),
    ("a_programs_broken_packet_is_not_answered", || {
        play(&["-A OUTPUT -d 10.1.0.2 -j REJECT", "-A INPUT -p icmp"], |s| {
            let mut packet = Ip::between([10, 1, 0, 1], [10, 1, 0, 2]).icmp(8, 0, 1, b"data");
            vanishes(&s.own(packet.clone())?)?;
            s.counted("-A INPUT -p icmp", 1)?;
            packet[30] ^= 1;
            vanishes(&s.own(packet)?)?;
            s.counted("-A INPUT -p icmp", 1)
        })
    }),
    ("gre_is_answered_whatever_its_checksum_is_and_what_has_to_have_one_is_not", || {
        let (wrong, garbage) = ([0x80, 0, 8, 0, 0x12, 0x34, 0, 0, 1, 2, 3, 4], *b"garbage!");
        play(&["-A FORWARD -j REJECT"], |s| {
            icmp_answer(&s.lan(client().packet(47, &wrong))?, 3, 3)?;
            vanishes(&s.lan(client().packet(200, &garbage))?)
        })?;
        play6(&["-A FORWARD -j REJECT"], |s| {
            icmp_answer(&s.lan(client6().packet(47, &wrong))?, 1, 4)?;
            vanishes(&s.lan(client6().packet(200, &garbage))?)
        })
    }),
    ("over_loopback_a_packet_keeps_its_connection_through_raw", || {
        play(
            &[
                "-t raw -A PREROUTING -i lo -m conntrack --ctstate NEW",
                "-t raw -A PREROUTING -i lo -p udp -j NOTRACK",
                "-A INPUT -i lo -m conntrack --ctstate NEW -m comment --comment filter",
            ],
            |s| {
                vanishes(&s.own(Ip::between([10, 1, 0, 1], [10, 2, 0, 1]).udp(2000, 53, b"data"))?)?;
                s.counted("NEW", 1)?;
                s.counted("--comment filter", 1)
            },
        )
    }),
    ("an_event_tells_a_mark_of_zero_when_it_was_set", || {
        play(
            &[
                "-t mangle -A FORWARD -p udp -m length --length 29 -j CONNMARK --set-mark 7",
                "-t mangle -A FORWARD -p udp -m length --length 30 -j CONNMARK --set-mark 0",
            ],
            |s| {
                for data in ["", "a", "bb", "ccc"] {
                    arrives(&s.lan(client().udp(1, 53, data.as_bytes()))?)?;
                }
                Ok(())
            },
        )
    }),
    ("a_connection_that_just_ended_is_not_taken_for_one_that_never_began", || {
        play(&["-t nat -A POSTROUTING -o wan0 -j SNAT --to-source 10.2.0.4"], |s| {
            icmp_answer(&s.lan(dying(client()).tcp(&syn(), b""))?, 11, 0)?;
            arrives(&s.lan(client().tcp(&syn(), b""))?)?;
            let back = dying(Ip::between([10, 2, 0, 2], [10, 2, 0, 4]));
            let reset = back.tcp(&Tcp::segment(80, 1234, Tcp::RST | Tcp::ACK, 0, 1001), b"");
            let left = s.wan(reset)?;
            let quoted = quote(icmp_answer(&left, 11, 0)?);
            assert_eq!(quoted.get(16..20), Some(&[10, 2, 0, 4][..]));
            Ok(())
        })
    }),
    ("an_error_is_related_also_where_nothing_looks_at_what_arrives", || {
        let rules = ["-P OUTPUT DROP", "-A OUTPUT -m state --state RELATED -j ACCEPT"];
        claim(&rules, |s| {
            s.clear(&["raw", "mangle", "nat", "security"])?;
            icmp_answer(&s.lan(dying(client()).tcp(&syn(), b""))?, 11, 0)?;
            icmp_answer(&s.lan(dying(client()).udp(1, 53, b"data"))?, 11, 0)?;
            vanishes(&s.lan(dying(client()).tcp(&Tcp::segment(1, 80, Tcp::SYN | Tcp::ACK, 1, 1), b""))?)?;
            s.handshake()?;
            let reset = Tcp::segment(1234, 80, Tcp::RST, 1001, 0);
            icmp_answer(&s.lan(dying(client()).tcp(&reset, b""))?, 11, 0)?;
            s.one_entry(&["CLOSE"])
        })
    }),
    ("an_answer_echoes_the_record_of_the_route", || {
        play(&["-A INPUT -j REJECT", "-A OUTPUT -m state --state NEW"], |s| {
            let here = Ip::between([10, 1, 0, 2], [10, 1, 0, 1]);
            let nothing = vec![1, 1, 1, 0];
            for options in
                [route(7, 4), route(15, 4), route(15, 8), route(15, 12), route(15, 16), route(39, 8), nothing]
            {
                arrives(&s.lan(Ip { options, ..here.clone() }.udp(1, 53, &[7; 600]))?)?;
            }
            Ok(())
        })
    }),
    ("an_answer_echoes_timestamps", || {
        claim(&["-A FORWARD -j REJECT", "-A OUTPUT -m state --state NEW"], |s| {
            let stamp = |flags: u8, next: u8, length: u8| {
                let mut options = vec![68, length, next, flags];
                options.resize(usize::from(length).next_multiple_of(4), 0);
                options
            };
            // Length of the options, the pointer, and how many words were filled in.
            for (options, pointer, filled) in [
                (stamp(0, 5, 8), 9, 1),
                (stamp(0, 5, 12), 13, 2),
                (stamp(0, 5, 16), 13, 2),
                (stamp(1, 5, 12), 13, 2),
                (stamp(1, 5, 20), 21, 4),
                (stamp(0, 17, 16), 17, 0),
            ] {
                let length = options.len();
                let left = s.lan(Ip { options, ..client() }.udp(1, 53, b"data"))?;
                let packet = &icmp_answer(&left, 3, 3)?.packet;
                let echoed = &packet[20..20 + length];
                assert_eq!(usize::from(packet[0] & 15) * 4, 20 + length);
                assert_eq!(echoed[2], pointer, "{echoed:?}");
                let words = echoed[4..].chunks(4).filter(|word| *word != [0; 4]).count();
                assert_eq!(words, filled, "{echoed:?}");
            }
            Ok(())
        })
    }),
    ("without_tracking_a_packet_whose_options_were_filled_in_is_not_answered", || {
        let rules = ["-A INPUT -p tcp -j REJECT --reject-with tcp-reset", "-A INPUT -j REJECT"];
        let packets = |s: &mut Stage| -> io::Result<[usize; 3]> {
            let free = Ip { options: route(7, 4), ..Ip::between([10, 1, 0, 2], [10, 1, 0, 1]) };
            let full = Ip { options: route(7, 8), ..free.clone() };
            Ok([
                s.lan(free.tcp(&syn(), b""))?.len(),
                s.lan(free.udp(1, 53, b"data"))?.len(),
                s.lan(full.tcp(&syn(), b""))?.len(),
            ])
        };
        play(&rules, |s| {
            assert_eq!(packets(s)?, [0, 0, 1]);
            Ok(())
        })?;
        play(&[rules[0], rules[1], "-A OUTPUT -m state --state NEW"], |s| {
            assert_eq!(packets(s)?, [1, 1, 1]);
            Ok(())
        })
    }),
    ("each_kind_of_answer_is_the_kernels_to_the_byte", || {
        for kind in [
            "icmp-net-unreachable",
            "icmp-host-unreachable",
            "icmp-proto-unreachable",
            "icmp-port-unreachable",
            "icmp-net-prohibited",
            "icmp-host-prohibited",
            "icmp-admin-prohibited",
        ] {
            let rules = ["INPUT", "FORWARD"].map(|chain| format!("-A {chain} -j REJECT --reject-with {kind}"));
            play(&[&rules[0], &rules[1]], |s| {
                for tos in [0, 0x10, 0x1f, 0xff] {
                    let ip = Ip { tos, ..client() };
                    arrives(&s.lan(ip.udp(1, 53, b"data"))?)?;
                    arrives(&s.lan(Ip { destination: [10, 2, 0, 1].into(), ..ip }.udp(1, 53, b"data"))?)?;
                }
                Ok(())
            })?;
        }
        Ok(())
    }),
    ("each_kind_of_answer_is_the_kernels_to_the_byte_with_ipv6", || {
        for kind in [
            "icmp6-no-route",
            "icmp6-adm-prohibited",
            "icmp6-addr-unreachable",
            "icmp6-port-unreachable",
            "icmp6-policy-fail",
            "icmp6-reject-route",
        ] {
            let rules = ["INPUT", "FORWARD"].map(|chain| format!("-A {chain} -j REJECT --reject-with {kind}"));
            play6(&[&rules[0], &rules[1]], |s| {
                for tos in [0, 0x10, 0xff] {
                    let ip = Ip { tos, ..client6() };
                    arrives(&s.lan(ip.udp(1, 53, b"data"))?)?;
                    let router = [0xfd02, 0, 0, 0, 0, 0, 0, 1].into();
                    arrives(&s.lan(Ip { destination: router, ..ip }.udp(1, 53, b"data"))?)?;
                }
                Ok(())
            })?;
        }
        Ok(())
    }),
];
