//! Lines of SIP and SDP (RFC 3261, RFC 4566), read as far as addresses, ports and numbers go. As the ct_sip_*() functions of
//! nf_conntrack_sip.c.
//!
//! Every reader takes any bytes and steps over each a bounded number of times.

use std::net::Ipv6Addr;

use libxt::family::Af;

use super::super::text::number;
use crate::conntrack::Address;

/// What looking for a header comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// There is none.
    Nothing,
    /// There is one at this place that says nothing useful.
    Broken(usize),
    /// What it says: where, and how long it is.
    At(usize, usize),
}

/// A header: its name, its short name, what stands in front of its value, and how that is measured.
#[derive(Debug)]
pub(super) struct Header {
    name: &'static [u8],
    short: Option<u8>,
    search: Option<&'static [u8]>,
    value: Value,
}

/// What a header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Value {
    Digits,
    /// An address and maybe a port.
    Place,
    /// The same behind the name of a user.
    User,
    /// An address without brackets.
    Host,
    /// A kind of media and a port.
    Media,
}

/// An address and a port of a URI: where they stand, and where what was read ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Uri {
    pub(super) at: usize,
    pub(super) length: usize,
    pub(super) address: Address,
    pub(super) port: u16,
    pub(super) end: usize,
}

/// As `ct_sip_hdrs[]`.
pub(super) mod header {
    use super::{Header, Value};

    const fn named(name: &'static [u8], short: Option<u8>, search: Option<&'static [u8]>, value: Value) -> Header {
        Header { name, short, search, value }
    }

    pub(in super::super) const CSEQ: Header = named(b"CSeq", None, None, Value::Digits);
    pub(in super::super) const FROM: Header = named(b"From", Some(b'f'), Some(b"sip:"), Value::User);
    pub(in super::super) const TO: Header = named(b"To", Some(b't'), Some(b"sip:"), Value::User);
    pub(in super::super) const CONTACT: Header = named(b"Contact", Some(b'm'), Some(b"sip:"), Value::User);
    pub(in super::super) const VIA_UDP: Header = named(b"Via", Some(b'v'), Some(b"UDP "), Value::Place);
    pub(in super::super) const VIA_TCP: Header = named(b"Via", Some(b'v'), Some(b"TCP "), Value::Place);
    pub(in super::super) const EXPIRES: Header = named(b"Expires", None, None, Value::Digits);
    pub(in super::super) const CONTENT_LENGTH: Header = named(b"Content-Length", Some(b'l'), None, Value::Digits);
}

/// As `ct_sdp_hdrs_v4[]` and `ct_sdp_hdrs_v6[]`.
pub(super) mod line {
    use libxt::family::Af;

    use super::{Header, Value};

    const fn named(name: &'static [u8], search: Option<&'static [u8]>, value: Value) -> Header {
        Header { name, short: None, search, value }
    }

    pub(in super::super) const VERSION: Header = named(b"v=", None, Value::Digits);
    pub(in super::super) const MEDIA: Header = named(b"m=", None, Value::Media);

    const fn network(af: Af) -> &'static [u8] {
        match af {
            Af::V4 => b"IN IP4 ",
            Af::V6 => b"IN IP6 ",
        }
    }

    pub(in super::super) const fn owner(af: Af) -> Header {
        named(b"o=", Some(network(af)), Value::Host)
    }

    pub(in super::super) const fn connection(af: Af) -> Header {
        named(b"c=", Some(network(af)), Value::Host)
    }
}

/// The port of SIP, where none is said.
const PORT: u16 = 5060;

/// Whether a text begins with some words in letters of either case.
pub(super) fn begins(text: &[u8], at: usize, words: &[u8]) -> bool {
    text.get(at..).and_then(|rest| rest.get(..words.len())).is_some_and(|there| there.eq_ignore_ascii_case(words))
}

/// The address and port of the URI in the first line of a request. As ct_sip_parse_request().
pub(super) fn request(text: &[u8], af: Af) -> Option<Uri> {
    let method = text.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
    let mut at = method + 1;
    if method == 0 || at >= text.len() {
        return None;
    }
    const SCHEME: &[u8] = b"sip:";
    while at + SCHEME.len() < text.len() {
        if is_end(text[at]) {
            return None;
        }
        if begins(text, at, SCHEME) {
            at += SCHEME.len();
            break;
        }
        at += 1;
    }
    let (shift, _) = Value::User.measure(text, at, af)?;
    uri(text, at + shift, None, af)
}

/// The first header of a kind from a place on. As ct_sip_get_header().
pub(super) fn header(text: &[u8], from: usize, header: &Header, af: Af) -> Found {
    let mut at = from;
    while let Some(start) = next_line(text, at) {
        at = start + 1;
        let Some(&first) = text.get(start) else { break };
        if is_blank(first) {
            continue;
        }
        let named = if begins(text, start, header.name) {
            header.name.len()
        } else if header.short.is_some_and(|short| first.eq_ignore_ascii_case(&short))
            && text.get(start + 1).is_some_and(|next| !next.is_ascii_alphabetic())
        {
            1
        } else {
            continue;
        };
        let colon = skip_blanks(text, start + named).filter(|&colon| text.get(colon) == Some(&b':'));
        let value = colon.filter(|colon| colon + 1 < text.len()).and_then(|colon| skip_blanks(text, colon + 1));
        let Some(value) = value else { break };
        let place = match header.search {
            Some(words) => search(text, value, text.len(), words).map(|place| place + words.len()),
            None => Some(value),
        };
        return match place.and_then(|place| Some((place, header.value.measure(text, place, af)?))) {
            Some((place, (shift, length))) => Found::At(place + shift, length),
            None => Found::Broken(value),
        };
    }
    Found::Nothing
}

/// The next value of a header that has several. As ct_sip_next_header().
fn next_value(text: &[u8], from: usize, header: &Header, af: Af) -> Found {
    let words = header.search.unwrap_or_default();
    let comma = search(text, from, text.len(), b",");
    let Some(at) = comma.and_then(|comma| search(text, comma, text.len(), words)) else { return Found::Nothing };
    let at = at + words.len();
    match header.value.measure(text, at, af) {
        Some((shift, length)) => Found::At(at + shift, length),
        None => Found::Broken(at),
    }
}

/// A header's URI, from a place on; `inside` says whether that is inside of one already. `Err` if what is there makes no sense.
/// As ct_sip_parse_header_uri().
pub(super) fn header_uri(
    text: &[u8],
    mut from: usize,
    kind: &Header,
    inside: &mut bool,
    af: Af,
) -> Result<Option<Uri>, ()> {
    let mut place = None;
    while *inside && place.is_none() {
        match next_value(text, from, kind, af) {
            Found::At(at, length) => place = Some((at, length)),
            Found::Broken(at) => from = at,
            Found::Nothing => *inside = false,
        }
    }
    while place.is_none() {
        match header(text, from, kind, af) {
            Found::At(at, length) => place = Some((at, length)),
            Found::Broken(at) => from = at,
            Found::Nothing => return Ok(None),
        }
    }
    *inside = true;
    let Some((at, length)) = place else { return Ok(None) };
    uri(text, at, Some(length), af).map(Some).ok_or(())
}

/// An address and a port; `length` is that of what was found, if it is not what is read.
fn uri(text: &[u8], at: usize, length: Option<usize>, af: Af) -> Option<Uri> {
    let (address, mut end) = address(text, at, af, true)?;
    let mut port = PORT;
    if text.get(end) == Some(&b':') {
        let (number, digits) = number(text.get(end + 1..)?);
        end += 1 + digits;
        port = u16::try_from(number).ok().filter(|&port| port >= 1024 && digits <= 5)?;
    }
    Some(Uri { at, length: length.unwrap_or(end - at), address, port, end })
}

/// Where a parameter of a header's value stands. As ct_sip_parse_param() and its like.
fn parameter(text: &[u8], from: usize, name: &[u8]) -> Option<(usize, usize)> {
    let limit = search(text, from, text.len(), b",").unwrap_or(text.len());
    Some((search(text, from, limit, name)? + name.len(), limit))
}

/// The transport that a URI asks for; `None` if it is another than the connection's. As ct_sip_parse_transport().
pub(super) fn is_transport(text: &[u8], from: usize, protocol: u8) -> bool {
    let Some((at, _)) = parameter(text, from, b"transport=") else { return true };
    let named = match () {
        () if begins(text, at, b"TCP") => 6,
        () if begins(text, at, b"UDP") => 17,
        () => return false,
    };
    named == protocol
}

/// An address that a parameter says: where, how long, and which. As ct_sip_parse_address_param().
pub(super) fn address_parameter(
    text: &[u8],
    from: usize,
    name: &[u8],
    delimited: bool,
    af: Af,
) -> Option<(usize, usize, Address)> {
    let (at, limit) = parameter(text, from, name)?;
    let (address, end) = address(text.get(..limit)?, at, af, delimited)?;
    Some((at, end - at, address))
}

/// A number that a parameter says. As ct_sip_parse_numerical_param().
pub(super) fn number_parameter(text: &[u8], from: usize, name: &[u8]) -> Option<(usize, usize, u32)> {
    let (at, _) = parameter(text, from, name)?;
    let (value, digits) = unsigned(text, at)?;
    (digits != 0).then_some((at, digits, value))
}

/// A number of at most eleven digits that fits, 0 if there is none, and how many digits it has. As sip_strtouint().
pub(super) fn unsigned(text: &[u8], at: usize) -> Option<(u32, usize)> {
    const DIGITS: usize = 11;
    let (value, digits) = number(text.get(at..)?);
    Some((u32::try_from(value).ok().filter(|_| digits <= DIGITS)?, digits))
}

/// The first line of SDP of a kind, ahead of the first of another kind. As ct_sip_get_sdp_header().
pub(super) fn sdp(text: &[u8], from: usize, kind: &Header, until: Option<&Header>, af: Af) -> Found {
    let mut at = from;
    while let Some(start) = next_line(text, at) {
        at = start + 1;
        if until.is_some_and(|until| begins(text, start, until.name)) {
            break;
        }
        if !begins(text, start, kind.name) {
            continue;
        }
        let value = start + kind.name.len();
        let place = match kind.search {
            Some(words) => search_line(text, value, words).map(|place| place + words.len()),
            None => Some(value),
        };
        return match place.and_then(|place| Some((place, kind.value.measure(text, place, af)?))) {
            Some((place, (shift, length))) => Found::At(place + shift, length),
            None => Found::Broken(value),
        };
    }
    Found::Nothing
}

/// The address at a place, and where it ends. As sip_parse_addr() and sdp_parse_addr().
pub(super) fn address(text: &[u8], at: usize, af: Af, delimited: bool) -> Option<(Address, usize)> {
    match af {
        Af::V4 => address_v4(text, at),
        Af::V6 => {
            let bracket = text.get(at) == Some(&b'[');
            let start = at + usize::from(bracket);
            let rest = text.get(start..)?;
            let length =
                rest.iter().take_while(|&&byte| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.')).count();
            let address: Ipv6Addr = std::str::from_utf8(rest.get(..length)?).ok()?.parse().ok()?;
            let end = start + length;
            let closed = text.get(end) == Some(&b']');
            (!delimited || bracket && closed)
                .then_some((Address(address.octets()), end + usize::from(closed && bracket)))
        }
    }
}

/// Four numbers, of which each is a byte. As in4_pton().
fn address_v4(text: &[u8], at: usize) -> Option<(Address, usize)> {
    let mut address = Address::default();
    let mut place = at;
    for part in 0..4 {
        let (value, digits) = number(text.get(place..)?);
        let zeros = text.iter().skip(place).take(digits).take_while(|&&byte| byte == b'0').count();
        if digits == 0 || digits - zeros > 3 || value > 255 {
            return None;
        }
        address.0[part] = value as u8;
        place += digits;
        let next = text.get(place);
        match (part, next) {
            (0..3, Some(b'.')) => place += 1,
            (3, Some(b'.' | b'a'..=b'f' | b'A'..=b'F')) | (0..3, _) => return None,
            _ => {}
        }
    }
    Some((address, place))
}

impl Value {
    /// How far behind a place what it says stands, and how long it is. As the `match_len` functions.
    fn measure(self, text: &[u8], at: usize, af: Af) -> Option<(usize, usize)> {
        let rest = text.get(at..)?;
        let digits = |from: usize| rest.get(from..).map_or(0, |rest| number(rest).1);
        let found = match self {
            Self::Digits => (0, digits(0)),
            Self::Media => {
                let word = rest.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
                if rest.get(word) != Some(&b' ') {
                    return None;
                }
                (0, word + 1 + digits(word + 1))
            }
            Self::Host => (0, address(text, at, af, false)?.1 - at),
            Self::Place => (0, place(text, at, af)?),
            Self::User => {
                let user = rest.iter().position(|&byte| byte == b'@' || is_end(byte));
                let shift = user.filter(|&user| rest[user] == b'@').map_or(0, |user| user + 1);
                (shift, place(text, at + shift, af)?)
            }
        };
        (found.1 != 0).then_some(found)
    }
}

/// The length of an address and a port. As epaddr_len().
fn place(text: &[u8], at: usize, af: Af) -> Option<usize> {
    let (_, mut end) = address(text, at, af, true)?;
    if text.get(end) == Some(&b':') {
        end += 1 + text.get(end + 1..).map_or(0, |rest| number(rest).1);
    }
    Some(end - at)
}

/// Where the line behind the next line end begins.
fn next_line(text: &[u8], from: usize) -> Option<usize> {
    let end = from + text.get(from..)?.iter().position(|&byte| is_end(byte))?;
    let both = text[end] == b'\r' && text.get(end + 1) == Some(&b'\n');
    Some(end + 1 + usize::from(both)).filter(|&start| start < text.len())
}

/// Where a line goes on that was folded at a line end. As sip_follow_continuation().
fn unfold(text: &[u8], end: usize, limit: usize) -> Option<usize> {
    let both = text.get(end) == Some(&b'\r') && text.get(end + 1) == Some(&b'\n') && end + 1 < limit;
    let start = end + 1 + usize::from(both);
    let rest = text.get(start..limit).filter(|rest| rest.first().is_some_and(|&byte| is_blank(byte)))?;
    Some(start + rest.iter().take_while(|&&byte| is_blank(byte)).count())
}

/// As sip_skip_whitespace().
fn skip_blanks(text: &[u8], from: usize) -> Option<usize> {
    let at = from + text.get(from..)?.iter().take_while(|&&byte| is_blank(byte)).count();
    match text.get(at) {
        Some(&byte) if is_end(byte) => unfold(text, at, text.len()),
        _ => Some(at),
    }
}

/// Where some words stand in a header's value, which may be folded; something must stand behind them. As
/// ct_sip_header_search().
fn search(text: &[u8], from: usize, limit: usize, words: &[u8]) -> Option<usize> {
    let limit = limit.checked_sub(words.len())?;
    let mut at = from;
    while at < limit {
        if is_end(*text.get(at)?) {
            at = unfold(text, at, limit)?;
        } else if begins(text, at, words) {
            return Some(at);
        }
        at += 1;
    }
    None
}

/// The same in a line of SDP, in letters as they are. As ct_sdp_header_search().
fn search_line(text: &[u8], from: usize, words: &[u8]) -> Option<usize> {
    let limit = text.len().checked_sub(words.len())?;
    (from..limit).take_while(|&at| !is_end(text[at])).find(|&at| text[at..].starts_with(words))
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

fn is_end(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n')
}
