//! SCTP, UDPLite, GRE and what has no ports: how their connections begin, move and end.

use std::io;

use lab::{
    frame::{Ip, checksum},
    suite::Test,
    twin::{Crossing, Side},
};

use super::{Stage, arrives, client, fail, play, play6, server};

const NEW: &str = "-A FORWARD -m conntrack --ctstate NEW -m comment --comment new";
const INVALID: &str = "-A FORWARD -m conntrack --ctstate INVALID -m comment --comment invalid";
const ESTABLISHED: &str = "-A FORWARD -m conntrack --ctstate ESTABLISHED -m comment --comment established";

const CHUNKS: [u8; 13] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 14];

pub(crate) const TESTS: &[Test] = &[
    ("every_sctp_chunk_in_every_state_and_direction_moves_alike", || {
        play(&[NEW, INVALID, ESTABLISHED], |s| {
            let mut port = 1000;
            for state in 0..8 {
                for kind in CHUNKS {
                    for answers in [false, true] {
                        port += 1;
                        sctp_case(s, port, state, kind, answers)?;
                    }
                }
            }
            Ok(())
        })
    }),
    ("sctp_ends_that_begin_at_once_keep_one_association", || {
        play(&[NEW, INVALID], |s| {
            arrives(&s.lan(client().sctp(1, 2, 0, &[(1, 0, &init(11))]))?)?;
            arrives(&s.wan(server().sctp(2, 1, 0, &[(1, 0, &init(22))]))?)?;
            s.wan(server().sctp(2, 1, 11, &[(2, 0, &init(33))]))?;
            s.counted("invalid", 1)?;
            s.wan(server().sctp(2, 1, 11, &[(2, 0, &init(22))]))?;
            s.lan(client().sctp(1, 2, 22, &[(2, 0, &init(11))]))?;
            s.lan(client().sctp(1, 2, 22, &[(10, 0, b"cook")]))?;
            s.wan(server().sctp(2, 1, 11, &[(11, 0, b"")]))?;
            s.one_entry(&["ESTABLISHED", "[ASSURED]"])
        })
    }),
    ("a_second_sctp_path_lives_by_heartbeats", || {
        play(&[NEW, INVALID], |s| {
            s.lan(client().sctp(1, 2, 7, &[(4, 0, b"beat")]))?;
            s.one_entry(&["HEARTBEAT_SENT"]).or_else(|_| s.one_entry(&["sctp"]))?;
            s.wan(server().sctp(2, 1, 9, &[(5, 0, b"beat")]))?;
            s.lan(client().sctp(1, 2, 7, &[(0, 0, b"data")]))?;
            // Another tag: it passes, and whoever answers it was right.
            s.lan(client().sctp(1, 2, 8, &[(4, 0, b"beat")]))?;
            s.wan(server().sctp(2, 1, 10, &[(5, 0, b"beat")]))?;
            s.lan(client().sctp(1, 2, 7, &[(0, 0, b"data")]))?;
            s.wan(server().sctp(2, 1, 10, &[(0, 0, b"data")]))?;
            s.wan(server().sctp(2, 1, 11, &[(4, 0, b"beat"), (4, 0, b"beat")]))?;
            s.wan(server().sctp(2, 1, 11, &[(4, 0, b"beat"), (0, 0, b"data")]))?;
            Ok(())
        })
    }),
    ("sctp_packets_that_begin_nothing_are_invalid", || {
        play(&[NEW, INVALID], |s| {
            for (at, chunk) in
                [(0, &b"data"[..]), (3, b""), (6, b""), (9, b""), (10, b"c"), (11, b""), (14, b""), (77, b"")]
                    .into_iter()
                    .enumerate()
            {
                let port = 10 + u16::try_from(at).unwrap_or(0);
                s.lan(client().sctp(port, 2, 5, &[(chunk.0, 0, chunk.1)]))?;
            }
            s.lan(client().sctp(1, 2, 1, &[(1, 0, &init(9))]))?;
            s.lan(client().sctp(2, 2, 0, &[(1, 0, b"")]))?;
            s.lan(client().sctp(3, 2, 0, &[(1, 0, &init(9)), (0, 0, b"data")]))?;
            s.lan(client().sctp(4, 2, 0, &[]))?;
            let mut broken = client().sctp(5, 2, 0, &[(1, 0, &init(9))]);
            broken[28] ^= 1;
            s.lan(broken)?;
            s.lan(client().packet(132, &[0; 11]))?;
            let mut endless = client().sctp(6, 2, 0, &[(1, 0, &init(9)), (3, 0, b"")]);
            endless.truncate(endless.len() - 2);
            s.lan(endless)?;
            Ok(())
        })
    }),
    ("sctp_through_source_nat_keeps_its_sum_right", || {
        let nat = "-t nat -A POSTROUTING -o wan0 -p sctp -j SNAT --to-source 10.2.0.1";
        play(&[nat, INVALID], |s| {
            arrives(&s.lan(client().sctp(1, 2, 0, &[(1, 0, &init(11))]))?)?;
            Ok(())
        })
    }),
    ("an_answered_udplite_connection_is_a_stream_at_once", || {
        play(&[NEW, INVALID], |s| {
            // This kernel sums the pseudo-header as UDP's, and takes no sum that RFC 3828 calls right.
            arrives(&s.lan(udplite(&client(), 136, (1, 2), b"text"))?)?;
            s.counted("invalid", 1)?;
            arrives(&s.lan(udplite(&client(), 17, (1, 2), b"text"))?)?;
            s.wan(udplite(&server(), 17, (2, 1), b"text"))?;
            s.one_entry(&["udplite"])?;
            s.lan(udplite(&client(), 17, (1, 2), b"text"))?;
            s.one_entry(&["[ASSURED]"])
        })
    }),
    ("plain_gre_is_one_connection_for_each_pair_and_enhanced_gre_one_for_each_call", || {
        play(&[NEW, INVALID], |s| {
            // With a key, a checksum, sequence numbers: it makes no difference.
            for flags in [0x00, 0x20, 0xb0] {
                s.lan(client().packet(47, &[flags, 0, 8, 0, 1, 2, 3, 4, 5, 6, 7, 8]))?;
                s.wan(server().packet(47, &[flags, 0, 8, 0, 9, 9, 9, 9, 5, 6, 7, 8]))?;
            }
            for call in [7, 8] {
                s.lan(client().packet(47, &[0x30, 1, 0x88, 0x0b, 0, 4, 0, call, 0, 0, 0, 1, 1, 2, 3, 4]))?;
            }
            s.lan(client().packet(47, &[0x30, 1, 8, 0, 0, 4, 0, 9]))?;
            s.lan(client().packet(47, &[0x30, 1, 0x88, 0x0b, 0]))?;
            s.counted("invalid", 1)
        })
    }),
    ("dccp_is_a_protocol_like_any_other", || {
        play(&[NEW, INVALID], |s| {
            s.lan(client().packet(33, &[0, 1, 0, 2, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]))?;
            s.lan(client().packet(33, &[0, 3, 0, 4, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]))?;
            s.wan(server().packet(33, &[0, 2, 0, 1]))?;
            s.one_entry(&["src=10.1.0.2 dst=10.2.0.2"])
        })
    }),
    ("neighbour_discovery_is_untracked_and_other_news_of_icmpv6_invalid", || {
        let untracked = "-A FORWARD -m conntrack --ctstate UNTRACKED -m comment --comment untracked";
        play6(&[NEW, INVALID, untracked], |s| {
            let six = Ip::between([0xfd01, 0, 0, 0, 0, 0, 0, 2], [0xfd02, 0, 0, 0, 0, 0, 0, 2]);
            for kind in [100, 127, 128, 129, 130, 131, 132, 138, 139, 140, 141, 142, 143, 144, 151, 152, 200, 255] {
                s.lan(six.icmp(kind, 0, u32::from(kind) << 16, b"text"))?;
            }
            Ok(())
        })
    }),
    ("a_timeout_by_sysctl_holds_for_sctp_gre_and_all_others", || {
        play(&[NEW], |s| {
            s.command(&["sysctl", "-qw", "net.netfilter.nf_conntrack_sctp_timeout_closed=77"])?;
            s.lan(client().udp(201, 201, b"text"))?;
            s.command(&["sysctl", "-qw", "net.netfilter.nf_conntrack_gre_timeout=88"])?;
            s.lan(client().udp(211, 211, b"text"))?;
            s.command(&["sysctl", "-qw", "net.netfilter.nf_conntrack_generic_timeout=99"])?;
            s.lan(client().udp(221, 221, b"text"))?;
            s.lan(client().sctp(1, 2, 0, &[(1, 0, &init(11))]))?;
            s.lan(client().packet(47, &[0, 0, 8, 0]))?;
            s.lan(client().packet(99, b"text"))?;
            // 10 s unless told otherwise.
            let entries = s.entries()?;
            let closed = entries.iter().find(|entry| entry.contains(" CLOSED "));
            match closed.and_then(|entry| entry.split_whitespace().nth(2)?.parse::<u32>().ok()) {
                Some(40..=77) => Ok(()),
                _ => fail(format!("{entries:#?}")),
            }
        })
    }),
];

/// Brings an association of its own port into a state and sends a chunk with the right tag.
fn sctp_case(s: &mut Stage, port: u16, state: u8, kind: u8, answers: bool) -> io::Result<()> {
    let forth = |tag, kind, value: &[u8]| (Side::Lan, client().sctp(port, 2, tag, &[(kind, 0, value)]));
    let back = |tag, kind, value: &[u8]| (Side::Wan, server().sctp(2, port, tag, &[(kind, 0, value)]));
    let mut all = match state {
        0 => vec![],
        7 => vec![forth(22, 4, b"beat")],
        _ => vec![forth(0, 1, &init(11))],
    };
    if matches!(state, 2..7) {
        all.extend([back(11, 2, &init(22)), forth(22, 10, b"cook")]);
    }
    if matches!(state, 3..7) {
        all.push(back(11, 11, b""));
    }
    match state {
        4 => all.push(forth(22, 7, b"1234")),
        5 => all.push(back(11, 7, b"1234")),
        6 => all.extend([forth(22, 7, b"1234"), back(11, 8, b"")]),
        0 => all.extend([forth(0, 1, &init(11)), back(11, 2, &init(22)), forth(22, 6, b"")]),
        _ => {}
    }
    let init = init(55);
    let value: &[u8] = match kind {
        1 | 2 => &init,
        _ => b"text",
    };
    let tag = if kind == 1 { 0 } else { 22 };
    all.push(if answers { back(if kind == 1 { 0 } else { 11 }, kind, value) } else { forth(tag, kind, value) });
    for (side, packet) in all {
        s.send(vec![Crossing { side, packet }])?;
    }
    Ok(())
}

/// INIT and INIT ACK behind their chunk header.
fn init(tag: u32) -> Vec<u8> {
    let mut value = tag.to_be_bytes().to_vec();
    value.extend([0, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 1]);
    value
}

/// A UDPLite packet whose sum covers all of it, and a pseudo-header with a protocol's number.
pub(super) fn udplite(ip: &Ip, protocol: u32, (from, to): (u16, u16), data: &[u8]) -> Vec<u8> {
    let mut bytes = [from.to_be_bytes(), to.to_be_bytes(), [0; 2], [0; 2]].concat();
    bytes.extend(data);
    let addresses = ip.packet(136, &[]);
    let words = addresses[12..20].chunks(2).map(|two| u32::from(two[0]) << 8 | u32::from(two[1]));
    let pseudo = words.sum::<u32>() + protocol + bytes.len() as u32;
    let sum = checksum(pseudo, &bytes);
    bytes[6..8].copy_from_slice(&sum.to_be_bytes());
    ip.packet(136, &bytes)
}
