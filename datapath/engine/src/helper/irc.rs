//! IRC (RFC 1459): what a client offers by DCC, the server's other clients may fetch. As nf_conntrack_irc.c and nf_nat_irc.c.

use std::fmt::Write;

use libxt::family::Af;

use super::text::{Text, number};
use super::{About, Call, Helper, Parameters, Policy};
use crate::Verdict;
use crate::conntrack::expect::{Expected, Follow};
use crate::conntrack::tuple::{Ports, protocol};
use crate::conntrack::{Address, Direction, Relation, Tuple};

pub(crate) struct Irc;

/// An offer: where its address and port stand in the payload, and what they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Offer {
    at: usize,
    length: usize,
    address: u32,
    port: u16,
}

/// Words behind "DCC" that announce a connection. As `dccprotos[]`.
const WORDS: [&[u8]; 5] = [b"SEND ", b"CHAT ", b"MOVE ", b"TSEND ", b"SCHAT "];
/// Nobody looks further into a packet (`MAX_SEARCH_SIZE`).
const LONGEST: usize = 4095;
/// Bytes of the shortest message, `PRIVMSG x `.
const MESSAGE: usize = 10;
/// Bytes of the shortest offer from the blank before its colon on, ` :\1DCC SEND t A P\1\n` with an address of eight digits.
const OFFER: usize = 26;
/// Bytes of what stands behind the file's name in it.
const PLACE: usize = 12;

impl Helper for Irc {
    fn about(&self) -> &'static About {
        &About {
            name: "irc",
            protocols: &[protocol::TCP],
            families: &[Af::V4],
            policies: &[Policy { most: 8, timeout: 300 }],
        }
    }

    fn policy(&self, class: usize, parameters: &Parameters) -> Option<Policy> {
        (class == 0).then_some(Policy { most: parameters.irc_channels, timeout: parameters.irc_timeout })
    }

    fn help(&self, call: &mut Call<'_, '_>) -> Verdict {
        if call.direction == Direction::Reply || call.relation != Relation::Established {
            return Verdict::Accept;
        }
        let (own, back) = (call.tuple(Direction::Original), call.tuple(Direction::Reply));
        // A client may know its outer address. No one offers for others.
        let owns = |address: u32| [own.source, back.destination].iter().any(|known| v4(*known) == address);
        let Some(offer) = find(call.payload(), owns) else { return Verdict::Accept };
        let expected = Expected::new(
            None,
            None,
            Tuple { protocol: protocol::TCP, ports: Ports::Ports { source: 0, destination: offer.port }, ..back },
        );
        let announced = if call.translated() { rename(call, &offer, expected) } else { call.expect(expected).is_ok() };
        if announced { Verdict::Accept } else { Verdict::Drop }
    }
}

/// Expects what comes at the outer address, and has the offer name that. As nf_nat_irc.c's help().
fn rename(call: &mut Call<'_, '_>, offer: &Offer, expected: Expected) -> bool {
    let expected = Expected {
        follow: Follow::Master,
        direction: Direction::Reply,
        saved: (expected.saved.0, offer.port),
        ..expected
    };
    let Some(port) = call.expect_somewhere(expected) else { return false };
    let mut text = Text::default();
    let _ = write!(text, "{} {port}", v4(expected.tuple.destination));
    if call.mangle(offer.at, offer.length, text.bytes()) {
        return true;
    }
    call.unexpect(&expected.tuple.with_destination_port(port));
    false
}

/// The first offer of a payload in the name of an address that `owns` takes. As the middle of help().
fn find(payload: &[u8], owns: impl Fn(u32) -> bool) -> Option<Offer> {
    let text = payload.get(..LONGEST).unwrap_or(payload);
    let begins = |at: usize, with: &[u8]| text.get(at..).is_some_and(|rest| rest.starts_with(with));
    let blanks = text.iter().take_while(|byte| matches!(byte, b' ' | b'\r' | b'\n')).count();
    let mut at = blanks.min(text.len().saturating_sub(MESSAGE));
    if at + MESSAGE < text.len() {
        const WORD: &[u8] = b"PRIVMSG ";
        if !text.get(at..at + WORD.len())?.eq_ignore_ascii_case(WORD) {
            return None;
        }
        at += WORD.len();
    }
    while at + OFFER < text.len() {
        if !begins(at, b" :") {
            at += 1;
            continue;
        }
        at += 2;
        if !begins(at, b"\x01DCC ") {
            return None;
        }
        at += 5;
        if let Some(word) = WORDS.iter().find(|word| begins(at, word)) {
            // What is no offer of the client's own is the end of it: nobody looks for another.
            return read(text, at + word.len()).filter(|offer| offer.port != 0 && owns(offer.address));
        }
    }
    None
}

/// A name, an address and a port, up to the end of a line. As parse_dcc().
fn read(text: &[u8], from: usize) -> Option<Offer> {
    let name = text.get(from..)?.iter().position(|&byte| byte == b' ')?;
    // Only a name that is there is looked at for its length.
    if name > 0 && from + name + PLACE > text.len() {
        return None;
    }
    let at = from + name + 1;
    let line = text.get(at..)?;
    let line = &line[..=line.iter().position(|&byte| byte == b'\n')?];
    let (address, digits) = number(line);
    let blanks = line.get(digits..)?.iter().take_while(|&&byte| byte == b' ').count();
    let (port, more) = number(line.get(digits + blanks..)?);
    Some(Offer { at, length: digits + blanks + more, address: address as u32, port: port as u16 })
}

/// An IPv4 address as a number.
fn v4(Address([a, b, c, d, ..]): Address) -> u32 {
    u32::from_be_bytes([a, b, c, d])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn offered(text: &[u8]) -> Option<(u32, u16)> {
        find(text, |_| true).map(|offer| (offer.address, offer.port))
    }

    #[test]
    fn an_offer_is_found_where_the_original_looks() {
        assert_eq!(offered(b"PRIVMSG you :\x01DCC SEND name 16909060 5001\x01\r\n"), Some((0x0102_0304, 5001)));
        assert_eq!(
            offered(b"\r\n PRIVMSG y :\x01DCC XMIT CHAT :\x01DCC CHAT tt 16909060 7\x01\n"),
            Some((0x0102_0304, 7))
        );
        assert_eq!(offered(b"PRIVMSG y :\x01DCC CHAT t 16909060 9\n"), None, "too short to be looked at");
        assert_eq!(offered(b"NOTICE you :\x01DCC SEND name 16909060 5001\x01\r\n"), None);
        assert_eq!(offered(b"PRIVMSG you :\x01DCC SEND name 16909060 5001\x01"), None, "the line does not end");
        assert_eq!(offered(b"PRIVMSG you :\x01DCC SEND name 4311876356 65537\x01\r\n"), Some((0x0102_0304, 1)));
    }

    /// CVE-2022-2663: what looks like an offer in the middle of other words.
    #[test]
    fn an_offer_that_is_no_message_of_its_own_is_none() {
        assert_eq!(offered(b"GET / HTTP/1.0\r\nX :\x01DCC SEND name 16909060 5001\x01\r\n\r\n"), None);
        assert_eq!(offered(b"PRIVMSG you :look :\x01DCC SEND name 16909060 5001\x01\r\n"), None);
    }

    #[test]
    fn behind_an_offer_in_a_strangers_name_no_other_is_looked_for() {
        let text = b"PRIVMSG y :\x01DCC SEND a 3 7\x01 :\x01DCC SEND a 4 7\x01\r\n";
        assert_eq!(find(text, |address| address == 4), None);
    }

    #[test]
    fn the_place_of_an_offer_is_what_will_be_replaced() {
        let text = b"PRIVMSG you :\x01DCC SEND name 16909060   5001 99\x01\r\n";
        let offer = find(text, |_| true).unwrap();
        assert_eq!(&text[offer.at..offer.at + offer.length], b"16909060   5001");
    }

    proptest! {
        #[test]
        fn any_text_is_read_to_its_end(
            text in prop::collection::vec(prop_oneof![
                Just(b"PRIVMSG ".to_vec()), Just(b" :".to_vec()), Just(b"\x01DCC ".to_vec()), Just(b"SEND ".to_vec()),
                Just(b"CHAT ".to_vec()), Just(b"167837698 ".to_vec()), Just(b"\n".to_vec()), prop::collection::vec(any::<u8>(), 0..9),
            ], 0..40)
        ) {
            let text = text.concat();
            if let Some(offer) = find(&text, |address| address % 2 == 0) {
                prop_assert!(offer.at + offer.length < text.len());
                prop_assert!(offer.port != 0 && offer.address % 2 == 0);
            }
        }
    }
}
