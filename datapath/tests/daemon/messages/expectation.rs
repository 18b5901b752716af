//! Messages about expectations, and about the few connections that they belong to.

use std::net::IpAddr;

use lab::random::Random;
use nfnl::conntrack::{Flow, ProtocolInfo, Tuple, message};
use nfnl::expect::{self, Expectation};
use nfnl::message::{Builder, Header, Nfgen, flag, subsystem};

use super::{Request, spoil};

const TCP: u8 = 6;
const UDP: u8 = 17;

/// Connections that something may be expected because of, and one without a helper.
pub(super) fn masters() -> Vec<Request> {
    (0..MASTERS).map(master).collect()
}

/// How many there are.
const MASTERS: u64 = 5;

/// Makes one of them.
fn master(number: u64) -> Request {
    let (tuple, helper) = tuple_of(number);
    let flow = Flow {
        family: family(&tuple),
        original: tuple,
        reply: tuple.inverse(),
        timeout: Some(100_000),
        helper: helper.map(|name| name.as_bytes().to_vec()),
        protocol: (tuple.protocol == Some(TCP)).then_some(ProtocolInfo::Tcp {
            state: Some(3),
            scales: [None; 2],
            flags: [None; 2],
        }),
        ..Flow::default()
    };
    let attributes = written(|builder| flow.emit(builder));
    Request {
        subsystem: subsystem::CTNETLINK,
        number: message::NEW,
        flags: flag::CREATE | flag::EXCL,
        nfgen: Nfgen::of(flow.family),
        attributes,
        spoiled: false,
    }
}

fn tuple_of(number: u64) -> (Tuple, Option<&'static str>) {
    let (v6, protocol, port, helper) = match number {
        0 => (false, TCP, 21, Some("ftp")),
        1 => (false, UDP, 69, Some("tftp")),
        2 => (true, TCP, 21, Some("ftp")),
        3 => (false, TCP, 80, None),
        _ => (false, TCP, 22, Some("ftp")),
    };
    (ends(protocol, [address(v6, 1), address(v6, 2)], [1000, port]), helper)
}

fn ends(protocol: u8, [from, to]: [IpAddr; 2], [source, destination]: [u16; 2]) -> Tuple {
    Tuple {
        source: Some(from),
        destination: Some(to),
        protocol: Some(protocol),
        source_port: Some(source),
        destination_port: Some(destination),
        ..Tuple::default()
    }
}

fn address(v6: bool, host: u8) -> IpAddr {
    if v6 { IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0, u16::from(host)]) } else { IpAddr::from([10, 9, 0, host]) }
}

fn family(tuple: &Tuple) -> u8 {
    if tuple.source.is_some_and(|source| source.is_ipv6()) { 10 } else { 2 }
}

/// Attributes without a head.
fn written(write: impl FnOnce(&mut Builder<'_>)) -> Vec<u8> {
    let mut out = Vec::new();
    let mut builder = Builder::new(Header::default(), &mut out);
    let header = builder.len();
    write(&mut builder);
    builder.finish().expect("a few attributes fit into a message");
    out.drain(..header);
    out
}

/// One about a few expectations, so that they meet; every fourth is spoiled somewhere. Of some the connection comes or goes.
pub(super) fn draw(random: &mut Random) -> Request {
    if random.one_in(25) {
        let made = master(random.below(MASTERS));
        let number = random.choose(&[message::NEW, message::DELETE]);
        return Request { number, ..made };
    }
    let number = random.choose(&[expect::NEW, expect::NEW, expect::NEW, expect::NEW, expect::GET, expect::DELETE]);
    let mut flags = match number {
        expect::NEW => {
            let make = flag::CREATE | flag::EXCL;
            random.choose(&[make, make, flag::CREATE, 0, flag::EXCL, flag::CREATE | flag::REPLACE])
        }
        expect::GET => random.choose(&[0, flag::DUMP]),
        _ => 0,
    };
    if random.one_in(40) {
        flags ^= random.choose(&[flag::DUMP, flag::CREATE, flag::EXCL, flag::REPLACE]);
    }
    let expectation = expectation(random, number);
    let mut attributes = written(|builder| expectation.emit(builder));
    let spoiled = random.one_in(4);
    if spoiled {
        spoil(random, &mut attributes);
    }
    let family = if random.one_in(30) { random.choose(&[0, 7, 2, 10]) } else { expectation.family };
    let version = if random.one_in(8) { random.choose(&[1, 2]) } else { 0 };
    Request {
        subsystem: subsystem::CTNETLINK_EXP,
        number,
        flags,
        nfgen: Nfgen { family, version, resource: 0 },
        attributes,
        spoiled,
    }
}

fn expectation(random: &mut Random, number: u8) -> Expectation {
    let (master, _) = tuple_of(random.below(MASTERS));
    let v6 = family(&master) == 10;
    let protocol = if random.one_in(20) {
        random.choose(&[1, 47, 99, 132, 136])
    } else {
        random.choose(&[TCP, master.protocol.unwrap_or(TCP)])
    };
    let hosts = [address(v6, 1 + random.below(3) as u8), address(v6, 1 + random.below(2) as u8)];
    let tuple = ends(protocol, hosts, [random.choose(&[0, 0, 20]), 5000 + random.below(3) as u16]);
    let all = |six: bool| IpAddr::from(if six { [0xff; 16] } else { [0; 16] });
    let full = if v6 { all(true) } else { IpAddr::from([255; 4]) };
    let none = if v6 { all(false) } else { IpAddr::from([0; 4]) };
    let some = if v6 { address(true, 0) } else { IpAddr::from([255, 255, 255, 254]) };
    let from = random.choose(&[full, full, full, none, some]);
    let mask = ends(protocol, [from, full], [random.choose(&[0, 0, u16::MAX, 0xff]), u16::MAX]);
    let missing = Tuple { destination_port: Some(9), ..master };
    let mut all = Expectation {
        family: family(&master),
        master: random.choose(&[master, master, master, master, master.inverse(), missing]),
        tuple,
        mask,
        timeout: random.one_in(2).then(|| random.choose(&[300, 600, 100_000])),
        id: random.one_in(30).then_some(12345),
        helper: random.one_in(4).then(|| random.choose(&["ftp", "tftp", "nobody"]).as_bytes().to_vec()),
        zone: random.one_in(12).then(|| random.choose(&[0, 1])),
        flags: random.one_in(3).then(|| random.choose(&[0, 1, 2, 3, 4, 5, 8])),
        class: random.one_in(5).then(|| random.choose(&[0, 0, 1, 9])),
        nat: None,
        function: random.one_in(8).then(|| random.choose(&["nat-follow-master", "nothing"]).as_bytes().to_vec()),
    };
    if random.one_in(8) {
        all.nat = Some((random.choose(&[0, 1]), ends(protocol, [address(v6, 4), address(v6, 5)], [400, 500])));
    }
    // What is not said: of a deletion and a question much, of the rest now and then something.
    let rarely = if number == expect::NEW { 30 } else { 3 };
    for part in [&mut all.master, &mut all.tuple, &mut all.mask] {
        if random.one_in(rarely) {
            *part = Tuple::default();
        }
        if random.one_in(60) {
            part.protocol = None;
        }
        if random.one_in(60) {
            part.destination_port = None;
        }
        if random.one_in(60) {
            part.source = None;
        }
    }
    all
}
