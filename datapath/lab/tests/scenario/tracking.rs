//! When connections are tracked, and when an entry is made.

use lab::{
    frame::{Ip, Tcp, View, fragments4, fragments6},
    suite::Test,
    twin::{Crossing, Side},
};

use super::{arrives, client, icmp_answer, play, play6, server, vanishes};

pub(crate) const TESTS: &[Test] = &[
    ("a_commands_change_is_news_only_where_a_rule_allows_such", || {
        for events in ["new", "new,destroy", "mark", "assured"] {
            play(&[&format!("-t raw -A PREROUTING -j CT --ctevents {events}")], |s| {
                arrives(&s.lan(client().udp(1, 53, b""))?)?;
                s.act("conntrack -U -f ipv4 -s 10.1.0.2 -m 3")?;
                arrives(&s.lan(client().udp(1, 53, b""))?).map(drop)
            })?;
        }
        Ok(())
    }),
    ("a_mark_set_back_to_zero_is_news", || {
        let rules =
            ["-t mangle -A PREROUTING -j CONNMARK --set-mark 7", "-t mangle -A POSTROUTING -j CONNMARK --set-mark 0"];
        play(&rules, |s| {
            arrives(&s.lan(client().udp(1111, 53, b"x"))?)?;
            arrives(&s.lan(client().udp(1111, 53, b"y"))?)?;
            s.one_entry(&["mark=0"])
        })
    }),
    ("without_a_rule_that_needs_it_nothing_is_tracked", || {
        play(&["-A FORWARD -p udp -j ACCEPT"], |s| {
            arrives(&s.lan(client().udp(1, 53, b"x"))?)?;
            s.no_entry()
        })
    }),
    ("a_state_rule_tracks_even_where_no_packet_comes", || {
        play(&["-t security -A OUTPUT -m state --state NEW"], |s| {
            arrives(&s.lan(client().udp(1, 53, b"x"))?)?;
            s.one_entry(&["udp", "sport=1 dport=53 [UNREPLIED]", "src=10.2.0.2 dst=10.1.0.2"])
        })
    }),
    ("a_rule_of_the_other_family_tracks_nothing_here", || {
        play6(&["-A FORWARD -m state --state NEW"], |s| {
            arrives(&s.lan(client().udp(1, 53, b"x"))?)?;
            s.no_entry()
        })
    }),
    ("a_nat_table_without_a_nat_target_sees_no_packets", || {
        play(&["-t nat -A PREROUTING -p udp"], |s| {
            arrives(&s.lan(client().udp(1, 53, b"x"))?)?;
            s.no_entry()?;
            s.counted("-A PREROUTING -p udp", 0)
        })
    }),
    ("a_nat_table_without_a_nat_target_sees_what_others_track", || {
        play(&["-A FORWARD -m state --state NEW", "-t nat -A PREROUTING -p udp"], |s| {
            arrives(&s.lan(client().udp(1, 53, b"x"))?)?;
            arrives(&s.lan(client().udp(1, 53, b"x"))?)?;
            s.counted("-A PREROUTING -p udp", 1)
        })
    }),
    ("a_nat_rule_for_a_device_that_is_not_there_starts_both", || {
        play(&["-t nat -A PREROUTING -p udp", "-t nat -A POSTROUTING -o nowhere -j MASQUERADE"], |s| {
            arrives(&s.lan(client().udp(1, 53, b"x"))?)?;
            arrives(&s.lan(client().udp(1, 53, b"x"))?)?;
            s.one_entry(&["src=10.2.0.2 dst=10.1.0.2"])?;
            // Only the first packet of a connection meets the table.
            s.counted("-A PREROUTING -p udp", 1)
        })
    }),
    ("a_first_packet_that_is_dropped_leaves_no_entry", || {
        play(&["-A FORWARD -p udp --dport 53 -m state --state NEW -j DROP"], |s| {
            vanishes(&s.lan(client().udp(1, 53, b"x"))?)?;
            s.no_entry()
        })
    }),
    ("a_first_packet_dropped_in_postrouting_leaves_no_entry", || {
        play(&["-t mangle -A POSTROUTING -p udp -m state --state NEW -j DROP"], |s| {
            vanishes(&s.lan(client().udp(1, 53, b"x"))?)?;
            s.no_entry()
        })
    }),
    ("a_dropped_reply_still_counts_as_seen", || {
        play(&["-A FORWARD -m state --state NEW -j ACCEPT", "-A FORWARD -p udp --sport 53 -j DROP"], |s| {
            arrives(&s.lan(client().udp(1, 53, b"x"))?)?;
            vanishes(&s.wan(server().udp(53, 1, b"y"))?)?;
            s.one_entry(&["udp", "mark=0"])?;
            assert!(!s.entries()?.concat().contains("UNREPLIED"));
            Ok(())
        })
    }),
    ("a_dropped_rst_still_closes", || {
        play(&["-A FORWARD -p tcp --tcp-flags RST RST -m state --state ESTABLISHED -j DROP"], |s| {
            s.handshake()?;
            vanishes(&s.wan(server().tcp(&Tcp::segment(80, 1234, Tcp::RST, 5001, 0), b""))?)?;
            s.one_entry(&["CLOSE"])
        })
    }),
    ("untracked_packets_leave_no_entry_and_match_untracked", || {
        play(&["-t raw -A PREROUTING -p udp -j NOTRACK", "-A FORWARD -m conntrack --ctstate UNTRACKED"], |s| {
            arrives(&s.lan(client().udp(1, 53, b"x"))?)?;
            s.no_entry()?;
            s.counted("--ctstate UNTRACKED", 1)
        })
    }),
    ("tracking_reassembles_fragments_and_sends_them_as_they_came", || {
        play(&["-A FORWARD -m state --state NEW", "-A FORWARD -f"], |s| {
            let mut ip = client();
            ip.id = 77;
            let parts = fragments4(&ip.udp(1, 53, &[7; 400]), 160);
            let packets: Vec<_> = parts.iter().rev().map(|p| Crossing { side: Side::Lan, packet: p.clone() }).collect();
            let left = s.send(packets)?;
            let mut sizes: Vec<_> = left.iter().map(|c| c.packet.len()).collect();
            sizes.sort_unstable();
            assert_eq!(sizes, [108, 180, 180]);
            assert!(left.iter().all(|c| c.packet[4..6] == [0, 77]));
            s.counted("--state NEW", 1)?;
            s.counted("-f", 0)
        })
    }),
    ("without_tracking_fragments_stay_fragments", || {
        play(&["-A FORWARD -f", "-A FORWARD -p udp --dport 53"], |s| {
            let parts = fragments4(&client().udp(1, 53, &[7; 400]), 160);
            s.send(parts.iter().map(|p| Crossing { side: Side::Lan, packet: p.clone() }).collect())?;
            s.counted("-f", 2)?;
            s.counted("--dport 53", 1)
        })
    }),
    ("a_fragment_alone_waits", || {
        play(&["-A FORWARD -m state --state NEW"], |s| {
            let parts = fragments4(&client().udp(1, 53, &[7; 400]), 160);
            vanishes(&s.lan(parts[1].clone())?)?;
            s.no_entry()
        })
    }),
    ("ipv6_fragments_are_reassembled_too", || {
        play6(&["-A FORWARD -p udp --dport 53 -m state --state NEW"], |s| {
            let ip = Ip::between([0xfd01, 0, 0, 0, 0, 0, 0, 2], [0xfd02, 0, 0, 0, 0, 0, 0, 2]);
            let parts = fragments6(&ip.udp(1, 53, &[7; 400]), 160, 99);
            let left = s.send(parts.iter().map(|p| Crossing { side: Side::Lan, packet: p.clone() }).collect())?;
            assert_eq!(left.len(), 3);
            assert!(left.iter().all(|c| View::of(&c.packet).is_some_and(|v| v.protocol == 44)));
            s.counted("--dport 53", 1)
        })
    }),
    ("a_packet_that_dies_of_its_ttl_is_answered_by_a_related_error", || {
        play(&["-A OUTPUT -p icmp -m state --state RELATED"], |s| {
            let mut ip = client();
            ip.ttl = 1;
            icmp_answer(&s.lan(ip.udp(1, 53, b"x"))?, 11, 0)?;
            s.no_entry()?;
            s.counted("--state RELATED", 1)
        })
    }),
];
