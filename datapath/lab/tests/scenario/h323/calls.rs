//! Calls: signalling, H.245, media.

use std::{io, net::SocketAddr};

use lab::{frame::Ip, suite::Test, twin::Side};

use super::super::dialogue::Dialogue;
use super::super::{Stage, arrives, client, fail, play, play6, server, server_to_router};
use super::media::{Channel, Data, audio};
use super::signal::{Kind, Signal, framed, signal};
use super::{INNER, OUTER, SERVER, place, same};

const Q931: &str = "-t raw -A PREROUTING -p tcp --dport 1720 -j CT --helper Q.931";
const RELATED: &str = "-A FORWARD -m conntrack --ctstate RELATED -m comment --comment related";
const HELPED: &str = "-A FORWARD -m helper --helper Q.931";
const MEDIA: &str = "-A FORWARD -m helper --helper H.245";
const SNAT: &str = "-t nat -A POSTROUTING -o wan0 -j SNAT --to-source 10.2.0.1";
const DNAT: &str = "-t nat -A PREROUTING -i wan0 -p tcp --dport 1720 -j DNAT --to-destination 10.1.0.2";

pub(crate) const TESTS: &[Test] = &[
    ("an_h323_call_opens_ways_for_h245_and_its_media", || {
        play(&[Q931, RELATED, HELPED, MEDIA], |s| {
            let mut call = called(s)?;
            call.says(s, &Signal { rich: true, ..signal(Kind::Setup) }.bytes())?;
            call.answers(s, &Signal { h245: at(SERVER, 6000), ..signal(Kind::Connect) }.bytes())?;
            s.expects(&["helper=Q.931", "dport=6000"])?;
            s.list()?;
            let mut control = Dialogue::open(s, Side::Lan, &client(), 3000, 6000)?;
            control.says(s, &framed(&audio(place(INNER, 5000)).request()))?;
            s.list()?;
            control.answers(s, &framed(&audio(place(SERVER, 7000)).acknowledge()))?;
            if s.expectations()?.len() != 4 {
                return fail(format!("{:#?}", s.expectations()?));
            }
            s.list()?;
            arrives(&s.wan(server().udp(7000, 5000, b"rtp"))?)?;
            arrives(&s.lan(client().udp(5001, 7001, b"rtcp"))?)?;
            arrives(&s.wan(server().udp(7001, 5001, b"rtcp"))?)?;
            s.counted("related", 3)?;
            s.command(&["conntrack", "-L"])
        })
    }),
    ("an_h323_call_behind_source_nat_names_what_can_be_reached", || {
        play(&[Q931, SNAT, RELATED, HELPED, MEDIA], |s| {
            let mut call = called(s)?;
            let setup = Signal { h245: at(INNER, 6000), calling: at(INNER, 2000), ..signal(Kind::Setup) };
            let heard = call.says(s, &setup.bytes())?;
            let wanted = Signal { h245: at(OUTER, 6000), calling: at(OUTER, 2000), ..setup };
            same(&heard, &wanted.bytes())?;
            s.list()?;
            let mut control = Dialogue::open(s, Side::Wan, &server_to_router(), 3000, 6000)?;
            let heard = control.answers(s, &framed(&audio(place(INNER, 5000)).request()))?;
            same(&heard, &framed(&audio(place(OUTER, 5000)).request()))?;
            s.list()?;
            let answer = framed(&audio(place(SERVER, 7000)).acknowledge());
            same(&control.says(s, &answer)?, &answer)?;
            s.list()?;
            arrives(&s.wan(server_to_router().udp(7000, 5000, b"rtp"))?)?;
            arrives(&s.wan(server_to_router().udp(7001, 5001, b"rtcp"))?)?;
            arrives(&s.lan(client().udp(5000, 7000, b"rtp"))?)?;
            s.command(&["conntrack", "-L"])
        })
    }),
    ("an_h323_call_from_outside_comes_in_by_destination_nat", || {
        play(&[Q931, DNAT, RELATED], |s| {
            let mut call = Dialogue::open(s, Side::Wan, &server_to_router(), 2000, 1720)?;
            let setup =
                Signal { called: at(OUTER, 1720), calling: at(SERVER, 1720), rich: true, ..signal(Kind::Setup) };
            let heard = call.says(s, &setup.bytes())?;
            same(&heard, &Signal { called: at(INNER, 1720), ..setup }.bytes())?;
            let connect = Signal { h245: at(INNER, 6000), ..signal(Kind::Connect) };
            let heard = call.answers(s, &connect.bytes())?;
            same(&heard, &Signal { h245: at(OUTER, 6000), ..connect }.bytes())?;
            s.list()?;
            let mut control = Dialogue::open(s, Side::Wan, &server_to_router(), 3000, 6000)?;
            control.says(s, &framed(&audio(place(SERVER, 7000)).request()))?;
            s.list()?;
            let heard = control.answers(s, &framed(&audio(place(INNER, 5000)).acknowledge()))?;
            same(&heard, &framed(&audio(place(OUTER, 5000)).acknowledge()))?;
            s.list()?;
            arrives(&s.wan(server_to_router().udp(7000, 5000, b"rtp"))?)?;
            arrives(&s.lan(client().udp(5001, 7001, b"rtcp"))?)?;
            s.command(&["conntrack", "-L"])
        })
    }),
    ("a_fast_start_of_h323_opens_ways_for_media_without_h245", || {
        play(&[Q931, SNAT, RELATED], |s| {
            for (number, (kind, rich)) in (1..).zip([(Kind::Setup, false), (Kind::Facility, true), (Kind::Setup, true)])
            {
                let mut call = Dialogue::open(s, Side::Lan, &client(), 2000 + number, 1720)?;
                let port = 5000 * number;
                let channels = |address| {
                    let both =
                        Channel { reverse: Some([None, at(address, port + 3)]), rich, ..audio(place(address, port)) };
                    let video =
                        Channel { data: Data::H263, control: at(address, port + 5), rich, ..Channel::default() };
                    let other = Channel { data: Data::Own, media: at(address, port + 6), rich, ..Channel::default() };
                    vec![both.open(), video.open(), other.open()]
                };
                let said = Signal { fast_start: channels(INNER), rich, ..signal(kind) };
                let heard = call.says(s, &said.bytes())?;
                same(&heard, &Signal { fast_start: channels(OUTER), ..said }.bytes())?;
                s.list()?;
                for kind in [Kind::Proceeding, Kind::Alerting, Kind::Progress, Kind::Connect] {
                    let answer = Signal { fast_start: channels(SERVER), rich, ..signal(kind) };
                    same(&call.answers(s, &answer.bytes())?, &answer.bytes())?;
                    s.list()?;
                }
            }
            arrives(&s.wan(server_to_router().udp(7000, 5000, b"rtp"))?)?;
            s.list()
        })
    }),
    ("h245_that_is_tunnelled_is_read_in_every_message_of_h323", || {
        play(&[Q931, SNAT, RELATED], |s| {
            for (number, kind) in (0..).zip(Kind::SPEAKING.into_iter().chain([Kind::Empty])) {
                let mut call = Dialogue::open(s, Side::Lan, &client(), 2000 + number, 1720)?;
                for rich in [false, true] {
                    let port = 5000 + number * 20 + u16::from(rich) * 10;
                    let said = |address| Signal {
                        tunnelled: vec![
                            audio(place(address, port)).request(),
                            Channel { reverse: Some([at(address, port + 2), None]), rich, ..Channel::default() }
                                .acknowledge(),
                        ],
                        rich,
                        ..signal(kind)
                    };
                    let heard = call.says(s, &said(INNER).bytes())?;
                    same(&heard, &said(OUTER).bytes())?;
                    s.list()?;
                    call.answers(s, &said(SERVER).bytes())?;
                    s.list()?;
                }
            }
            Ok(())
        })
    }),
    ("t120_of_h323_is_expected_where_it_shall_go_over_the_network", || {
        play(&[Q931, SNAT, RELATED], |s| {
            let mut call = called(s)?;
            let stack = |address| Channel { stack: at(address, 1503), ..Channel::default() };
            for rich in [false, true] {
                for data in [Data::G711, Data::G723, Data::H263, Data::Buffered, Data::Own, Data::T120] {
                    let said = |address| Signal {
                        tunnelled: vec![Channel { data, rich, ..stack(address) }.request()],
                        ..signal(Kind::Facility)
                    };
                    let heard = call.says(s, &said(INNER).bytes())?;
                    same(&heard, &said(if data == Data::T120 { OUTER } else { INNER }).bytes())?;
                    s.list()?;
                    let answer = Signal { tunnelled: vec![stack(SERVER).acknowledge()], ..signal(Kind::Facility) };
                    call.answers(s, &answer.bytes())?;
                    s.list()?;
                }
            }
            Dialogue::open(s, Side::Wan, &server_to_router(), 4000, 1503)?;
            Dialogue::open(s, Side::Wan, &server_to_router(), 4001, 1503)?;
            Dialogue::open(s, Side::Lan, &client(), 4002, 1503)?;
            s.counted("related", 3)?;
            s.list()
        })
    }),
    ("messages_of_h323_in_one_segment_and_headers_apart", || {
        play(&[Q931, SNAT], |s| {
            let mut call = called(s)?;
            let one = |port| Signal { h245: at(INNER, port), ..signal(Kind::Alerting) };
            call.says(
                s,
                &[one(6000).bytes(), one(6002).bytes(), signal(Kind::Connect).bytes(), one(6004).bytes()].concat(),
            )?;
            s.list()?;
            // A header, and then what it announces.
            let whole = one(6006).bytes();
            call.says(s, &whole[..4])?;
            call.says(s, &whole[4..])?;
            s.list()?;
            // The same with another message behind, and with something in between.
            call.says(s, &whole[..4])?;
            call.says(s, &[&whole[4..], &one(6008).bytes()].concat())?;
            s.list()?;
            call.says(s, &whole[..4])?;
            call.says(s, b"xy")?;
            call.says(s, &one(6010).call())?;
            s.list()?;
            // What is cut elsewhere is not put together.
            let whole = one(6012).bytes();
            for at in [1, 3, 5, 9, 20, whole.len() - 1] {
                call.says(s, &whole[..at])?;
                call.says(s, &whole[at..])?;
                s.list()?;
            }
            // Nonsense in front, behind, and a length that is none.
            call.says(s, &[&[3, 0, 0, 5, 9][..], &one(6014).bytes()].concat())?;
            call.says(s, &[&one(6016).bytes()[..], &[3, 0, 0, 3], &one(6018).bytes()].concat())?;
            call.says(s, &[&one(6020).bytes()[..], &[3, 0, 0, 4], &one(6022).bytes()].concat())?;
            call.says(s, &[&[3, 0, 0, 4][..], &one(6024).bytes()].concat())?;
            call.says(s, &[3, 0, 0, 2])?;
            call.says(s, &one(6026).call())?;
            call.says(s, &[3, 0, 0, 4])?;
            call.says(s, &one(6028).call())?;
            s.list()?;
            let mut odd = one(6030).bytes();
            odd[1] = 1;
            call.says(s, &odd)?;
            s.list()
        })
    }),
    ("an_h323_call_that_is_forwarded_goes_on_elsewhere", || {
        play(&[Q931, RELATED, HELPED], |s| {
            let mut call = called(s)?;
            let facility = |to, reason| Signal { alternative: at(to, 1720), reason, ..signal(Kind::Facility) };
            // To somebody at the same place: an on-link neighbour is a place of its own.
            for (reason, to) in [
                (0, [10, 2, 0, 3]),
                (2, [10, 2, 0, 3]),
                (5, [10, 2, 0, 3]),
                (1, SERVER),
                (1, [10, 1, 0, 2]),
                (1, [10, 2, 0, 3]),
                (1, [10, 9, 0, 3]),
                (1, [10, 2, 0, 9]),
            ] {
                call.answers(s, &Signal { rich: true, ..facility(to, reason) }.bytes())?;
                s.list()?;
                call.says(s, &facility(to, reason).bytes())?;
                s.list()?;
            }
            let mut second = Dialogue::open(s, Side::Lan, &Ip::between(INNER, [10, 2, 0, 3]), 2001, 1720)?;
            second.says(s, &Signal { h245: at(INNER, 6000), ..signal(Kind::Setup) }.bytes())?;
            s.counted("related", 1)?;
            s.command(&["conntrack", "-L"])
        })
    }),
    ("an_h323_call_that_is_forwarded_behind_source_nat_comes_to_the_router", || {
        play(&[Q931, SNAT, RELATED, HELPED], |s| {
            let mut call = called(s)?;
            let facility = |to, port| Signal { alternative: at(to, port), reason: 1, ..signal(Kind::Facility) };
            let heard = call.says(s, &facility([10, 1, 0, 3], 1721).bytes())?;
            same(&heard, &facility(OUTER, 1721).bytes())?;
            s.list()?;
            let mut second = Dialogue::open(s, Side::Wan, &server_to_router(), 2002, 1721)?;
            second.says(s, &Signal { called: at(OUTER, 1721), ..signal(Kind::Setup) }.bytes())?;
            s.list()?;
            call.answers(s, &facility([10, 2, 0, 3], 1720).bytes())?;
            s.command(&["conntrack", "-L"])
        })
    }),
    ("h323_opens_no_way_to_an_address_that_is_not_the_speakers", || {
        play(&[Q931], |s| {
            let mut call = called(s)?;
            for address in [[10, 1, 0, 3], OUTER, SERVER, [127, 0, 0, 1], [0; 4]] {
                let said = Signal {
                    h245: at(address, 6000),
                    fast_start: vec![audio(place(address, 5000)).open()],
                    tunnelled: vec![
                        audio(place(address, 5000)).request(),
                        Channel { data: Data::T120, stack: at(address, 1503), ..Channel::default() }.request(),
                    ],
                    ..signal(Kind::Connect)
                };
                call.says(s, &said.bytes())?;
            }
            // No port, or the lowest and highest.
            for port in [0, 1] {
                call.says(
                    s,
                    &Signal { fast_start: vec![audio(place(INNER, port)).open()], ..signal(Kind::Setup) }.bytes(),
                )?;
                s.list()?;
            }
            call.answers(s, &Signal { h245: at(INNER, 6000), ..signal(Kind::Connect) }.bytes())?;
            call.says(s, &Signal { h245: at(INNER, 0), ..signal(Kind::Connect) }.bytes())?;
            s.list()?;
            for port in [65534, 65535] {
                call.says(
                    s,
                    &Signal { fast_start: vec![audio(place(INNER, port)).open()], ..signal(Kind::Setup) }.bytes(),
                )?;
                s.list()?;
            }
            Ok(())
        })
    }),
    ("ends_of_an_h323_call_are_named_as_the_connections_behind_nat", || {
        let setup = Signal { called: at([10, 2, 0, 7], 9), calling: at([10, 1, 0, 7], 8), ..signal(Kind::Setup) };
        play(&[Q931], |s| {
            let mut call = called(s)?;
            same(&call.says(s, &setup.bytes())?, &setup.bytes())
        })?;
        play(&[Q931, SNAT], |s| {
            let mut call = called(s)?;
            let ends = Signal { called: at(SERVER, 1720), calling: at(OUTER, 2000), ..setup.clone() };
            same(&call.says(s, &setup.bytes())?, &ends.bytes())?;
            let there = Signal { called: at(SERVER, 9), calling: at(OUTER, 8), ..setup.clone() };
            same(&call.says(s, &there.bytes())?, &there.bytes())?;
            let back = Signal { called: at(INNER, 2000), calling: at(SERVER, 1720), ..setup.clone() };
            same(&call.answers(s, &setup.bytes())?, &back.bytes())
        })
    }),
    ("h323_has_so_many_pairs_of_media_ports_and_expectations", || {
        play(&[Q931, SNAT], |s| {
            let mut call = called(s)?;
            let say = |s: &mut Stage, call: &mut Dialogue, port| {
                let said = Signal { fast_start: vec![audio(place(INNER, port)).open()], ..signal(Kind::Facility) };
                call.says(s, &said.bytes())
            };
            for port in [5000, 5002, 5000, 5004, 5006, 5008, 5010, 5002] {
                say(s, &mut call, port)?;
                s.list()?;
            }
            for port in 6000..6025 {
                call.says(s, &Signal { h245: at(INNER, port), ..signal(Kind::Connect) }.bytes())?;
            }
            s.list()
        })
    }),
    ("a_media_port_of_h323_that_others_expect_gives_way_to_the_next_pair", || {
        play(&[Q931, SNAT], |s| {
            let said =
                |address, port| Signal { fast_start: vec![audio(place(address, port)).open()], ..signal(Kind::Setup) };
            let mut first = Dialogue::open(s, Side::Lan, &Ip::between([10, 1, 0, 3], SERVER), 2001, 1720)?;
            first.says(s, &said([10, 1, 0, 3], 5000).bytes())?;
            let mut second = called(s)?;
            same(&second.says(s, &said(INNER, 5000).bytes())?, &said(OUTER, 5002).bytes())?;
            same(&second.says(s, &said(INNER, 5000).bytes())?, &said(OUTER, 5002).bytes())?;
            s.command(&["conntrack", "-D", "-p", "tcp", "--orig-src", "10.1.0.3"])?;
            second.says(s, &said(INNER, 5000).bytes())?;
            s.list()
        })
    }),
    ("an_h323_call_over_ipv6_opens_ways_and_stays_as_it_is", || {
        play6(&[Q931, RELATED, HELPED, MEDIA], |s| {
            let (inner, outer) = ([0xfd01, 0, 0, 0, 0, 0, 0, 2], [0xfd02, 0, 0, 0, 0, 0, 0, 2]);
            let six = |address: [u16; 8], port| SocketAddr::from((address, port));
            let list = |s: &mut Stage| s.command(&["conntrack", "-L", "expect", "-f", "ipv6"]);
            let there = Ip::between(inner, outer);
            let mut call = Dialogue::open(s, Side::Lan, &there, 2000, 1720)?;
            let setup = Signal {
                called: Some(six(inner, 9)),
                calling: Some(six(outer, 9)),
                fast_start: vec![audio(six(inner, 5000)).open(), audio(place(INNER, 5100)).open()],
                ..signal(Kind::Setup)
            };
            same(&call.says(s, &setup.bytes())?, &setup.bytes())?;
            list(s)?;
            call.answers(s, &Signal { h245: Some(six(outer, 6000)), rich: true, ..signal(Kind::Connect) }.bytes())?;
            list(s)?;
            call.answers(
                s,
                &Signal { alternative: Some(six(inner, 1720)), reason: 1, ..signal(Kind::Facility) }.bytes(),
            )?;
            let far = six([0xfd02, 0, 0, 0, 0, 0, 0, 3], 1720);
            call.answers(s, &Signal { alternative: Some(far), reason: 1, ..signal(Kind::Facility) }.bytes())?;
            list(s)?;
            let mut control = Dialogue::open(s, Side::Lan, &there, 3000, 6000)?;
            let data = Channel { data: Data::T120, stack: Some(six(inner, 1503)), ..audio(six(inner, 5200)) };
            control.says(s, &framed(&data.request()))?;
            control.answers(s, &framed(&audio(six(outer, 7200)).acknowledge()))?;
            list(s)?;
            let back = Ip::between(outer, inner);
            arrives(&s.wan(back.udp(7200, 5200, b"rtp"))?)?;
            arrives(&s.lan(there.udp(5201, 7201, b"rtcp"))?)?;
            list(s)
        })
    }),
    ("behind_a_token_of_h323_nothing_is_read_of_a_progress", || {
        play(&[Q931, SNAT], |s| {
            let mut call = called(s)?;
            let (said, there) = everything(Kind::Progress, 5000);
            let heard = call.says(s, &Signal { token: true, ..said.clone() }.bytes())?;
            same(&heard, &Signal { token: true, fast_start: said.fast_start, ..there }.bytes())?;
            s.list()
        })
    }),
    ("what_is_cut_off_from_an_h323_call", || {
        play(&[Q931, SNAT], |s| {
            let all = [Kind::Setup, Kind::Proceeding, Kind::Connect, Kind::Facility, Kind::Progress];
            for (number, kind) in (0..).zip(all) {
                let mut call = Dialogue::open(s, Side::Lan, &client(), 2000 + number, 1720)?;
                let (said, _) = everything(kind, 5000 + number * 10);
                let whole = said.call();
                for left in (0..whole.len()).rev().step_by(2) {
                    // With lengths that fit what is left.
                    let mut cut = whole[..left].to_vec();
                    if let Some(length) = left.checked_sub(8).filter(|&length| length > 4) {
                        cut[6..8].copy_from_slice(&(length as u16).to_be_bytes());
                    }
                    call.says(s, &framed(&cut))?;
                    heard(s, &mut call, left)?;
                }
                s.list()?;
            }
            Ok(())
        })
    }),
    ("wrong_bits_of_an_h323_call_are_read_as_the_original_reads_them", || {
        play(&[Q931, SNAT], |s| {
            for (number, kind) in (0..).zip([Kind::Setup, Kind::Facility, Kind::Progress]) {
                let mut call = Dialogue::open(s, Side::Lan, &client(), 2000 + number, 1720)?;
                let (said, _) = everything(kind, 5000 + number * 10);
                let whole = said.bytes();
                for at in 4..whole.len() {
                    for bit in [0x80, 0x20, 0x02] {
                        let mut broken = whole.clone();
                        broken[at] ^= bit;
                        call.says(s, &broken)?;
                    }
                    heard(s, &mut call, at)?;
                }
                s.list()?;
            }
            Ok(())
        })
    }),
    ("additions_to_h323_that_came_later_are_passed_over_as_the_original_does", || {
        play(&[Q931, SNAT], |s| {
            let all = [Kind::Setup, Kind::Proceeding, Kind::Connect, Kind::Alerting, Kind::Facility, Kind::Progress];
            for (number, kind) in (0..).zip(all) {
                let mut call = Dialogue::open(s, Side::Lan, &client(), 2000 + number, 1720)?;
                for newer in 0..34 {
                    let port = 5000 + number * 10;
                    let early = Signal { h245: at(INNER, port), newer, ..signal(kind) };
                    call.says(s, &early.bytes())?;
                    let late = Signal { tunnelled: vec![audio(place(INNER, port)).request()], ..early };
                    call.says(s, &late.bytes())?;
                    let other = Signal { other: Some(newer), newer: 0, ..late };
                    call.says(s, &other.bytes())?;
                    heard(s, &mut call, newer)?;
                }
            }
            s.list()
        })
    }),
];

/// A connection for a call from the clients' side.
fn called(s: &mut Stage) -> io::Result<Dialogue> {
    Dialogue::open(s, Side::Lan, &client(), 2000, 1720)
}

/// A message with all that is read of it, and how it looks behind source NAT.
fn everything(kind: Kind, port: u16) -> (Signal, Signal) {
    let said = |address| Signal {
        h245: at(address, 6000 + port),
        calling: at(address, 2000),
        fast_start: vec![audio(place(address, port)).open()],
        tunnelled: vec![audio(place(address, port + 2)).request()],
        ..signal(kind)
    };
    (said(INNER), said(OUTER))
}

/// The other end says something now and then, or what is said would leave its window.
fn heard(s: &mut Stage, call: &mut Dialogue, number: usize) -> io::Result<()> {
    if number.is_multiple_of(8) { call.answers(s, b".").map(drop) } else { Ok(()) }
}

fn at(address: [u8; 4], port: u16) -> Option<SocketAddr> {
    Some(place(address, port))
}
