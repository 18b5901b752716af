//! UDP, ICMP, ICMPv6 and protocols without ports.

use std::time::Duration;

use lab::{
    frame::{Ip, set16},
    suite::Test,
};

use super::{arrives, client, play, play6, server, view};

const STATES: &[&str] = &[
    "-A FORWARD -m state --state NEW",
    "-A FORWARD -m state --state ESTABLISHED",
    "-A FORWARD -m state --state RELATED",
    "-A FORWARD -m state --state INVALID",
    "-A FORWARD -m state --state UNTRACKED",
];

fn client6() -> Ip {
    Ip::between([0xfd01, 0, 0, 0, 0, 0, 0, 2], [0xfd02, 0, 0, 0, 0, 0, 0, 2])
}

pub(crate) const TESTS: &[Test] = &[
    ("udp_is_a_stream_once_it_is_two_seconds_old", || {
        play(STATES, |s| {
            arrives(&s.lan(client().udp(1, 53, b"a"))?)?;
            arrives(&s.wan(server().udp(53, 1, b"b"))?)?;
            arrives(&s.lan(client().udp(1, 53, b"c"))?)?;
            assert!(!s.entries()?.concat().contains("ASSURED"));
            s.pause(Duration::from_millis(2300));
            arrives(&s.lan(client().udp(1, 53, b"d"))?)?;
            arrives(&s.lan(client().udp(1, 53, b"e"))?)?;
            s.one_entry(&["[ASSURED]", "udp      17 1"])
        })
    }),
    ("udp_with_a_wrong_length_is_invalid_only_when_too_long_or_too_short", || {
        play(STATES, |s| {
            for (length, invalid) in [(7, 1), (13, 2), (200, 3)] {
                let mut packet = client().udp(1, 53, b"data");
                set16(&mut packet, 24, length);
                set16(&mut packet, 26, 0);
                arrives(&s.lan(packet)?)?;
                s.counted("--state INVALID", invalid)?;
            }
            let mut packet = client().udp(1, 53, b"data");
            set16(&mut packet, 24, 10);
            set16(&mut packet, 26, 0);
            arrives(&s.lan(packet)?)?;
            s.counted("--state NEW", 1)
        })
    }),
    ("a_bad_udp_checksum_is_invalid_and_none_at_all_is_not", || {
        play(STATES, |s| {
            let mut packet = client().udp(1, 53, b"data");
            packet[26] ^= 1;
            arrives(&s.lan(packet)?)?;
            s.counted("--state INVALID", 1)?;
            let mut packet = client().udp(1, 53, b"data");
            set16(&mut packet, 26, 0);
            arrives(&s.lan(packet)?)?;
            s.counted("--state NEW", 1)
        })
    }),
    ("each_echo_id_is_a_connection", || {
        play(STATES, |s| {
            arrives(&s.lan(client().icmp(8, 0, 7 << 16 | 1, b"x"))?)?;
            arrives(&s.wan(server().icmp(0, 0, 7 << 16 | 1, b"x"))?)?;
            arrives(&s.lan(client().icmp(8, 0, 7 << 16 | 2, b"x"))?)?;
            arrives(&s.lan(client().icmp(8, 0, 8 << 16 | 1, b"x"))?)?;
            s.counted("--state NEW", 2)?;
            s.counted("--state ESTABLISHED", 2)
        })
    }),
    ("only_icmp_requests_open", || {
        play(STATES, |s| {
            for kind in [8, 13, 15, 17] {
                arrives(&s.lan(client().icmp(kind, 0, 9 << 16, &[0; 12]))?)?;
            }
            s.counted("--state NEW", 4)?;
            for kind in [0, 9, 10, 14, 16, 18, 30] {
                arrives(&s.lan(client().icmp(kind, 0, 9 << 16, &[0; 12]))?)?;
            }
            s.counted("--state INVALID", 7)
        })
    }),
    ("of_icmpv6_only_echo_opens_and_neighbours_are_untracked", || {
        play6(STATES, |s| {
            arrives(&s.lan(client6().icmp(128, 0, 9 << 16, b""))?)?;
            s.counted("--state NEW", 1)?;
            arrives(&s.lan(client6().icmp(129, 0, 10 << 16, b""))?)?;
            arrives(&s.lan(client6().icmp(200, 0, 10 << 16, b""))?)?;
            s.counted("--state INVALID", 2)?;
            arrives(&s.lan(client6().icmp(151, 0, 0, b""))?)?;
            s.counted("--state UNTRACKED", 1)
        })
    }),
    ("an_error_about_a_live_connection_is_related", || {
        play(STATES, |s| {
            let sent = client().udp(1, 53, b"data");
            arrives(&s.lan(sent.clone())?)?;
            arrives(&s.wan(server().icmp(3, 3, 0, &sent[..28]))?)?;
            s.counted("--state RELATED", 1)?;
            // Any router on the way may complain.
            arrives(&s.wan(Ip::between([10, 2, 0, 9], [10, 1, 0, 2]).icmp(11, 0, 0, &sent))?)?;
            s.counted("--state RELATED", 2)
        })
    }),
    ("errors_with_broken_or_foreign_quotes_are_invalid", || {
        play(STATES, |s| {
            let sent = client().udp(1, 53, b"data");
            arrives(&s.lan(sent.clone())?)?;
            let other = client().udp(2, 53, b"data");
            let mut broken = server().icmp(3, 3, 0, &sent);
            broken[22] ^= 1;
            for error in [
                server().icmp(3, 3, 0, &sent[..22]),
                server().icmp(3, 3, 0, &other),
                server().icmp(3, 3, 0, &server().udp(53, 1, b"data")),
                server().icmp(3, 3, 0, &client().icmp(3, 3, 0, &sent)),
                broken,
            ] {
                s.wan(error)?;
                s.counted("--state RELATED", 0)?;
            }
            s.counted("--state INVALID", 5)
        })
    }),
    ("protocols_without_ports_are_one_entry_an_address_pair", || {
        play(STATES, |s| {
            for protocol in [50, 51, 253] {
                arrives(&s.lan(client().packet(protocol, &[1; 16]))?)?;
                arrives(&s.wan(server().packet(protocol, &[2; 16]))?)?;
            }
            s.counted("--state NEW", 3)?;
            s.counted("--state ESTABLISHED", 3)
        })
    }),
    ("what_the_router_itself_answers_belongs_to_the_question", || {
        play(&["-A INPUT -m state --state NEW", "-A OUTPUT -m state --state ESTABLISHED"], |s| {
            let left = s.lan(Ip::between([10, 1, 0, 2], [10, 1, 0, 1]).icmp(8, 0, 5 << 16, b"hi"))?;
            assert_eq!(view(arrives(&left)?).icmp(), Some((0, 0)));
            s.counted("--state NEW", 1)?;
            s.counted("--state ESTABLISHED", 1)
        })
    }),
];
