//! Random words of protocols that make calls: SIP with its media, PPTP with its GRE.

use std::net::SocketAddr;

use crate::{frame::UDP, random::Random};

/// Generic routing encapsulation, which carries what PPTP calls.
pub(super) const GRE: u8 = 47;

/// A message of SIP: a call and its media, a registration, and what is answered. The port is the speaker's own.
pub(super) fn sip(random: &mut Random, reach: SocketAddr, port: u16) -> Vec<u8> {
    let (own, family) = (spelled(reach), if reach.is_ipv4() { "IP4" } else { "IP6" });
    let other = random.pick(match (reach.is_ipv4(), own.contains("10.1.") || own.contains("fd01")) {
        (true, true) => &["10.2.0.2", "10.2.0.3", "10.2.0.1"],
        (true, false) => &["10.1.0.2", "10.2.0.1", "10.2.0.5"],
        (false, true) => &["[fd02::2]", "[fd02::3]", "[fd02::1]"],
        (false, false) => &["[fd01::2]", "[fd02::1]", "[fd02::5]"],
    });
    let port = if random.one_in(4) { 5060 } else { port };
    let mut media = format!(
        "v=0\r\no=- 1 1 IN {family} {host}\r\ns=-\r\nc=IN {family} {host}\r\nt=0 0\r\nm=audio {} RTP/AVP 0\r\n",
        reach.port(),
        host = reach.ip()
    );
    if random.one_in(3) {
        media += &format!("m=video {} RTP/AVP 31\r\n", reach.port().saturating_add(4));
    }
    let method = random.pick(&["INVITE", "INVITE", "INVITE", "REGISTER", "REGISTER", "BYE", "ACK", "UPDATE"]);
    let media = if matches!(method, "INVITE" | "UPDATE") && !random.one_in(6) { media } else { String::new() };
    let (asks, expires) = (random.one_in(2), random.choose(&[0, 60]));
    let first = match asks {
        true => format!("{method} sip:you@{other} SIP/2.0"),
        false => format!("SIP/2.0 {} Text", random.choose(&[100, 180, 183, 200, 200, 200, 403])),
    };
    let (from, to) = if asks { (own.as_str(), other) } else { (other, own.as_str()) };
    let number = 1 + random.below(2);
    format!(
        "{first}\r\nVia: SIP/2.0/UDP {from}:{port};branch=z9hG4bK1\r\nFrom: <sip:me@{from}>;tag=1\r\nTo: <sip:you@{to}>\r\n\
         Call-ID: 1@{from}\r\nCSeq: {number} {method}\r\nContact: <sip:me@{own}:{port}>\r\nExpires: {expires}\r\n\
         Content-Length: {}\r\n\r\n{media}",
        media.len()
    )
    .into()
}

/// Where media that a message announces are expected.
pub(super) fn media(text: &str) -> Option<(u8, SocketAddr)> {
    let word = |start: &str| text.split(start).nth(1)?.split([' ', '\r']).next();
    let host = word("c=IN IP4 ").or_else(|| word("c=IN IP6 "))?;
    Some((UDP, SocketAddr::new(host.parse().ok()?, word("m=audio ")?.parse().ok()?)))
}

/// A message of PPTP's control connection; calls have few numbers, so that answers fit.
pub(super) fn pptp(random: &mut Random, _: SocketAddr, _: u16) -> Vec<u8> {
    let numbers = [random.choose(&CALLS), random.choose(&CALLS)].map(u16::to_be_bytes).concat();
    let result = [random.choose(&[1, 1, 1, 2])];
    let (kind, body, length) = match random.below(10) {
        0 | 1 => (1u16, Vec::new(), 144usize),
        2 | 3 => (2, vec![0, 0, 1], 144),
        4 => (7, numbers, 156),
        5 | 6 => (8, [&numbers[..], &result].concat(), 20),
        7 => (9, numbers, 208),
        8 => (10, [&numbers[..], &result].concat(), 12),
        _ => (random.choose(&[11, 12, 13, 15]), numbers, random.choose(&[4, 16, 136])),
    };
    let mut message = [(12 + length as u16).to_be_bytes(), [0, 1], [0x1a, 0x2b], [0x3c, 0x4d]].concat();
    message.extend(kind.to_be_bytes());
    message.extend([0, 0]);
    message.extend(body);
    message.resize(12 + length, 0);
    message
}

/// The call of which such a message speaks, as a port.
pub(super) fn call(words: &[u8]) -> Option<u16> {
    let [_, _, 0, 1, 0x1a, 0x2b, 0x3c, 0x4d, 0, 7..=11, _, _, high, low, ..] = words else { return None };
    Some(u16::from_be_bytes([*high, *low]))
}

/// A packet of a call: with its number, now and then of an older version.
pub(super) fn gre(random: &mut Random, call: u16) -> Vec<u8> {
    let [high, low] = call.to_be_bytes();
    let kind = if random.one_in(12) { [0x20, 0] } else { [0x30, 1] };
    [&kind[..], &[0x88, 0x0b, 0, 4, high, low, 0, 0, 0, 1, 0xff, 3, 0xc0, 0x21]].concat()
}

fn spelled(end: SocketAddr) -> String {
    if end.is_ipv4() { end.ip().to_string() } else { format!("[{}]", end.ip()) }
}

/// Numbers that both ends give their calls.
const CALLS: [u16; 3] = [7, 99, 20_777];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_hears_of_media_or_a_call_knows_where_they_are() {
        let mut random = Random::new(1);
        let reach: SocketAddr = "10.1.0.2:20150".parse().unwrap();
        let said: Vec<_> = (0..60).map(|_| sip(&mut random, reach, 20_100)).collect();
        let heard: Vec<_> = said.iter().filter_map(|words| media(std::str::from_utf8(words).ok()?)).collect();
        assert!(heard.len() > 10 && heard.iter().all(|known| *known == (UDP, reach)), "{heard:?}");
        let calls: Vec<_> = (0..60).filter_map(|_| call(&pptp(&mut random, reach, 0))).collect();
        assert!(calls.len() > 10 && calls.iter().all(|number| CALLS.contains(number)), "{calls:?}");
    }
}
