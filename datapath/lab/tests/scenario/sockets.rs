//! Sockets of the router's own, asked for by `-m socket`.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use lab::{
    frame::{Ip, Tcp, View},
    suite::Test,
};
use socket2::{Domain, Socket, Type};

use super::{Stage, arrives, claim_after, client, fail, outside::counted, server};

/// A socket of the router's with its options, bound.
struct Bound {
    address: SocketAddr,
    kind: Type,
    transparent: bool,
    mark: u32,
}

impl Bound {
    fn new(address: &str, kind: Type) -> Self {
        Self {
            address: address.parse().unwrap_or_else(|e| panic!("{address}: {e}")),
            kind,
            transparent: false,
            mark: 0,
        }
    }

    fn open(&self, stage: &mut Stage) -> io::Result<Socket> {
        stage.within(|| {
            let socket = Socket::new(Domain::for_address(self.address), self.kind, None)?;
            socket.set_reuse_address(true)?;
            socket.set_read_timeout(Some(Duration::from_secs(20)))?;
            if self.transparent {
                socket.set_ip_transparent_v4(true)?;
            }
            if self.mark != 0 {
                socket.set_mark(self.mark)?;
            }
            socket.bind(&self.address.into())?;
            if self.kind == Type::STREAM {
                socket.listen(1)?;
            }
            Ok(socket)
        })
    }
}

/// From the client to the router.
fn to_router() -> Ip {
    Ip::between([10, 1, 0, 2], [10, 1, 0, 1])
}

fn syn(port: u16) -> Tcp {
    Tcp::segment(1234, port, Tcp::SYN, 1000, 0)
}

const RULES: [&str; 8] = [
    "-t mangle -A PREROUTING -m socket -m comment --comment plain",
    "-t mangle -A PREROUTING -m socket --nowildcard -m comment --comment any",
    "-t mangle -A PREROUTING -m socket --transparent --nowildcard -m comment --comment transparent",
    "-A INPUT -m socket -m comment --comment input",
    "-A INPUT -m socket --nowildcard -m comment --comment inputany",
    "-t mangle -A PREROUTING -m socket --nowildcard --restore-skmark",
    "-t mangle -A PREROUTING -m mark --mark 0x77 -m comment --comment marked",
    "-t mangle -A PREROUTING -j MARK --set-mark 0",
];

pub(crate) const TESTS: &[Test] = &[
    ("datagrams_find_the_socket_that_is_bound_to_their_address_or_to_none", || {
        claim_after(&[], &RULES, false, |s| {
            let _one = Bound { mark: 0x77, ..Bound::new("10.1.0.1:53", Type::DGRAM) }.open(s)?;
            let _any = Bound::new("0.0.0.0:54", Type::DGRAM).open(s)?;
            let _dual = Bound::new("[::]:55", Type::DGRAM).open(s)?;
            for port in [53, 54, 55, 56] {
                s.lan(to_router().udp(1234, port, b"data"))?;
            }
            // The socket is bound to the other side's address.
            s.lan(Ip::between([10, 1, 0, 2], [10, 2, 0, 1]).udp(1234, 53, b"data"))?;
            s.lan(client().udp(1234, 54, b"data"))?;
            s.lan(to_router().packet(47, &[0; 8]))?;
            counted(s, &[("plain", 1), ("any", 4), ("transparent", 0), ("input", 1), ("inputany", 3), ("marked", 1)])
        })
    }),
    ("a_transparent_socket_at_a_foreign_address_takes_what_passes_by", || {
        claim_after(&[], &RULES, false, |s| {
            let udp = Bound { transparent: true, mark: 0x77, ..Bound::new("10.2.0.2:53", Type::DGRAM) }.open(s)?;
            let _tcp = Bound { transparent: true, ..Bound::new("10.2.0.2:80", Type::STREAM) }.open(s)?;
            s.lan(client().udp(1234, 53, b"data"))?;
            s.lan(client().tcp(&syn(80), b""))?;
            counted(s, &[("plain", 2), ("any", 2), ("transparent", 2), ("input", 0), ("marked", 1)])?;
            drop(udp);
            s.lan(client().udp(1234, 53, b"data"))?;
            counted(s, &[("plain", 2)])
        })
    }),
    ("a_connection_is_found_from_its_request_to_its_end", || {
        claim_after(&[], &RULES, false, |s| {
            let listener = Bound::new("0.0.0.0:80", Type::STREAM).open(s)?;
            let answer = s.lan(to_router().tcp(&syn(80), b""))?;
            let Some(theirs) = View::of(&arrives(&answer)?.packet).and_then(|view| view.tcp()) else {
                return fail("no answer");
            };
            counted(s, &[("plain", 0), ("any", 1), ("input", 0), ("inputany", 1)])?;
            let ack = Tcp::segment(1234, 80, Tcp::ACK, 1001, theirs.seq + 1);
            s.lan(to_router().tcp(&ack, b""))?;
            // The request is a socket of its own, which is bound to the address it came to.
            counted(s, &[("plain", 1), ("any", 2), ("input", 1), ("inputany", 2)])?;
            let (accepted, _) = listener.accept()?;
            drop(listener);
            let data = Tcp::segment(1234, 80, Tcp::ACK | Tcp::PSH, 1001, theirs.seq + 1);
            s.lan(to_router().tcp(&data, b"data"))?;
            counted(s, &[("plain", 2), ("input", 2)])?;
            // Closed with unread data it is gone at once.
            drop(accepted);
            s.lan(to_router().tcp(&Tcp::segment(1234, 80, Tcp::ACK, 1005, theirs.seq + 1), b""))?;
            counted(s, &[("plain", 2), ("any", 3), ("input", 2)])
        })
    }),
    ("an_error_belongs_to_the_socket_of_the_packet_that_it_quotes", || {
        claim_after(&[], &RULES, false, |s| {
            let _one = Bound { mark: 0x77, ..Bound::new("10.2.0.1:53", Type::DGRAM) }.open(s)?;
            let quote = Ip::between([10, 2, 0, 1], [10, 2, 0, 2]).udp(53, 99, b"data");
            let answer = Ip::between([10, 2, 0, 2], [10, 2, 0, 1]);
            for kind in [3, 4, 5, 11, 12, 8, 9] {
                s.wan(answer.icmp(kind, 1, 0, &quote))?;
            }
            counted(s, &[("plain", 5), ("input", 5), ("marked", 5)])?;
            s.wan(answer.icmp(3, 1, 0, &quote[..24]))?;
            s.wan(answer.icmp(3, 1, 0, &quote[..22]))?;
            s.wan(answer.icmp(3, 1, 0, &Ip::between([10, 2, 0, 1], [10, 2, 0, 2]).udp(54, 99, b"data")))?;
            counted(s, &[("plain", 6)])
        })
    }),
    ("an_answer_finds_the_socket_behind_a_translated_source", || {
        let mut rules = RULES.to_vec();
        rules.push("-t nat -A POSTROUTING -o wan0 -p udp -j SNAT --to-source 10.2.0.1:7777");
        claim_after(&[], &rules, false, |s| {
            let socket = Bound { mark: 0x77, ..Bound::new("10.1.0.1:53", Type::DGRAM) }.open(s)?;
            let server_at: SocketAddr = (IpAddr::from([10, 2, 0, 2]), 99).into();
            socket.send_to(b"data", &server_at.into())?;
            s.lan(to_router().packet(47, &[0; 8]))?;
            s.wan(Ip::between([10, 2, 0, 2], [10, 2, 0, 1]).udp(99, 7777, b"data"))?;
            counted(s, &[("plain", 1), ("marked", 1), ("input", 1)])?;
            s.wan(Ip::between([10, 2, 0, 2], [10, 2, 0, 1]).udp(98, 7777, b"data"))?;
            s.wan(server().udp(99, 7777, b"data"))?;
            counted(s, &[("plain", 1)])
        })
    }),
    ("fragments_are_joined_before_their_socket_is_looked_for", || {
        claim_after(&[], &RULES, false, |s| {
            let _one = Bound::new("10.1.0.1:53", Type::DGRAM).open(s)?;
            for fragment in lab::frame::fragments4(&to_router().udp(1234, 53, &[7; 100]), 64) {
                s.lan(fragment)?;
            }
            counted(s, &[("plain", 1), ("input", 1)])
        })
    }),
    ("ipv6_packets_find_their_sockets", || {
        claim_after(&[], &RULES, true, |s| {
            let six = |address: &str| address.parse::<IpAddr>().unwrap_or_else(|e| panic!("{address}: {e}"));
            let _one = Bound { mark: 0x77, ..Bound::new("[fd01::1]:53", Type::DGRAM) }.open(s)?;
            let _any = Bound::new("[::]:54", Type::STREAM).open(s)?;
            let ip = Ip::between(six("fd01::2"), six("fd01::1"));
            s.lan(ip.udp(1234, 53, b"data"))?;
            s.lan(ip.tcp(&syn(54), b""))?;
            s.lan(ip.udp(1234, 54, b"data"))?;
            counted(s, &[("plain", 1), ("any", 2), ("input", 1), ("inputany", 2), ("marked", 1)])?;
            let quote = Ip::between(six("fd01::1"), six("fd01::2")).udp(53, 99, b"data");
            for kind in [1, 2, 3, 4, 129] {
                s.lan(ip.icmp(kind, 0, 0, &quote))?;
            }
            counted(s, &[("plain", 5), ("marked", 5)])
        })
    }),
];
