//! Messages as they are: what is read of them, what is expected because of them, what they say behind NAT.

use libxt::family::Af;
use proptest::prelude::*;

use super::text::{Found, address, header, header_uri, number_parameter, request, sdp};
use crate::Verdict;
use crate::conntrack::tests::{Box, CLIENT, ROUTER, SERVER, name, outline, range, udp};
use crate::conntrack::tuple::protocol;
use crate::helper::find;

const HERE: (&str, u16) = (CLIENT, 5060);
const THERE: (&str, u16) = (SERVER, 5060);

fn router(source: Option<&str>) -> Box {
    let mut net = match source {
        Some(address) => Box::translating(Some(range(address, None)), None),
        None => Box::new(),
    };
    net.template.helper = find(b"sip", Af::V4, protocol::UDP);
    net
}

fn message(first: &str, method: &str, own: &str, body: &str) -> String {
    format!(
        "{first}\r\nVia: SIP/2.0/UDP {own}:5060;branch=1\r\nFrom: <sip:me@{own}>\r\nTo: <sip:you@{SERVER}>\r\n\
         CSeq: 1 {method}\r\nContact: <sip:me@{own}:5060>\r\nExpires: 60\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn asks(method: &str, own: &str, body: &str) -> String {
    message(&format!("{method} sip:you@{SERVER} SIP/2.0"), method, own, body)
}

fn speech(address: &str, port: u16) -> String {
    format!("v=0\r\no=- 1 1 IN IP4 {address}\r\nc=IN IP4 {address}\r\nt=0 0\r\nm=audio {port} RTP/AVP 0\r\n")
}

fn ports(net: &Box) -> Vec<u16> {
    let all = (0..net.tracker.expectation_places()).filter_map(|at| net.tracker.expectation(at, net.now));
    let mut all: Vec<u16> = all.map(|found| found.expected.tuple.destination_port()).collect();
    all.sort_unstable();
    all
}

#[test]
fn a_call_expects_its_media_until_it_ends() {
    let mut net = router(None);
    net.forward(udp(HERE, THERE, asks("INVITE", CLIENT, &speech(CLIENT, 4001)).as_bytes()));
    assert_eq!(ports(&net), [4000, 4001]);
    net.forward(udp(HERE, THERE, asks("BYE", CLIENT, "").as_bytes()));
    assert_eq!(ports(&net), []);
}

#[test]
fn forged_addresses_in_sdp_and_contacts_open_nothing() {
    let mut net = router(None);
    for text in [asks("INVITE", CLIENT, &speech("10.0.0.9", 4000)), asks("REGISTER", "10.0.0.9", "")] {
        assert_eq!(net.forward(udp(HERE, THERE, text.as_bytes())).verdict, Verdict::Accept);
    }
    // Nor does the other end open a way into this one.
    let answer = message("SIP/2.0 200 OK", "INVITE", CLIENT, &speech(CLIENT, 4000));
    net.forward(udp(THERE, HERE, answer.as_bytes()));
    assert_eq!(ports(&net), []);
}

#[test]
fn media_need_not_go_between_the_ends_of_the_connection_where_a_parameter_says_so() {
    let mut net = router(None);
    net.set_parameters(|parameters| parameters.sip_direct_media = false);
    net.forward(udp(HERE, THERE, asks("INVITE", CLIENT, &speech("10.0.0.9", 4000)).as_bytes()));
    assert_eq!(ports(&net), [4000, 4001]);
    net.template.helper = None;
    assert_eq!(net.state(udp(("203.0.113.5", 7000), ("10.0.0.9", 4000), b"rtp")), "RELATED");
}

#[test]
fn media_that_reach_the_other_end_without_this_router_are_not_followed_where_a_parameter_says_so() {
    // Who is behind the other device, and who is where the other end is.
    for (external, to, wanted) in [
        (false, "10.0.0.9", &[4000, 4001][..]),
        (false, "203.0.113.9", &[4000, 4001]),
        (true, "10.0.0.9", &[4000, 4001]),
        (true, "203.0.113.9", &[]),
        (true, SERVER, &[]),
    ] {
        for source in [None, Some(ROUTER)] {
            let mut net = router(source);
            net.set_parameters(|parameters| {
                parameters.sip_direct_media = false;
                parameters.sip_external_media = external;
            });
            let passed = net.forward(udp(HERE, THERE, asks("INVITE", CLIENT, &speech(to, 4000)).as_bytes()));
            assert_eq!((passed.verdict, ports(&net).as_slice()), (Verdict::Accept, wanted), "{external} {to}");
            // What is not followed stays as it was named.
            if wanted.is_empty() {
                assert!(String::from_utf8_lossy(&passed.bytes).contains(&format!("c=IN IP4 {to}\r\n")), "{to}");
            }
        }
    }
    // Between the ends of the connection alone it says nothing.
    let mut net = router(None);
    net.set_parameters(|parameters| parameters.sip_external_media = true);
    net.forward(udp(HERE, THERE, asks("INVITE", CLIENT, &speech(CLIENT, 4000)).as_bytes()));
    assert_eq!(ports(&net), [4000, 4001]);
}

#[test]
fn who_is_registered_is_called_by_the_registrar_alone_unless_a_parameter_says_other() {
    for (alone, wanted) in [(true, "NEW"), (false, "RELATED")] {
        let mut net = router(None);
        net.set_parameters(|parameters| parameters.sip_registrar_only = alone);
        net.forward(udp(HERE, THERE, asks("REGISTER", CLIENT, "").as_bytes()));
        net.forward(udp(THERE, HERE, message("SIP/2.0 200 OK", "REGISTER", CLIENT, "").as_bytes()));
        net.template.helper = None;
        assert_eq!(net.state(udp(("203.0.113.5", 5060), HERE, b"OPTIONS sip:me SIP/2.0\r\n\r\n")), wanted);
    }
}

#[test]
fn behind_nat_every_address_is_the_outer_one_and_lengths_are_right() {
    let mut net = router(Some(ROUTER));
    let left = net.forward(udp(HERE, THERE, asks("INVITE", CLIENT, &speech(CLIENT, 4000)).as_bytes()));
    outline(&left.bytes);
    let text = String::from_utf8_lossy(&left.bytes[28..]).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(!text.contains(CLIENT), "{text}");
    assert!(head.ends_with(&format!("Content-Length: {}", body.len())), "{text}");
    let media = net.forward(udp((SERVER, 7000), (ROUTER, 4000), b"rtp"));
    assert_eq!((name(media.tracked), outline(&media.bytes).as_str()), ("RELATED", "192.0.2.80:7000 > 10.0.0.2:4000"));
}

#[test]
fn a_folded_header_is_read_and_its_first_letter_is_not_searched() {
    let at = |text: &str| header(text.as_bytes(), 0, &header::CSEQ, Af::V4);
    assert_eq!(at("x\r\nCSeq :\r\n 17 INVITE\r\n"), Found::At(12, 2));
    assert_eq!(at("x\r\n CSeq: 17 INVITE\r\n"), Found::Nothing);
    assert_eq!(at("x\r\nCSeq: INVITE\r\n"), Found::Broken(9));
    let uri = |text: &str| {
        let found = header_uri(text.as_bytes(), 0, &header::CONTACT, &mut false, Af::V4).unwrap();
        found.map(|uri| (uri.port, uri.at))
    };
    assert_eq!(uri("x\nm: <\r\n sip:a@10.0.0.2>\n"), None);
    assert_eq!(uri("x\nm: <\r\n  sip:a@10.0.0.2>\n"), None);
    assert_eq!(uri("x\nm: <\r\n <sip:a@10.0.0.2:5061>\n"), Some((5061, 16)));
}

#[test]
fn numbers_that_do_not_fit_are_none() {
    let uri =
        |port: &str| request(format!("INVITE sip:10.0.0.2:{port} SIP/2.0").as_bytes(), Af::V4).map(|uri| uri.port);
    assert_eq!([uri("05060"), uri("005060"), uri("80"), uri("65536"), uri("")], [Some(5060), None, None, None, None]);
    let rport = |text: &str| number_parameter(text.as_bytes(), 0, b"rport=").map(|(_, _, number)| number);
    assert_eq!(
        [rport(";rport=00000005060;"), rport(";rport=000000005060;"), rport(";rport=;")],
        [Some(5060), None, None]
    );
    assert_eq!(address(b"10.0.0.256", 0, Af::V4, false), None);
    assert_eq!(address(b"10.0.0.18446744073709551618", 0, Af::V4, false), None);
    assert_eq!(address(b"010.0.0.2/8", 0, Af::V4, false).map(|(_, end)| end), Some(9));
    assert_eq!(address(b"[fd00::2]:5060", 0, Af::V6, true).map(|(_, end)| end), Some(9));
    assert_eq!(address(b"fd00::2", 0, Af::V6, true), None);
}

proptest! {
    #[test]
    fn any_text_is_read_to_its_end(
        pieces in prop::collection::vec(prop_oneof![
            Just("\r\n"), Just("\r"), Just(" "), Just("Via: "), Just("UDP "), Just("10.0.0.2"), Just(":5060"), Just("Contact: "),
            Just("<sip:a@"), Just(","), Just("expires="), Just("CSeq: 1 INVITE"), Just("Content-Length: 99"), Just("v=0"),
            Just("c=IN IP4 "), Just("m=audio "), Just("4000"), Just("INVITE sip:"), Just("SIP/2.0 200"), Just("é"),
        ], 0..60), six in any::<bool>()
    ) {
        let text = pieces.concat();
        let (text, af) = (text.as_bytes(), if six { Af::V6 } else { Af::V4 });
        let _ = request(text, af);
        for kind in [&header::CSEQ, &header::VIA_UDP, &header::CONTENT_LENGTH, &header::FROM] {
            if let Found::At(at, length) = header(text, 0, kind, af) {
                prop_assert!(at + length <= text.len());
            }
        }
        let (mut from, mut inside) = (0, false);
        while let Ok(Some(uri)) = header_uri(text, from, &header::CONTACT, &mut inside, af) {
            prop_assert!(uri.end > from && uri.end <= text.len());
            from = uri.end;
        }
        if let Found::At(at, length) = sdp(text, 0, &super::text::line::MEDIA, None, af) {
            prop_assert!(at + length <= text.len());
        }
        let mut net = router(Some(ROUTER));
        for (from, to) in [(HERE, THERE), (THERE, (ROUTER, 5060)), (HERE, THERE)] {
            let passed = net.forward(udp(from, to, text));
            if passed.verdict == Verdict::Accept {
                outline(&passed.bytes);
            }
        }
    }
}
