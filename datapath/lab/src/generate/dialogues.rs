//! Random talk of the protocols that helpers read: what they look for, whole, broken and cut, and what comes of it.
//!
//! Some write a port into what they say: in their cases nothing is translated. Left out is H.323.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::calls::{self, GRE, pptp, sip};
use super::options::not;
use crate::{
    frame::{TCP, UDP},
    random::Random,
    twin::Rules,
};

/// A protocol with a helper.
#[derive(Clone, Copy, Debug)]
pub(super) struct Helper {
    name: &'static str,
    /// What it runs over.
    pub(super) protocol: u8,
    /// Whether IPv6 has it, too.
    six: bool,
    /// Whether its words are of the ports that translation gives.
    pub(super) names_ports: bool,
    say: Say,
}

/// Something that an end says which can be reached at this address and port, from a port of its own.
type Say = fn(&mut Random, SocketAddr, u16) -> Vec<u8>;

/// A rule's target that gives connections a helper, with the protocol it needs.
pub(super) fn target(random: &mut Random, six: bool) -> String {
    let Helper { name, protocol, .. } = any(random, six);
    let protocol = if *protocol == TCP { "tcp" } else { "udp" };
    let port = random.pick(&["", "", "--dport 80 ", "--dport :1023 "]);
    format!("-p {protocol} {port}-j CT --helper {name}")
}

/// A match of connections by their helper, which few of them have.
pub(super) fn heard(random: &mut Random, six: bool) -> String {
    format!("-m helper {}--helper {}", not(random), any(random, six).name)
}

fn any(random: &mut Random, six: bool) -> &'static Helper {
    let fit: Vec<&Helper> = HELPERS.iter().filter(|helper| helper.six || !six).collect();
    random.choose(&fit)
}

/// The helper that a rule gives first.
pub(super) fn helper(rules: &Rules) -> Option<&'static Helper> {
    let named = rules.lines.iter().find_map(|(_, line)| line.split("-j CT --helper ").nth(1))?;
    HELPERS.iter().find(|helper| named.split(' ').next() == Some(helper.name))
}

impl Helper {
    /// Something that an end says which can be reached at this address and port, now and then broken.
    pub(super) fn say(&self, random: &mut Random, reach: SocketAddr, own: u16) -> Vec<u8> {
        let mut words = (self.say)(random, reach, own);
        match random.below(12) {
            0 => words.truncate(random.below(words.len() as u64 + 1) as usize),
            1 => {
                let at = random.below(words.len().max(1) as u64) as usize;
                if let Some(byte) = words.get_mut(at) {
                    *byte ^= 1 << random.below(8);
                }
            }
            2 => words = [words.clone(), words].concat(),
            _ => {}
        }
        words
    }
}

/// Where somebody who hears this from `from` is asked to send to, by which protocol.
pub(super) fn asked(words: &[u8], from: IpAddr) -> Option<(u8, SocketAddr)> {
    if let Some(call) = calls::call(words) {
        return Some((GRE, SocketAddr::new(from, call)));
    }
    let text = std::str::from_utf8(words).ok()?;
    calls::media(text).or_else(|| Some((TCP, connect(text, from)?)))
}

fn connect(text: &str, from: IpAddr) -> Option<SocketAddr> {
    let number = |text: &str| text.trim_matches(|c: char| !c.is_ascii_digit()).parse::<u32>().ok();
    let port = |number: u32| u16::try_from(number).ok().filter(|port| *port != 0);
    if let Some(six) = text.strip_prefix("PORT ").or_else(|| text.strip_prefix("227 ")?.split('(').nth(1)) {
        let numbers: Vec<u32> = six.split(',').map_while(number).collect();
        let &[a, b, c, d, high, low] = numbers.as_slice() else { return None };
        let [a, b, c, d] = [a, b, c, d].map(|n| u8::try_from(n).ok());
        return Some((Ipv4Addr::new(a?, b?, c?, d?), port(high.checked_mul(256)?.checked_add(low)?)?).into());
    }
    if let Some(rest) = text.strip_prefix("EPRT |") {
        let mut parts = rest.split('|').skip(1);
        return Some(SocketAddr::new(parts.next()?.parse().ok()?, port(number(parts.next()?)?)?));
    }
    if let Some(rest) = text.strip_prefix("229 ").and_then(|rest| rest.split("|||").nth(1)) {
        return Some(SocketAddr::new(from, port(number(rest.split('|').next()?)?)?));
    }
    if let Some(rest) = text.split("DCC SEND f ").nth(1) {
        let mut parts = rest.split(' ');
        return Some((Ipv4Addr::from_bits(number(parts.next()?)?), port(number(parts.next()?)?)?).into());
    }
    let amanda = text.split("DATA ").nth(1)?;
    Some(SocketAddr::new(from, port(number(amanda.split(' ').next()?)?)?))
}

const HELPERS: [Helper; 9] = [
    Helper { name: "amanda", protocol: UDP, six: true, names_ports: false, say: amanda },
    Helper { name: "ftp", protocol: TCP, six: true, names_ports: false, say: ftp },
    Helper { name: "irc", protocol: TCP, six: false, names_ports: false, say: irc },
    Helper { name: "netbios-ns", protocol: UDP, six: false, names_ports: false, say: netbios },
    Helper { name: "pptp", protocol: TCP, six: false, names_ports: true, say: pptp },
    Helper { name: "sane", protocol: TCP, six: true, names_ports: false, say: sane },
    Helper { name: "sip", protocol: UDP, six: true, names_ports: true, say: sip },
    Helper { name: "snmp", protocol: UDP, six: false, names_ports: false, say: snmp },
    Helper { name: "tftp", protocol: UDP, six: true, names_ports: false, say: tftp },
];

/// A question for a name, to whomever.
fn netbios(random: &mut Random, _: SocketAddr, _: u16) -> Vec<u8> {
    [&[0x12, 0x34, 1, 0x10, 0, 1, 0, 0, 0, 0, 0, 0][..], &vec![0x20; random.below(40) as usize]].concat()
}

fn ftp(random: &mut Random, reach: SocketAddr, _: u16) -> Vec<u8> {
    let port = reach.port();
    let comma = match reach.ip() {
        IpAddr::V4(host) => host.octets().map(|octet| octet.to_string()).join(","),
        IpAddr::V6(_) => "10,1,0,2".to_owned(),
    };
    let six = u8::from(reach.is_ipv6()) + 1;
    let (high, low) = (port >> 8, port & 0xff);
    match random.below(6) {
        0 => "USER a\r\n".to_owned(),
        1 if reach.is_ipv4() => format!("PORT {comma},{high},{low}\r\n"),
        2 if reach.is_ipv4() => format!("227 Entering Passive Mode ({comma},{high},{low})\r\n"),
        3 => format!("229 Entering Extended Passive Mode (|||{port}|)\r\n"),
        4 => "220 ready\r\n".to_owned(),
        _ => format!("EPRT |{six}|{}|{port}|\r\n", reach.ip()),
    }
    .into()
}

fn irc(random: &mut Random, reach: SocketAddr, _: u16) -> Vec<u8> {
    let host = match reach.ip() {
        IpAddr::V4(host) => host.to_bits(),
        IpAddr::V6(_) => 0,
    };
    match random.below(4) {
        0 => "JOIN #a\r\n".to_owned(),
        1 => format!("PRIVMSG b :\u{1}DCC CHAT f {host} {}\u{1}\r\n", reach.port()),
        _ => format!("PRIVMSG b :\u{1}DCC SEND f {host} {} 100\u{1}\r\n", reach.port()),
    }
    .into()
}

fn amanda(random: &mut Random, reach: SocketAddr, _: u16) -> Vec<u8> {
    let port = reach.port();
    match random.below(3) {
        0 => "Amanda 2.6 REQ HANDLE 1 SEQ 1\nSERVICE noop\n".to_owned(),
        1 => format!("Amanda 2.6 REP HANDLE 1 SEQ 1\nCONNECT DATA {port}\n"),
        _ => format!("Amanda 2.6 REP HANDLE 1 SEQ 1\nCONNECT DATA {port} MESG {} INDEX {}\n", port + 1, port + 2),
    }
    .into()
}

/// `SANE_NET_START` and its answer with a port.
fn sane(random: &mut Random, reach: SocketAddr, _: u16) -> Vec<u8> {
    match random.below(3) {
        0 => vec![0, 0, 0, 7, 0, 0, 0, 0],
        1 => [&[0; 4][..], &u32::from(reach.port()).to_be_bytes(), &[0, 0, 0x12, 0x34, 0, 0, 0, 0]].concat(),
        _ => vec![0, 0, 0, 1],
    }
}

/// A question of SNMPv1 and an answer that tells an address.
fn snmp(random: &mut Random, reach: SocketAddr, _: u16) -> Vec<u8> {
    let host = match reach.ip() {
        IpAddr::V4(host) => host.octets(),
        IpAddr::V6(_) => [0; 4],
    };
    let value = if random.one_in(3) { vec![5, 0] } else { [&[0x40, 4][..], &host].concat() };
    let wrapped = |tag: u8, inner: Vec<u8>| [&[tag, inner.len() as u8][..], &inner].concat();
    let binding = wrapped(0x30, [&[6, 3, 0x2b, 6, 1][..], &value].concat());
    let body = [vec![2, 1, 9, 2, 1, 0, 2, 1, 0], wrapped(0x30, binding)].concat();
    let pdu = wrapped(random.choose(&[0xa0, 0xa2]), body);
    wrapped(0x30, [vec![2, 1, 0, 4, 6], b"public".to_vec(), pdu].concat())
}

fn tftp(random: &mut Random, _: SocketAddr, _: u16) -> Vec<u8> {
    match random.below(4) {
        0 => b"\0\x03\0\x01data".to_vec(),
        1 => b"\0\x02file\0octet\0".to_vec(),
        _ => b"\0\x01file\0octet\0".to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_hears_where_to_connect_to_knows_it() {
        let mut random = Random::new(1);
        let reach: SocketAddr = "10.1.0.2:20150".parse().unwrap();
        let mut heard = 0;
        for say in [ftp as Say, irc, amanda] {
            for _ in 0..40 {
                if let Some(asked) = asked(&say(&mut random, reach, 0), reach.ip()) {
                    assert_eq!(asked, (TCP, reach));
                    heard += 1;
                }
            }
        }
        assert!(heard > 30, "{heard}");
    }
}
