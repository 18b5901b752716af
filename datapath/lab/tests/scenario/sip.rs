//! SIP: calls and registrations through a router that reads along, over UDP and TCP.

use std::{io, net::IpAddr};

use lab::{
    frame::{Ip, UDP, View},
    suite::Test,
    twin::Side,
};

use super::dialogue::Dialogue;
use super::{Stage, arrives, client, fail, icmp_answer, play, play6, server, server_to_router};

const SIP: &str = "-t raw -A PREROUTING -p udp --dport 5060 -j CT --helper sip";
const SIP_TCP: &str = "-t raw -A PREROUTING -p tcp --dport 5060 -j CT --helper sip";
const RELATED: &str = "-A FORWARD -m conntrack --ctstate RELATED -m comment --comment related";
const HELPED: &str = "-A FORWARD -m helper --helper sip";
const SNAT: &str = "-t nat -A POSTROUTING -o wan0 -j SNAT --to-source 10.2.0.1";
const MASQUERADE: &str = "-t nat -A POSTROUTING -o wan0 -p udp -j SNAT --to-source 10.2.0.1:6000-6000";

const INNER: &str = "10.1.0.2";
const OUTER: &str = "10.2.0.1";
const SERVER: &str = "10.2.0.2";

pub(crate) const TESTS: &[Test] = &[
    ("an_expected_connection_is_on_the_node_of_the_one_that_announced_it", || {
        let rule = |seed: u8| {
            format!(
                "-A FORWARD -p udp -m cluster --cluster-total-nodes 2 --cluster-local-node 1 --cluster-hash-seed {seed} \
                 -m comment --comment seed{seed}"
            )
        };
        let rules: Vec<String> = (1..=12).map(rule).collect();
        let rules: Vec<&str> = [SIP].into_iter().chain(rules.iter().map(String::as_str)).collect();
        play(&rules, |s| {
            up(s, &invite(INNER, &sdp(INNER, &[("audio", 4000)])))?;
            let of_call: Vec<u64> =
                (1..=12).map(|seed| s.count(&format!("--comment seed{seed}"))).collect::<io::Result<_>>()?;
            arrives(&s.wan(server().udp(7000, 4000, b"rtp"))?)?;
            let of_both: Vec<u64> =
                (1..=12).map(|seed| s.count(&format!("--comment seed{seed}"))).collect::<io::Result<_>>()?;
            assert_eq!(of_both, of_call.iter().map(|count| count * 2).collect::<Vec<_>>());
            Ok(())
        })
    }),
    ("who_registers_with_an_address_that_cannot_be_read_is_let_through", || {
        play(&[SIP], |s| {
            let whole = request("REGISTER", INNER, "").replace("Expires: 0", "Expires: 60");
            for (number, place) in
                ["10.1.0.2:80", "10.1.0.2:0", "10.1.0.2:70000", "10.1.0.2:", "10.1.0.256:5060", "host.example:5060"]
                    .into_iter()
                    .enumerate()
            {
                let text = whole.replace("<sip:me@10.1.0.2:5060>", &format!("<sip:me@{place}>"));
                arrives(&s.lan(client().udp(3000 + number as u16, 5060, text.as_bytes()))?)?;
                s.list()?;
            }
            assert!(s.expectations()?.is_empty());
            Ok(())
        })
    }),
    ("an_error_about_an_answer_keeps_a_sip_call_for_as_long_as_a_message", || {
        play(&[SIP], |s| {
            arrives(&s.lan(client().udp(1234, 5060, b""))?)?;
            s.lives(20..=30)?;
            // The router says that it cannot pass it on.
            icmp_answer(&s.wan(Ip { ttl: 1, ..server() }.udp(5060, 1234, b""))?, 11, 0)?;
            s.lives(3500..=3600)
        })
    }),
    ("a_sip_call_opens_ways_for_its_media", || {
        play(&[SIP, RELATED, HELPED], |s| {
            up(s, &invite(INNER, &sdp(INNER, &[("audio", 4000)])))?;
            if s.expectations()?.len() != 2 {
                return fail(format!("{:#?}", s.expectations()?));
            }
            s.list()?;
            down(s, &answer(INNER, 180, "INVITE", ""))?;
            down(s, &answer(INNER, 200, "INVITE", &sdp(SERVER, &[("audio", 7000)])))?;
            s.list()?;
            arrives(&s.wan(server().udp(7000, 4000, b"rtp"))?)?;
            s.list()?;
            arrives(&s.lan(client().udp(4000, 7000, b"rtp"))?)?;
            arrives(&s.lan(client().udp(4001, 7001, b"rtcp"))?)?;
            s.list()?;
            up(s, &request("ACK", INNER, ""))?;
            s.counted("--helper sip", 3)?;
            up(s, &request("BYE", INNER, ""))?;
            s.list()?;
            assert!(s.expectations()?.is_empty());
            s.command(&["conntrack", "-L"])
        })
    }),
    ("a_sip_call_behind_source_nat_names_what_can_be_reached", || {
        play(&[SIP, SNAT, RELATED], |s| {
            let heard = up(s, &invite(INNER, &sdp(INNER, &[("audio", 4000), ("video", 4002)])))?;
            if heard.contains("IP4 10.1.0.2") || !heard.contains(&format!("c=IN IP4 {OUTER}")) {
                return fail(heard);
            }
            s.list()?;
            let heard = down(s, &answer(OUTER, 200, "INVITE", &sdp(SERVER, &[("audio", 7000), ("video", 7002)])))?;
            if !heard.contains(":5060;branch") || heard.contains("UDP 10.2.0.1") {
                return fail(heard);
            }
            s.list()?;
            let left = s.wan(server_to_router().udp(7000, 4000, b"rtp"))?;
            let to = View::of(&arrives(&left)?.packet).map(|view| view.destination);
            assert_eq!(to, Some([10, 1, 0, 2].into()));
            arrives(&s.lan(client().udp(4000, 7000, b"rtp"))?)?;
            arrives(&s.lan(client().udp(4002, 7002, b"rtp"))?)?;
            arrives(&s.wan(server_to_router().udp(7002, 4002, b"rtp"))?)?;
            s.list()?;
            up(s, &request("BYE", INNER, ""))?;
            s.list()
        })
    }),
    ("a_sip_call_from_outside_comes_in_by_destination_nat", || {
        let inner = "-t nat -A PREROUTING -i wan0 -p udp --dport 5060 -j DNAT --to-destination 10.1.0.2";
        play(&[SIP, inner, RELATED], |s| {
            let text = invite_to(SERVER, OUTER, &sdp(SERVER, &[("audio", 7000)]));
            say(s, Side::Wan, &server_to_router(), 5060, 5060, &text)?;
            s.list()?;
            let text = answer_from(SERVER, INNER, 200, "INVITE", &sdp(INNER, &[("audio", 4000)]));
            say(s, Side::Lan, &client(), 5060, 5060, &text)?;
            s.list()?;
            s.wan(server_to_router().udp(7000, 4000, b"rtp"))?;
            s.lan(client().udp(4000, 7000, b"rtp"))?;
            s.list()
        })
    }),
    ("sip_opens_no_way_to_an_address_that_is_not_the_speakers", || {
        play(&[SIP], |s| {
            up(s, &invite(INNER, &sdp("10.1.0.3", &[("audio", 4000)])))?;
            down(s, &answer(INNER, 200, "INVITE", &sdp("10.1.0.2", &[("audio", 7000)])))?;
            assert!(s.expectations()?.is_empty());
            let other = request("REGISTER", "10.1.0.3", "").replace("Expires: 0", "Expires: 60");
            up(s, &other)?;
            assert!(s.expectations()?.is_empty());
            Ok(())
        })
    }),
    ("a_forged_sdp_behind_nat_stays_as_it_is", || {
        play(&[SIP, SNAT], |s| {
            up(s, &invite(INNER, &sdp("10.1.0.3", &[("audio", 4000)])))?;
            up(s, &invite(INNER, &sdp("10.2.0.2", &[("audio", 4000)])))?;
            s.list()
        })
    }),
    ("who_registers_by_sip_is_called_once_the_registrar_agrees", || {
        play(&[SIP, SNAT, RELATED], |s| {
            let register = request("REGISTER", INNER, "").replace("Expires: 0", "Expires: 60");
            let heard = up(s, &register)?;
            assert!(heard.contains(&format!("sip:me@{OUTER}:5060")), "{heard}");
            s.expects(&["PERMANENT,INACTIVE", "helper=sip"])?;
            s.list()?;
            down(s, &answer(OUTER, 100, "REGISTER", ""))?;
            s.list()?;
            let text = answer(OUTER, 200, "REGISTER", "").replace("Expires: 0", "Expires: 60");
            down(s, &text)?;
            s.list()?;
            // A call comes from another port of the registrar.
            let call = invite_to(SERVER, OUTER, &sdp(SERVER, &[("audio", 7000)]));
            let heard = say(s, Side::Wan, &server_to_router(), 5070, 5060, &call)?;
            assert!(heard.contains("sip:you@10.1.0.2"), "{heard}");
            s.list()?;
            s.counted("related", 1)?;
            // Until it leaves.
            up(s, &request("REGISTER", INNER, ""))?;
            down(s, &answer(OUTER, 200, "REGISTER", ""))?;
            s.list()
        })
    }),
    ("a_registrar_that_refuses_is_heard", || {
        play(&[SIP], |s| {
            let register = request("REGISTER", INNER, "").replace("Expires: 0", "Expires: 60");
            up(s, &register)?;
            s.list()?;
            down(s, &answer(INNER, 403, "REGISTER", "").replace("CSeq: 1 ", "CSeq: 2 "))?;
            s.list()?;
            down(s, &answer(INNER, 403, "REGISTER", ""))?;
            s.list()?;
            up(s, &register.replace("Expires: 60", "Expires: x").replace(">", ">;expires=0x20"))?;
            s.list()?;
            down(s, &answer(INNER, 200, "REGISTER", "").replace(">", ">;expires=30"))?;
            s.list()
        })
    }),
    ("a_call_is_made_anew_with_other_media", || {
        play(&[SIP, SNAT], |s| {
            up(s, &invite(INNER, &sdp(INNER, &[("audio", 4000)])))?;
            down(s, &answer(OUTER, 200, "INVITE", &sdp(SERVER, &[("audio", 7000)])))?;
            s.list()?;
            up(s, &invite(INNER, &sdp(INNER, &[("audio", 4100), ("image", 4200)])).replace("CSeq: 1 ", "CSeq: 2 "))?;
            s.list()?;
            down(s, &answer(OUTER, 488, "INVITE", ""))?;
            s.list()?;
            down(s, &answer(OUTER, 488, "INVITE", "").replace("CSeq: 1 ", "CSeq: 2 "))?;
            s.list()?;
            for method in ["UPDATE", "PRACK", "ACK"] {
                up(s, &request(method, INNER, &sdp(INNER, &[("audio", 4300)])))?;
                down(s, &answer(OUTER, 200, method, &sdp(SERVER, &[("audio", 7300)])))?;
                s.list()?;
                down(s, &answer(OUTER, 500, method, "").replace("CSeq: 1 ", "CSeq: 2 "))?;
                s.list()?;
            }
            Ok(())
        })
    }),
    ("media_of_several_kinds_and_odd_ports", || {
        play(&[SIP, SNAT], |s| {
            let all: [&[(&str, u16)]; 9] = [
                &[("audio", 4001)],
                &[("audio", 4000), ("audio", 4100), ("audio", 4200), ("audio", 4300)],
                &[("audio", 0), ("video", 4000)],
                &[("application", 4000), ("video", 4100)],
                &[("audio", 4000), ("video", 4000)],
                &[("audio", 80)],
                &[("audio", 65535)],
                &[("message", 4000)],
                &[],
            ];
            for media in all {
                let text = invite(INNER, &sdp(INNER, media));
                s.lan(client().udp(5060, 5060, text.as_bytes()))?;
                s.list()?;
            }
            Ok(())
        })
    }),
    ("sdp_with_an_address_for_each_medium", || {
        play(&[SIP, SNAT], |s| {
            let body = "v=0\r\no=- 1 1 IN IP4 10.1.0.2\r\ns=-\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\nc=IN IP4 10.1.0.2\r\n\
                        m=video 4002 RTP/AVP 31\r\nc=IN IP4 10.1.0.2\r\na=x\r\n";
            up(s, &invite(INNER, body))?;
            s.list()?;
            let half = invite(INNER, &body.replace("c=IN IP4 10.1.0.2\r\na=x", "a=x"));
            s.lan(client().udp(5060, 5060, half.as_bytes()))?;
            Ok(())
        })
    }),
    ("broken_and_folded_sip_is_read_as_the_original_reads_it", || {
        play(&[SIP, SNAT], |s| {
            let whole = invite(INNER, &sdp(INNER, &[("audio", 4000)]));
            let odd: &[(&str, &str)] = &[
                ("Via: ", "Via:\r\n "),
                ("Via: ", "v : "),
                ("Via: ", "VIA\t:\t"),
                ("Contact: ", "Contact:\r\n\t "),
                ("Contact: <", "m: \"me\" <"),
                ("Contact: ", "Contact: <sip:a@1.2.3.4>, "),
                (
                    "Contact: <sip:me@10.1.0.2:5060>",
                    "Contact: <sip:me@10.1.0.2:5060>, <sip:you@10.1.0.2:5060>,\r\n <sip:x@10.1.0.2>",
                ),
                ("Contact: <sip:me@10.1.0.2:5060>", "Contact: <sip:10.1.0.2>"),
                ("Contact: <sip:me@10.1.0.2:5060>", "Contact: <sip:me@10.1.0.2:80>"),
                ("Contact: <sip:me@10.1.0.2:5060>", "Contact: *"),
                ("Contact: <sip:me@10.1.0.2:5060>", "Contact: <sip:me@host.example>"),
                ("branch=z", "rport=5060;branch=z"),
                ("branch=z", "received=10.1.0.2;branch=z"),
                ("branch=z", "maddr=10.1.0.2;branch=z"),
                ("branch=z", "maddr=10.1.0.2"),
                ("UDP 10.1.0.2:5060", "UDP 10.1.0.2:05060"),
                ("UDP 10.1.0.2:5060", "UDP 10.1.0.2:000000000000000005060"),
                ("UDP 10.1.0.2:5060", "UDP 10.1.0.2:70596"),
                ("UDP 10.1.0.2:5060", "UDP 10.1.0.2:4294972356"),
                ("UDP 10.1.0.2:5060", "UDP 10.1.0.2:5060x"),
                ("UDP 10.1.0.2:5060", "UDP 10.1.0.2:"),
                ("branch=z", "rport=0x13c4;branch=z"),
                ("branch=z", "rport=05060;branch=z"),
                ("CSeq: 1 ", "CSeq: 4294967297 "),
                ("CSeq: 1 ", "CSeq: 99999999999999999999999 "),
                ("m=audio 4000", "m=audio 04000"),
                ("m=audio 4000", "m=audio 4294971296"),
                ("m=audio 4000", "m=audio 69536"),
                ("m=audio 4000", "m=audio 4000000000000000000000"),
                ("UDP 10.1.0.2:5060", "UDP 10.1.0.2:005060"),
                ("UDP 10.1.0.2:5060", "UDP 10.1.0.2:0005060"),
                ("UDP 10.1.0.2:5060", "UDP 10.1.0.2:000005060"),
                ("UDP 10.1.0.2:5060", "UDP 10.1.0.2:0000005060"),
                ("UDP 10.1.0.2:5060", "UDP 10.1.0.2:00000005060"),
                ("CSeq: 1 ", "CSeq: 0000000001 "),
                ("CSeq: 1 ", "CSeq: 00000000001 "),
                ("CSeq: 1 ", "CSeq: 4294967295 "),
                ("CSeq: 1 ", "CSeq: 00000000000000000000001 "),
                ("m=audio 4000", "m=audio 0000004000"),
                ("m=audio 4000", "m=audio 00000004000"),
                ("m=audio 4000", "m=audio 000000000000000004000"),
                ("UDP 10.1.0.2:5060", "UDP 10.1.0.2"),
                ("UDP 10.1.0.2:5060", "UDP 10.1.0.2:4444"),
                ("UDP 10.1.0.2:5060", "udp 10.1.0.2:5060"),
                ("UDP 10.1.0.2:5060", "TCP 10.1.0.2:5060"),
                ("CSeq: 1 ", "CSeq: x "),
                ("CSeq: 1 ", "CSeq: 0 "),
                ("CSeq: 1 ", "CSeq : 1  "),
                ("CSeq: 1 ", "X: "),
                ("Content-Length: ", "l: "),
                ("Content-Length: ", "X: "),
                ("c=IN IP4 10.1.0.2", "c=IN IP4 10.1.0.256"),
                ("c=IN IP4 10.1.0.2", "c=IN IP4 10.1.0.2/127"),
                ("c=IN IP4 10.1.0.2", "c=IN IP4 010.001.0.02"),
                ("c=IN IP4 10.1.0.2", "c=IN IP6 ::1"),
                ("o=- 1 1 IN IP4 10.1.0.2\r\n", ""),
                ("v=0\r\n", ""),
                ("m=audio 4000", "m=audio  4000"),
                ("m=audio 4000", "m=audio 4000/2"),
                ("m=audio 4000", "M=AUDIO 4000"),
                ("INVITE sip:you@10.2.0.2 SIP/2.0", "INVITE sip:10.2.0.2:5060 SIP/2.0"),
                ("INVITE sip:you@10.2.0.2 SIP/2.0", "INVITE tel:5 SIP/2.0"),
                ("INVITE sip", "invite sip"),
                ("INVITE sip", "INVITE  sip"),
                ("INVITE sip", "INVITED sip"),
                ("\r\n", "\n"),
                ("\r\n", "\r"),
                ("From: ", "f: "),
                ("To: <sip:you@10.2.0.2>", "t: sip:10.2.0.2:5060;tag=1"),
                ("From: <sip:me@10.1.0.2>", "From:"),
            ];
            for (number, (from, to)) in odd.iter().enumerate() {
                let text = whole.replace(from, to);
                s.lan(client().udp(5060, 5060, text.as_bytes()))?;
                s.list()?;
                let _ = number;
            }
            Ok(())
        })
    }),
    ("what_is_cut_off_from_sip", || {
        play(&[SIP, SNAT], |s| {
            let whole = invite(INNER, &sdp(INNER, &[("audio", 4000)]));
            for length in (0..whole.len()).step_by(7) {
                s.lan(client().udp(5060, 5060, &whole.as_bytes()[..length]))?;
            }
            let whole = answer(OUTER, 200, "INVITE", &sdp(SERVER, &[("audio", 7000)]));
            for length in (0..whole.len()).step_by(7) {
                s.wan(server_to_router().udp(5060, 5060, &whole.as_bytes()[..length]))?;
            }
            s.list()
        })
    }),
    ("random_words_in_sip_are_read_as_the_original_reads_them", || {
        play(&[SIP, SNAT], |s| {
            let asked = invite(INNER, &sdp(INNER, &[("audio", 4000), ("video", 4100)]));
            let said = answer(OUTER, 200, "INVITE", &sdp(SERVER, &[("audio", 7000)]));
            let mut seed = 7_u32;
            let mut draw = |most: usize| {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (seed >> 8) as usize % most
            };
            const WORDS: [&str; 24] = [
                "\r\n",
                "\r",
                "\n",
                " ",
                "\t",
                ":",
                ";",
                ",",
                "<",
                "@",
                "sip:",
                "0",
                "9",
                "10.1.0.2",
                "10.2.0.1",
                "10.2.0.2",
                ":5060",
                "m=audio 5000 ",
                "c=IN IP4 ",
                "v=0",
                "Contact: ",
                "Via: ",
                "expires=",
                "l: 5",
            ];
            up(s, &asked)?;
            for number in 0..120 {
                let lan = number % 3 != 0;
                let mut text = if lan { asked.clone() } else { said.clone() };
                for _ in 0..=draw(3) {
                    let (at, end) = (draw(text.len()), draw(8));
                    match draw(3) {
                        0 => text.insert_str(at, WORDS[draw(24)]),
                        1 => text.replace_range(at..(at + end).min(text.len()), WORDS[draw(24)]),
                        _ => text.replace_range(at..(at + end).min(text.len()), ""),
                    }
                }
                if lan {
                    s.lan(client().udp(5060, 5060, text.as_bytes()))?;
                } else {
                    s.wan(server_to_router().udp(5060, 5060, text.as_bytes()))?;
                }
                s.list()?;
            }
            Ok(())
        })
    }),
    ("a_sip_phone_whose_port_is_changed", || {
        play(&[SIP, MASQUERADE], |s| {
            let heard = up(s, &invite(INNER, &sdp(INNER, &[("audio", 4000)])))?;
            assert!(heard.contains("UDP 10.2.0.1:6000"), "{heard}");
            s.list()?;
            let text = answer(OUTER, 200, "INVITE", &sdp(SERVER, &[("audio", 7000)])).replace(":5060", ":6000");
            say(s, Side::Wan, &server_to_router(), 5060, 6000, &text)?;
            s.list()
        })
    }),
    ("a_sip_phone_that_asks_from_another_port_than_it_listens_at", || {
        play(&[SIP, SNAT], |s| {
            say(s, Side::Lan, &client(), 5555, 5060, &invite(INNER, &sdp(INNER, &[("audio", 4000)])))?;
            let text = answer(INNER, 200, "INVITE", &sdp(SERVER, &[("audio", 7000)]));
            let left = s.wan(server_to_router().udp(5060, 5555, text.as_bytes()))?;
            let ports = View::of(&arrives(&left)?.packet).and_then(|view| view.ports());
            assert_eq!(ports, Some((5060, 5060)));
            s.list()
        })
    }),
    ("sip_messages_over_tcp_grow_and_numbers_follow", || {
        play(&[SIP_TCP, SNAT, RELATED], |s| {
            let mut sip = Dialogue::open(s, Side::Lan, &client(), 5060, 5060)?;
            let tcp = |text: String| text.replace("/UDP ", "/TCP ");
            let text = tcp(invite(INNER, &sdp(INNER, &[("audio", 4000)])));
            sip.says(s, text.as_bytes())?;
            s.list()?;
            let said = tcp(answer(OUTER, 200, "INVITE", &sdp(SERVER, &[("audio", 7000)])));
            sip.answers(s, said.as_bytes())?;
            // Two in one segment, one in two, one that has no length.
            let both = format!("{}{text}", tcp(request("ACK", INNER, "")));
            sip.says(s, both.as_bytes())?;
            sip.answers(s, b"SIP/2.0 200 OK\r\n\r\n")?;
            sip.says(s, &text.as_bytes()[..200])?;
            sip.says(s, &text.as_bytes()[200..])?;
            sip.answers(s, said.replace("Content-Length", "X-Length").as_bytes())?;
            sip.says(s, tcp(request("BYE", INNER, "")).as_bytes())?;
            sip.answers(s, tcp(answer(OUTER, 200, "BYE", "")).as_bytes())?;
            s.list()
        })
    }),
    ("two_phones_behind_one_router_call_each_other", || {
        play(&[SIP, SNAT, RELATED], |s| {
            let other = Ip::between([10, 1, 0, 3], [10, 2, 0, 2]);
            up(s, &invite(INNER, &sdp(INNER, &[("audio", 4000)])))?;
            s.list()?;
            // The server hands the call to the other phone, whose connection is another.
            let register = request("REGISTER", "10.1.0.3", "").replace("Expires: 0", "Expires: 60");
            say(s, Side::Lan, &other, 5061, 5060, &register.replace("5060", "5061"))?;
            s.list()?;
            let text = invite_to(SERVER, OUTER, &sdp(OUTER, &[("audio", 4000)]));
            s.wan(server_to_router().udp(5060, 5061, text.as_bytes()))?;
            s.list()?;
            let text = invite("10.1.0.3", &sdp("10.1.0.3", &[("audio", 4000)]));
            s.lan(other.udp(5061, 5060, text.as_bytes()))?;
            s.list()
        })
    }),
    ("sip_speaks_ipv6_as_well", || {
        play6(&[SIP, RELATED], |s| {
            let there = Ip::between([0xfd01, 0, 0, 0, 0, 0, 0, 2], [0xfd02, 0, 0, 0, 0, 0, 0, 2]);
            let back = Ip::between([0xfd02, 0, 0, 0, 0, 0, 0, 2], [0xfd01, 0, 0, 0, 0, 0, 0, 2]);
            let body = sdp("fd01::2", &[("audio", 4000)]).replace("IP4", "IP6");
            say(s, Side::Lan, &there, 5060, 5060, &invite("[fd01::2]", &body))?;
            s.command(&["conntrack", "-L", "expect", "-f", "ipv6"])?;
            arrives(&s.wan(back.udp(7000, 4000, b"rtp"))?)?;
            s.counted("related", 1)?;
            let register = request("REGISTER", "[fd01::2]", "").replace("Expires: 0", "Expires: 60");
            say(s, Side::Lan, &there, 5060, 5060, &register)?;
            s.command(&["conntrack", "-L", "expect", "-f", "ipv6"])
        })
    }),
];

fn up(s: &mut Stage, text: &str) -> io::Result<String> {
    say(s, Side::Lan, &client(), 5060, 5060, text)
}

/// The server says something to whom it last heard.
fn down(s: &mut Stage, text: &str) -> io::Result<String> {
    let to = if text.contains(&format!("{OUTER}:5060")) { server_to_router() } else { server() };
    say(s, Side::Wan, &to, 5060, 5060, text)
}

fn say(s: &mut Stage, side: Side, ip: &Ip, from: u16, to: u16, text: &str) -> io::Result<String> {
    let packet = ip.udp(from, to, text.as_bytes());
    let left = if side == Side::Lan { s.lan(packet)? } else { s.wan(packet)? };
    let one = arrives(&left)?;
    let view = View::of(&one.packet).filter(|view| view.protocol == UDP);
    let heard = view.and_then(|view| view.payload.get(8..)).unwrap_or_default();
    Ok(String::from_utf8_lossy(heard).into_owned())
}

fn sdp(address: &str, media: &[(&str, u16)]) -> String {
    let family = if address.parse::<IpAddr>().is_ok_and(|ip| ip.is_ipv6()) { "IP6" } else { "IP4" };
    let mut text = format!("v=0\r\no=- 1 1 IN {family} {address}\r\ns=-\r\nc=IN {family} {address}\r\nt=0 0\r\n");
    for (kind, port) in media {
        text += &format!("m={kind} {port} RTP/AVP 0\r\na=sendrecv\r\n");
    }
    text
}

fn invite(own: &str, body: &str) -> String {
    request("INVITE", own, body)
}

fn request(method: &str, own: &str, body: &str) -> String {
    message(&format!("{method} sip:you@{SERVER} SIP/2.0"), method, own, SERVER, body)
}

fn invite_to(own: &str, to: &str, body: &str) -> String {
    message(&format!("INVITE sip:you@{to}:5060 SIP/2.0"), "INVITE", own, to, body)
}

fn answer(to: &str, code: u16, method: &str, body: &str) -> String {
    message(&format!("SIP/2.0 {code} Text"), method, to, SERVER, body)
}

fn answer_from(to: &str, own: &str, code: u16, method: &str, body: &str) -> String {
    message(&format!("SIP/2.0 {code} Text"), method, to, own, body)
}

fn message(first: &str, method: &str, own: &str, other: &str, body: &str) -> String {
    let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    let length = body.len();
    format!(
        "{first}\r\nVia: SIP/2.0/UDP {own}:5060;branch=z9hG4bK1\r\nMax-Forwards: 70\r\nFrom: <sip:me@{own}>;tag=1\r\n\
         To: <sip:you@{other}>\r\nCall-ID: 1@{own}\r\nCSeq: 1 {method}\r\nContact: <sip:me@{own}:5060>\r\n\
         Expires: 0\r\n{kind}Content-Length: {length}\r\n\r\n{body}"
    )
}
