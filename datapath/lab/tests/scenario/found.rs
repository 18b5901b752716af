//! What random cases found: each a rule set and packets on which kernel and datapath once differed.

use std::{
    io,
    net::{IpAddr, Ipv4Addr},
    time::{Duration, Instant},
};

use lab::{
    frame::{Ip, TCP, Tcp, UDP, extend6},
    suite::Test,
    twin::Side,
};

use super::{
    Stage, arrives, claim, claim_after, client, fail, icmp_answer, play, play6, server, server_to_router, vanishes,
    view,
};

/// Record route with room for two addresses, of which the router fills one.
const RECORD_ROUTE: [u8; 12] = [7, 11, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// A protocol that nobody here takes.
const UNKNOWN: u8 = 251;

fn begins(s: &mut Stage, seq: u32) -> io::Result<()> {
    arrives(&s.lan(client().tcp(&Tcp::segment(1234, 80, Tcp::SYN, seq, 0), b""))?)?;
    let back = Ip::between([10, 2, 0, 2], [10, 2, 0, 7]);
    arrives(&s.wan(back.tcp(&Tcp::segment(80, 7000, Tcp::SYN | Tcp::ACK, 5000, seq + 1), b""))?)?;
    arrives(&s.lan(client().tcp(&Tcp::segment(1234, 80, Tcp::RST, seq + 1, 0), b""))?).map(drop)
}

pub(crate) const TESTS: &[Test] = &[
    ("an_error_of_the_stack_is_about_the_packet_that_looks_so_where_it_died", || {
        play(
            &[
                "-t nat -A POSTROUTING -o wan0 -j MASQUERADE",
                "-t nat -A INPUT -s 10.1.0.2 -j SNAT --to-source 10.2.0.3",
            ],
            |s| {
                // Its answers would look as the other packet does once it was translated.
                arrives(&s.lan(Ip::between([10, 1, 0, 3], [10, 2, 0, 3]).packet(UNKNOWN, b"text"))?)?;
                let error = s.lan(Ip::between([10, 1, 0, 2], [10, 2, 0, 1]).packet(UNKNOWN, b"text"))?;
                let error = icmp_answer(&error, 3, 2)?;
                let quoted = view(error).quoted().map(|quoted| quoted.source);
                if quoted == Some([10, 1, 0, 2].into()) { Ok(()) } else { fail(format!("about {quoted:?}")) }
            },
        )
    }),
    ("an_error_of_the_stack_is_about_a_new_packet_that_looks_as_a_translated_one", || {
        play(&["-t nat -A POSTROUTING -o wan0 -p udp -j SNAT --to-source 10.2.0.5:4000"], |s| {
            arrives(&s.lan(client().udp(1, 53, b"text"))?)?;
            let same = Ip { ttl: 1, ..Ip::between([10, 2, 0, 5], [10, 2, 0, 2]) };
            let error = s.wan(same.udp(4000, 53, b"text"))?;
            let to = view(icmp_answer(&error, 11, 0)?).destination;
            if to == IpAddr::from([10, 2, 0, 5]) { Ok(()) } else { fail(format!("to {to}")) }
        })
    }),
    ("an_error_about_a_first_fragment_without_a_whole_header_has_its_connection", || {
        play6(&["-t raw -A OUTPUT -m connbytes --connbytes 1: --connbytes-dir both --connbytes-mode packets"], |s| {
            let sender = [0xfd02, 0, 0, 0, 0, 0, 0, 2];
            // Eight bytes of a fragment header (of DCCP, more to come), and nothing behind it.
            let fragment = [33, 0, 0, 1, 0x67, 0x3d, 0x39, 3];
            let error = s.wan(Ip::between(sender, [0xfd01, 0, 0, 0, 0, 0, 0, 1]).packet(44, &fragment))?;
            icmp_answer(&error, 4, 3)?;
            s.counted("connbytes", 1)
        })
    }),
    ("a_checksum_of_what_comes_back_over_loopback_is_verified", || {
        let rules = [
            "-t raw -A PREROUTING -j CT --zone 2",
            "-t nat -A POSTROUTING -o wan0 -p tcp -j SNAT --to-source 10.2.0.1:9172",
            "-t mangle -A INPUT -m state --state INVALID",
        ];
        play(&rules, |s| {
            let left = s.lan(
                Ip::between([10, 1, 0, 2], [10, 2, 0, 3]).tcp(&Tcp::segment(20225, 443, Tcp::SYN, 1000, 0), b""),
            )?;
            let quote = arrives(&left)?.packet.clone();
            // In the zone of PREROUTING it would be related, and go to the client.
            let mut error = Ip::between([10, 2, 0, 3], [10, 2, 0, 1]).icmp(3, 1, 0, &quote);
            error[22] ^= 1;
            s.own(error)?;
            s.counted("INVALID", 1)
        })
    }),
    ("an_inverted_option_of_a_broken_packet_fits_before_the_packet_is_dropped", || {
        play(
            &[
                "-A FORWARD -p dccp -m dccp ! --dccp-option 32 -j MARK --set-mark 1",
                "-A FORWARD -p dccp -m comment --comment never",
                "-A FORWARD -p sctp -m sctp ! --chunk-types any DATA -j ACCEPT",
                "-A FORWARD -p sctp -m comment --comment neither",
            ],
            |s| {
                // The header says that it is shorter than its type needs; a chunk has no length.
                let dccp = [0, 9, 0, 8, 3, 0, 0, 0, 5 << 1, 0, 0, 1];
                let sctp = [0, 9, 0, 8, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0];
                vanishes(&s.lan(client().packet(33, &dccp))?)?;
                vanishes(&s.lan(client().packet(132, &sctp))?)?;
                s.counted("--dccp-option", 1)?;
                s.counted("--comment never", 0)?;
                s.counted("--chunk-types", 1)?;
                s.counted("--comment neither", 0)
            },
        )
    }),
    ("a_closed_connection_keeps_its_port_from_a_syn_whose_numbers_are_behind", || {
        play(&["-t nat -A POSTROUTING -o wan0 -p tcp -j SNAT --to-source 10.2.0.7:7000"], |s| {
            begins(s, 900_000)?;
            let other = Ip::between([10, 1, 0, 3], [10, 2, 0, 2]);
            vanishes(&s.lan(other.tcp(&Tcp::segment(99, 80, Tcp::SYN, 1000, 0), b""))?)?;
            // In the middle of a connection nobody makes way for it either.
            vanishes(&s.lan(other.tcp(&Tcp::segment(99, 80, Tcp::ACK, 950_000, 1), b""))?)?;
            s.one_entry(&["CLOSE", "dport=7000"])
        })
    }),
    ("a_segment_that_is_invalid_is_refused_although_the_router_wrote_into_its_options", || {
        play(&["-A INPUT -m conntrack --ctstate INVALID -j REJECT --reject-with icmp-proto-unreachable"], |s| {
            let ip = Ip { options: RECORD_ROUTE.to_vec(), ..Ip::between([10, 1, 0, 2], [10, 1, 0, 1]) };
            let segment = Tcp::segment(1234, 53, Tcp::SYN | Tcp::ACK, 1000, 0);
            let right = ip.tcp(&segment, b"");
            icmp_answer(&s.lan(right.clone())?, 3, 2)?;
            let mut wrong = right;
            if let Some(last) = wrong.last_mut() {
                *last ^= 1;
            }
            vanishes(&s.lan(wrong)?)
        })
    }),
    ("what_a_packet_had_to_tell_that_died_on_its_way_is_told_with_the_next", || {
        play(&["-A FORWARD -m state --state NEW", "-A FORWARD -p tcp -m ttl --ttl-lt 60 -j DROP"], |s| {
            arrives(&s.lan(client().tcp(&Tcp::segment(1234, 80, Tcp::SYN, 1000, 0), b""))?)?;
            arrives(&s.wan(server().tcp(&Tcp::segment(80, 1234, Tcp::SYN | Tcp::ACK, 5000, 1001), b""))?)?;
            let dying = Ip { ttl: 50, ..client() };
            vanishes(&s.lan(dying.tcp(&Tcp::segment(1234, 80, Tcp::ACK, 1001, 5001), b""))?)?;
            let left = s.lan(client().tcp(&Tcp::segment(1234, 80, Tcp::FIN | Tcp::ACK, 1001, 5001), b""))?;
            let one = arrives(&left)?;
            if one.side != Side::Wan || view(one).protocol != TCP {
                return fail("the segment did not pass");
            }
            s.one_entry(&["FIN_WAIT"])
        })
    }),
    ("an_error_whose_quote_ends_in_a_routing_header_belongs_to_what_has_no_ports", || {
        play6(&["-t nat -A POSTROUTING -o wan0 -j MASQUERADE"], |s| {
            let there = Ip::between([0xfd01, 0, 0, 0, 0, 0, 0, 3], [0xfd02, 0, 0, 0, 0, 0, 0, 3]);
            arrives(&s.lan(there.packet(50, &[0, 0, 0, 7, 0, 0, 0, 1, 9, 9, 9, 9]))?)?;
            // The routing header has room for three addresses, of which one byte is quoted.
            let mut quote =
                Ip::between([0xfd02, 0, 0, 0, 0, 0, 0, 1], [0xfd02, 0, 0, 0, 0, 0, 0, 3]).packet(43, &[0; 65]);
            quote[40..].fill(0);
            quote[40..43].copy_from_slice(&[50, 6, 0]);
            let back = Ip::between([0xfd02, 0, 0, 0, 0, 0, 0, 3], [0xfd02, 0, 0, 0, 0, 0, 0, 1]);
            for length in [quote.len() - 20, 42] {
                let left = s.wan(back.icmp(1, 0, 0, &quote[..length]))?;
                if arrives(&left)?.side != Side::Lan {
                    return fail("the error was taken for the router's own");
                }
            }
            // One byte of it says nothing.
            vanishes(&s.wan(back.icmp(1, 0, 0, &quote[..41]))?)
        })
    }),
    ("what_was_invalid_when_it_was_sent_is_tracked_anew_when_it_comes_back", || {
        play(
            &[
                "-t raw -A PREROUTING -j CT --ctevents new",
                "-t raw -A PREROUTING -m connmark --mark 0/0x7 -m comment --comment template",
                "-A INPUT -m state --state INVALID",
            ],
            |s| {
                // A datagram without a header.
                vanishes(&s.own(Ip::between([10, 1, 0, 1], [10, 1, 0, 1]).packet(UDP, &[]))?)?;
                s.counted("--comment template", 1)?;
                s.counted("--state INVALID", 1)
            },
        )
    }),
    ("between_zones_a_host_translated_to_itself_may_clash_and_die", || {
        play(
            &[
                "-t nat -A PREROUTING -d 10.1.0.2 -j DNAT --to-destination 10.2.0.2",
                "-t raw -A PREROUTING -m length --length 28:64 -j CT --zone-reply 2",
            ],
            |s| {
                let own = Ip::between([10, 2, 0, 2], [10, 2, 0, 2]);
                arrives(&s.wan(server().udp(443, 21011, b"U"))?)?;
                arrives(&s.wan(own.udp(21011, 443, &[0; 120]))?)?;
                // Its answers would be those of the first, and what is found when they are looked for is the second.
                vanishes(&s.wan(own.udp(443, 21011, b"UTWVQPS"))?)
            },
        )
    }),
    ("an_own_packet_with_a_wrong_checksum_over_loopback_is_refused_without_an_answer", || {
        play6(&["-A INPUT -p icmpv6 -j REJECT --reject-with icmp6-adm-prohibited"], |s| {
            let own = Ip::between([0xfd01, 0, 0, 0, 0, 0, 0, 1], [0xfd02, 0, 0, 0, 0, 0, 0, 1]);
            let mut echo = own.icmp(128, 0, 7 << 16 | 1, b"abcd");
            // The answer is refused as well, and not answered.
            vanishes(&s.own(echo.clone())?)?;
            s.counted("-j REJECT", 2)?;
            if let Some(last) = echo.last_mut() {
                *last ^= 1;
            }
            vanishes(&s.own(echo)?)?;
            s.counted("-j REJECT", 3)
        })
    }),
    ("options_are_not_looked_for_in_a_header_that_is_too_short_to_be_one", || {
        play(&["-t mangle -A PREROUTING -p tcp -j TCPOPTSTRIP --strip-options mss"], |s| {
            let mut segment = client().tcp(&Tcp::segment(1234, 80, Tcp::SYN, 1, 0), b"data");
            arrives(&s.lan(segment.clone())?)?;
            segment[32] = 4 << 4;
            vanishes(&s.lan(segment)?)
        })
    }),
    ("a_rule_that_asks_for_counts_switches_them_on_until_somebody_switches_them_off", || {
        let counts = "-A FORWARD -p udp -m connbytes --connbytes 1: --connbytes-dir both --connbytes-mode packets";
        claim(&[counts, "-t mangle -A FORWARD -m state --state NEW"], |s| {
            let file = "/proc/sys/net/netfilter/nf_conntrack_acct";
            if s.must_with(&["cat", file], "")?.trim() != "1" {
                return fail("connections are not counted");
            }
            s.lan(client().udp(1, 53, b"x"))?;
            s.one_entry(&["packets=1 bytes=29"])?;
            s.clear(&["filter"])?;
            s.must_with(&["tee", file], "0")?;
            let deadline = Instant::now() + Duration::from_secs(30);
            // The datapath hears of it, and not at once.
            for port in 2.. {
                s.lan(client().udp(port, 53, b"x"))?;
                let entries = s.entries()?;
                if entries.iter().any(|entry| entry.contains(&format!("sport={port} ")) && !entry.contains("packets="))
                {
                    return Ok(());
                }
                if Instant::now() > deadline {
                    break;
                }
            }
            fail("connections are still counted")
        })
    }),
    ("an_error_about_what_nats_input_translated_goes_back_to_whom_it_came_from", || {
        play6(&["-t nat -A INPUT -i lan0 -j SNAT --to-source fd02::3", "-t raw -A PREROUTING -j CT --zone 1"], |s| {
            // Nobody here knows the header.
            let odd = Ip::between([0xfd01, 0, 0, 0, 0, 0, 0, 3], [0xfd01, 0, 0, 0, 0, 0, 0, 1]);
            let left = s.lan(odd.packet(135, &[59, 0, 1, 0, 0, 0, 0, 0]))?;
            icmp_answer(&left, 4, 1).map(drop)
        })
    }),
    ("what_comes_back_over_loopback_to_another_address_of_the_machine_is_lost", || {
        play(
            &[
                "-t nat -A POSTROUTING -p udp -j MASQUERADE --to-ports 4000-4000",
                "-t raw -A OUTPUT -d 10.1.0.1 -p icmp -j CT --zone 2",
            ],
            |s| {
                // No socket takes it. The error is INVALID in its zone and translated back only as it comes in.
                vanishes(&s.own(Ip::between([10, 2, 0, 1], [10, 2, 0, 1]).udp(20830, 53, b"x"))?)?;
                s.counted("--zone 2", 1)?;
                s.one_entry(&["sport=20830", "dport=4000"])
            },
        )
    }),
    ("forward_refuses_a_packet_with_a_record_of_its_route_as_it_stands_there", || {
        let there = |ip: Ip| Ip { options: RECORD_ROUTE.to_vec(), ..ip };
        let refused = "-A FORWARD -p udp -j REJECT";
        // Nobody sums up the header that the router wrote into, so that the datagram does not add up.
        play(&[refused], |s| vanishes(&s.lan(there(client()).udp(1234, 53, b"x"))?))?;
        play(&[refused, "-A FORWARD -m state --state NEW"], |s| {
            let left = s.lan(there(client()).udp(1234, 53, b"x"))?;
            let answer = icmp_answer(&left, 3, 3)?;
            // Its own address towards the sender, and then the sender's sum.
            let quote = answer.packet.get(32 + 8..).unwrap_or_default();
            assert_eq!(quote.get(20..28), Some(&[7, 11, 8, 10, 1, 0, 1, 0][..]));
            Ok(())
        })
    }),
    ("the_helper_of_snmp_takes_an_error_about_an_answer_for_a_message_and_drops_it", || {
        let helper = "-t raw -A PREROUTING -p udp --dport 161 -j CT --helper snmp";
        play(&["-t nat -A POSTROUTING -o wan0 -j MASQUERADE", helper], |s| {
            arrives(&s.lan(client().udp(1234, 162, b"x"))?)?;
            icmp_answer(&s.wan(Ip { ttl: 1, ..server_to_router() }.udp(162, 1234, b"y"))?, 11, 0)?;
            let question = b"\x30\x1f\x02\x01\0\x04\x06public\xa0\x12\x02\x01\x09\x02\x01\0\x02\x01\0\x30\x07\x30\x05\x06\x01\x2b\x05\0";
            arrives(&s.lan(client().udp(1234, 161, question))?)?;
            vanishes(&s.wan(Ip { ttl: 1, ..server_to_router() }.udp(161, 1234, question))?)
        })
    }),
    ("an_error_about_an_untracked_packet_belongs_to_no_connection", || {
        let marked = "-t mangle -A OUTPUT -m conntrack --ctstate SNAT -m comment --comment translated";
        play6(
            &["-t nat -A POSTROUTING -o wan0 -j MASQUERADE", "-t raw -A PREROUTING -i wan0 -j NOTRACK", marked],
            |s| {
                let there = Ip::between([0xfd01, 0, 0, 0, 0, 0, 0, 3], [0xfd02, 0, 0, 0, 0, 0, 0, 2]);
                arrives(&s.lan(there.packet(99, b"question"))?)?;
                // Nobody here knows the protocol.
                let back = Ip::between([0xfd02, 0, 0, 0, 0, 0, 0, 2], [0xfd02, 0, 0, 0, 0, 0, 0, 1]);
                icmp_answer(&s.wan(back.packet(99, b"an answer"))?, 4, 1)?;
                s.counted("--comment translated", 0)
            },
        )
    }),
    ("of_a_later_fragment_ecn_looks_at_the_beginning_of_the_packet", || {
        let count = "-A FORWARD -p tcp -m ecn --ecn-tcp-cwr -m comment --comment window";
        play6(&[count], |s| {
            let there = Ip::between([0xfd01, 0, 0, 0, 0, 0, 0, 3], [0xfd02, 0, 0, 0, 0, 0, 0, 2]);
            let fragment = |offset: u8| [&[6, 0, 0, offset | 1, 0, 0, 0, 9][..], &[0xff; 40]].concat();
            arrives(&s.lan(there.packet(44, &fragment(80)))?)?;
            s.counted("--comment window", 0)?;
            arrives(&s.lan(there.packet(44, &fragment(0)))?)?;
            s.counted("--comment window", 1)
        })
    }),
    ("an_error_about_an_untracked_packet_is_tracked_whatever_ct_says", || {
        let apart = ["-t raw -A PREROUTING -i wan0 -j CT --notrack", "-t raw -A OUTPUT -j CT --notrack"];
        let masquerade = "-t nat -A POSTROUTING -o wan0 -j MASQUERADE";
        play(&[masquerade, apart[0], apart[1]], |s| {
            arrives(&s.lan(client().udp(1234, 53, b"x"))?)?;
            // It goes to the client by itself and dies on its way: what is said of it is of the client's connection.
            let left = s.wan(Ip { ttl: 1, ..server() }.udp(53, 1234, b"y"))?;
            let quote = view(icmp_answer(&left, 11, 0)?).quoted();
            match quote.map(|quote| quote.destination) {
                Some(outer) if outer == Ipv4Addr::new(10, 2, 0, 1) => Ok(()),
                other => fail(format!("it quotes a packet to {other:?}")),
            }
        })
    }),
    ("an_error_about_options_for_every_hop_belongs_to_no_connection", || {
        let count = "-t mangle -A OUTPUT -m conntrack --ctstate INVALID -m comment --comment invalid";
        play6(&["-t nat -A POSTROUTING -o wan0 -j SNAT --to-source fd02::5", count], |s| {
            let there = Ip::between([0xfd01, 0, 0, 0, 0, 0, 0, 3], [0xfd02, 0, 0, 0, 0, 0, 0, 3]);
            arrives(&s.lan(there.udp(20128, 53, b"U"))?)?;
            // Nobody here knows the option, and its number says that this is to be told: before the packet is anybody's.
            let back = Ip::between([0xfd02, 0, 0, 0, 0, 0, 0, 3], [0xfd02, 0, 0, 0, 0, 0, 0, 5]);
            let answer = back.udp(53, 20128, b"U");
            for (header, about) in [(0, true), (60, false)] {
                let odd = extend6(&answer, &[(header, vec![0, 0, 0xc1, 4, 0, 0, 0, 0])]);
                let left = s.wan(odd)?;
                match about {
                    true => {
                        let told = icmp_answer(&left, 4, 2)?;
                        assert_eq!(view(told).source, IpAddr::from([0xfd02, 0, 0, 0, 0, 0, 0, 1]));
                    }
                    // A router reads no options for the destination.
                    false => drop(arrives(&left)?),
                }
            }
            s.counted("--comment invalid", 1)?;
            // The header behind them is another matter: that is found out once the packet is somebody's.
            let own = Ip::between([0xfd01, 0, 0, 0, 0, 0, 0, 1], [0xfd02, 0, 0, 0, 0, 0, 0, 3]);
            arrives(&s.own(own.tcp(&Tcp::segment(1234, 80, Tcp::SYN, 1, 0), b""))?)?;
            let answer = back.tcp(&Tcp::segment(80, 1234, Tcp::RST, 0, 2), b"");
            let header = vec![0, 4, 0, 0, 0, 0, 0, 2, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
            let left = s.wan(extend6(&answer, &[(0, vec![0, 0, 1, 4, 0, 0, 0, 0]), (51, header)]))?;
            assert_eq!(view(icmp_answer(&left, 4, 1)?).source, IpAddr::from([0xfd02, 0, 0, 0, 0, 0, 0, 5]));
            s.counted("--comment invalid", 1)
        })
    }),
    ("an_error_quotes_the_one_whose_port_was_not_changed", || {
        let prefix = "-t mangle -A PREROUTING -d fd77::/16 -i wan0 -j DNPT --src-pfx fd77::/16 --dst-pfx fd01::/16";
        let rules = ["-t nat -A PREROUTING -p udp -j DNAT --to-destination [fd01::3]:5300", prefix];
        claim_after(&[], &rules, true, |s| {
            let outer = [0xfd02, 0, 0, 0, 0, 0, 0, 2];
            arrives(&s.wan(Ip::between(outer, [0xfd01, 0, 0, 0, 0, 0, 0, 1]).udp(20642, 80, b"U"))?)?;
            // Its answers would be the first's, so it gets another port.
            let other = Ip::between(outer, [0xfd77, 0, 0, 0xff89, 0, 0, 0, 3]).udp(20642, 5300, b"V");
            assert_ne!(view(arrives(&s.wan(other)?)?).ports(), Some((20642, 5300)));
            let quoted = Ip::between(outer, [0xfd01, 0, 0, 0, 0, 0, 0, 3]).udp(20642, 5300, b"V");
            let back = Ip::between([0xfd01, 0, 0, 0, 0, 0, 0, 3], outer);
            let left = s.lan(back.icmp(1, 3, 0, &quoted))?;
            let source = view(icmp_answer(&left, 1, 3)?).source;
            assert_eq!(source, IpAddr::from([0xfd01, 0, 0, 0, 0, 0, 0, 1]));
            Ok(())
        })
    }),
];
