//! Packets that reach every hook: of every protocol a match reads, on each of six ways through a router.

use std::net::IpAddr;

use lab::{
    frame::{Ip, Tcp, extend6, fragments4, fragments6},
    twin::{Crossing, Side},
};

/// A way through the router.
#[derive(Clone, Copy, Debug)]
struct Way {
    side: Side,
    from: IpAddr,
    to: IpAddr,
    /// Another sender on the same side.
    other: IpAddr,
    /// What its sender is translated to in some cases.
    translated: IpAddr,
    /// Ports of the way's flows end in it.
    number: u16,
}

/// All hosts of a case.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hosts {
    pub(crate) client: IpAddr,
    pub(crate) server: IpAddr,
    pub(crate) inner: IpAddr,
    pub(crate) outer: IpAddr,
    /// Behind a route of its own, on the clients' side.
    far: IpAddr,
    /// Where no packet goes.
    nowhere: IpAddr,
    /// A neighbour of the client, with an IPv6 address made of its device's.
    third: IpAddr,
    /// A neighbour of the server.
    fourth: IpAddr,
    group: IpAddr,
    /// A group that routers are of.
    routers: IpAddr,
    all: IpAddr,
    six: bool,
}

pub(crate) fn hosts(six: bool) -> Hosts {
    let host = |four: &str, other: &str| {
        let text = if six { other } else { four };
        text.parse().unwrap_or_else(|e| panic!("{text}: {e}"))
    };
    Hosts {
        client: host("10.1.0.2", "fd01::2"),
        server: host("10.2.0.2", "fd02::2"),
        inner: host("10.1.0.1", "fd01::1"),
        outer: host("10.2.0.1", "fd02::1"),
        far: host("10.7.0.5", "fd07::5"),
        nowhere: host("10.8.0.5", "fd08::5"),
        third: host("10.1.0.3", "fd01::ff:fe00:102"),
        fourth: host("10.2.0.3", "fd02::3"),
        group: host("224.0.0.1", "ff02::1"),
        routers: host("224.0.0.1", "ff05::2"),
        all: host("10.1.0.255", "ff02::1"),
        six,
    }
}

/// Every packet of the plan, in rounds of one way or one purpose.
pub(crate) fn all(six: bool) -> Vec<Vec<Crossing>> {
    let hosts = hosts(six);
    let Hosts { client, server, inner, outer, .. } = hosts;
    let ways: Vec<Way> = [
        (Side::Lan, client, server, hosts.third),
        (Side::Wan, server, client, hosts.fourth),
        (Side::Lan, client, inner, hosts.third),
        (Side::Wan, server, outer, hosts.fourth),
        (Side::Own, outer, server, inner),
        (Side::Own, inner, outer, outer),
    ]
    .into_iter()
    .zip(0..)
    .map(|((side, from, to, other), number)| Way {
        side,
        from,
        to,
        other,
        translated: if number == 2 { server } else { outer },
        number,
    })
    .collect();
    let mut rounds: Vec<Vec<Crossing>> = Vec::new();
    for way in &ways {
        rounds.push(kinds(way, six).into_iter().map(|packet| Crossing { side: way.side, packet }).collect());
    }
    for way in &ways {
        rounds.push(talk(way));
        rounds.push(torn(way, six));
    }
    rounds.push(rare(&hosts));
    rounds
}

/// One packet of every kind.
fn kinds(way: &Way, six: bool) -> Vec<Vec<u8>> {
    let ip = Ip::between(way.from, way.to);
    // A connection of its own for what has no ports.
    let other = Ip::between(way.other, way.to);
    let port = |base: u16| base + way.number;
    let marked = Ip { ttl: 40, tos: 0x10, ..ip.clone() };
    let expedited = Ip { ttl: 42, tos: 0xba, ..ip.clone() };
    let syn = |dport, options: &[u8]| Tcp {
        options: options.to_vec(),
        ..Tcp::segment(port(20_030), dport, Tcp::SYN, 1000, 0)
    };
    let echo = if six { 128 } else { 8 };
    let chunk: &[u8] = &[0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 7, 7, 7, 7];
    let init: &[u8] = &[0, 0, 0, 1, 0, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 1];
    let mut all = vec![
        ip.udp(port(20_000), 53, b"thread and needle"),
        ip.udp(port(20_000), 5400, b"thread"),
        marked.udp(port(20_010), 80, b"the Needle in a stack of hay that is longer than what was said before"),
        expedited.udp(port(20_010), 53, b""),
        ip.udp(port(20_020), 99, b"not tracked"),
        ip.tcp(&syn(80, &[2, 4, 5, 0xb4, 4, 2, 1, 1]), b""),
        marked.tcp(&syn(443, &[2, 4, 2, 0]), b""),
        ip.tcp(&syn(22, &[]), b""),
        ip.tcp(&Tcp::segment(port(20_040), 80, Tcp::ACK | 0x40, 5000, 7000), b"needle"),
        expedited.tcp(&Tcp::segment(port(20_050), 443, Tcp::ACK | Tcp::PSH | 0x80, 5000, 7000), b""),
        ip.tcp(&Tcp::segment(port(20_060), 80, Tcp::FIN, 5000, 0), b""),
        ip.icmp(echo, 0, u32::from(port(1)) << 16 | 1, b"needle"),
        // An answer to nothing.
        Ip { ttl: 41, ..marked.clone() }.icmp(if six { 129 } else { 0 }, 0, u32::from(port(11)) << 16 | 1, b""),
        ip.sctp(port(20_080), 80, 0, &[(1, 0, init)]),
        other.sctp(port(20_090), 81, 7, &[(0, 2, chunk)]),
        other.sctp(port(20_095), 80, 7, &[(0, 3, chunk), (3, 0, &[0; 12])]),
        ip.packet(33, &dccp(port(20_100), 80, 0, &[1, 32, 3, 7, 44, 4, 0, 0])),
        other.packet(33, &dccp(port(20_120), 81, 2, &[])),
        ip.packet(136, &udplite(&ip, port(20_130), 53)),
        ip.packet(50, &[0, 0, 0, 7, 0, 0, 0, 1, 9, 9, 9, 9]),
        other.packet(50, &[0, 0, 0, 9, 0, 0, 0, 1, 9, 9, 9, 9]),
        ip.packet(108, &[17, 0, 0, 7, 0x4b, 4]),
        other.packet(108, &[17, 0, 0, 9, 0x4b, 4]),
        ip.packet(47, &[0, 0, 8, 0, 1, 2, 3, 4]),
        ip.packet(99, b"nobody knows"),
    ];
    let ah = |spi, reserved| {
        let head = [17, 4, 0, reserved, 0, 0, 0, spi, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
        (51, head.to_vec())
    };
    if !six {
        let inside = ip.udp(port(20_140), 53, b"inside");
        for (spi, ip) in [(7, &ip), (9, &other)] {
            all.push(ip.packet(51, &[&ah(spi, 0).1[..], &inside[20..]].concat()));
        }
        return all;
    }
    let pad = || options(&[1, 4, 0, 0, 0, 0]);
    let long = || options(&[5, 2, 0, 0, 30, 8, 0, 0, 0, 0, 0, 0, 0, 0]);
    let headers = [
        vec![ah(7, 0)],
        vec![ah(9, 1)],
        vec![(51, [&[17, 5], &ah(7, 0).1[2..], &[0; 4]].concat())],
        vec![(0, pad())],
        vec![(0, long()), (60, pad())],
        vec![(60, options(&[30, 1, 9, 0, 1, 1]))],
        vec![(60, long())],
        vec![(43, routing(0, 0, [0; 4], &[2]))],
        vec![(43, routing(0, 1, [0; 4], &[2, 3]))],
        vec![(43, routing(2, 0, [0; 4], &[2]))],
        vec![(43, routing(4, 1, [2, 0, 0, 1], &[2, 3, 4]))],
        vec![(43, routing(4, 0, [0, 0, 1, 0], &[2]))],
        vec![(43, routing(4, 1, [2, 0, 1, 0], &[3, 4, 2]))],
        vec![(0, pad()), (43, routing(4, 2, [2, 0, 1, 0], &[4, 3, 2]))],
    ];
    for (number, headers) in (0..).zip(headers) {
        all.push(extend6(&ip.udp(port(20_800 + 10 * number), 53, b"inside"), &headers));
    }
    let syn = ip.tcp(&syn(88, &[]), b"");
    all.push(extend6(&syn, &[(43, routing(4, 0, [0, 0, 0, 0], &[4]))]));
    all.push(ip.packet(135, &[59, 0, 5, 0, 0, 0, 0, 0]));
    all.push(other.packet(135, &[59, 0, 1, 0, 0, 0, 0, 0]));
    all
}

/// Both ends say something, so that there are connections.
fn talk(way: &Way) -> Vec<Crossing> {
    let Way { side, from, to, number, .. } = *way;
    let (there, back) = (Ip::between(from, to), Ip::between(to, from));
    let other = match (side, number) {
        (Side::Lan, 0) | (Side::Own, 4) => Side::Wan,
        (Side::Wan, 1) => Side::Lan,
        _ => Side::Own,
    };
    let (near, far) = (20_200 + number, 20_300 + number);
    let tcp = |source, dest, flags, seq, ack| Tcp::segment(source, dest, flags, seq, ack);
    let asked = there.udp(far, 69, b"\0\x01file\0octet\0");
    let said = there.udp(near, 53, b"needle");
    let heard = back.udp(53, near, b"thread, needle");
    let (unreachable, code) = if said[0] >> 4 == 6 { (1, 4) } else { (3, 3) };
    let mut all = vec![
        (side, said.clone()),
        (other, heard.clone()),
        (side, said.clone()),
        (other, heard.clone()),
        (side, there.packet(47, &[0, 0, 8, 0, 1, 2, 3, 4])),
        (other, back.packet(47, &[0, 0, 8, 0, 1, 2, 3, 4])),
        (side, there.packet(47, &[0, 0, 8, 0, 1, 2, 3, 4])),
        (other, back.packet(47, &[0, 0, 8, 0, 1, 2, 3, 4])),
        // Errors about either.
        (other, back.icmp(unreachable, code, 0, &said)),
        (side, there.icmp(unreachable, code, 0, &heard)),
        // The answer to a request comes from another port.
        (side, asked),
        (other, back.udp(4000 + number, far, b"\0\x03\0\x01needle")),
        (side, there.udp(far, 4000 + number, b"\0\x04\0\x01")),
        // To another port, which is translated in some cases.
        (side, there.udp(20_400 + number, 5353, b"translated")),
        (other, back.udp(53, 20_400 + number, b"answered")),
        (side, there.udp(20_400 + number, 5353, b"translated")),
        (side, there.udp(20_410 + number, 53, b"translated")),
        (other, Ip::between(to, way.translated).udp(53, 20_410 + number, b"answered")),
        (side, there.udp(20_410 + number, 53, b"translated")),
    ];
    // A socket of the router's would answer by itself.
    if other != Side::Own && side != Side::Own {
        all.extend([
            (side, there.tcp(&tcp(20_500 + number, 80, Tcp::SYN, 1000, 0), b"")),
            (other, back.tcp(&tcp(80, 20_500 + number, Tcp::SYN | Tcp::ACK, 5000, 1001), b"")),
            (side, there.tcp(&tcp(20_500 + number, 80, Tcp::ACK, 1001, 5001), b"")),
            (other, back.tcp(&tcp(80, 20_500 + number, Tcp::ACK | Tcp::PSH, 5001, 1001), b"needle")),
        ]);
    }
    all.into_iter().map(|(side, packet)| Crossing { side, packet }).collect()
}

/// A datagram in fragments, and fragments that nobody will ever put together.
fn torn(way: &Way, six: bool) -> Vec<Crossing> {
    let Way { side, from, to, number, .. } = *way;
    let ip = Ip { id: 0x4400 + number, ..Ip::between(from, to) };
    let whole = ip.udp(20_600 + number, 53, &[b'n'; 100]);
    let pieces = match six {
        true => [
            fragments6(&whole, 48, 0x4400 + u32::from(number)),
            fragments6(&whole, 48, 0xc400_4400 + u32::from(number)),
        ]
        .concat(),
        false => fragments4(&whole, 48),
    };
    // What the router itself sends to itself is joined once.
    let pieces = pieces.into_iter().filter(|_| number != 5);
    pieces.map(|packet| Crossing { side, packet }).collect()
}

/// What only one way has.
fn rare(hosts: &Hosts) -> Vec<Crossing> {
    let Hosts { client, server, inner, outer, far, nowhere, third, group, routers, all, six, .. } = *hosts;
    let mut packets = vec![
        (Side::Wan, Ip::between(server, far).udp(20_700, 53, b"")),
        (Side::Lan, Ip::between(far, server).udp(20_701, 53, b"")),
        (Side::Lan, Ip::between(far, inner).udp(20_702, 53, b"")),
        (Side::Own, Ip::between(outer, far).udp(20_703, 53, b"")),
        // A socket of the router's is bound to that port since it sent from there.
        (Side::Wan, Ip::between(server, outer).udp(20_704, 20_004, b"")),
        (Side::Wan, Ip::between(server, outer).udp(53, 20_004, b"")),
        (Side::Lan, Ip::between(third, server).udp(20_705, 53, b"")),
        (Side::Lan, Ip::between(third, inner).udp(20_705, 53, b"")),
        // From where its answer would not go.
        (Side::Wan, Ip::between(client, server).udp(20_706, 53, b"")),
        (Side::Lan, Ip::between(server, inner).udp(20_707, 53, b"")),
        (Side::Lan, Ip::between(nowhere, server).udp(20_710, 53, b"")),
        (Side::Lan, Ip { ttl: 1, ..Ip::between(client, group) }.udp(20_708, 53, b"")),
    ];
    // The machine itself gets a copy of that.
    packets.push((Side::Own, Ip { ttl: 1, ..Ip::between(outer, routers) }.packet(99, b"many")));
    if !six {
        packets.push((Side::Lan, Ip::between(client, all).udp(20_709, 53, b"")));
    }
    packets.into_iter().map(|(side, packet)| Crossing { side, packet }).collect()
}

/// A header of options whose first byte is filled in later.
fn options(rest: &[u8]) -> Vec<u8> {
    [&[0, (rest.len() / 8) as u8][..], rest].concat()
}

/// Type, segments left, the next word, and addresses by their last byte.
fn routing(kind: u8, left: u8, word: [u8; 4], hosts: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, hosts.len() as u8 * 2, kind, left];
    bytes.extend(word);
    for host in hosts {
        bytes.extend([0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, *host]);
    }
    bytes
}

/// A header with the four bytes of a request, and options.
fn dccp(source: u16, destination: u16, kind: u8, options: &[u8]) -> Vec<u8> {
    let words = 4 + (options.len() / 4) as u8;
    let [a, b] = source.to_be_bytes();
    let [c, d] = destination.to_be_bytes();
    [&[a, b, c, d, words, 0, 0, 0, kind << 1, 0, 0, 1, 0, 0, 0, 42][..], options].concat()
}

/// Covered whole: the same sum as UDP's but for the protocol.
fn udplite(ip: &Ip, source: u16, destination: u16) -> Vec<u8> {
    let udp = ip.udp(source, destination, b"lite");
    let header = udp.len() - 12;
    let mut bytes = udp[header..].to_vec();
    let sum = u16::from_be_bytes([bytes[6], bytes[7]]);
    // One's complement: the protocol's number stands in the pseudo header.
    let wanted = u32::from(!sum) + u32::from(136u16 - 17);
    let folded = ((wanted & 0xffff) + (wanted >> 16)) as u16;
    bytes[6..8].copy_from_slice(&(!folded).to_be_bytes());
    bytes
}
