//! Endpoints and their gatekeeper.

use std::{io, net::SocketAddr};

use lab::{
    frame::{Ip, UDP, View},
    suite::Test,
    twin::{Crossing, Side},
};

use super::super::dialogue::Dialogue;
use super::super::{Stage, arrives, client, play, play6, server, server_to_router};
use super::ras::Ras;
use super::signal::{Kind, Signal, signal};
use super::{INNER, OUTER, SERVER, place, same};

const RAS: &str = "-t raw -A PREROUTING -p udp --dport 1719 -j CT --helper RAS";
const RELATED: &str = "-A FORWARD -m conntrack --ctstate RELATED -m comment --comment related";
const HELPED: &str = "-A FORWARD -m helper --helper RAS";
const SNAT: &str = "-t nat -A POSTROUTING -o wan0 -j SNAT --to-source 10.2.0.1";
const OTHER_PORT: &str = "-t nat -A POSTROUTING -o wan0 -p udp -j SNAT --to-source 10.2.0.1:6000-6000";
const DNAT: &str = "-t nat -A PREROUTING -i wan0 -p udp --dport 1719 -j DNAT --to-destination 10.1.0.2";

pub(crate) const TESTS: &[Test] = &[
    ("h323_endpoints_behind_source_nat_find_a_gatekeeper_and_register", || {
        for nat in [SNAT, OTHER_PORT] {
            play(&[RAS, nat, RELATED, HELPED], |s| {
                for rich in [false, true] {
                    let port = if nat == SNAT { 1719 } else { 6000 };
                    let heard = up(s, &Ras::GatekeeperRequest(place(INNER, 1719)).bytes(rich))?;
                    same(&heard, &Ras::GatekeeperRequest(place(OUTER, port)).bytes(rich))?;
                    down(s, port, &Ras::GatekeeperConfirm(place(SERVER, 1719)).bytes(rich))?;
                    let asks =
                        |call, ras, seconds| Ras::RegistrationRequest(vec![call], vec![ras], seconds).bytes(rich);
                    let heard = up(s, &asks(place(INNER, 1720), place(INNER, 1719), rich.then_some(60)))?;
                    same(&heard, &asks(place(OUTER, 1720), place(OUTER, port), rich.then_some(60)))?;
                    s.list()?;
                    let agrees = |call, seconds| Ras::RegistrationConfirm(vec![call], seconds).bytes(rich);
                    let heard = down(s, port, &agrees(place(OUTER, 1720), rich.then_some(100)))?;
                    same(&heard, &agrees(place(INNER, 1720), rich.then_some(100)))?;
                    s.list()?;
                }
                up(s, b"nothing")?;
                s.command(&["conntrack", "-L"])
            })?;
        }
        Ok(())
    }),
    ("an_h323_endpoint_that_registered_is_called_by_its_gatekeeper", || {
        play(&[RAS, SNAT, RELATED], |s| {
            up(s, &register(place(INNER, 1720), None))?;
            down(s, 1719, &Ras::RegistrationConfirm(vec![place(OUTER, 1720)], None).bytes(false))?;
            s.list()?;
            for port in [3000, 3001] {
                let mut call = Dialogue::open(s, Side::Wan, &server_to_router(), port, 1720)?;
                call.says(s, &signal(Kind::Setup).bytes())?;
                let answer = Signal { h245: Some(place(INNER, port + 4000)), ..signal(Kind::Connect) };
                let heard = call.answers(s, &answer.bytes())?;
                same(&heard, &Signal { h245: Some(place(OUTER, port + 4000)), ..answer }.bytes())?;
                s.list()?;
            }
            s.counted("related", 2)?;
            // Others do not come in.
            let other = Ip::between([10, 2, 0, 3], OUTER);
            s.wan(other.tcp(&lab::frame::Tcp::segment(3000, 1720, lab::frame::Tcp::SYN, 1, 0), b""))?;
            s.counted("related", 2)?;
            s.command(&["conntrack", "-L"])
        })
    }),
    ("an_h323_endpoint_leaves_and_nobody_calls_it_any_more", || {
        play(&[RAS, SNAT], |s| {
            up(s, &register(place(INNER, 1720), Some(4_000_000)))?;
            let both = |first, second| Ras::UnregistrationRequest(vec![first, second]).bytes(true);
            s.list()?;
            let heard = up(s, &both(place([10, 1, 0, 7], 1720), place(INNER, 1720)))?;
            same(&heard, &both(place([10, 1, 0, 7], 1720), place(OUTER, 1720)))?;
            s.list()?;
            let heard = up(s, &both(place(INNER, 1720), place(INNER, 1720)))?;
            same(&heard, &both(place(INNER, 1720), place(INNER, 1720)))?;
            up(s, &register(place(INNER, 1720), None))?;
            s.list()?;
            down(s, 1719, &both(place(OUTER, 1720), place(OUTER, 1720)))?;
            s.list()?;
            s.one_entry(&["helper=RAS", "udp"])?;
            s.lives(0..=30)
        })
    }),
    ("h323_calls_are_admitted_by_the_gatekeeper", || {
        play(&[RAS, SNAT, RELATED], |s| {
            for rich in [false, true] {
                up(s, &register(place(INNER, 1720), None))?;
                let asks = |called: Option<SocketAddr>, calling: Option<SocketAddr>| {
                    Ras::AdmissionRequest(called, calling).bytes(rich)
                };
                // Who calls.
                let heard = up(s, &asks(None, Some(place(INNER, 1720))))?;
                same(&heard, &asks(None, Some(place(OUTER, 1720))))?;
                // Who is called, which comes first.
                let heard = up(s, &asks(Some(place(INNER, 1720)), Some(place(INNER, 7))))?;
                same(&heard, &asks(Some(place(OUTER, 1720)), Some(place(INNER, 7))))?;
                let heard = up(s, &asks(Some(place(INNER, 1721)), Some(place(INNER, 7))))?;
                same(&heard, &asks(Some(place(INNER, 1721)), Some(place(OUTER, 7))))?;
                // Somebody else.
                let other = asks(Some(place(SERVER, 1720)), Some(place([10, 1, 0, 3], 1720)));
                same(&up(s, &other)?, &other)?;
                // The gatekeeper says where to call.
                down(s, 1719, &Ras::AdmissionConfirm(place([10, 2, 0, 5], 1720)).bytes(rich))?;
                s.list()?;
                let heard = down(s, 1719, &Ras::AdmissionConfirm(place(OUTER, 1720)).bytes(rich))?;
                same(&heard, &Ras::AdmissionConfirm(place(INNER, 1720)).bytes(rich))?;
                down(s, 1719, &Ras::AdmissionConfirm(place(OUTER, 1721)).bytes(rich))?;
                s.list()?;
            }
            let mut call = Dialogue::open(s, Side::Lan, &Ip::between(INNER, [10, 2, 0, 5]), 3000, 1720)?;
            call.says(s, &Signal { h245: Some(place(INNER, 7000)), ..signal(Kind::Setup) }.bytes())?;
            s.list()?;
            s.counted("related", 1)
        })
    }),
    ("h323_places_are_asked_for_and_told", || {
        play(&[RAS, SNAT], |s| {
            for rich in [false, true] {
                let heard = up(s, &Ras::LocationRequest(place(INNER, 1719)).bytes(rich))?;
                same(&heard, &Ras::LocationRequest(place(OUTER, 1719)).bytes(rich))?;
                down(s, 1719, &Ras::LocationConfirm(place([10, 2, 0, 6], 1725)).bytes(rich))?;
                s.list()?;
                up(s, &register(place(INNER, 1720), None))?;
                let tells = |address: [u8; 4], calls: &[u16]| {
                    let calls = calls.iter().map(|port| place(address, *port)).collect();
                    Ras::Information(place(address, 1719), calls).bytes(rich)
                };
                let heard = up(s, &tells(INNER, &[1720]))?;
                same(&heard, &tells(OUTER, &[1720]))?;
                up(s, &tells(INNER, &[9, 1720]))?;
                up(s, &tells(INNER, &[]))?;
            }
            s.list()
        })
    }),
    ("an_h323_gatekeeper_elsewhere_is_expected_once", || {
        play(&[RAS, RELATED, HELPED], |s| {
            up(s, &Ras::GatekeeperRequest(place(INNER, 1719)).bytes(false))?;
            for to in [place(SERVER, 1719), place(SERVER, 1720), place([10, 2, 0, 3], 1719), place([10, 9, 0, 3], 0)] {
                say(s, Side::Wan, &server(), 1719, 1719, &Ras::GatekeeperConfirm(to).bytes(true))?;
                s.list()?;
            }
            let there = Ip::between(INNER, [10, 2, 0, 3]);
            say(s, Side::Lan, &there, 1719, 1719, &register(place(INNER, 1720), None))?;
            s.list()?;
            s.counted("related", 1)?;
            // One who was expected expects no other.
            let back = Ip::between([10, 2, 0, 3], INNER);
            say(s, Side::Wan, &back, 1719, 1719, &Ras::GatekeeperConfirm(place([10, 2, 0, 4], 1719)).bytes(false))?;
            s.list()
        })
    }),
    ("h323_registrations_without_nat_stay_as_they_are", || {
        play(&[RAS, RELATED], |s| {
            for rich in [false, true] {
                for message in [
                    Ras::GatekeeperRequest(place(INNER, 1719)),
                    Ras::RegistrationRequest(
                        vec![place([127, 0, 0, 1], 1720), place(INNER, 1720)],
                        vec![place(INNER, 1719)],
                        Some(60),
                    ),
                    Ras::AdmissionRequest(Some(place(INNER, 1720)), None),
                    Ras::AdmissionRequest(None, Some(place(INNER, 1720))),
                    Ras::LocationRequest(place(INNER, 1719)),
                    Ras::Information(place(INNER, 1719), vec![place(INNER, 1720)]),
                    Ras::Other(2),
                    Ras::Other(24),
                    Ras::Other(25),
                ] {
                    let message = message.bytes(rich);
                    same(&up(s, &message)?, &message)?;
                    s.list()?;
                }
                for message in [
                    Ras::RegistrationConfirm(vec![place(SERVER, 1720)], Some(70)),
                    Ras::AdmissionConfirm(place(SERVER, 1720)),
                    Ras::AdmissionConfirm(place(INNER, 1720)),
                    Ras::LocationConfirm(place([10, 2, 0, 7], 1720)),
                    Ras::UnregistrationRequest(vec![place(INNER, 1720)]),
                ] {
                    let message = message.bytes(rich);
                    same(&say(s, Side::Wan, &server(), 1719, 1719, &message)?, &message)?;
                    s.list()?;
                }
            }
            s.wan(server().tcp(&lab::frame::Tcp::segment(3000, 1720, lab::frame::Tcp::SYN, 1, 0), b""))?;
            Ok(())
        })
    }),
    ("an_h323_gatekeeper_behind_destination_nat_is_registered_with", || {
        play(&[RAS, DNAT, RELATED], |s| {
            let ask = |message: &Ras| message.bytes(true);
            let outside =
                |s: &mut Stage, message: &Ras| say(s, Side::Wan, &server_to_router(), 1719, 1719, &ask(message));
            let inside = |s: &mut Stage, message: &Ras| say(s, Side::Lan, &client(), 1719, 1719, &ask(message));
            outside(s, &Ras::GatekeeperRequest(place(SERVER, 1719)))?;
            inside(s, &Ras::GatekeeperConfirm(place(INNER, 1719)))?;
            s.list()?;
            outside(s, &Ras::RegistrationRequest(vec![place(SERVER, 1720)], vec![place(SERVER, 1719)], None))?;
            s.list()?;
            inside(s, &Ras::RegistrationConfirm(vec![place(INNER, 1720)], Some(90)))?;
            s.list()?;
            outside(s, &Ras::AdmissionRequest(None, Some(place(SERVER, 1720))))?;
            inside(s, &Ras::AdmissionConfirm(place(INNER, 1720)))?;
            s.list()?;
            inside(s, &Ras::LocationConfirm(place(INNER, 1720)))?;
            s.list()?;
            s.lan(client().tcp(&lab::frame::Tcp::segment(3000, 1720, lab::frame::Tcp::SYN, 1, 0), b""))?;
            s.wan(server_to_router().tcp(&lab::frame::Tcp::segment(3000, 1720, lab::frame::Tcp::SYN, 1, 0), b""))?;
            s.list()
        })
    }),
    ("h323_registrations_with_many_addresses_open_the_right_one", || {
        play(&[RAS, SNAT], |s| {
            let loopback = place([127, 0, 0, 1], 1720);
            let own = place(INNER, 1720);
            let other = place([10, 1, 0, 3], 1720);
            let six = SocketAddr::from(([0xfd01, 0, 0, 0, 0, 0, 0, 2], 1720));
            let all: &[&[SocketAddr]] = &[
                &[],
                &[other],
                &[loopback, own],
                &[other, loopback, own],
                &[six, own, own],
                &[place(INNER, 0), own],
                &[other; 9],
                &[other, other, other, other, other, other, other, other, other, own],
                &[other, other, other, other, other, other, other, other, other, other, own],
            ];
            for calls in all {
                let asks = Ras::RegistrationRequest(calls.to_vec(), vec![other, place(INNER, 1719)], None);
                up(s, &asks.bytes(false))?;
                s.list()?;
                down(s, 1719, &Ras::RegistrationConfirm(vec![place(OUTER, 1720), own], None).bytes(false))?;
                up(s, &Ras::Information(place(INNER, 1719), calls.to_vec()).bytes(false))?;
                up(s, &Ras::UnregistrationRequest(calls.to_vec()).bytes(false))?;
                s.list()?;
            }
            Ok(())
        })
    }),
    ("two_h323_endpoints_behind_source_nat_register_with_one_port", || {
        play(&[RAS, SNAT, RELATED], |s| {
            up(s, &register(place(INNER, 1720), None))?;
            let second = Ip::between([10, 1, 0, 3], SERVER);
            let ask = register_at([10, 1, 0, 3], 1721);
            say(s, Side::Lan, &second, 1718, 1719, &ask)?;
            s.list()?;
            let left =
                s.wan(server_to_router().tcp(&lab::frame::Tcp::segment(3000, 1721, lab::frame::Tcp::SYN, 1, 0), b""))?;
            let to = View::of(&arrives(&left)?.packet).map(|view| view.destination);
            assert_eq!(to, Some([10, 1, 0, 3].into()));
            s.list()
        })
    }),
    ("an_h323_endpoint_registers_over_ipv6", || {
        play6(&[RAS, RELATED, HELPED], |s| {
            let (inner, outer) = ([0xfd01, 0, 0, 0, 0, 0, 0, 2], [0xfd02, 0, 0, 0, 0, 0, 0, 2]);
            let six = |address: [u16; 8], port| SocketAddr::from((address, port));
            let (there, back) = (Ip::between(inner, outer), Ip::between(outer, inner));
            let list = |s: &mut Stage| s.command(&["conntrack", "-L", "expect", "-f", "ipv6"]);
            for message in [
                Ras::GatekeeperRequest(six(inner, 1719)),
                Ras::RegistrationRequest(vec![place(INNER, 1720), six(inner, 1722)], vec![six(inner, 1719)], Some(500)),
                Ras::AdmissionRequest(Some(six(inner, 1722)), Some(six(inner, 1722))),
            ] {
                let message = message.bytes(true);
                same(&say(s, Side::Lan, &there, 1719, 1719, &message)?, &message)?;
                list(s)?;
            }
            for message in [
                Ras::RegistrationConfirm(vec![six(inner, 1722)], Some(600)),
                Ras::AdmissionConfirm(six(outer, 1720)),
                Ras::LocationConfirm(six(outer, 1723)),
                Ras::GatekeeperConfirm(six([0xfd02, 0, 0, 0, 0, 0, 0, 3], 1719)),
            ] {
                let message = message.bytes(true);
                same(&say(s, Side::Wan, &back, 1719, 1719, &message)?, &message)?;
                list(s)?;
            }
            Dialogue::open(s, Side::Wan, &back, 3000, 1722)?;
            Dialogue::open(s, Side::Lan, &there, 3001, 1723)?;
            s.counted("related", 2)?;
            s.command(&["conntrack", "-L", "-f", "ipv6"])
        })
    }),
    ("what_is_cut_off_from_h323_registrations_or_wrong_in_them", || {
        play(&[RAS, SNAT], |s| {
            for message in everything() {
                let whole = message.bytes(true);
                for left in 0..whole.len() {
                    up(s, &whole[..left])?;
                    for bit in [0x80, 0x20, 0x04, 0x01] {
                        let mut broken = whole.clone();
                        broken[left] ^= bit;
                        s.lan(client().udp(1719, 1719, &broken))?;
                    }
                }
                s.list()?;
            }
            Ok(())
        })
    }),
];

/// Every message that is read, as the endpoint says it.
fn everything() -> Vec<Ras> {
    let (calls, ras) = (place(INNER, 1720), place(INNER, 1719));
    vec![
        Ras::RegistrationRequest(vec![place(INNER, 1722), calls], vec![ras], Some(60)),
        Ras::GatekeeperRequest(ras),
        Ras::AdmissionRequest(Some(calls), Some(calls)),
        Ras::LocationRequest(ras),
        Ras::Information(ras, vec![calls]),
        Ras::GatekeeperConfirm(place(INNER, 1718)),
        Ras::AdmissionConfirm(calls),
        Ras::LocationConfirm(calls),
        Ras::RegistrationConfirm(vec![calls], Some(70)),
        Ras::UnregistrationRequest(vec![calls]),
    ]
}

fn register(calls: SocketAddr, seconds: Option<u32>) -> Vec<u8> {
    Ras::RegistrationRequest(vec![calls], vec![place(INNER, 1719)], seconds).bytes(seconds.is_some())
}

fn register_at(address: [u8; 4], port: u16) -> Vec<u8> {
    Ras::RegistrationRequest(vec![place(address, port)], vec![place(address, 1718)], None).bytes(true)
}

/// The endpoint says something; what the gatekeeper hears.
fn up(s: &mut Stage, text: &[u8]) -> io::Result<Vec<u8>> {
    say(s, Side::Lan, &client(), 1719, 1719, text)
}

/// The gatekeeper says something to the router's port.
fn down(s: &mut Stage, port: u16, text: &[u8]) -> io::Result<Vec<u8>> {
    say(s, Side::Wan, &server_to_router(), 1719, port, text)
}

fn say(s: &mut Stage, side: Side, ip: &Ip, from: u16, to: u16, text: &[u8]) -> io::Result<Vec<u8>> {
    let left = s.send(vec![Crossing { side, packet: ip.udp(from, to, text) }])?;
    let one = arrives(&left)?;
    let view = View::of(&one.packet).filter(|view| view.protocol == UDP);
    Ok(view.and_then(|view| view.payload.get(8..)).unwrap_or_default().to_vec())
}
