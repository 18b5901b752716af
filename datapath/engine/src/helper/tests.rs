//! Helpers on whole sessions: what is expected, what leaves, how numbers follow.

use std::net::IpAddr;

use proptest::prelude::*;

use super::*;
use crate::conntrack::expect::Expected;
use crate::conntrack::tests::{ACK, Box, CLIENT, ROUTER, SERVER, SYN, Segment, name, outline, range, seg, tcp, udp};
use crate::conntrack::tuple::protocol;
use crate::conntrack::{Address, Draft, Tuple};

/// A segment with text in it.
pub(crate) fn says(from: (&str, u16), to: (&str, u16), segment: &Segment<'_>, text: &[u8]) -> Vec<u8> {
    let mut bytes = tcp(from, to, &Segment { data: text.len(), options: segment.options, ..*segment });
    let at = bytes.len() - text.len();
    bytes[at..].copy_from_slice(text);
    let [source, destination] = [12, 16].map(|at| bytes[at..at + 4].to_vec());
    let transport = bytes.split_off(20);
    let text = |ip: &[u8]| IpAddr::from(<[u8; 4]>::try_from(ip).unwrap()).to_string();
    let mut transport = transport;
    transport[16..18].fill(0);
    crate::conntrack::tests::ip(&text(&source), &text(&destination), protocol::TCP, &transport, Some(16))
}

fn text(bytes: &[u8]) -> String {
    let header = 20 + usize::from(bytes[32] >> 4) * 4;
    String::from_utf8_lossy(&bytes[header..]).into_owned()
}

fn numbers(bytes: &[u8]) -> (u32, u32) {
    let at = |at: usize| u32::from_be_bytes(*bytes[at..].first_chunk().unwrap());
    (at(24), at(28))
}

const HERE: (&str, u16) = (CLIENT, 1024);
const THERE: (&str, u16) = (SERVER, 21);

/// A router that gives connections to port 21 the FTP helper, and a session of which the first lines were said.
fn session(source: Option<&str>) -> Box {
    let mut net = match source {
        Some(address) => Box::translating(Some(range(address, None)), None),
        None => Box::new(),
    };
    net.tracker.set_awaiting_news(true);
    net.template.helper = find(b"ftp", Af::V4, protocol::TCP);
    let outside = (source.unwrap_or(CLIENT), 1024);
    net.forward(tcp(HERE, THERE, &seg(SYN, 99, 0, 0)));
    net.forward(tcp(THERE, outside, &seg(SYN | ACK, 499, 100, 0)));
    net.forward(tcp(HERE, THERE, &seg(ACK, 100, 500, 0)));
    net.forward(says(THERE, outside, &seg(ACK, 500, 100, 0), b"220 hi\r\n"));
    net.forward(says(HERE, THERE, &seg(ACK, 100, 508, 0), b"NOOP\r\n"));
    net.forward(says(THERE, outside, &seg(ACK, 508, 106, 0), b"200 ok\r\n"));
    net
}

fn expected(net: &Box) -> Vec<(String, u16)> {
    (0..net.tracker.expectation_places())
        .filter_map(|at| net.tracker.expectation(at, net.now))
        .map(|found| {
            let tuple = found.expected.tuple;
            (tuple.destination.ip(tuple.af).to_string(), tuple.destination_port())
        })
        .collect()
}

#[test]
fn ftp_expects_what_port_and_pasv_name() {
    let mut net = session(None);
    net.forward(says(HERE, THERE, &seg(ACK, 106, 516, 0), b"PORT 10,0,0,2,4,1\r\n"));
    assert_eq!(expected(&net), [(CLIENT.to_owned(), 1025)]);
    net.forward(says(THERE, HERE, &seg(ACK, 516, 125, 0), b"227 Entering Passive Mode (192,0,2,80,8,9)\r\n"));
    assert_eq!(expected(&net), [(SERVER.to_owned(), 2057)]);
    assert_eq!(net.state(tcp((CLIENT, 4000), (SERVER, 2057), &seg(SYN, 1, 0, 0))), "RELATED");
    assert_eq!(expected(&net), []);
}

#[test]
fn ftp_opens_no_way_to_a_third_host() {
    let mut net = session(None);
    assert_eq!(
        net.forward(says(HERE, THERE, &seg(ACK, 106, 516, 0), b"PORT 10,0,0,9,4,1\r\n")).verdict,
        Verdict::Accept
    );
    assert_eq!(expected(&net), []);
}

#[test]
fn loose_ftp_opens_a_way_to_a_third_host() {
    for source in [None, Some(ROUTER)] {
        let mut net = session(source);
        net.set_parameters(|parameters| parameters.ftp_loose = true);
        net.forward(says(HERE, THERE, &seg(ACK, 106, 516, 0), b"PORT 10,0,0,9,4,1\r\n"));
        assert_eq!(expected(&net), [("10.0.0.9".to_owned(), 1025)]);
    }
}

#[test]
fn modules_parameters_say_how_much_is_expected_and_how_long() {
    let mut net = Box::new();
    let all = [(&b"irc"[..], protocol::TCP), (b"netbios-ns", protocol::UDP), (b"snmp", protocol::UDP)];
    let classes = |net: &Box| {
        all.map(|(name, protocol)| {
            let class = find(name, Af::V4, protocol).and_then(|helper| net.tracker.class_of(helper, 0));
            class.map(|class| (class.most, class.timeout))
        })
    };
    assert_eq!(classes(&net), [Some((8, 300)), Some((1, 3)), Some((1, 30))]);
    net.set_parameters(|parameters| {
        *parameters = Parameters { irc_channels: 2, irc_timeout: 7, netbios: 8, snmp: 9, ..Parameters::default() };
    });
    assert_eq!(classes(&net), [Some((2, 7)), Some((1, 8)), Some((1, 9))]);
}

#[test]
fn a_part_of_an_ftp_command_is_dropped_where_a_line_begins() {
    let mut net = session(None);
    assert_eq!(net.forward(says(HERE, THERE, &seg(ACK, 106, 516, 0), b"PORT 10,0,")).verdict, Verdict::Drop);
    assert_eq!(net.forward(says(HERE, THERE, &seg(ACK, 106, 516, 0), b"POR")).verdict, Verdict::Drop);
    assert_eq!(net.forward(says(HERE, THERE, &seg(ACK, 107, 516, 0), b"PORT 10,0,")).verdict, Verdict::Accept);
}

#[test]
fn ftp_behind_nat_says_the_outer_address_and_later_numbers_follow() {
    let mut net = session(Some(ROUTER));
    let left = net.forward(says(HERE, THERE, &seg(ACK, 106, 516, 0), b"PORT 10,0,0,2,4,1\r\n"));
    assert_eq!(text(&left.bytes), "PORT 192,0,2,1,4,1\r\n");
    outline(&left.bytes);
    assert_eq!(expected(&net), [(ROUTER.to_owned(), 1025)]);
    // What is sent once more is rewritten alike and moves nothing further.
    let left = net.forward(says(HERE, THERE, &seg(ACK, 106, 516, 0), b"PORT 10,0,0,2,4,1\r\n"));
    assert_eq!((text(&left.bytes).as_str(), numbers(&left.bytes).0), ("PORT 192,0,2,1,4,1\r\n", 106));
    // One byte more has gone out: later numbers are one further, and what comes back says so.
    let left = net.forward(says(HERE, THERE, &seg(ACK, 125, 516, 0), b"LIST\r\n"));
    assert_eq!(numbers(&left.bytes), (126, 516));
    outline(&left.bytes);
    let sack = [1, 1, 5, 10, 0, 0, 0, 126, 0, 0, 0, 132];
    let answer = tcp(THERE, (ROUTER, 1024), &Segment { options: &sack, ..seg(ACK, 516, 126, 0) });
    let back = net.forward(answer);
    assert_eq!(name(back.tracked), "ESTABLISHED");
    assert_eq!(numbers(&back.bytes), (516, 125));
    assert_eq!(back.bytes[44..52], [0, 0, 0, 125, 0, 0, 0, 131]);
    outline(&back.bytes);
    let left = net.forward(says(HERE, THERE, &seg(ACK, 125, 516, 0), b"LIST\r\n"));
    assert_eq!(numbers(&left.bytes).0, 126);
    let data = net.forward(tcp((SERVER, 20), (ROUTER, 1025), &seg(SYN, 1, 0, 0)));
    assert_eq!(name(data.tracked), "RELATED");
    assert_eq!(outline(&data.bytes), "192.0.2.80:20 > 10.0.0.2:1025");
}

#[test]
fn a_port_that_others_expect_gives_way_to_another() {
    let mut net = session(Some(ROUTER));
    let taken = {
        let address = Address::from(ROUTER.parse::<IpAddr>().unwrap());
        let server = Address::from(SERVER.parse::<IpAddr>().unwrap());
        let original = Tuple {
            af: Af::V4,
            protocol: protocol::TCP,
            source: Address::from("10.0.0.77".parse::<IpAddr>().unwrap()),
            destination: server,
            ports: crate::conntrack::tuple::Ports::Ports { source: 1, destination: 21 },
        };
        let draft = Draft {
            tuples: [original, original.inverse().unwrap()],
            zones: [0; 2],
            status: 0,
            timeout: 100,
            mark: 0,
            labels: None,
            protocol: None,
            nat: [None; 2],
            helper: find(b"ftp", Af::V4, protocol::TCP),
            master: None,
        };
        let other = net.tracker.insert(&draft, 1, net.now, &mut net.out).unwrap();
        let tuple = original.inverse().unwrap().with_destination_port(1025);
        let tuple = Tuple { destination: address, ..tuple };
        net.tracker.expect(other, Expected::new(Some(server), None, tuple), net.now, &mut net.out)
    };
    assert_eq!(taken, Ok(()));
    let left = net.forward(says(HERE, THERE, &seg(ACK, 106, 516, 0), b"PORT 10,0,0,2,4,1\r\n"));
    assert_eq!(left.verdict, Verdict::Accept);
    let ports: Vec<u16> = expected(&net).iter().map(|(_, port)| *port).collect();
    assert!(ports.len() == 2 && ports.iter().any(|&port| port > 1025), "{ports:?}");
}

#[test]
fn tftp_expects_the_answer_from_any_port() {
    let mut net = Box::translating(Some(range(ROUTER, None)), None);
    net.template.helper = find(b"tftp", Af::V4, protocol::UDP);
    net.forward(udp((CLIENT, 5000), (SERVER, 69), b"\0\x01file\0octet\0"));
    assert_eq!(expected(&net), [(ROUTER.to_owned(), 5000)]);
    net.template.helper = None;
    let back = net.forward(udp((SERVER, 3333), (ROUTER, 5000), b"data"));
    assert_eq!((name(back.tracked), outline(&back.bytes).as_str()), ("RELATED", "192.0.2.80:3333 > 10.0.0.2:5000"));
    net.forward(udp((CLIENT, 5001), (SERVER, 69), b"\0\x03"));
    assert_eq!(expected(&net), []);
}

#[test]
fn no_rule_gives_a_helper_to_a_protocol_it_does_not_read() {
    assert!(find(b"ftp", Af::V4, protocol::UDP).is_none());
    assert!(find(b"tftp", Af::V6, protocol::UDP).is_some());
    assert!(find(b"", Af::V4, protocol::TCP).is_none());
}

/// Pieces that some helper looks for.
const WORDS: [&[u8]; 27] = [
    b"PORT 10,0,0,2,",
    b"227 Entering (192,0,2,80,1,2)",
    b"|||6000|",
    b"\r\n",
    b" :\x01DCC SEND ",
    b"PRIVMSG x",
    b"167772162 4000",
    b"CONNECT ",
    b"DATA 500",
    b"INDEX ",
    b"7",
    b"\0\0\0\x07\0\0\0\x01",
    b"\0\0\0\0\0\0\x13\x88",
    b"\0\x01",
    b"\0\xa8\0\x01\x1a\x2b\x3c\x4d\0\x07\0\0\0\x07",
    b"\0\x20\0\x01\x1a\x2b\x3c\x4d\0\x08\0\0\0\x63\x04\0\x01",
    b"\0\x20\0\x01\x1a\x2b\x3c\x4d\0\x0d\0\0\0\x63\x04\0\x01",
    &[0; 144],
    b"INVITE sip:192.0.2.80 SIP/2.0\r\nCSeq: 1 INVITE\r\n",
    b"v=0\r\no=- 1 1 IN IP4 10.0.0.2\r\nc=IN IP4 10.0.0.2\r\nm=audio 4000 x\r\n",
    b"Content-Length: 77\r\n\r\n",
    b"Contact: <sip:10.0.0.2:1024>\r\n",
    b"10.0.0.2",
    b"192.0.2.80",
    b"\x03\0\0\x1e\x08\x02\x12\x34\x62\x7e\0\x12\x05\x06\x40\x06\0\x08\x91\x4a\0\x04\0\x0a\0\0\x03\x06\xb8\x20",
    b"\x4c\0\x07\0\x0a\0\0\x02\x06\xbd\0\x0a\0\0\x02\x06\xbd",
    b"\x05\0\0\x07\x06\0\x08\x91\x4a\0\x04\0\x0a\0\0\x09\x06\xb7",
];

proptest! {
    #[test]
    fn whatever_is_said_helpers_leave_sound_packets(
        which in 0..HELPERS.len(),
        said in prop::collection::vec(
            (any::<bool>(), prop::collection::vec(
                prop_oneof![
                    (0..WORDS.len()).prop_map(|at| WORDS[at].to_vec()),
                    prop::collection::vec(any::<u8>(), 0..12),
                ],
                0..8,
            )),
            1..8,
        )
    ) {
        let helper = HELPERS[which];
        let mut net = Box::translating(Some(range(ROUTER, None)), None);
        net.tracker.set_awaiting_news(true);
        net.template.helper = find(helper.about().name.as_bytes(), Af::V4, helper.about().protocols[0]);
        prop_assert!(net.template.helper.is_some());
        let (mut here, mut there) = (100, 500);
        if helper.about().protocols[0] == protocol::TCP {
            net.forward(tcp(HERE, THERE, &seg(SYN, 99, 0, 0)));
            net.forward(tcp(THERE, (ROUTER, 1024), &seg(SYN | ACK, 499, 100, 0)));
            net.forward(tcp(HERE, THERE, &seg(ACK, 100, 500, 0)));
        }
        for (question, pieces) in said {
            let (from, to) = if question { (HERE, THERE) } else { (THERE, (ROUTER, 1024)) };
            let words = pieces.concat();
            let packet = if helper.about().protocols[0] == protocol::TCP {
                let (seq, ack) = if question { (&mut here, there) } else { (&mut there, here) };
                let packet = says(from, to, &seg(ACK, *seq, ack, 0), &words);
                *seq += words.len() as u32;
                packet
            } else {
                udp(from, to, &words)
            };
            let passed = net.forward(packet);
            if passed.verdict == Verdict::Accept {
                outline(&passed.bytes);
            }
            let most: usize = helper.about().policies.iter().map(|policy| usize::from(policy.most)).sum();
            prop_assert!(expected(&net).len() <= most);
        }
    }

    #[test]
    fn whatever_is_said_ftp_answers_and_leaves_sound_packets(
        lines in prop::collection::vec((any::<bool>(), "((PORT|EPRT|227|229|pasv) ?\\(?[0-9,|. )a-z]{0,40}|.{0,40})(\r\n|\n|)"), 1..12)
    ) {
        let mut net = session(Some(ROUTER));
        let (mut here, mut there) = (106, 516);
        for (question, line) in lines {
            let line = &line.as_bytes()[..line.len().min(60)];
            let grown = line.len() as u32;
            let passed = if question {
                let packet = says(HERE, THERE, &seg(ACK, here, there, 0), line);
                here = here.wrapping_add(grown);
                net.forward(packet)
            } else {
                let packet = says(THERE, (ROUTER, 1024), &seg(ACK, there, 100, 0), line);
                there = there.wrapping_add(grown);
                net.forward(packet)
            };
            if passed.verdict == Verdict::Accept {
                outline(&passed.bytes);
            }
        }
    }
}
