//! What the kernel's own tests of connection tracking are about, each with a name: lost acknowledgements, resets that are not
//! exact, SYNs that are challenged, tuples that are used again, clashes, zones by the thousand. An association that both ends
//! begin is in [`super::protocols`]; hashes that change their size are with the daemon's tests.

use std::io;

use lab::{
    fill::{fill, status, udp},
    frame::{Ip, Tcp, View},
    suite::Test,
    twin::{Crossing, Side},
};

use super::{Stage, arrives, claim, client, fail, play, play6, server};

const STATES: &[&str] = &[
    "-A FORWARD -m state --state NEW",
    "-A FORWARD -m state --state ESTABLISHED",
    "-A FORWARD -m state --state RELATED",
    "-A FORWARD -m state --state INVALID",
];

const SYN: u8 = Tcp::SYN;
const ACK: u8 = Tcp::ACK;
const RST: u8 = Tcp::RST;

fn up(flags: u8, seq: u32, ack: u32, data: &[u8]) -> Vec<u8> {
    client().tcp(&Tcp::segment(1234, 80, flags, seq, ack), data)
}

fn down(flags: u8, seq: u32, ack: u32, data: &[u8]) -> Vec<u8> {
    server().tcp(&Tcp::segment(80, 1234, flags, seq, ack), data)
}

pub(crate) const TESTS: &[Test] = &[
    ("ack_loss_what_was_acknowledged_on_another_way_may_be_sent_again", || {
        play(STATES, |s| {
            s.handshake()?;
            let data = [7; 1000];
            for number in 0..6 {
                arrives(&s.lan(up(ACK, 1001 + number * 1000, 5001, &data))?)?;
            }
            arrives(&s.wan(down(ACK, 5001, 7001, b""))?)?;
            // That acknowledgement got lost behind us: all is sent again, and acknowledged again.
            for number in [0, 3, 5] {
                arrives(&s.lan(up(ACK, 1001 + number * 1000, 5001, &data))?)?;
                arrives(&s.wan(down(ACK, 5001, 7001, b""))?)?;
            }
            arrives(&s.lan(up(ACK, 7001, 5001, b"on"))?)?;
            s.counted("--state INVALID", 0)?;
            s.one_entry(&["ESTABLISHED", "[ASSURED]"])
        })
    }),
    ("inexact_rst_shortens_the_timeout_until_the_challenge_is_answered", || {
        play(STATES, |s| {
            s.handshake()?;
            arrives(&s.lan(up(ACK, 1001, 5001, b"data"))?)?;
            arrives(&s.wan(down(ACK, 5001, 1005, b""))?)?;
            s.lives(431_900..=432_000)?;
            arrives(&s.wan(down(RST, 5001 + 500, 0, b""))?)?;
            s.one_entry(&["ESTABLISHED", "[ASSURED]"])?;
            s.lives(1..=10)?;
            // RFC 5961: the receiver does not believe it, and says so.
            arrives(&s.lan(up(ACK, 1005, 5001, b""))?)?;
            s.one_entry(&["ESTABLISHED", "[ASSURED]"])?;
            s.lives(11..=432_000)?;
            arrives(&s.wan(down(RST, 5001, 0, b""))?)?;
            s.one_entry(&["CLOSE"])?;
            s.counted("--state INVALID", 0)
        })
    }),
    ("rst_invalid_in_one_direction_then_the_other_ends_the_trust", || {
        play(STATES, |s| {
            s.handshake()?;
            arrives(&s.lan(up(ACK, 1001, 5001, b"data"))?)?;
            arrives(&s.wan(down(ACK, 5001, 1005, b""))?)?;
            arrives(&s.wan(down(RST | ACK, 5001 + 1_000_000, 1005, b""))?)?;
            s.counted("--state INVALID", 1)?;
            s.lives(431_900..=432_000)?;
            arrives(&s.lan(up(RST | ACK, 1005 + 1_000_000, 5001, b""))?)?;
            s.counted("--state INVALID", 2)?;
            // Both ends know more than we do.
            s.one_entry(&["ESTABLISHED", "[ASSURED]"])?;
            s.lives(200..=300)
        })
    }),
    ("rst_invalid_does_not_spoil_the_exact_one_behind_it", || {
        play(STATES, |s| {
            s.handshake()?;
            arrives(&s.lan(up(RST, 500, 0, b""))?)?;
            s.counted("--state INVALID", 1)?;
            s.one_entry(&["ESTABLISHED"])?;
            arrives(&s.lan(up(RST, 1001, 0, b""))?)?;
            s.one_entry(&["CLOSE"])?;
            s.counted("--state INVALID", 1)
        })
    }),
    ("syn_challenge_ack_passes_and_the_reset_that_answers_it_makes_way", || {
        play(STATES, |s| {
            s.handshake()?;
            // The client has forgotten; the server has not.
            arrives(&s.lan(up(SYN, 800_000, 0, b""))?)?;
            arrives(&s.wan(down(ACK, 5001, 1001, b""))?)?;
            s.one_entry(&["ESTABLISHED"])?;
            arrives(&s.lan(up(RST, 1001, 0, b""))?)?;
            s.one_entry(&["CLOSE"])?;
            arrives(&s.lan(up(SYN, 800_000, 0, b""))?)?;
            arrives(&s.wan(down(SYN | ACK, 9_000_000, 800_001, b""))?)?;
            arrives(&s.lan(up(ACK, 800_001, 9_000_001, b""))?)?;
            s.one_entry(&["ESTABLISHED", "[ASSURED]"])?;
            s.counted("--state INVALID", 0)
        })
    }),
    ("syn_challenge_ack_to_a_fresh_syn_passes_and_a_reset_lets_it_begin_anew", || {
        play(STATES, |s| {
            // Only the server remembers an old connection.
            arrives(&s.lan(up(SYN, 1000, 0, b""))?)?;
            arrives(&s.wan(down(ACK, 77_777, 55_555, b""))?)?;
            arrives(&s.lan(up(RST, 55_555, 0, b""))?)?;
            s.one_entry(&["CLOSE"])?;
            arrives(&s.lan(up(SYN, 1000, 0, b""))?)?;
            arrives(&s.wan(down(SYN | ACK, 5000, 1001, b""))?)?;
            arrives(&s.lan(up(ACK, 1001, 5001, b""))?)?;
            s.one_entry(&["ESTABLISHED", "[ASSURED]"])?;
            s.counted("--state INVALID", 0)
        })
    }),
    ("synack_reuse_of_a_tuple_in_any_closing_state_begins_anew", || {
        for (closing, states) in [(2, "CLOSE_WAIT"), (3, "LAST_ACK"), (4, "TIME_WAIT")] {
            play(STATES, |s| {
                s.handshake()?;
                let fin = Tcp::FIN | ACK;
                let steps = [
                    (Side::Lan, up(fin, 1001, 5001, b"")),
                    (Side::Wan, down(ACK, 5001, 1002, b"")),
                    (Side::Wan, down(fin, 5001, 1002, b"")),
                    (Side::Lan, up(ACK, 1002, 5002, b"")),
                ];
                for (side, packet) in steps.into_iter().take(closing) {
                    arrives(&s.send(vec![Crossing { side, packet }])?)?;
                }
                s.one_entry(&[states])?;
                arrives(&s.lan(up(SYN, 500_000, 0, b""))?)?;
                arrives(&s.wan(down(SYN | ACK, 9_000_000, 500_001, b""))?)?;
                s.one_entry(&["SYN_RECV"])?;
                arrives(&s.lan(up(ACK, 500_001, 9_000_001, b""))?)?;
                arrives(&s.lan(up(ACK, 500_001, 9_000_001, b"new"))?)?;
                s.one_entry(&["ESTABLISHED"])?;
                s.counted("--state INVALID", 0)
            })?;
        }
        Ok(())
    }),
    ("synack_reuse_an_old_one_is_invalid_and_the_right_one_is_taken", || {
        play(STATES, |s| {
            arrives(&s.lan(up(SYN, 1000, 0, b""))?)?;
            arrives(&s.wan(down(SYN | ACK, 3000, 4_000_001, b""))?)?;
            s.counted("--state INVALID", 1)?;
            s.one_entry(&["SYN_SENT"])?;
            // The client resets what it never asked for.
            arrives(&s.lan(up(RST, 4_000_001, 0, b""))?)?;
            arrives(&s.lan(up(SYN, 1000, 0, b""))?)?;
            arrives(&s.wan(down(SYN | ACK, 5000, 1001, b""))?)?;
            arrives(&s.lan(up(ACK, 1001, 5001, b""))?)?;
            s.one_entry(&["ESTABLISHED"])
        })
    }),
    ("clash_of_first_packets_loses_none_and_leaves_one_entry_a_flow", || {
        claim(&["-t nat -A POSTROUTING -o wan0 -j MASQUERADE", "-A FORWARD -m state --state INVALID"], |s| {
            // Many packets of each flow are on their way before the first is confirmed.
            const FLOWS: u16 = 40;
            let packets = (0..4)
                .flat_map(|copy: u8| (0..FLOWS).map(move |flow| client().udp(2000 + flow, 53, &[copy])))
                .map(|packet| Crossing { side: Side::Lan, packet })
                .collect();
            let left = s.send(packets)?;
            let mut ports: Vec<u16> = left
                .iter()
                .filter(|crossing| crossing.side == Side::Wan)
                .filter_map(|crossing| Some(View::of(&crossing.packet)?.ports()?.0))
                .collect();
            if ports.len() != usize::from(FLOWS) * 4 {
                return fail(format!("{} packets of {} left", ports.len(), FLOWS * 4));
            }
            ports.sort_unstable();
            ports.dedup();
            let entries = s.entries()?;
            if ports.len() != usize::from(FLOWS) || entries.len() != usize::from(FLOWS) {
                return fail(format!("{} ports, {} entries of {FLOWS} flows", ports.len(), entries.len()));
            }
            s.counted("--state INVALID", 0)
        })
    }),
    ("zones_by_the_thousand_hold_one_tuple_each", || {
        const ZONES: u16 = 3000;
        claim(&["-A FORWARD -m state --state NEW"], |s| {
            let flows = (1..=ZONES).map(|zone| {
                let mut flow = udp(0);
                (flow.zone, flow.status) = (Some(zone), Some(status::CONFIRMED | status::SEEN_REPLY | status::ASSURED));
                flow
            });
            s.fill(flows)?;
            let zone = |s: &mut Stage, words: &[&str]| {
                let text = s.must_with(&[&["conntrack"], words].concat(), "")?;
                Ok::<_, io::Error>(text.lines().map(str::to_owned).collect::<Vec<_>>())
            };
            for (words, wanted) in [
                (&["-L"][..], usize::from(ZONES)),
                (&["-L", "-w", "77"], 1),
                (&["-D", "-w", "77"], 1),
                (&["-L", "-w", "77"], 0),
                (&["-L", "-w", "2999"], 1),
                (&["-L"], usize::from(ZONES) - 1),
            ] {
                let lines = zone(s, words)?;
                if lines.len() != wanted {
                    return fail(format!("{words:?} shows {} entries, not {wanted}", lines.len()));
                }
                if let (1, ["-L", "-w", number]) = (wanted, words)
                    && !lines[0].contains(&format!("zone={number}"))
                {
                    return fail(lines.concat());
                }
            }
            Ok(())
        })
    }),
    ("zones_keep_packets_of_one_tuple_apart", || {
        let rules: Vec<String> = (1..=30)
            .map(|zone| format!("-t raw -A PREROUTING -p udp -m ttl --ttl-eq {} -j CT --zone {zone}", 100 + zone))
            .chain(["-A FORWARD -m state --state NEW".to_owned(), "-A FORWARD -m state --state ESTABLISHED".to_owned()])
            .collect();
        let rules: Vec<&str> = rules.iter().map(String::as_str).collect();
        play(&rules, |s| {
            let of = |mut ip: Ip, zone: u8| {
                ip.ttl = 100 + zone;
                ip
            };
            for zone in 1..=30 {
                arrives(&s.lan(of(client(), zone).udp(1, 53, b""))?)?;
            }
            for zone in (1..=30).step_by(3) {
                arrives(&s.wan(of(server(), zone).udp(53, 1, b""))?)?;
            }
            s.counted("--state NEW", 30)?;
            s.counted("--state ESTABLISHED", 10)?;
            let unreplied = s.entries()?.iter().filter(|line| line.contains("[UNREPLIED]")).count();
            if unreplied == 20 { Ok(()) } else { fail(format!("{unreplied} unreplied")) }
        })
    }),
    ("zones_of_packets_may_be_more_than_a_chain_of_the_hash_may_have_members", || {
        const ROWS: u8 = 4;
        const COLUMNS: u8 = 60;
        let mut rules = vec!["-A FORWARD -m state --state NEW".to_owned()];
        let columns = (0..COLUMNS)
            .map(|at| format!("-t raw -A PREROUTING -m ttl --ttl-eq {} -j MARK --or-mark {}", 100 + at, at + 1));
        let rows = (0..ROWS)
            .map(|at| format!("-t raw -A PREROUTING -m dscp --dscp {at} -j MARK --or-mark {:#x}", u16::from(at) << 8));
        rules.extend(columns.chain(rows));
        rules.push("-t raw -A PREROUTING -p udp -j CT --zone mark".to_owned());
        let rules: Vec<&str> = rules.iter().map(String::as_str).collect();
        claim(&rules, |s| {
            for row in 0..ROWS {
                let packets = (0..COLUMNS).map(|column| {
                    let mut ip = client();
                    (ip.ttl, ip.tos) = (100 + column, row << 2);
                    Crossing { side: Side::Lan, packet: ip.udp(1, 53, b"") }
                });
                let left = s.send(packets.collect())?;
                if left.len() != usize::from(COLUMNS) {
                    return fail(format!("{} of {COLUMNS} packets left", left.len()));
                }
            }
            let all = usize::from(ROWS) * usize::from(COLUMNS);
            s.counted("--state NEW", all as u64)?;
            let entries = s.entries()?.len();
            if entries == all { Ok(()) } else { fail(format!("{entries} entries of {all}")) }
        })
    }),
    ("icmp_related_errors_about_a_path_too_narrow_are_related_both_ways", || {
        play(STATES, |s| {
            let sent = client().udp(1, 53, &[7; 600]);
            arrives(&s.lan(sent.clone())?)?;
            let answer = server().udp(53, 1, &[8; 600]);
            arrives(&s.wan(answer.clone())?)?;
            // From a router out there, and from one in here.
            arrives(&s.wan(Ip::between([10, 2, 0, 9], [10, 1, 0, 2]).icmp(3, 4, 576, &sent[..528]))?)?;
            arrives(&s.lan(Ip::between([10, 1, 0, 9], [10, 2, 0, 2]).icmp(3, 4, 576, &answer[..528]))?)?;
            s.counted("--state RELATED", 2)?;
            s.counted("--state INVALID", 0)?;
            s.one_entry(&["udp"])
        })
    }),
    ("icmp_related_errors_of_ipv6_about_a_path_too_narrow_are_related", || {
        play6(STATES, |s| {
            let ip = |from: [u16; 8], to: [u16; 8]| Ip::between(from, to);
            let (host, far) = ([0xfd01, 0, 0, 0, 0, 0, 0, 2], [0xfd02, 0, 0, 0, 0, 0, 0, 2]);
            let sent = ip(host, far).udp(1, 53, &[7; 1300]);
            arrives(&s.lan(sent.clone())?)?;
            arrives(&s.wan(ip([0xfd02, 0, 0, 0, 0, 0, 0, 9], host).icmp(2, 0, 1280, &sent[..1200]))?)?;
            s.counted("--state RELATED", 1)?;
            // An error that goes elsewhere than the quoted packet came from is none of ours.
            s.wan(ip([0xfd02, 0, 0, 0, 0, 0, 0, 9], [0xfd01, 0, 0, 0, 0, 0, 0, 3]).icmp(2, 0, 1280, &sent[..1200]))?;
            s.counted("--state RELATED", 1)?;
            s.counted("--state INVALID", 1)
        })
    }),
];

impl Stage {
    /// Puts entries into the router's table.
    fn fill(&mut self, flows: impl Iterator<Item = nfnl::conntrack::Flow> + Send) -> io::Result<()> {
        let bench = self.oracle.bench();
        fill(&bench.router, bench.judge(), flows)
    }
}
