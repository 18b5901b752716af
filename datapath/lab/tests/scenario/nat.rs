//! Translation: both directions, errors, ports that clash, packets that are left alone.

use std::net::IpAddr;

use lab::{
    frame::{Ip, Tcp, fragments4},
    suite::Test,
    twin::{Crossing, Side},
};

use super::{arrives, claim, client, fail, icmp_answer, play, play6, server_to_router, vanishes, view};

const MASQUERADE: &str = "-t nat -A POSTROUTING -o wan0 -j MASQUERADE";

fn address(text: &str) -> IpAddr {
    text.parse().unwrap_or_else(|e| panic!("{text}: {e}"))
}

pub(crate) const TESTS: &[Test] = &[
    ("packets_of_a_zone_of_one_direction_take_no_answers_of_another", || {
        play(
            &["-t nat -A POSTROUTING -o wan0 -j SNAT --to-source 10.2.0.3", "-t raw -A PREROUTING -j CT --zone-orig 2"],
            |s| {
                let there = Ip::between([10, 1, 0, 2], [10, 2, 0, 3]);
                let back = Ip::between([10, 2, 0, 3], [10, 1, 0, 2]);
                s.lan(there.tcp(&Tcp::segment(20109, 22, Tcp::SYN, 1000, 0), b""))?;
                arrives(&s.wan(back.tcp(&Tcp::segment(22, 20109, Tcp::SYN, 1000, 0), b""))?)?;
                s.lan(there.tcp(&Tcp::segment(20109, 22, Tcp::SYN | Tcp::ACK, 5000, 1001), b"")).map(drop)
            },
        )
    }),
    ("masquerade_takes_the_address_of_the_device_and_brings_replies_back", || {
        play(&[MASQUERADE], |s| {
            let left = s.lan(client().udp(1111, 53, b"x"))?;
            let out = view(arrives(&left)?);
            assert_eq!((out.source, out.ports()), (address("10.2.0.1"), Some((1111, 53))));
            let left = s.wan(server_to_router().udp(53, 1111, b"y"))?;
            assert_eq!(view(arrives(&left)?).destination, address("10.1.0.2"));
            s.one_entry(&["src=10.1.0.2 dst=10.2.0.2", "src=10.2.0.2 dst=10.2.0.1"])
        })
    }),
    ("invalid_and_untracked_packets_pass_untranslated", || {
        play(&[MASQUERADE, "-t raw -A PREROUTING -p udp --dport 514 -j NOTRACK"], |s| {
            let left = s.lan(client().tcp(&Tcp::segment(1, 80, Tcp::FIN, 1, 1), b""))?;
            assert_eq!(view(arrives(&left)?).source, address("10.1.0.2"));
            let left = s.lan(client().udp(1, 514, b"x"))?;
            assert_eq!(view(arrives(&left)?).source, address("10.1.0.2"));
            s.no_entry()
        })
    }),
    ("dnat_leads_inside_and_the_answer_comes_from_outside", || {
        play(&["-t nat -A PREROUTING -i wan0 -p tcp --dport 8080 -j DNAT --to-destination 10.1.0.2:80"], |s| {
            let syn = Tcp::segment(1234, 8080, Tcp::SYN, 1, 0);
            let left = s.wan(server_to_router().tcp(&syn, b""))?;
            let inside = view(arrives(&left)?);
            assert_eq!((inside.destination, inside.ports()), (address("10.1.0.2"), Some((1234, 80))));
            let back = Ip::between([10, 1, 0, 2], [10, 2, 0, 2]);
            let left = s.lan(back.tcp(&Tcp::segment(80, 1234, Tcp::SYN | Tcp::ACK, 9, 2), b""))?;
            let outside = view(arrives(&left)?);
            assert_eq!((outside.source, outside.ports()), (address("10.2.0.1"), Some((8080, 1234))));
            Ok(())
        })
    }),
    ("hairpin_both_ends_are_translated", || {
        play(
            &[
                "-t nat -A PREROUTING -d 10.2.0.1 -p udp --dport 53 -j DNAT --to-destination 10.1.0.3:5300",
                "-t nat -A POSTROUTING -s 10.1.0.0/24 -d 10.1.0.3 -j SNAT --to-source 10.1.0.1",
            ],
            |s| {
                let left = s.lan(Ip::between([10, 1, 0, 2], [10, 2, 0, 1]).udp(1111, 53, b"x"))?;
                let out = view(arrives(&left)?);
                assert_eq!((out.source, out.destination), (address("10.1.0.1"), address("10.1.0.3")));
                let left = s.lan(Ip::between([10, 1, 0, 3], [10, 1, 0, 1]).udp(5300, 1111, b"y"))?;
                let back = view(arrives(&left)?);
                assert_eq!((back.source, back.destination), (address("10.2.0.1"), address("10.1.0.2")));
                Ok(())
            },
        )
    }),
    ("a_reply_that_looks_like_another_connection_between_the_translations_keeps_its_own", || {
        play(&["-t nat -A POSTROUTING -j MASQUERADE"], |s| {
            let (inside, outside) = ([10, 1, 0, 3], [10, 2, 0, 3]);
            let syn = Tcp::segment(20_203, 80, Tcp::SYN, 1000, 0);
            arrives(&s.wan(Ip::between(outside, inside).tcp(&syn, b""))?)?;
            let own = Tcp::segment(80, 20_203, Tcp::ACK, 9, 9);
            let left = s.lan(Ip::between(inside, outside).tcp(&own, b""))?;
            assert_eq!(view(arrives(&left)?).source, address("10.2.0.1"));
            let answer = Tcp::segment(80, 20_203, Tcp::SYN | Tcp::ACK, 5000, 1001);
            let left = s.lan(Ip::between(inside, [10, 1, 0, 1]).tcp(&answer, b""))?;
            let out = view(arrives(&left)?);
            assert_eq!((out.source, out.destination), (address("10.1.0.3"), address("10.2.0.3")));
            let left = s.lan(Ip::between(inside, outside).tcp(&own, b""))?;
            assert_eq!(view(arrives(&left)?).source, address("10.2.0.1"));
            // An error about either belongs to the one it quotes.
            let quote = Ip::between(outside, inside).tcp(&syn, b"");
            let left = s.lan(Ip::between(inside, outside).icmp(3, 3, 0, &quote))?;
            arrives(&left).map(drop)
        })
    }),
    ("a_packet_of_a_host_that_is_led_to_itself_goes_on_in_its_direction", || {
        play(&["-t nat -A PREROUTING -p udp -j DNAT --to-destination 10.1.0.2:53"], |s| {
            for _ in 0..2 {
                let left = s.lan(client().udp(53, 113, b"x"))?;
                let out = view(arrives(&left)?);
                assert_eq!((out.source, out.destination), (address("10.1.0.2"), address("10.1.0.2")));
                assert_eq!(out.ports(), Some((53, 53)));
            }
            let left = s.lan(Ip::between([10, 1, 0, 2], [10, 1, 0, 2]).udp(53, 53, b"x"))?;
            let back = view(arrives(&left)?);
            assert_eq!((back.source, back.ports()), (address("10.2.0.2"), Some((113, 53))));
            Ok(())
        })
    }),
    ("an_answer_whose_echo_id_both_translations_changed_comes_from_whom_was_asked", || {
        let rules = [
            "-t nat -A PREROUTING -i lan0 -j DNAT --to-destination 10.2.0.4 --random",
            "-t nat -A POSTROUTING -o wan0 -j MASQUERADE --random",
        ];
        claim(&rules, |s| {
            let left = s.lan(client().icmp(8, 0, 77 << 16 | 1, b"ping"))?;
            let out = view(arrives(&left)?);
            assert_eq!((out.source, out.destination), (address("10.2.0.1"), address("10.2.0.4")));
            let rest = u32::from_be_bytes([out.payload[4], out.payload[5], 0, 1]);
            let left = s.wan(Ip::between([10, 2, 0, 4], [10, 2, 0, 1]).icmp(0, 0, rest, b"ping"))?;
            let back = view(arrives(&left)?);
            assert_eq!((back.source, back.destination), (address("10.2.0.2"), address("10.1.0.2")));
            assert_eq!(back.payload.get(4..6), Some(&77u16.to_be_bytes()[..]));
            Ok(())
        })
    }),
    ("what_was_said_of_a_packet_that_died_is_not_said_of_one_translated_to_look_like_it", || {
        let rules = [
            MASQUERADE,
            "-t raw -A PREROUTING -d 10.1.0.2 -j NOTRACK",
            "-A FORWARD -i wan0 -m conntrack --ctstate ESTABLISHED",
        ];
        play(&rules, |s| {
            arrives(&s.lan(client().udp(1111, 53, b"x"))?)?;
            let mut direct = Ip::between([10, 2, 0, 2], [10, 1, 0, 2]);
            direct.ttl = 1;
            icmp_answer(&s.wan(direct.udp(53, 1111, b"y"))?, 11, 0)?;
            arrives(&s.wan(server_to_router().udp(53, 1111, b"y"))?)?;
            s.counted("ESTABLISHED", 1)
        })
    }),
    ("redirect_leads_to_the_address_of_the_incoming_device", || {
        play(
            &[
                "-t nat -A PREROUTING -i lan0 -p udp --dport 53 -j REDIRECT --to-ports 5300",
                "-A INPUT -d 10.1.0.1 -p udp --dport 5300",
            ],
            |s| {
                // Nobody listens there: the router says so, in the name of the address that was asked.
                let left = s.lan(client().udp(1111, 53, b"x"))?;
                let error = view(icmp_answer(&left, 3, 3)?);
                assert_eq!(
                    error.quoted().map(|q| (q.destination, q.ports())),
                    Some((address("10.2.0.2"), Some((1111, 53))))
                );
                s.counted("--dport 5300", 1)
            },
        )
    }),
    ("an_error_from_outside_is_translated_outside_and_inside", || {
        play(&[MASQUERADE], |s| {
            let out = arrives(&s.lan(client().udp(1111, 33434, b"probe"))?)?.packet.clone();
            let left = s.wan(server_to_router().icmp(3, 3, 0, &out))?;
            let error = view(icmp_answer(&left, 3, 3)?);
            assert_eq!(error.destination, address("10.1.0.2"));
            assert_eq!(error.quoted().map(|q| (q.source, q.ports())), Some((address("10.1.0.2"), Some((1111, 33434)))));
            Ok(())
        })
    }),
    ("an_error_about_a_tcp_segment_cut_to_eight_bytes_is_translated", || {
        play(&[MASQUERADE], |s| {
            let out = arrives(&s.lan(client().tcp(&Tcp::segment(1111, 80, Tcp::SYN, 5, 0), b""))?)?.packet.clone();
            let left = s.wan(Ip::between([10, 2, 0, 9], [10, 2, 0, 1]).icmp(11, 0, 0, &out[..28]))?;
            let error = view(icmp_answer(&left, 11, 0)?);
            assert_eq!(error.quoted().map(|q| q.source), Some(address("10.1.0.2")));
            Ok(())
        })
    }),
    ("an_error_from_the_client_is_translated_on_its_way_out", || {
        play(&[MASQUERADE], |s| {
            arrives(&s.lan(client().udp(1111, 53, b"x"))?)?;
            let back = arrives(&s.wan(server_to_router().udp(53, 1111, b"y"))?)?.packet.clone();
            let left = s.lan(client().icmp(3, 3, 0, &back))?;
            let error = view(icmp_answer(&left, 3, 3)?);
            assert_eq!(error.source, address("10.2.0.1"));
            assert_eq!(error.quoted().map(|q| q.destination), Some(address("10.2.0.1")));
            Ok(())
        })
    }),
    ("a_reject_behind_dnat_speaks_as_the_address_that_was_asked", || {
        play(
            &[
                "-t nat -A PREROUTING -p udp --dport 53 -j DNAT --to-destination 10.2.0.3:5300",
                "-A FORWARD -p udp --dport 5300 -j REJECT",
                "-A OUTPUT -p icmp -m state --state RELATED",
            ],
            |s| {
                let left = s.lan(client().udp(1111, 53, b"x"))?;
                let error = view(icmp_answer(&left, 3, 3)?);
                assert_eq!(
                    error.quoted().map(|q| (q.destination, q.ports())),
                    Some((address("10.2.0.2"), Some((1111, 53))))
                );
                s.counted("--state RELATED", 1)
            },
        )
    }),
    ("ping_through_masquerade_keeps_its_id", || {
        play(&[MASQUERADE], |s| {
            arrives(&s.lan(client().icmp(8, 0, 5 << 16 | 1, b"x"))?)?;
            let left = s.wan(server_to_router().icmp(0, 0, 5 << 16 | 1, b"x"))?;
            assert_eq!(view(arrives(&left)?).destination, address("10.1.0.2"));
            Ok(())
        })
    }),
    ("fragments_are_translated_whole_and_leave_in_pieces", || {
        play(&[MASQUERADE], |s| {
            let parts = fragments4(&client().udp(1111, 53, &[9; 300]), 120);
            let left = s.send(parts.iter().map(|p| Crossing { side: Side::Lan, packet: p.clone() }).collect())?;
            assert_eq!(left.len(), 3);
            assert!(left.iter().all(|c| view(c).source == address("10.2.0.1")));
            Ok(())
        })
    }),
    ("netmap_keeps_the_host_part", || {
        play(&["-t nat -A POSTROUTING -s 10.1.0.0/24 -j NETMAP --to 10.3.7.0/24"], |s| {
            let left = s.lan(client().udp(1, 53, b"x"))?;
            assert_eq!(view(arrives(&left)?).source, address("10.3.7.2"));
            Ok(())
        })
    }),
    ("ipv6_is_translated_both_ways_and_in_errors", || {
        play6(&[MASQUERADE, "-A FORWARD -m state --state RELATED"], |s| {
            let up = Ip::between([0xfd01, 0, 0, 0, 0, 0, 0, 2], [0xfd02, 0, 0, 0, 0, 0, 0, 2]);
            let down = Ip::between([0xfd02, 0, 0, 0, 0, 0, 0, 2], [0xfd02, 0, 0, 0, 0, 0, 0, 1]);
            let out = arrives(&s.lan(up.udp(1111, 53, b"x"))?)?.packet.clone();
            let left = s.wan(down.udp(53, 1111, b"y"))?;
            assert_eq!(view(arrives(&left)?).destination, address("fd01::2"));
            let left = s.wan(down.icmp(1, 4, 0, &out))?;
            let error = view(icmp_answer(&left, 1, 4)?);
            assert_eq!(error.quoted().map(|q| q.source), Some(address("fd01::2")));
            s.counted("--state RELATED", 1)
        })
    }),
    ("a_clashing_port_moves_inside_its_class", || {
        claim(&[MASQUERADE], |s| {
            for (port, class) in [(300, 1..=511), (700, 600..=1023), (5000, 1024..=65535)] {
                let mut seen = Vec::new();
                for host in [2, 3] {
                    let left = s.lan(Ip::between([10, 1, 0, host], [10, 2, 0, 2]).udp(port, 53, b"x"))?;
                    seen.push(view(arrives(&left)?).ports().map_or(0, |(source, _)| source));
                }
                if seen[0] != port || seen[1] == port || !class.contains(&seen[1]) {
                    return fail(format!("port {port} became {seen:?}"));
                }
            }
            Ok(())
        })
    }),
    ("an_explicit_port_that_clashes_drops_the_packet", || {
        play(&["-t nat -A POSTROUTING -p udp -j SNAT --to-source 10.2.0.1:7000"], |s| {
            let left = s.lan(client().udp(1111, 53, b"x"))?;
            assert_eq!(view(arrives(&left)?).ports(), Some((7000, 53)));
            vanishes(&s.lan(Ip::between([10, 1, 0, 3], [10, 2, 0, 2]).udp(2222, 53, b"x"))?)
        })
    }),
];
