//! Random matches: every option of every match that looks at the packet, its device or its connection, inverted or not.

use super::{content, headers, outside, state};
use crate::random::Random;

/// One match with its options, valid in the chain and table.
pub(super) fn any(random: &mut Random, chain: &str, six: bool, table: &str) -> String {
    match random.below(19) {
        0..=3 => connection(random, six, table),
        4 | 5 => addresses(random, chain, six),
        6 => ports(random),
        7 => segment(random, six),
        8 | 9 => state::any(random, chain, six, table),
        10..=12 => headers::any(random, chain, six),
        13 => outside::any(random, chain, six),
        16 | 17 => content::any(random, six),
        18 => state::counting(random, six, table),
        _ => header(random, chain, six),
    }
}

/// `!` once in three times.
pub(super) fn not(random: &mut Random) -> &'static str {
    if random.one_in(3) { "! " } else { "" }
}

/// One of the hosts or a network that holds some of them, on either side.
fn network(random: &mut Random, six: bool) -> &'static str {
    match six {
        true => {
            random.pick(&["fd01::2", "fd01::/64", "fd02::2/127", "fd02::3", "fd00::/14", "::/0", "fd01::3/ffff::ff"])
        }
        false => random.pick(&[
            "10.1.0.2",
            "10.1.0.0/24",
            "10.2.0.2/31",
            "10.2.0.3",
            "10.0.0.0/13",
            "0.0.0.0/0",
            "10.1.0.3/255.0.255.255",
        ]),
    }
}

/// A port, or a range that holds all of a class that a router draws from, or none of it.
fn port(random: &mut Random) -> String {
    match random.below(5) {
        0 => random.pick(&["0:1023", ":511", "512:1023", "512:", "1024:65535", "1024:", ":1023"]).to_owned(),
        _ => random.choose(&[22u16, 53, 80, 113, 443, 8080, 2000, 20_100]).to_string(),
    }
}

fn plain_range(random: &mut Random) -> String {
    random.pick(&["22", "53", "80", "8080", "0:1023", "0:511", "512:65535", "1024:65535"]).to_owned()
}

fn connection(random: &mut Random, six: bool, table: &str) -> String {
    let states = &[
        "NEW",
        "ESTABLISHED",
        "RELATED",
        "INVALID",
        "UNTRACKED",
        "RELATED,ESTABLISHED",
        "NEW,INVALID",
        "NEW,UNTRACKED",
    ];
    let no = not(random);
    match random.below(14) {
        0 | 1 if table != "raw" => format!("-m state {no}--state {}", random.pick(states)),
        2 | 3 => format!(
            "-m conntrack {no}--ctstate {}",
            random.pick(&["SNAT", "DNAT", "NEW,DNAT", "INVALID,SNAT", "ESTABLISHED"])
        ),
        4 => format!(
            "-m conntrack {no}--ctstatus {}",
            random.pick(&["SEEN_REPLY", "ASSURED", "NONE", "CONFIRMED", "EXPECTED", "SEEN_REPLY,ASSURED"])
        ),
        5 => format!("-m conntrack --ctdir {}", random.pick(&["ORIGINAL", "REPLY"])),
        6 => format!("-m conntrack {no}--ctproto {}", random.pick(&["tcp", "udp", "1", "58"])),
        7 => {
            let which = random.pick(&["origsrc", "origdst", "replsrc", "repldst"]);
            format!("-m conntrack {no}--ct{which} {}", network(random, six))
        }
        8 => {
            let which = random.pick(&["origsrcport", "origdstport", "replsrcport", "repldstport"]);
            format!("-m conntrack {no}--ct{which} {}", plain_range(random))
        }
        9 => format!("-m conntrack {no}--ctexpire {}", random.pick(&["0", "1:100", "200:500000"])),
        10 => format!("-m connmark {no}--mark {}/0x{:x}", random.below(8), random.choose(&[1u32, 7, 0xff, u32::MAX])),
        11 => format!("-m mark {no}--mark {}/0x{:x}", random.below(8), random.choose(&[1u32, 3, 0xff, u32::MAX])),
        12 => {
            let other = not(random);
            let states = random.pick(states);
            format!("-m conntrack {no}--ctstate {states} {other}--ctorigdst {}", network(random, six))
        }
        _ => format!("-m connmark {no}--mark {}", random.below(4)),
    }
}

fn addresses(random: &mut Random, chain: &str, six: bool) -> String {
    let no = not(random);
    match random.below(6) {
        0 => {
            let way = random.pick(&["src", "dst"]);
            let (low, high) = (1 + random.below(3), 3 + random.below(4));
            let net = 1 + random.below(2);
            match six {
                true => format!("-m iprange {no}--{way}-range fd0{net}::{low}-fd0{net}::{high}"),
                false => format!("-m iprange {no}--{way}-range 10.{net}.0.{low}-10.{net}.0.{high}"),
            }
        }
        1 => {
            let other = not(random);
            match six {
                true => format!("-m iprange {no}--src-range fd01::2-fd02::3 {other}--dst-range fd01::1-fd02::2"),
                false => format!("-m iprange {no}--src-range 10.1.0.2-10.2.0.3 {other}--dst-range 10.1.0.1-10.2.0.2"),
            }
        }
        2 | 3 => {
            let kind = random.pick(&["LOCAL", "UNICAST", "MULTICAST", "BROADCAST", "UNSPEC", "LOCAL,UNICAST"]);
            let kind = if six && kind.contains("BROADCAST") { "ANYCAST" } else { kind };
            let limit = match chain {
                "PREROUTING" | "INPUT" | "FORWARD" if random.one_in(3) => " --limit-iface-in",
                "POSTROUTING" | "OUTPUT" if random.one_in(3) => " --limit-iface-out",
                _ => "",
            };
            format!("-m addrtype {no}--{}-type {kind}{limit}", random.pick(&["src", "dst"]))
        }
        4 if matches!(chain, "PREROUTING" | "FORWARD" | "INPUT") => {
            format!("-m mac {no}--mac-source {}", random.pick(&["02:00:00:00:01:02", "02:00:00:00:02:02"]))
        }
        _ => format!("-m pkttype {no}--pkt-type {}", random.pick(&["unicast", "broadcast", "multicast"])),
    }
}

/// Matches that bring their protocol; the caller drops them where another is given.
fn ports(random: &mut Random) -> String {
    let no = not(random);
    let protocol = random.pick(&["tcp", "udp"]);
    match random.below(4) {
        0 => format!("-p {protocol} {no}--sport {}", port(random)),
        1 => format!("-p {protocol} {no}--dport {}", port(random)),
        2 => {
            let other = not(random);
            format!("-p {protocol} {no}--sport {} {other}--dport {}", port(random), port(random))
        }
        _ => {
            let which = random.pick(&["sports", "dports", "ports"]);
            let many =
                random.pick(&["80", "22,53,80", "1:1023", "1024:65535,53", "22,80,113,443,8080,2000,5300", "0:65535"]);
            format!("-p {protocol} -m multiport {no}--{which} {many}")
        }
    }
}

fn segment(random: &mut Random, six: bool) -> String {
    let no = not(random);
    match random.below(5) {
        0 => format!("-p tcp {no}--syn"),
        1 => format!(
            "-p tcp {no}--tcp-flags {} {}",
            random.pick(&["SYN,ACK,FIN,RST", "ALL", "SYN,RST", "PSH,ACK", "FIN"]),
            random.pick(&["SYN", "ACK", "SYN,ACK", "NONE", "RST", "FIN,ACK", "PSH"])
        ),
        2 => format!("-p tcp {no}--tcp-option {}", random.pick(&["2", "3", "4", "8"])),
        _ if six => {
            format!("-p icmpv6 {no}--icmpv6-type {}", random.pick(&["128", "129", "1", "1/4", "3", "2", "echo-reply"]))
        }
        _ => format!(
            "-p icmp {no}--icmp-type {}",
            random.pick(&["8", "0", "3", "3/3", "11", "any", "12", "13", "fragmentation-needed"])
        ),
    }
}

fn header(random: &mut Random, chain: &str, six: bool) -> String {
    let no = not(random);
    match random.below(9) {
        0 => format!("-m comment --comment \"rule {}\"", random.below(100)),
        1 => format!("-m length {no}--length {}", random.pick(&["0:60", "40", "100:1500", "28:64", "41:47"])),
        2 if six => format!("-m hl --hl-{} {}", random.pick(&["eq", "lt", "gt"]), 60 + random.below(5)),
        2 => format!("-m ttl --ttl-{} {}", random.pick(&["eq", "lt", "gt"]), 60 + random.below(5)),
        3 if six => format!("-m hl ! --hl-eq {}", 60 + random.below(5)),
        3 => format!("-m ttl ! --ttl-eq {}", 60 + random.below(5)),
        4 => format!("-m tos {no}--tos 0x{:x}/0x{:x}", random.choose(&[0u8, 8, 16]), random.choose(&[0xffu8, 0x3f])),
        5 => format!("-m dscp {no}--dscp {}", random.choose(&[0u8, 2, 46])),
        6 => format!("-m statistic --mode nth {no}--every {} --packet {}", 2 + random.below(3), random.below(2)),
        7 => format!("-m limit --limit {}/hour --limit-burst {}", 1 + random.below(2), 1 + random.below(4)),
        _ if matches!(chain, "OUTPUT" | "POSTROUTING") => {
            format!(
                "-m owner {no}--{}",
                random.pick(&["uid-owner 0", "uid-owner 1000", "gid-owner 0-100", "socket-exists"])
            )
        }
        _ => format!("-m length {no}--length {}", 20 + random.below(100)),
    }
}
