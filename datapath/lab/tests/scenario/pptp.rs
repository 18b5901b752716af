//! PPTP: calls that a control connection makes, and their GRE.

use std::io;

use lab::{
    frame::{Ip, View},
    suite::Test,
    twin::{Crossing, Side},
};

use super::dialogue::Dialogue;
use super::{Stage, arrives, client, fail, play, server, server_to_router};

const PPTP: &str = "-t raw -A PREROUTING -p tcp --dport 1723 -j CT --helper pptp";
const RELATED: &str = "-A FORWARD -m conntrack --ctstate RELATED -m comment --comment related";
const HELPED: &str = "-A FORWARD -m helper --helper pptp";
const SNAT: &str = "-t nat -A POSTROUTING -o wan0 -j SNAT --to-source 10.2.0.1";
const DNAT: &str = "-t nat -A PREROUTING -i wan0 -p tcp --dport 1723 -j DNAT --to-destination 10.1.0.2";
const GRE: u8 = 47;

pub(crate) const TESTS: &[Test] = &[
    ("a_pptp_call_of_the_client_opens_gre_both_ways", || {
        play(&[PPTP, RELATED, HELPED], |s| {
            let mut control = started(s)?;
            control.says(s, &out_request(7))?;
            control.answers(s, &out_reply(99, 7, 1))?;
            if s.expectations()?.len() != 2 {
                return fail(format!("{:#?}", s.expectations()?));
            }
            s.list()?;
            arrives(&s.lan(gre(&client(), 99, 1))?)?;
            s.list()?;
            arrives(&s.wan(gre(&server(), 7, 1))?)?;
            arrives(&s.lan(gre(&client(), 99, 2))?)?;
            s.counted("related", 1)?;
            s.counted("--helper pptp", 3)?;
            assert!(s.expectations()?.is_empty());
            Ok(())
        })
    }),
    ("the_servers_gre_may_come_first", || {
        play(&[PPTP, RELATED], |s| {
            let mut control = started(s)?;
            control.says(s, &out_request(7))?;
            control.answers(s, &out_reply(99, 7, 1))?;
            arrives(&s.wan(gre(&server(), 7, 1))?)?;
            s.list()?;
            arrives(&s.lan(gre(&client(), 99, 1))?)?;
            s.counted("related", 1)
        })
    }),
    ("a_pptp_call_of_the_server_opens_gre_as_well", || {
        play(&[PPTP, RELATED], |s| {
            let mut control = started(s)?;
            control.answers(s, &in_request(98))?;
            control.says(s, &in_reply(6, 98, 1))?;
            s.list()?;
            control.answers(s, &in_connected(6))?;
            s.list()?;
            arrives(&s.wan(gre(&server(), 6, 1))?)?;
            arrives(&s.lan(gre(&client(), 98, 1))?)?;
            s.counted("related", 1)
        })
    }),
    ("a_call_that_is_refused_or_makes_no_sense_opens_nothing", || {
        play(&[PPTP], |s| {
            let mut early = Dialogue::open(s, Side::Lan, &client(), 1000, 1723)?;
            early.says(s, &out_request(1))?;
            early.answers(s, &out_reply(2, 1, 1))?;
            let mut control = started(s)?;
            control.answers(s, &out_reply(99, 7, 1))?;
            control.says(s, &out_request(7))?;
            control.answers(s, &out_reply(99, 8, 1))?;
            control.answers(s, &out_reply(99, 7, 2))?;
            control.answers(s, &out_reply(99, 7, 1))?;
            control.answers(s, &in_request(98))?;
            control.says(s, &in_reply(6, 97, 1))?;
            control.says(s, &in_reply(6, 98, 2))?;
            control.answers(s, &in_connected(6))?;
            s.list()?;
            if s.expectations()?.is_empty() { Ok(()) } else { fail(format!("{:#?}", s.expectations()?)) }
        })
    }),
    ("messages_that_are_cut_or_in_two_segments_are_not_heard", || {
        play(&[PPTP], |s| {
            let mut control = started(s)?;
            let whole = out_request(7);
            for at in [1, 7, 8, 11, 12, 100, whole.len() - 1] {
                control.says(s, &whole[..at])?;
                control.says(s, &whole[at..])?;
                control.answers(s, &out_reply(99, 7, 1))?;
                s.list()?;
            }
            control.says(s, &[&whole[..], b"more"].concat())?;
            control.answers(s, &out_reply(99, 7, 1)[..31])?;
            s.list()?;
            control.answers(s, &out_reply(99, 7, 1))?;
            s.list()
        })
    }),
    ("a_pptp_call_that_ends_takes_its_gre_along", || {
        play(&[PPTP, RELATED], |s| {
            let mut control = started(s)?;
            control.says(s, &out_request(7))?;
            control.answers(s, &out_reply(99, 7, 1))?;
            arrives(&s.lan(gre(&client(), 99, 1))?)?;
            arrives(&s.wan(gre(&server(), 7, 1))?)?;
            control.says(s, &clear(7))?;
            gre_entries(s, 1)?;
            control.answers(s, &disconnect(99))?;
            gre_entries(s, 0)?;
            // And the next.
            control.says(s, &out_request(8))?;
            control.answers(s, &out_reply(100, 8, 1))?;
            s.list()?;
            control.answers(s, &disconnect(100))?;
            s.list()?;
            arrives(&s.lan(gre(&client(), 100, 1))?)?;
            s.counted("related", 1)
        })
    }),
    ("gre_ends_with_its_pptp_control_connection", || {
        play(&[PPTP], |s| {
            let mut control = started(s)?;
            control.says(s, &out_request(7))?;
            control.answers(s, &out_reply(99, 7, 1))?;
            arrives(&s.lan(gre(&client(), 99, 1))?)?;
            s.command(&["conntrack", "-D", "-p", "tcp", "--dport", "1723"])?;
            gre_entries(s, 0)
        })
    }),
    ("a_second_pptp_call_of_a_connection_is_not_expected", || {
        play(&[PPTP], |s| {
            let mut control = started(s)?;
            control.says(s, &out_request(7))?;
            control.answers(s, &out_reply(99, 7, 1))?;
            control.answers(s, &out_reply(99, 7, 1))?;
            s.list()?;
            control.says(s, &out_request(8))?;
            control.answers(s, &out_reply(100, 8, 1))?;
            s.list()?;
            arrives(&s.lan(gre(&client(), 99, 1))?)?;
            arrives(&s.lan(gre(&client(), 100, 1))?)?;
            Ok(())
        })
    }),
    ("a_pptp_client_behind_source_nat_calls_by_its_port", || {
        play(&[PPTP, SNAT, RELATED, HELPED], |s| {
            let mut control = started(s)?;
            let heard = control.says(s, &out_request(7))?;
            assert_eq!(heard, out_request(1001));
            let heard = control.answers(s, &out_reply(99, 1001, 1))?;
            assert_eq!(heard, out_reply(99, 7, 1));
            s.list()?;
            let left = s.lan(gre(&client(), 99, 1))?;
            assert_eq!(arrives(&left)?.packet, gre(&hop(Ip::between([10, 2, 0, 1], [10, 2, 0, 2])), 99, 1));
            s.list()?;
            let left = s.wan(gre(&server_to_router(), 1001, 1))?;
            assert_eq!(arrives(&left)?.packet, gre(&hop(server()), 7, 1));
            s.counted("related", 1)?;
            s.counted("--helper pptp", 2)?;
            control.says(s, &clear(7))?;
            control.answers(s, &disconnect(1001))?;
            gre_entries(s, 0)
        })
    }),
    ("the_servers_gre_comes_first_behind_source_nat", || {
        play(&[PPTP, SNAT, RELATED], |s| {
            let mut control = started(s)?;
            control.says(s, &out_request(7))?;
            control.answers(s, &out_reply(99, 1001, 1))?;
            let left = s.wan(gre(&server_to_router(), 1001, 1))?;
            assert_eq!(arrives(&left)?.packet, gre(&hop(server()), 7, 1));
            s.list()?;
            arrives(&s.lan(gre(&client(), 99, 1))?)?;
            arrives(&s.wan(gre(&server_to_router(), 1001, 2))?)?;
            s.counted("related", 1)
        })
    }),
    ("every_message_of_pptp_behind_source_nat", || {
        play(&[PPTP, SNAT], |s| {
            let mut control = started(s)?;
            control.says(s, &out_request(7))?;
            control.answers(s, &out_reply(99, 1001, 1))?;
            for kind in 0..18 {
                let text = message(kind, &[9; 208]);
                control.says(s, &text)?;
                control.answers(s, &text)?;
                s.list()?;
            }
            Ok(())
        })
    }),
    ("two_pptp_clients_behind_source_nat_use_the_same_call_ids", || {
        play(&[PPTP, SNAT, RELATED], |s| {
            let other = Ip::between([10, 1, 0, 3], [10, 2, 0, 2]);
            for (ip, port) in [(client(), 1001), (other.clone(), 1002)] {
                let mut control = Dialogue::open(s, Side::Lan, &ip, port, 1723)?;
                start(s, &mut control)?;
                control.says(s, &out_request(7))?;
                control.answers(s, &out_reply(port, port, 1))?;
            }
            s.list()?;
            arrives(&s.lan(gre(&client(), 1001, 1))?)?;
            arrives(&s.lan(gre(&other, 1002, 1))?)?;
            for (port, host) in [(1001, 2), (1002, 3)] {
                let left = s.wan(gre(&server_to_router(), port, 1))?;
                let to = View::of(&arrives(&left)?.packet).map(|view| view.destination);
                assert_eq!(to, Some([10, 1, 0, host].into()));
            }
            s.counted("related", 2)
        })
    }),
    ("a_pptp_server_behind_destination_nat_is_called", || {
        play(&[PPTP, DNAT, RELATED], |s| {
            let mut control = Dialogue::open(s, Side::Wan, &server_to_router(), 1001, 1723)?;
            start(s, &mut control)?;
            control.says(s, &out_request(7))?;
            control.answers(s, &out_reply(99, 1001, 1))?;
            s.list()?;
            let left = s.wan(gre(&server_to_router(), 99, 1))?;
            arrives(&left)?;
            s.lan(gre(&client(), 7, 1))?;
            s.lan(gre(&client(), 1001, 1))?;
            s.list()
        })
    }),
    ("gre_that_is_cut_is_plain_gre", || {
        play(&["-A FORWARD -m conntrack --ctstate NEW", "-A FORWARD -m conntrack --ctstate INVALID"], |s| {
            for (host, header) in
                (2..).zip([&b""[..], b"\x30", b"\x30\x01\x88", b"\x30\x01\x88\x0b", b"\x30\x01\x08\0"])
            {
                s.lan(Ip::between([10, 1, 0, host], [10, 2, 0, 2]).packet(GRE, header))?;
            }
            s.counted("NEW", 5)
        })
    }),
    ("what_is_no_gre_of_a_call_is_of_nobody", || {
        play(&[PPTP, SNAT], |s| {
            let mut control = started(s)?;
            control.says(s, &out_request(7))?;
            control.answers(s, &out_reply(99, 1001, 1))?;
            let ip = client();
            for header in [
                &b"\0\0\x08\0"[..],
                b"\x30\x01\x08\0\0\0\0\x63",
                b"\x30\x01\x88\x0b\0\0",
                b"\0\0\x88\x0b\0\0\0\x63",
                b"\x20",
            ] {
                s.send(vec![Crossing { side: Side::Lan, packet: ip.packet(GRE, header) }])?;
            }
            s.list()
        })
    }),
];

/// A control connection from port 1001 that was started.
fn started(s: &mut Stage) -> io::Result<Dialogue> {
    let mut control = Dialogue::open(s, Side::Lan, &client(), 1001, 1723)?;
    start(s, &mut control)?;
    Ok(control)
}

fn start(s: &mut Stage, control: &mut Dialogue) -> io::Result<()> {
    control.says(s, &message(1, &[0; 144]))?;
    let mut reply = [0; 144];
    reply[2] = 1;
    control.answers(s, &message(2, &reply))?;
    Ok(())
}

fn gre_entries(s: &mut Stage, wanted: usize) -> io::Result<()> {
    let entries = s.entries()?;
    let there = entries.iter().filter(|entry| entry.starts_with("gre")).count();
    if there == wanted { Ok(()) } else { fail(format!("{entries:#?}")) }
}

fn gre(ip: &Ip, call: u16, sequence: u8) -> Vec<u8> {
    let [a, b] = call.to_be_bytes();
    ip.packet(GRE, &[0x30, 0x01, 0x88, 0x0b, 0, 4, a, b, 0, 0, 0, sequence, 0xff, 3, 0xc0, 0x21])
}

fn message(kind: u16, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(12 + body.len()).unwrap_or(0);
    let [a, b] = length.to_be_bytes();
    let [c, d] = kind.to_be_bytes();
    [&[a, b, 0, 1, 0x1a, 0x2b, 0x3c, 0x4d, c, d, 0, 0], body].concat()
}

fn with_calls(kind: u16, length: usize, numbers: &[u16], result: u8) -> Vec<u8> {
    let mut body: Vec<u8> = numbers.iter().flat_map(|number| number.to_be_bytes()).collect();
    body.push(result);
    body.resize(length, 0);
    message(kind, &body)
}

fn out_request(call: u16) -> Vec<u8> {
    with_calls(7, 156, &[call], 0)
}

fn out_reply(call: u16, other: u16, result: u8) -> Vec<u8> {
    with_calls(8, 20, &[call, other], result)
}

fn in_request(call: u16) -> Vec<u8> {
    with_calls(9, 208, &[call], 0)
}

fn in_reply(call: u16, other: u16, result: u8) -> Vec<u8> {
    with_calls(10, 12, &[call, other], result)
}

fn in_connected(other: u16) -> Vec<u8> {
    with_calls(11, 16, &[other], 0)
}

fn clear(call: u16) -> Vec<u8> {
    with_calls(12, 4, &[call], 0)
}

fn disconnect(call: u16) -> Vec<u8> {
    with_calls(13, 136, &[call], 0)
}

/// As it leaves the router.
fn hop(ip: Ip) -> Ip {
    Ip { ttl: ip.ttl - 1, ..ip }
}
