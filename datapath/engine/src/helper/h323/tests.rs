//! Messages as they are: what is read of them, what is expected because of them, what they say behind NAT.

mod kept;

use proptest::prelude::*;

use super::h225::{RAS, USER_INFORMATION, mark};
use super::h245::MESSAGE;
use super::per::{What, find as read};
use crate::Verdict;
use crate::conntrack::tests::{ACK, Box, CLIENT, ROUTER, SERVER, SYN, name, outline, range, seg, tcp, udp};
use crate::conntrack::tuple::protocol;
use crate::helper::find;
use crate::helper::tests::says;
use libxt::family::Af;

const HERE: (&str, u16) = (CLIENT, 1024);
const THERE: (&str, u16) = (SERVER, 21);

// As the lab's writer of PER makes them; no other program's were at hand.

/// Setup from 10.0.0.2:1024 to 192.0.2.80:21: H.245 at port 6000, a fast start with media at 5000, and a channel with media at
/// 5002, tunnelled.
const SETUP: &str = "0300008908021234057e007d0520c8060008914a0004000a00000217702280b50012340470686f6e6500c000025000150007 \
    07070707070707070707070707070700341007000a00000204001b01190000650c60138011140001000a0000021388000a00 \
    0002138904c001801c011a030000650c60138011140001000a000002138a000a000002138b";
/// Connect: H.245 at 192.0.2.80, port 6000.
const CONNECT: &str = "0300003a08021234077e002e050240060008914a000400c000025017702280b50012340470686f6e65000707070707070707 \
    0707070707070707";
/// Facility: the call goes on at 10.0.0.3:1720.
const FORWARD: &str = "0300001e08021234627e0012050640060008914a0004000a00000306b820";
/// OpenLogicalChannel of T.120 at 10.0.0.2, port 1503.
const DATA: &str = "0380006510183001004002808003000001010908000a00000205df00";
/// The answer to one, with media at 192.0.2.80, port 7000.
const ACKNOWLEDGED: &str = "22c0006502800f0c00c00002501b5800c00002501b59";
/// RegistrationRequest: calls to 10.0.0.2:1720, RAS at 1719, for a minute, with optional fields.
const REGISTER: &str = "0fc00007060008914a000400028837086f776e20646174618001000a00000206b801000a00000206b72880b5001234047068 \
    6f6e6540023c0501002a00028837086f776e20646174610003018012344001006d006580050002736970020067006b40b500 \
    12340470686f6e6504c002003b0400000000";
/// RegistrationConfirm: calls to 192.0.2.1:1720, for 100 seconds.
const REGISTERED: &str = "13c00007060008914a000400028837086f776e20646174610100c000020106b803018012344001006d006580050002736970 \
    020067006b020067006b04c00200630400000000";
/// AdmissionConfirm: the call goes to 192.0.2.90:1720.
const ADMITTED: &str = "2900000740050040c000025a06b8003c";

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        hex.bytes().filter_map(|digit| (digit as char).to_digit(16)).map(|digit| digit as u8).collect();
    digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// A message with the address of somebody else in the place of one, wherever that stands.
fn forged(hex: &str, from: &str, to: &str) -> Vec<u8> {
    let octets = |text: &str| text.parse::<std::net::Ipv4Addr>().unwrap().octets();
    let (from, to) = (octets(from), octets(to));
    let mut message = bytes(hex);
    for at in 0..message.len() - 3 {
        if message[at..at + 4] == from {
            message[at..at + 4].copy_from_slice(&to);
        }
    }
    message
}

fn framed(message: &[u8]) -> Vec<u8> {
    let [high, low] = (message.len() as u16 + 4).to_be_bytes();
    [&[3, 0, high, low], message].concat()
}

fn ports(net: &Box) -> Vec<u16> {
    let all = (0..net.tracker.expectation_places()).filter_map(|at| net.tracker.expectation(at, net.now));
    let mut all: Vec<u16> = all.map(|found| found.expected.tuple.destination_port()).collect();
    all.sort_unstable();
    all
}

/// A router that reads what a helper reads.
fn router(source: Option<&str>, helper: &[u8], protocol: u8) -> Box {
    let mut net = match source {
        Some(address) => Box::translating(Some(range(address, None)), None),
        None => Box::new(),
    };
    net.template.helper = find(helper, Af::V4, protocol);
    assert!(net.template.helper.is_some());
    net
}

/// One that reads calls, and a connection for one.
fn call(source: Option<&str>) -> Box {
    let mut net = router(source, b"Q.931", protocol::TCP);
    let outside = (source.unwrap_or(CLIENT), 1024);
    net.forward(tcp(HERE, THERE, &seg(SYN, 99, 0, 0)));
    net.forward(tcp(THERE, outside, &seg(SYN | ACK, 499, 100, 0)));
    net.forward(tcp(HERE, THERE, &seg(ACK, 100, 500, 0)));
    net
}

fn registrar(source: Option<&str>) -> Box {
    router(source, b"RAS", protocol::UDP)
}

fn said(packet: &[u8]) -> Vec<u8> {
    packet[20 + usize::from(packet[32] >> 4) * 4..].to_vec()
}

#[test]
fn of_a_setup_all_addresses_are_found_where_they_stand() {
    let message = bytes(SETUP);
    let found = read(&message[13..], &USER_INFORMATION).expect("it is whole");
    let at = |marks: u32| {
        let one = found.iter().find(|found| found.marks & marks == marks).expect("it is there");
        let What::Address(Af::V4, at) = one.what else { panic!("{one:?}") };
        let port = u16::from_be_bytes([message[13 + at + 4], message[13 + at + 5]]);
        (message[13 + at..13 + at + 4].to_vec(), port)
    };
    assert_eq!(at(mark::SETUP | mark::H245_ADDRESS), (vec![10, 0, 0, 2], 6000));
    assert_eq!(at(mark::SETUP | mark::CALLED), (vec![192, 0, 2, 80], 21));
    assert_eq!(at(mark::SETUP | mark::CALLING), (vec![10, 0, 0, 2], 1024));
    assert_eq!(at(mark::FAST_START), (vec![10, 0, 0, 2], 5000));
    assert_eq!(at(mark::TUNNELLED), (vec![10, 0, 0, 2], 5002));
    assert_eq!(found.len(), 7);
}

#[test]
fn of_a_registration_the_time_is_found_behind_all_that_is_optional() {
    let found = read(&bytes(REGISTER), &RAS).expect("it is whole");
    assert_eq!(
        found.last().map(|found| (found.marks & mark::TIME_TO_LIVE != 0, found.what)),
        Some((true, What::Seconds(60)))
    );
}

#[test]
fn an_answer_to_a_channel_is_told_from_a_request() {
    use super::h245::mark;
    let found = read(&bytes(ACKNOWLEDGED), &MESSAGE).expect("it is whole");
    assert!(
        found.len() == 2
            && found.iter().all(|found| found.marks & (mark::ANSWER | mark::MEDIA) == mark::ANSWER | mark::MEDIA)
    );
    let found = read(&bytes(DATA), &MESSAGE).expect("it is whole");
    assert!(found.iter().any(|found| found.marks & mark::T120 == mark::T120 && found.what == What::Nothing));
}

/// An answer that says it has a payload type behind the addresses, and ends there: the original cannot read it.
#[test]
fn an_answer_that_lacks_its_payload_type_names_nothing() {
    let mut message = bytes("22c000650280101e02000a0200020fac002a0100020ead");
    assert_eq!(read(&message, &MESSAGE), None);
    message.extend([0, 0]);
    message[6] += 1;
    assert_eq!(read(&message, &MESSAGE).map(|found| found.len()), Some(2));
}

#[test]
fn a_call_opens_ways_for_h245_and_media_of_both_ends() {
    let mut net = call(None);
    net.forward(says(HERE, THERE, &seg(ACK, 100, 500, 0), &bytes(SETUP)));
    assert_eq!(ports(&net), [5000, 5001, 5002, 5003, 6000]);
    net.forward(says(THERE, HERE, &seg(ACK, 500, 237, 0), &bytes(CONNECT)));
    assert_eq!(ports(&net), [5000, 5001, 5002, 5003, 6000, 6000]);
    // H.245 comes, and is read itself.
    net.template.helper = None;
    let (here, there) = ((CLIENT, 3000), (SERVER, 6000));
    assert_eq!(net.state(tcp(here, there, &seg(SYN, 99, 0, 0))), "RELATED");
    net.forward(tcp(there, here, &seg(SYN | ACK, 499, 100, 0)));
    net.forward(tcp(here, there, &seg(ACK, 100, 500, 0)));
    net.forward(says(here, there, &seg(ACK, 100, 500, 0), &framed(&bytes(DATA))));
    net.forward(says(there, here, &seg(ACK, 500, 100, 0), &framed(&bytes(ACKNOWLEDGED))));
    assert_eq!(ports(&net), [1503, 5000, 5001, 5002, 5003, 6000, 7000, 7001]);
    assert_eq!(net.state(udp((SERVER, 7000), (CLIENT, 5000), b"rtp")), "RELATED");
}

#[test]
fn a_call_behind_nat_names_what_can_be_reached_and_stays_as_long_as_it_was() {
    let mut net = call(Some(ROUTER));
    let left = net.forward(says(HERE, THERE, &seg(ACK, 100, 500, 0), &bytes(SETUP)));
    assert_eq!(left.verdict, Verdict::Accept);
    outline(&left.bytes);
    assert_eq!(said(&left.bytes), forged(SETUP, CLIENT, ROUTER));
    let left = net.forward(udp((SERVER, 7000), (ROUTER, 5000), b"rtp"));
    assert_eq!((name(left.tracked), outline(&left.bytes).as_str()), ("RELATED", "192.0.2.80:7000 > 10.0.0.2:5000"));
}

#[test]
fn addresses_of_a_third_open_nothing() {
    let mut net = call(Some(ROUTER));
    for other in ["10.0.0.9", SERVER, ROUTER, "127.0.0.1", "0.0.0.0"] {
        let left = net.forward(says(HERE, THERE, &seg(ACK, 100, 500, 0), &forged(SETUP, CLIENT, other)));
        assert_eq!((left.verdict, ports(&net)), (Verdict::Accept, vec![]), "{other}");
    }
    let mut net = registrar(None);
    net.forward(udp((CLIENT, 1719), (SERVER, 1719), &forged(REGISTER, CLIENT, "10.0.0.9")));
    assert_eq!(ports(&net), []);
}

#[test]
fn what_is_cut_opens_nothing_and_passes() {
    let whole = bytes(SETUP);
    for left in 4..whole.len() - 1 {
        let mut net = call(Some(ROUTER));
        let mut cut = framed(&whole[4..left]);
        if let Some(length) = cut.len().checked_sub(12) {
            // As if all that is there were all that was said.
            if let Some(at) = cut.get_mut(10..12) {
                at.copy_from_slice(&(length as u16).to_be_bytes());
            }
        }
        let passed = net.forward(says(HERE, THERE, &seg(ACK, 100, 500, 0), &cut));
        assert_eq!((passed.verdict, ports(&net)), (Verdict::Accept, vec![]), "{left}");
        assert_eq!(said(&passed.bytes), cut);
    }
}

#[test]
fn cve_2026_23455_a_length_below_its_own_header_is_no_message() {
    let whole = bytes(SETUP);
    for length in 0..4u16 {
        let mut net = call(Some(ROUTER));
        let mut short = whole.clone();
        short[2..4].copy_from_slice(&length.to_be_bytes());
        let passed = net.forward(says(HERE, THERE, &seg(ACK, 100, 500, 0), &short));
        assert_eq!((passed.verdict, ports(&net)), (Verdict::Accept, vec![]), "{length}");
        assert_eq!(said(&passed.bytes), short);
    }
    // The same in the header that an element of Q.931 has, and in a segment that ends within a header.
    for cut in 1..8 {
        let mut net = call(Some(ROUTER));
        net.forward(says(HERE, THERE, &seg(ACK, 100, 500, 0), &whole[..cut]));
        assert_eq!(ports(&net), [], "{cut}");
    }
}

#[test]
fn a_header_alone_announces_the_next_segment() {
    let mut net = call(None);
    let whole = bytes(CONNECT);
    let (head, rest) = whole.split_at(4);
    net.forward(says(THERE, HERE, &seg(ACK, 500, 100, 0), head));
    // Of the other direction it says nothing.
    net.forward(says(HERE, THERE, &seg(ACK, 100, 504, 0), rest));
    net.forward(says(THERE, HERE, &seg(ACK, 504, 100, 0), rest));
    assert_eq!(ports(&net), [6000]);
}

#[test]
fn a_forwarded_call_is_expected_where_it_goes() {
    let mut net = call(Some(ROUTER));
    let left = net.forward(says(HERE, THERE, &seg(ACK, 100, 500, 0), &bytes(FORWARD)));
    assert_eq!(said(&left.bytes), forged(FORWARD, "10.0.0.3", ROUTER));
    net.template.helper = None;
    let left = net.forward(tcp((SERVER, 3000), (ROUTER, 1720), &seg(SYN, 1, 0, 0)));
    assert_eq!((name(left.tracked), outline(&left.bytes).as_str()), ("RELATED", "192.0.2.80:3000 > 10.0.0.3:1720"));
}

#[test]
fn a_call_that_goes_on_where_the_other_end_is_is_followed_where_a_parameter_says_so() {
    for (filter, to, wanted) in [
        (true, SERVER, &[][..]),
        (true, "192.0.2.90", &[1720]),
        (true, "203.0.113.9", &[1720]),
        (true, "10.0.0.3", &[1720]),
        (false, SERVER, &[1720]),
        (false, "192.0.2.90", &[1720]),
    ] {
        for source in [None, Some(ROUTER)] {
            let mut net = call(source);
            net.set_parameters(|parameters| parameters.h323_filter_forwarding = filter);
            let forward = forged(FORWARD, "10.0.0.3", to);
            let left = net.forward(says(HERE, THERE, &seg(ACK, 100, 500, 0), &forward));
            assert_eq!((left.verdict, ports(&net).as_slice()), (Verdict::Accept, wanted), "{filter} {to}");
            if wanted.is_empty() {
                assert_eq!(said(&left.bytes), forward);
            }
        }
    }
}

#[test]
fn who_registers_is_called_by_others_too_where_a_parameter_says_so() {
    for source in [None, Some(ROUTER)] {
        let mut net = registrar(source);
        net.set_parameters(|parameters| parameters.h323_gatekeeper_only = false);
        net.forward(udp((CLIENT, 1719), (SERVER, 1719), &bytes(REGISTER)));
        net.template.helper = None;
        let left = net.forward(tcp(("203.0.113.5", 3000), (source.unwrap_or(CLIENT), 1720), &seg(SYN, 1, 0, 0)));
        let wanted = ("RELATED", "203.0.113.5:3000 > 10.0.0.2:1720");
        assert_eq!((name(left.tracked), outline(&left.bytes).as_str()), wanted);
    }
}

#[test]
fn who_registers_behind_nat_is_called_by_the_gatekeeper_alone() {
    let mut net = registrar(Some(ROUTER));
    let left = net.forward(udp((CLIENT, 1719), (SERVER, 1719), &bytes(REGISTER)));
    assert_eq!(left.bytes[28..], forged(REGISTER, CLIENT, ROUTER));
    let left = net.forward(udp((SERVER, 1719), (ROUTER, 1719), &bytes(REGISTERED)));
    assert_eq!(left.bytes[28..], forged(REGISTERED, ROUTER, CLIENT));
    net.forward(udp((SERVER, 1719), (ROUTER, 1719), &bytes(ADMITTED)));
    assert_eq!(ports(&net), [1720, 1720]);
    net.template.helper = None;
    for port in [3000, 3001] {
        let left = net.forward(tcp((SERVER, port), (ROUTER, 1720), &seg(SYN, 1, 0, 0)));
        assert_eq!(name(left.tracked), "RELATED");
        assert_eq!(outline(&left.bytes), format!("192.0.2.80:{port} > 10.0.0.2:1720"));
    }
    assert_eq!(net.state(tcp(("192.0.2.81", 3000), (ROUTER, 1720), &seg(SYN, 1, 0, 0))), "NEW");
}

proptest! {
    #[test]
    fn whatever_a_message_holds_places_lie_inside_it(
        start in 0..6_usize,
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12),
        tail in prop::collection::vec(any::<u8>(), 0..60),
        cut in any::<prop::sample::Index>(),
    ) {
        let whole = [&bytes(SETUP)[13..], &bytes(CONNECT)[13..], &bytes(REGISTER), &bytes(DATA), &bytes(ACKNOWLEDGED), &[]];
        let mut message = [whole[start], &tail].concat();
        message.truncate(cut.index(message.len() + 1));
        for (at, octet) in flips {
            if !message.is_empty() {
                let at = at.index(message.len());
                message[at] = octet;
            }
        }
        for table in [&USER_INFORMATION, &RAS, &MESSAGE] {
            for found in read(&message, table).unwrap_or_default() {
                match found.what {
                    What::Address(Af::V4, at) => prop_assert!(at + 6 <= message.len()),
                    What::Address(Af::V6, at) => prop_assert!(at + 18 <= message.len()),
                    _ => {}
                }
            }
        }
    }
}
