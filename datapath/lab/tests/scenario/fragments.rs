//! Fragments where tracking puts them together: in which sizes they leave, what contradicts, and what is judged alone.

use std::io;

use lab::{
    frame::{Ip, Part, Tcp, View, extend6, fragment4, fragment6, get16, set16, sum4},
    suite::Test,
    twin::{Crossing, Side},
};

use super::{Stage, arrives, client, fail, play, play6, server, vanishes};

const TRACKED: &str = "-A FORWARD -m state --state NEW";

fn client6() -> Ip {
    Ip::between([0xfd01, 0, 0, 0, 0, 0, 0, 2], [0xfd02, 0, 0, 0, 0, 0, 0, 2])
}

fn server6() -> Ip {
    Ip::between([0xfd02, 0, 0, 0, 0, 0, 0, 2], [0xfd01, 0, 0, 0, 0, 0, 0, 2])
}

/// Parts of these lengths, one behind the other; the last says that no more follow.
fn parts(lengths: &[usize]) -> Vec<Part> {
    let mut offset = 0;
    let part = |(number, &length): (usize, &usize)| {
        let part = Part { offset, length, more: number + 1 < lengths.len() };
        offset += length;
        part
    };
    lengths.iter().enumerate().map(part).collect()
}

fn four(packet: &[u8], lengths: &[usize]) -> Vec<Vec<u8>> {
    parts(lengths).iter().map(|part| fragment4(packet, part)).collect()
}

/// Behind `header` bytes that each repeats.
fn six(packet: &[u8], header: usize, lengths: &[usize]) -> Vec<Vec<u8>> {
    parts(lengths).iter().map(|part| fragment6(packet, header, 99, part)).collect()
}

fn send(s: &mut Stage, side: Side, pieces: Vec<Vec<u8>>) -> io::Result<Vec<Crossing>> {
    s.send(pieces.into_iter().map(|packet| Crossing { side, packet }).collect())
}

/// What left: offset, bytes of payload, whether more follow.
fn places(left: &[Crossing]) -> Vec<(u16, usize, bool)> {
    let place = |crossing: &Crossing| {
        let packet = &crossing.packet;
        let header = packet.first().map_or(0, |b| usize::from(b & 15) * 4);
        match (packet.first().map_or(0, |b| b >> 4), View::of(packet)) {
            (4, Some(view)) => (view.offset, packet.len() - header, packet[6] & 0x20 != 0),
            (_, Some(view)) if view.protocol == 44 => {
                let word = get16(view.payload, 2).unwrap_or_default();
                (word & !7, view.payload.len() - 8, word & 1 != 0)
            }
            (_, view) => (0, view.map_or(0, |view| view.payload.len()), false),
        }
    };
    let mut all: Vec<_> = left.iter().map(place).collect();
    all.sort_unstable();
    all
}

fn leaves(left: &[Crossing], wanted: &[(u16, usize, bool)]) -> io::Result<()> {
    let places = places(left);
    if places == wanted { Ok(()) } else { fail(format!("{places:?} left, not {wanted:?}")) }
}

pub(crate) const TESTS: &[Test] = &[
    ("an_ipv6_datagram_no_longer_than_its_longest_fragment_leaves_whole", || {
        play6(&[TRACKED], |s| {
            let packet = client6().udp(1, 53, &[7; 60]);
            let left = send(s, Side::Lan, six(&packet, 40, &[64, 4]))?;
            assert_eq!(arrives(&left)?.packet[6], 17, "no fragment header");
            leaves(&left, &[(0, 68, false)])
        })
    }),
    ("nat_pulls_the_header_that_an_error_quotes_into_the_first_fragment", || {
        // It is not translated: nat looks at every related error.
        play6(&["-t nat -A POSTROUTING -s fd01::9 -j MASQUERADE"], |s| {
            let packet = client6().udp(1, 53, &[7; 100]);
            arrives(&s.lan(packet.clone())?)?;
            let left = send(s, Side::Wan, six(&server6().icmp(1, 4, 0, &packet), 40, &[40, 40, 40, 36]))?;
            leaves(&left, &[(0, 48, true), (48, 32, true), (80, 40, true), (120, 36, false)])
        })
    }),
    ("a_quote_whose_transport_header_is_translated_is_cut_anew", || {
        play6(&["-t nat -A POSTROUTING -o wan0 -j MASQUERADE"], |s| {
            let left = s.lan(client6().tcp(&Tcp::segment(2000, 80, Tcp::SYN, 1, 0), &[7; 200]))?;
            let quote = arrives(&left)?.packet.clone();
            let mut ip = server6();
            ip.destination = View::of(&quote).map_or(ip.destination, |view| view.source);
            // 48 and 20 bytes in one stretch are no possible fragment.
            let left = send(s, Side::Wan, six(&ip.icmp(1, 4, 0, &quote), 40, &[32, 136, 100]))?;
            leaves(&left, &[(0, 268, false)])
        })
    }),
    ("an_ipv4_error_that_is_translated_is_cut_anew_in_the_longest_size", || {
        play(&["-t nat -A POSTROUTING -o wan0 -j MASQUERADE"], |s| {
            let left = s.lan(client().udp(1111, 53, &[7; 200]))?;
            let quote = arrives(&left)?.packet.clone();
            let mut ip = server();
            ip.destination = View::of(&quote).map_or(ip.destination, |view| view.source);
            // ICMP's 8, IP's 20 and UDP's 8 bytes.
            let left = send(s, Side::Wan, four(&ip.icmp(3, 1, 0, &quote), &[24, 104, 108]))?;
            leaves(&left, &[(0, 104, true), (104, 104, true), (208, 28, false)])
        })
    }),
    ("tcpmss_takes_all_of_a_segment_and_it_is_cut_anew", || {
        play(&[TRACKED, "-t mangle -A FORWARD -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --set-mss 1000"], |s| {
            let packet = client().tcp(&Tcp::segment(2000, 80, Tcp::SYN, 1, 0), &[7; 200]);
            let left = send(s, Side::Lan, four(&packet, &[24, 80, 40, 76]))?;
            leaves(&left, &[(0, 80, true), (80, 80, true), (160, 60, false)])
        })
    }),
    ("helpers_that_read_all_of_a_segment_have_it_cut_anew", || {
        let (as_they_came, cut_anew) = (
            [(0, 24, true), (24, 80, true), (104, 40, true), (144, 76, false)].as_slice(),
            [(0, 80, true), (80, 80, true), (160, 60, false)].as_slice(),
        );
        for (helper, port, wanted) in [
            ("ftp", 21, cut_anew),
            ("sip", 5060, cut_anew),
            ("irc", 6667, as_they_came),
            ("pptp", 1723, as_they_came),
            ("sane", 6566, as_they_came),
            ("Q.931", 1720, as_they_came),
        ] {
            let rule = format!("-t raw -A PREROUTING -p tcp -m multiport --ports {port} -j CT --helper {helper}");
            play(&[&rule], |s| {
                let up = |flags, seq, ack, data: &[u8]| client().tcp(&Tcp::segment(2000, port, flags, seq, ack), data);
                arrives(&s.lan(up(Tcp::SYN, 1, 0, b""))?)?;
                arrives(&s.wan(server().tcp(&Tcp::segment(port, 2000, Tcp::SYN | Tcp::ACK, 1, 2), b""))?)?;
                arrives(&s.lan(up(Tcp::ACK, 2, 2, b""))?)?;
                leaves(&send(s, Side::Lan, four(&up(Tcp::ACK, 2, 2, &[b'x'; 200]), &[24, 80, 40, 76]))?, wanted)
            })?;
        }
        Ok(())
    }),
    ("the_look_for_a_socket_takes_a_tcp_header_out_of_tiny_fragments", || {
        play(&[TRACKED], |s| {
            let packet = client().tcp(&Tcp::segment(2000, 80, Tcp::SYN, 1, 0), &[7; 100]);
            let left = send(s, Side::Lan, four(&packet, &[8, 48, 64]))?;
            leaves(&left, &[(0, 64, true), (64, 56, false)])?;
            // UDP's fits.
            let left = send(s, Side::Lan, four(&client().udp(1, 53, &[7; 100]), &[8, 40, 60]))?;
            leaves(&left, &[(0, 8, true), (8, 40, true), (48, 60, false)])
        })
    }),
    ("a_tiny_first_fragment_for_the_router_is_answered_once_whole", || {
        play(&["-A INPUT -m state --state NEW"], |s| {
            let mut ip = client();
            ip.destination = [10, 1, 0, 1].into();
            let packet = ip.tcp(&Tcp::segment(2000, 80, Tcp::SYN, 1, 0), &[]);
            let left = send(s, Side::Lan, four(&packet, &[16, 4]))?;
            let view = View::of(&arrives(&left)?.packet).and_then(|view| view.tcp());
            assert_eq!(view.map(|tcp| tcp.flags), Some(Tcp::RST | Tcp::ACK));
            Ok(())
        })
    }),
    ("fragments_with_one_hop_left_reach_the_router_also_if_only_the_first_has_options", || {
        play(&["-A INPUT -m state --state NEW"], |s| {
            let mut ip = client();
            (ip.destination, ip.ttl, ip.options) = ([10, 1, 0, 1].into(), 1, vec![30, 4, 7, 7]);
            let packet = ip.tcp(&Tcp::segment(2000, 80, Tcp::SYN, 1, 0), &[7; 20]);
            let mut pieces = four(&packet, &[24, 16]);
            pieces[1].drain(20..24);
            (pieces[1][0], pieces[1][3]) = (0x45, 36);
            sum4(&mut pieces[1]);
            arrives(&send(s, Side::Lan, pieces)?)?;
            s.counted("--state NEW", 1)
        })
    }),
    ("an_ipv6_fragment_that_ends_within_the_transport_header_is_judged_alone", || {
        play6(&[TRACKED, "-A FORWARD -m state --state INVALID"], |s| {
            let packet = client6().tcp(&Tcp::segment(2000, 80, Tcp::SYN, 1, 0), &[7; 100]);
            let left = send(s, Side::Lan, six(&packet, 40, &[16, 48, 56]))?;
            leaves(&left, &[(0, 16, true)])?;
            s.counted("--state NEW", 0)?;
            s.counted("--state INVALID", 1)
        })
    }),
    ("an_ipv6_fragment_of_an_impossible_length_goes_on_alone_and_costs_the_others", || {
        play6(&[TRACKED], |s| {
            let packet = client6().udp(1, 53, &[7; 100]);
            let pieces = six(&packet, 40, &[48, 60]);
            let odd = fragment6(&packet, 40, 99, &Part { offset: 48, length: 20, more: true });
            let left = send(s, Side::Lan, vec![pieces[0].clone(), odd, pieces[1].clone()])?;
            leaves(&left, &[(48, 20, true)])
        })
    }),
    ("a_second_end_costs_an_ipv4_datagram_and_not_an_ipv6_one", || {
        play(&[TRACKED], |s| {
            let packet = client().udp(1, 53, &[7; 100]);
            let pieces = four(&packet, &[40, 40, 28]);
            let beyond = fragment4(&packet, &Part { offset: 112, length: 16, more: false });
            vanishes(&send(s, Side::Lan, vec![pieces[2].clone(), beyond, pieces[0].clone(), pieces[1].clone()])?)
        })?;
        play6(&[TRACKED], |s| {
            let packet = client6().udp(1, 53, &[7; 100]);
            let pieces = six(&packet, 40, &[40, 40, 28]);
            let beyond = fragment6(&packet, 40, 99, &Part { offset: 112, length: 16, more: false });
            let left = send(s, Side::Lan, vec![pieces[2].clone(), beyond, pieces[0].clone(), pieces[1].clone()])?;
            leaves(&left, &[(0, 40, true), (40, 40, true), (80, 28, false)])
        })
    }),
    ("a_duplicate_is_ignored_and_an_overlap_costs_the_datagram", || {
        let again = |part: Part| {
            play(&[TRACKED], move |s| {
                let packet = client().udp(1, 53, &[7; 100]);
                let pieces = four(&packet, &[40, 40, 28]);
                let again = fragment4(&packet, &part);
                let sent = vec![pieces[0].clone(), pieces[1].clone(), again, pieces[2].clone()];
                let left = send(s, Side::Lan, sent)?;
                match part.length {
                    // Within what came in order, whatever the pieces were.
                    48 => leaves(&left, &[(0, 40, true), (40, 40, true), (80, 28, false)]),
                    _ => vanishes(&left),
                }
            })
        };
        again(Part { offset: 24, length: 48, more: true })?;
        again(Part { offset: 24, length: 64, more: true })
    }),
    ("a_piece_that_says_it_is_the_last_ends_a_datagram_also_as_a_duplicate", || {
        play(&[TRACKED], |s| {
            let packet = client().udp(1, 53, &[7; 100]);
            let piece = |offset, length, more| fragment4(&packet, &Part { offset, length, more });
            let left = send(s, Side::Lan, vec![piece(80, 32, true), piece(80, 32, false), piece(0, 80, true)])?;
            leaves(&left, &[(0, 80, true), (80, 32, false)])
        })
    }),
    ("fragments_that_disagree_about_congestion_are_not_joined", || {
        play(&["-A FORWARD -m tos --tos 0x03/0xff", TRACKED], |s| {
            let with = |first: u8, second: u8| {
                let mut pieces = four(&client().udp(1, 53, &[7; 100]), &[64, 44]);
                for (piece, tos) in pieces.iter_mut().zip([first, second]) {
                    piece[1] = tos;
                    sum4(piece);
                }
                pieces
            };
            vanishes(&send(s, Side::Lan, with(0, 1))?)?;
            s.counted("--state NEW", 0)?;
            // «Congestion experienced» in one of them is said of all.
            let left = send(s, Side::Lan, with(2, 3))?;
            assert!(left.iter().all(|crossing| crossing.packet[1] == 3));
            s.counted("--tos", 1)
        })
    }),
    ("df_is_of_the_whole_only_if_the_longest_fragment_has_it_and_not_of_what_leaves", || {
        play(&["-A FORWARD -m u32 --u32 4&0xffff=0x4000", TRACKED], |s| {
            let with = |df: [u8; 2]| {
                let mut pieces = four(&client().udp(1, 53, &[7; 100]), &[64, 44]);
                for (piece, df) in pieces.iter_mut().zip(df) {
                    piece[6] |= df;
                    sum4(piece);
                }
                pieces
            };
            let left = send(s, Side::Lan, with([0x40, 0]))?;
            assert!(left.iter().all(|crossing| crossing.packet[6] & 0x40 == 0));
            s.counted("--u32", 1)?;
            send(s, Side::Lan, with([0, 0x40]))?;
            s.counted("--u32", 1)
        })
    }),
    ("all_fragments_leave_with_the_header_of_the_first", || {
        play(&[TRACKED], |s| {
            let mut ip = client();
            // A router alert, which later fragments repeat, and an option that they need not.
            ip.options = vec![148, 4, 0, 0, 30, 4, 7, 7];
            let mut pieces = four(&ip.udp(1, 53, &[7; 100]), &[64, 44]);
            pieces[1][8] = 9;
            sum4(&mut pieces[1]);
            let mut left = send(s, Side::Lan, pieces)?;
            left.sort_by_key(|crossing| crossing.packet[7]);
            let headers: Vec<_> =
                left.iter().map(|crossing| (&crossing.packet[8..9], &crossing.packet[20..28])).collect();
            assert_eq!(headers[0], (&[63][..], &[148, 4, 0, 0, 30, 4, 7, 7][..]));
            assert_eq!(headers[1], (&[63][..], &[148, 4, 0, 0, 1, 1, 1, 1][..]));
            Ok(())
        })
    }),
    ("destination_options_behind_the_fragment_header_leave_before_it", || {
        play6(&[TRACKED], |s| {
            let options = vec![0, 0, 1, 4, 0, 0, 0, 0];
            let packet = extend6(&client6().udp(1, 53, &[7; 100]), &[(60, options)]);
            let left = send(s, Side::Lan, six(&packet, 40, &[72, 44]))?;
            // Each fragment would have to repeat them, and there is no room for that: one, cut anew.
            let packet = &arrives(&left)?.packet;
            assert_eq!((packet[6], packet[40], &packet[48..52]), (60, 44, &[17, 0, 0, 0][..]));
            Ok(())
        })
    }),
    ("headers_before_the_fragment_header_are_repeated", || {
        play6(&[TRACKED], |s| {
            let options = vec![0, 0, 1, 4, 0, 0, 0, 0];
            let packet = extend6(&client6().icmp(128, 0, 7, &[7; 100]), &[(60, options)]);
            let left = send(s, Side::Lan, six(&packet, 48, &[64, 44]))?;
            let mut sizes: Vec<_> = left.iter().map(|crossing| crossing.packet.len()).collect();
            sizes.sort_unstable();
            assert_eq!(sizes, [48 + 8 + 44, 48 + 8 + 64]);
            assert!(left.iter().all(|crossing| crossing.packet[6] == 60 && crossing.packet[40] == 44));
            Ok(())
        })
    }),
    ("a_datagram_in_one_fragment_loses_its_fragment_header", || {
        play6(&[TRACKED], |s| {
            let packet = client6().udp(1, 53, &[7; 100]);
            let left = send(s, Side::Lan, six(&packet, 40, &[108]))?;
            assert_eq!(arrives(&left)?.packet[6], 17);
            // Unless others of the same datagram are here already, whom it contradicts.
            let piece = |offset, length, more| fragment6(&packet, 40, 98, &Part { offset, length, more });
            let sent = vec![piece(64, 44, false), piece(0, 64, false), piece(0, 64, true)];
            leaves(&send(s, Side::Lan, sent)?, &[(0, 64, true), (64, 44, false)])?;
            // An empty one is none, and says how long its datagram is all the same.
            let piece = |length| fragment6(&packet, 40, 97, &Part { offset: 0, length, more: false });
            let mut empty = piece(0);
            empty[40] = 60;
            vanishes(&send(s, Side::Lan, vec![empty, piece(108)])?)
        })
    }),
    ("ipv4_fragments_are_trimmed_to_multiples_of_eight", || {
        play(&[TRACKED], |s| {
            let packet = client().udp(1, 53, &[7; 100]);
            let mut pieces = four(&packet, &[40, 68]);
            pieces[0].extend([0xee; 5]);
            set16(&mut pieces[0], 2, 65);
            sum4(&mut pieces[0]);
            leaves(&send(s, Side::Lan, pieces)?, &[(0, 40, true), (40, 68, false)])
        })
    }),
    ("a_first_fragment_that_stays_apart_must_add_up_as_it_is", || {
        let invalid = "-A FORWARD -m state --state INVALID -m comment --comment broken";
        play6(&[invalid, "-t nat -A POSTROUTING -o wan0 -p tcp -j MASQUERADE"], |s| {
            // Its length is no multiple of eight, so it is put together with nothing.
            let segment = client6().tcp(&Tcp::segment(1234, 80, Tcp::SYN, 1, 0), &[7; 41]);
            let part = Part { offset: 0, length: 61, more: true };
            let right = fragment6(&segment, 40, 96, &part);
            let mut wrong = right.clone();
            if let Some(last) = wrong.last_mut() {
                *last ^= 1;
            }
            arrives(&s.lan(wrong)?)?;
            s.counted("--comment broken", 1)?;
            arrives(&s.lan(right)?)?;
            s.counted("--comment broken", 1)?;
            s.one_entry(&["SYN_SENT", "sport=1234"])
        })
    }),
    ("boyer_moore_finds_nothing_that_stands_in_two_fragments_and_kmp_does", || {
        let rule = |algorithm: &str| {
            format!("-A FORWARD -m string --string needle --algo {algorithm} -m comment --comment {algorithm}")
        };
        play(&[TRACKED, &rule("bm"), &rule("kmp")], |s| {
            let packet = client().udp(1, 53, b"0123456789abcneedle-in-a-haystack0");
            for (lengths, found) in [([24, 18], 0), ([16, 26], 1)] {
                arrives(&send(s, Side::Lan, four(&packet, &lengths))?.split_off(1))?;
                s.counted("--comment bm", found)?;
            }
            s.counted("--comment kmp", 2)
        })
    }),
];
