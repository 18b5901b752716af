//! Translation of the router's own packets and of those it takes, and ways that marks and translations choose.

use std::{io, net::UdpSocket, time::Duration};

use lab::{frame::Ip, suite::Test, twin::Side};

use super::{Stage, arrives, claim_after, client, fail, play, play_after, view};

const ROUTER: [u8; 4] = [10, 2, 0, 1];
const SERVER: [u8; 4] = [10, 2, 0, 2];
const CLIENT: [u8; 4] = [10, 1, 0, 2];
/// A host of a network that the main table has among the clients and another table among the servers.
const FAR: [u8; 4] = [10, 9, 0, 1];
const WAYS: &[&str] = &[
    "ip route add 10.9.0.0/24 via 10.1.0.2 dev lan0",
    "ip rule add fwmark 1/1 lookup 100",
    "ip route add 10.9.0.0/24 via 10.2.0.2 dev wan0 table 100",
];
const MASQUERADE: &str = "-t nat -A POSTROUTING -o wan0 -j MASQUERADE";

/// Sends from the router itself: the side it left at, source and destination.
fn own(s: &mut Stage, packet: Vec<u8>) -> io::Result<(Side, String, String)> {
    let left = s.own(packet)?;
    let one = arrives(&left)?;
    Ok((one.side, view(one).source.to_string(), view(one).destination.to_string()))
}

fn same<T: PartialEq + std::fmt::Debug>(got: T, wanted: T) -> io::Result<()> {
    if got == wanted { Ok(()) } else { fail(format!("{got:?}, not {wanted:?}")) }
}

pub(crate) const TESTS: &[Test] = &[
    ("a_packet_of_the_routers_own_that_output_translates_takes_the_way_to_its_new_destination", || {
        play(&["-t nat -A OUTPUT -p udp --dport 99 -j DNAT --to-destination 10.1.0.2:53"], |s| {
            let got = own(s, Ip::between(ROUTER, SERVER).udp(1111, 99, b"x"))?;
            same(got, (Side::Lan, "10.2.0.1".to_owned(), "10.1.0.2".to_owned()))?;
            // Nobody listens at the port, but the answer was translated before that was found.
            s.lan(Ip::between(CLIENT, ROUTER).udp(53, 1111, b"y"))?;
            s.one_entry(&[
                "src=10.2.0.1 dst=10.2.0.2 sport=1111 dport=99",
                "src=10.1.0.2 dst=10.2.0.1 sport=53 dport=1111",
            ])
        })
    }),
    ("a_packet_of_the_routers_own_that_output_redirects_comes_back_to_it", || {
        claim_after(&[], &["-t nat -A OUTPUT -d 10.2.0.2 -p udp --dport 99 -j REDIRECT --to-ports 5300"], false, |s| {
            let said = s.within(|| {
                let program = UdpSocket::bind("127.0.0.1:5300")?;
                let asking = UdpSocket::bind("0.0.0.0:0")?;
                for socket in [&program, &asking] {
                    socket.set_read_timeout(Some(Duration::from_secs(20)))?;
                }
                asking.connect("10.2.0.2:99")?;
                asking.send(b"question")?;
                let mut bytes = [0; 16];
                let (_, from) = program.recv_from(&mut bytes)?;
                program.send_to(b"answer", from)?;
                // A connected socket takes it from whom it asked alone.
                let length = asking.recv(&mut bytes)?;
                Ok(bytes[..length].to_vec())
            })?;
            same(said, b"answer".to_vec())
        })
    }),
    ("a_program_of_the_router_sees_the_source_that_input_translated_to", || {
        claim_after(&[], &["-t nat -A INPUT -s 10.1.0.2 -p udp -j SNAT --to-source 10.1.0.77:4000"], false, |s| {
            let program = s.within(|| UdpSocket::bind("10.1.0.1:5400"))?;
            program.set_read_timeout(Some(Duration::from_secs(20)))?;
            s.lan(Ip::between(CLIENT, [10, 1, 0, 1]).udp(1111, 5400, b"question"))?;
            let (_, from) = program.recv_from(&mut [0; 16])?;
            same(from.to_string(), "10.1.0.77:4000".to_owned())?;
            s.one_entry(&[
                "src=10.1.0.2 dst=10.1.0.1 sport=1111 dport=5400",
                "src=10.1.0.1 dst=10.1.0.77 sport=5400 dport=4000",
            ])?;
            // What the router sends is sent from a socket at that port.
            drop(program);
            let left = s.own(Ip::between([10, 1, 0, 1], [10, 1, 0, 77]).udp(5400, 4000, b"answer"))?;
            let back = view(arrives(&left)?);
            same((back.destination.to_string(), back.ports()), ("10.1.0.2".to_owned(), Some((5400, 1111))))
        })
    }),
    ("a_forwarded_packet_is_translated_for_the_way_that_its_mark_chose", || {
        let rules = ["-t mangle -A PREROUTING -p udp --dport 99 -j MARK --set-mark 1", MASQUERADE];
        play_after(WAYS, &rules, false, |s| {
            let left = s.lan(Ip::between([10, 1, 0, 3], FAR).udp(1111, 99, b"x"))?;
            let marked = arrives(&left)?;
            same((marked.side, view(marked).source.to_string()), (Side::Wan, "10.2.0.1".to_owned()))?;
            let left = s.lan(Ip::between([10, 1, 0, 3], FAR).udp(1111, 98, b"x"))?;
            let plain = arrives(&left)?;
            same((plain.side, view(plain).source.to_string()), (Side::Lan, "10.1.0.3".to_owned()))?;
            let left = s.wan(Ip::between(FAR, ROUTER).udp(99, 1111, b"y"))?;
            same(view(arrives(&left)?).destination.to_string(), "10.1.0.3".to_owned())
        })
    }),
    ("a_translated_destination_is_routed_by_the_mark_too", || {
        let rules = [
            "-t mangle -A PREROUTING -p udp --dport 99 -j MARK --set-mark 1",
            "-t nat -A PREROUTING -d 10.2.0.2 -p udp -j DNAT --to-destination 10.9.0.1",
            MASQUERADE,
        ];
        play_after(WAYS, &rules, false, |s| {
            for (port, side, source) in [(99, Side::Wan, "10.2.0.1"), (98, Side::Lan, "10.1.0.2")] {
                let left = s.lan(client().udp(1111, port, b"x"))?;
                let one = arrives(&left)?;
                let got = (one.side, view(one).source.to_string(), view(one).destination.to_string());
                same(got, (side, source.to_owned(), "10.9.0.1".to_owned()))?;
            }
            Ok(())
        })
    }),
    ("a_packet_of_the_routers_own_is_routed_anew_by_the_mark_of_output", || {
        let rules = ["-t mangle -A OUTPUT -p udp --dport 99 -j MARK --set-mark 1", MASQUERADE];
        play_after(WAYS, &rules, false, |s| {
            let got = own(s, Ip::between([10, 1, 0, 1], FAR).udp(1111, 99, b"x"))?;
            same(got, (Side::Wan, "10.2.0.1".to_owned(), "10.9.0.1".to_owned()))?;
            let got = own(s, Ip::between([10, 1, 0, 1], FAR).udp(1111, 98, b"x"))?;
            same(got, (Side::Lan, "10.1.0.1".to_owned(), "10.9.0.1".to_owned()))
        })
    }),
];
