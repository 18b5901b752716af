//! SNMP: addresses in messages that cross a translation, and questions to a whole network; NetBIOS asks such ones too.

use std::io;

use lab::{
    frame::Ip,
    suite::Test,
    twin::{Crossing, Side},
};

use super::{Stage, arrives, claim, client, fail, play, server, server_to_router, vanishes};

const SNMP: &str = "-t raw -A PREROUTING -p udp --dport 161 -j CT --helper snmp";
const TRAPS: &str = "-t raw -A PREROUTING -p udp --dport 162 -j CT --helper snmp_trap";
const SNAT: &str = "-t nat -A POSTROUTING -o wan0 -j SNAT --to-source 10.2.0.1";
const AGENT: &str = "-t nat -A PREROUTING -i wan0 -p udp --dport 161 -j DNAT --to-destination 10.1.0.2";

/// The client's address as a value, and that of the router's outer side.
const INNER: &[u8] = b"\x40\x04\x0a\x01\0\x02";
const OUTER: &[u8] = b"\x40\x04\x0a\x02\0\x01";
const OTHER: &[u8] = b"\x40\x04\x0a\x02\0\x02";

pub(crate) const TESTS: &[Test] = &[
    ("an_address_in_an_snmp_message_is_translated_with_the_packet", || {
        play(&[SNMP, SNAT], |s| {
            let left = s.lan(client().udp(900, 161, &message(0xa3, &[INNER, OTHER, b"\x05\0", INNER])))?;
            let wanted = message(0xa3, &[OUTER, OTHER, b"\x05\0", OUTER]);
            assert!(arrives(&left)?.packet.ends_with(&wanted));
            let left = s.wan(server_to_router().udp(161, 900, &message(0xa2, &[INNER, OUTER, OTHER])))?;
            assert!(arrives(&left)?.packet.ends_with(&message(0xa2, &[OUTER, OUTER, OTHER])));
            s.one_entry(&["helper=snmp"])
        })
    }),
    ("an_snmp_agent_behind_destination_nat_keeps_its_words", || {
        play(&[SNMP, AGENT], |s| {
            let ask = Ip::between([10, 2, 0, 2], [10, 2, 0, 1]);
            arrives(&s.wan(ask.udp(900, 161, &message(0xa0, &[INNER, OUTER, OTHER])))?)?;
            arrives(&s.lan(client().udp(161, 900, &message(0xa2, &[INNER, OUTER, OTHER])))?)?;
            Ok(())
        })
    }),
    ("an_snmp_message_that_is_not_translated_passes_whatever_it_is", || {
        play(&[SNMP], |s| {
            arrives(&s.lan(client().udp(900, 161, b"nonsense"))?)?;
            arrives(&s.wan(server().udp(161, 900, &message(0xa2, &[INNER])))?)?;
            Ok(())
        })
    }),
    ("snmp_traps_of_version_2_are_translated_and_those_of_version_1_do_not_pass", || {
        play(&[TRAPS, SNAT], |s| {
            let left = s.lan(client().udp(900, 162, &message(0xa7, &[INNER])))?;
            assert!(arrives(&left)?.packet.ends_with(&message(0xa7, &[OUTER])));
            vanishes(&s.lan(client().udp(901, 162, &message(0xa4, &[INNER])))?)?;
            s.one_entry(&["helper=snmp_trap"])
        })
    }),
    ("odd_snmp_messages_pass_or_not_as_the_original_reads_them", || {
        play(&[SNMP, SNAT], |s| {
            arrives(&s.lan(client().udp(900, 161, &message(0xa0, &[INNER])))?)?;
            for text in odd_messages() {
                s.lan(client().udp(900, 161, &text))?;
            }
            Ok(())
        })
    }),
    ("broken_snmp_messages_pass_or_not_as_the_original_reads_them", || {
        play(&[SNMP, SNAT], |s| {
            let whole = message(0xa3, &[INNER, b"\x04\x03abc", INNER, b"\x82\x00", INNER]);
            let mut seed = 1_u32;
            let mut draw = |most: usize| {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (seed >> 8) as usize % most
            };
            const LIKELY: [u8; 16] = [0, 1, 2, 4, 5, 6, 0x30, 0x10, 0x40, 0x60, 0x80, 0x81, 0x82, 0x83, 0xa0, 0x44];
            let mut all = vec![Crossing { side: Side::Lan, packet: client().udp(900, 161, &whole) }];
            for _ in 0..250 {
                let mut text = whole.clone();
                for _ in 0..=draw(2) {
                    let at = draw(text.len());
                    match draw(5) {
                        0 => text.truncate(at.max(1)),
                        1 => text.insert(at, LIKELY[draw(16)]),
                        2 => text[at] = draw(256) as u8,
                        3 => text[at] = text[at].wrapping_add(draw(5) as u8).wrapping_sub(2),
                        _ => text[at] = LIKELY[draw(16)],
                    }
                }
                all.push(Crossing { side: Side::Lan, packet: client().udp(900, 161, &text) });
            }
            for some in all.chunks(10) {
                s.send(some.to_vec())?;
            }
            Ok(())
        })
    }),
    ("an_snmp_question_to_a_whole_network_is_answered_by_its_hosts", || {
        let rule = "-t raw -A OUTPUT -p udp --dport 161 -j CT --helper snmp";
        play(&[rule, "-A INPUT -m conntrack --ctstate RELATED -m comment --comment related"], |s| {
            let asked = message(0xa0, &[b"\x05\0"]);
            s.own(Ip::between([10, 1, 0, 1], [10, 1, 0, 255]).udp(900, 161, &asked))?;
            s.list()?;
            s.expects(&["src=10.1.0.255 dst=10.1.0.1 sport=161 dport=900", "mask-src=255.255.255.0", "PERMANENT"])?;
            for host in [2, 3] {
                s.lan(Ip::between([10, 1, 0, host], [10, 1, 0, 1]).udp(161, 900, &message(0xa2, &[INNER])))?;
            }
            s.counted("related", 2)?;
            // From elsewhere, or another port.
            s.lan(Ip::between([10, 1, 1, 2], [10, 1, 0, 1]).udp(161, 900, b"x"))?;
            s.lan(Ip::between([10, 1, 0, 4], [10, 1, 0, 1]).udp(162, 900, b"x"))?;
            s.counted("related", 2)?;
            s.list()
        })
    }),
    ("what_the_clients_ask_of_a_whole_network_opens_nothing", || {
        play(&[SNMP, "-t raw -A OUTPUT -p udp --dport 161 -j CT --helper snmp"], |s| {
            s.lan(Ip::between([10, 1, 0, 2], [10, 1, 0, 255]).udp(900, 161, b"x"))?;
            s.lan(Ip::between([10, 1, 0, 2], [10, 2, 0, 255]).udp(900, 161, b"x"))?;
            s.own(Ip::between([10, 1, 0, 1], [10, 1, 0, 2]).udp(901, 161, b"x"))?;
            s.own(Ip::between([10, 2, 0, 1], [10, 2, 0, 255]).udp(901, 161, b"x"))?;
            if s.expectations()?.is_empty() { Ok(()) } else { fail(format!("{:#?}", s.expectations()?)) }
        })
    }),
    ("a_netbios_name_is_asked_of_a_whole_network", || {
        let rule = "-t raw -A OUTPUT -p udp --dport 137 -j CT --helper netbios-ns";
        let related = "-A INPUT -m conntrack --ctstate RELATED -m helper --helper netbios-ns";
        // Answers are waited for three seconds: what is slower is tried again.
        claim(&[rule, related], |s| {
            let mut port = 900;
            loop {
                asks_name(s, port)?;
                match s.count("-m helper --helper netbios-ns")? {
                    0 if port < 910 => port += 1,
                    0 => return fail("no answer was related"),
                    _ => return Ok(()),
                }
            }
        })
    }),
];

/// A question and two answers at once.
fn asks_name(s: &mut Stage, port: u16) -> io::Result<()> {
    let ask = Ip::between([10, 1, 0, 1], [10, 1, 0, 255]).udp(port, 137, b"who?");
    let answer = |host| Ip::between([10, 1, 0, host], [10, 1, 0, 1]).udp(137, port, b"I");
    s.send(vec![
        Crossing { side: Side::Own, packet: ask },
        Crossing { side: Side::Lan, packet: answer(2) },
        Crossing { side: Side::Lan, packet: answer(3) },
    ])?;
    Ok(())
}

fn message(kind: u8, values: &[&[u8]]) -> Vec<u8> {
    let bindings: Vec<u8> =
        values.iter().flat_map(|value| held(0x30, &[&held(6, b"\x2b\x06\x01"), *value].concat())).collect();
    let unit = [b"\x02\x02\x12\x34\x02\x01\0\x02\x01\0", &held(0x30, &bindings)[..]].concat();
    held(0x30, &[b"\x02\x01\x01", &held(4, b"public")[..], &held(kind, &unit)].concat())
}

fn held(tag: u8, what: &[u8]) -> Vec<u8> {
    let length = what.len();
    let header = match length {
        0..0x80 => vec![tag, length as u8],
        0x80..0x100 => vec![tag, 0x81, length as u8],
        _ => vec![tag, 0x82, (length >> 8) as u8, length as u8],
    };
    [header, what.to_vec()].concat()
}

fn odd_messages() -> Vec<Vec<u8>> {
    let with = |version: &[u8], community: &[u8], rest: &[u8]| held(0x30, &[version, community, rest].concat());
    let (v2, public) = (b"\x02\x01\x01", held(4, b"public"));
    let numbers = b"\x02\x01\x07\x02\x01\0\x02\x01\0";
    let binding = |value: &[u8]| held(0x30, &[b"\x06\x01\x2b", value].concat());
    let unit = |bindings: &[u8]| held(0xa3, &[numbers, &held(0x30, bindings)[..]].concat());
    let plain = |value: &[u8]| with(v2, &public, &unit(&binding(value)));
    let mut all = Vec::new();
    // Kinds of messages and of values.
    for kind in (0xa0..=0xaf).chain(0x80..=0x8a) {
        all.push(message(kind, &[INNER]));
    }
    for tag in 0..=255 {
        all.push(plain(&[tag, 4, 10, 1, 0, 2]));
    }
    // Lengths of an address.
    for length in [0, 1, 3, 5, 6] {
        all.push(plain(&held(0x40, &[10, 1, 0, 2, 9, 9][..length])));
    }
    // Versions.
    for version in [&b"\x02\x01\0"[..], b"\x02\x01\x02", b"\x02\x01\x03", b"\x02\x02\0\x01", b"\x02\x01\xff", b"\x02\0"]
    {
        all.push(with(version, &public, &unit(&binding(INNER))));
    }
    // Parts that are missing, or there twice.
    all.push(with(v2, &public, b""));
    all.push(with(v2, b"", b""));
    all.push(held(0x30, b""));
    all.push(with(v2, &public, &unit(b"")));
    all.push(with(v2, &public, &unit(&held(0x30, b""))));
    all.push(with(v2, &public, &unit(&binding(b""))));
    all.push(with(v2, &public, &unit(&[binding(b""), binding(INNER)].concat())));
    all.push(with(v2, &public, &held(0xa0, numbers)));
    all.push(with(v2, &public, &held(0xa0, &numbers[..6])));
    all.push(with(v2, &public, &held(0xa0, b"")));
    all.push(plain(&[INNER, INNER].concat()));
    all.push(with(v2, &public, &[unit(&binding(INNER)), unit(&binding(INNER))].concat()));
    all.push([plain(INNER), b"more".to_vec()].concat());
    all.push(with(v2, &held(0x24, &held(4, b"p")), &unit(&binding(INNER))));
    // Lengths in other forms.
    all.push(plain(b"\x40\x81\x04\x0a\x01\0\x02"));
    all.push(plain(b"\x40\x82\0\x04\x0a\x01\0\x02"));
    all.push(plain(b"\x40\x83\0\0\x04\x0a\x01\0\x02"));
    all.push(plain(b"\x40\x80\x0a\x01\0\x02\0\0"));
    let open = |tag: u8, what: &[u8]| [&[tag, 0x80], what, &[0, 0]].concat();
    all.push(open(0x30, &[&v2[..], &public, &unit(&binding(INNER))].concat()));
    all.push(open(0x30, &[&v2[..], &public].concat()));
    all.push(open(0x10, &[&v2[..], &public, &unit(&binding(INNER))].concat()));
    all.push(with(v2, &public, &open(0xa1, &[numbers, &held(0x30, &binding(INNER))[..]].concat())));
    all.push(with(v2, &public, &held(0xa1, &[numbers, &open(0x30, &binding(INNER))[..]].concat())));
    all.push(with(v2, &public, &held(0xa1, &[numbers, &open(0x30, b"")[..]].concat())));
    all.push(with(
        v2,
        &public,
        &held(0xa1, &[numbers, &open(0x30, &[binding(INNER), binding(INNER)].concat())[..]].concat()),
    ));
    all.push(with(v2, &public, &unit(&open(0x30, &[b"\x06\x01\x2b", INNER].concat()))));
    all.push(with(v2, &public, &unit(&open(0x30, b"\x06\x01\x2b"))));
    all.push(with(v2, &public, &unit(&[open(0x30, &[b"\x06\x01\x2b", INNER].concat()), binding(INNER)].concat())));
    // Others than sequences.
    all.push(with(v2, &public, &held(0xa1, &[numbers, &held(0x31, &binding(INNER))[..]].concat())));
    all.push(with(v2, &public, &held(0xa1, &[numbers, &held(0x10, &binding(INNER))[..]].concat())));
    all.push(with(v2, &public, &unit(&held(0x10, &[b"\x06\x01\x2b", INNER].concat()))));
    // Two values in one place, two units in one message.
    let tags = [2, 4, 5, 6, 0x40, 0x41, 0x42, 0x43, 0x44, 0x46, 0x80, 0x81, 0x82];
    for (first, second) in tags.iter().flat_map(|first| tags.iter().map(move |second| (*first, *second))) {
        all.push(plain(&[held(first, &[10, 1, 0, 2]), held(second, &[10, 1, 0, 2])].concat()));
    }
    for (first, second) in (0xa0..0xa9).flat_map(|first| (0xa0..0xa9).map(move |second| (first, second))) {
        let unit = |kind| held(kind, &[numbers, &held(0x30, &binding(INNER))[..]].concat());
        all.push(with(v2, &public, &[unit(first), unit(second)].concat()));
    }
    // Nothing at all, and a checksum that was not made.
    all.push(Vec::new());
    all.push(b"0".to_vec());
    all
}
