//! Values on the command line: addresses, numbers, marks, lists of words.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::error::Error;

/// The bytes as text, for values that are none otherwise and for messages.
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// An address as inet_aton() and inet_pton() read it.
pub(crate) fn address(bytes: &[u8]) -> Result<IpAddr, Error> {
    let text = text(bytes);
    inet_aton(&text)
        .map(IpAddr::V4)
        .or_else(|| text.parse::<Ipv6Addr>().ok().map(IpAddr::V6))
        .ok_or_else(|| Error::Parameter(format!("Invalid IP address `{text}'")))
}

/// An address with an optional prefix length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Network<'a> {
    pub(crate) ip: IpAddr,
    length: Option<&'a [u8]>,
}

/// An address, and whatever is behind its slash.
pub(crate) fn network(bytes: &[u8]) -> Result<Network<'_>, Error> {
    let slash = bytes.iter().position(|&byte| byte == b'/').filter(|&slash| slash > 0);
    let part = bytes.get(..slash.unwrap_or(bytes.len())).unwrap_or_default();
    // The whole is named, whichever part is wrong.
    let ip = address(part).map_err(|_| Error::Parameter(format!("Invalid IP address `{}'", text(bytes))))?;
    Ok(Network { ip, length: slash.and_then(|slash| bytes.get(slash + 1..)) })
}

impl Network<'_> {
    /// Whether there is a slash.
    pub(crate) fn has_length(&self) -> bool {
        self.length.is_some()
    }

    /// The mask, if there is a length that leaves bits out.
    pub(crate) fn mask(&self) -> Result<Option<IpAddr>, Error> {
        let Some(length) = self.length else { return Ok(None) };
        let invalid = || Error::Parameter("Invalid netmask".into());
        let length = match text(length).trim_start() {
            "" => 0,
            digits => digits.parse::<u32>().map_err(|_| invalid())?,
        };
        match self.ip {
            IpAddr::V4(_) if length == 32 => Ok(None),
            IpAddr::V6(_) if length == 128 => Ok(None),
            IpAddr::V4(_) if length < 32 => {
                Ok(Some(IpAddr::V4(Ipv4Addr::from_bits(u32::MAX.checked_shl(32 - length).unwrap_or(0)))))
            }
            IpAddr::V6(_) if length < 128 => {
                Ok(Some(IpAddr::V6(Ipv6Addr::from_bits(u128::MAX.checked_shl(128 - length).unwrap_or(0)))))
            }
            _ => Err(invalid()),
        }
    }
}

/// Dotted parts, each decimal, octal or hexadecimal; the last one fills what the others leave.
fn inet_aton(text: &str) -> Option<Ipv4Addr> {
    let parts: Vec<&str> = text.split('.').collect();
    let (last, leading) = parts.split_last()?;
    if leading.len() > 3 {
        return None;
    }
    let mut bits = 0u32;
    for (part, shift) in leading.iter().zip([24, 16, 8]) {
        bits |= u32::from(u8::try_from(c_number(part)?).ok()?) << shift;
    }
    let last = c_number(last)?;
    let room = 32 - 8 * u32::try_from(leading.len()).ok()?;
    (last < 1u64.checked_shl(room)?).then(|| Ipv4Addr::from_bits(bits | u32::try_from(last).unwrap_or(0)))
}

/// A number with C's prefixes, and nothing else.
fn c_number(text: &str) -> Option<u64> {
    let (digits, radix) = match text.as_bytes() {
        [b'0', b'x' | b'X', ..] => (text.get(2..)?, 16),
        [b'0', _, ..] => (text.get(1..)?, 8),
        _ => (text, 10),
    };
    if !digits.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return None;
    }
    u64::from_str_radix(digits, radix).ok()
}

/// As atol(): leading blanks, a sign, digits; whatever follows is passed over and nothing is 0.
pub(crate) fn atol(bytes: &[u8]) -> i64 {
    let text = text(bytes);
    let text = text.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '\x0b');
    let (negative, digits) = match text.as_bytes().first() {
        Some(b'-') => (true, text.get(1..).unwrap_or("")),
        Some(b'+') => (false, text.get(1..).unwrap_or("")),
        _ => (false, text),
    };
    let value = digits
        .bytes()
        .map_while(|byte| byte.is_ascii_digit().then(|| i64::from(byte - b'0')))
        .fold(0i64, |sum, digit| sum.saturating_mul(10).saturating_add(digit));
    if negative { -value } else { value }
}

/// The lowest bits of [`atol`], as an assignment to a narrower type keeps them.
pub(crate) fn low32(bytes: &[u8]) -> u32 {
    u32::try_from(atol(bytes) & 0xffff_ffff).unwrap_or(0)
}

/// The lowest 16 bits of [`atol`].
pub(crate) fn low16(bytes: &[u8]) -> u16 {
    u16::try_from(atol(bytes) & 0xffff).unwrap_or(0)
}

/// The lowest 8 bits of [`atol`].
pub(crate) fn low8(bytes: &[u8]) -> u8 {
    u8::try_from(atol(bytes) & 0xff).unwrap_or(0)
}

/// A number with C's prefixes up to a limit; anything else is an error that names the option.
pub(crate) fn number(bytes: &[u8], letter: u8, limit: u64) -> Result<u64, Error> {
    let text = text(bytes);
    c_number(text.trim_start()).filter(|&value| value <= limit).ok_or_else(|| unexpected(&text, letter))
}

/// A value and an optional mask behind a slash; without it all bits count.
pub(crate) fn masked(bytes: &[u8], letter: u8) -> Result<(u32, u32), Error> {
    let text = text(bytes);
    let read = |part: &str| c_number(part.trim_start()).and_then(|value| u32::try_from(value).ok());
    match text.split_once('/') {
        Some((value, mask)) => read(value).zip(read(mask)),
        None => read(&text).map(|value| (value, u32::MAX)),
    }
    .ok_or_else(|| unexpected(&text, letter))
}

fn unexpected(text: &str, letter: u8) -> Error {
    Error::Other(format!("unexpected value '{text}' with -{} option", char::from(letter)))
}

/// What `-n`, `-g` and `-j` name: an address and a port, either of which may be missing.
pub(crate) fn address_and_port(bytes: &[u8]) -> Result<(Option<IpAddr>, Option<u16>), Error> {
    let position = |bytes: &[u8], wanted| bytes.iter().position(|&byte| byte == wanted);
    let wrong = |text: &str| Err(Error::Parameter(text.into()));
    let (ip, port) = match bytes {
        [b'[', rest @ ..] => {
            let Some(end) = position(rest, b']') else { return wrong("No closing ']' around IPv6 address") };
            if end == 0 {
                return wrong("No IPv6 address specified");
            }
            let (inside, behind) = rest.split_at(end);
            // Without a port the brackets are part of the address, which then is none.
            position(behind, b':').map_or((bytes, None), |colon| (inside, behind.get(colon + 1..)))
        }
        _ => match position(bytes, b':') {
            Some(colon) if bytes.iter().filter(|&&byte| byte == b':').count() == 1 => {
                (bytes.get(..colon).unwrap_or_default(), bytes.get(colon + 1..))
            }
            _ => (bytes, None),
        },
    };
    let port = match port {
        None => None,
        Some([]) => return wrong("No port specified after `:'"),
        Some(digits) => {
            let number = digits.iter().all(u8::is_ascii_digit).then(|| atol(digits));
            let invalid = || Error::Parameter(format!("Invalid port `{}'", text(digits)));
            Some(number.and_then(|number| u16::try_from(number).ok()).ok_or_else(invalid)?)
        }
    };
    Ok((Some(address(ip)?), port))
}

/// The words of a comma-separated list. The first that cannot be read is an error that shows what is left of the list
/// from there; an empty word takes the rest of the list with it.
pub(crate) fn list<T>(bytes: &[u8], read: impl Fn(&str) -> Option<T>) -> Result<Vec<T>, Error> {
    negatable(bytes, |negated, word| if negated { read(&format!("!{word}")) } else { read(word) })
}

/// As [`list`], and each word may have a `!` in front, which complaints leave out.
pub(crate) fn negatable<T>(bytes: &[u8], read: impl Fn(bool, &str) -> Option<T>) -> Result<Vec<T>, Error> {
    let list = text(bytes);
    let (mut rest, mut out) = (list.as_str(), Vec::new());
    loop {
        let (negated, words) = rest.strip_prefix('!').map_or((false, rest), |words| (true, words));
        let end = words.find(',').filter(|&end| end > 0).unwrap_or(words.len());
        let word = words.get(..end).unwrap_or_default();
        out.push(read(negated, word).ok_or_else(|| Error::Parameter(format!("Bad parameter `{words}'")))?);
        match words.get(end + 1..) {
            Some(next) => rest = next,
            None => return Ok(out),
        }
    }
}

/// The one of `names` that the word begins, in any case.
pub(crate) fn named<T: Copy>(word: &str, names: &[(&str, T)]) -> Option<T> {
    let begins = |full: &str| full.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
    names.iter().find(|(full, _)| !word.is_empty() && begins(full)).map(|&(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_the_c_library_does() {
        assert_eq!(address(b"1.1").unwrap().to_string(), "1.0.0.1");
        assert_eq!(address(b"0x7f.1").unwrap().to_string(), "127.0.0.1");
        assert_eq!(address(b"010.0.0.1").unwrap().to_string(), "8.0.0.1");
        assert!(address(b"1.1.1.256").is_err() && address(b"").is_err() && address(b"1.2.3.4.5").is_err());
        let mask = |text: &str| network(text.as_bytes()).unwrap().mask().map(|mask| mask.map(|mask| mask.to_string()));
        assert_eq!(mask("1.1.1.1/24").unwrap().unwrap(), "255.255.255.0");
        assert_eq!(mask("::/0").unwrap().unwrap(), "::");
        assert!(mask("1.1.1.1/32").unwrap().is_none() && mask("::1/128").unwrap().is_none());
        assert!(mask("1.1.1.1/33").is_err() && mask("1.1.1.1/x").is_err() && network(b"/8").is_err());
    }

    #[test]
    fn numbers_are_strict_where_the_newest_release_is() {
        assert_eq!(masked(b"0x10/0xff", b'm').unwrap(), (16, 255));
        assert!(masked(b"x", b'm').is_err() && masked(b"5/x", b'm').is_err());
        assert_eq!(atol(b" -1x"), -1);
        assert_eq!((low16(b"65537"), low32(b"-1"), low8(b"foo")), (1, u32::MAX, 0));
    }

    #[test]
    fn words_may_be_cut_and_negated() {
        let names = [("ASSURED", 1), ("SEEN_REPLY", 2)];
        let read = |list: &[u8]| negatable(list, |negated, word| Some((negated, named(word, &names)?)));
        assert_eq!(read(b"assu,!S").unwrap(), [(false, 1), (true, 2)]);
        for (list, rest) in [("A,", ""), ("A,x,S", "x,S"), ("!x,S", "x,S"), (",A", ",A"), ("!!A", "!A")] {
            let Err(Error::Parameter(text)) = read(list.as_bytes()) else { panic!("{list}") };
            assert_eq!(text, format!("Bad parameter `{rest}'"), "{list}");
        }
    }

    #[test]
    fn an_address_with_a_port_may_stand_in_brackets() {
        let read = |text: &str| address_and_port(text.as_bytes()).map(|(ip, port)| (ip.unwrap().to_string(), port));
        assert_eq!(read("[fe80::9]:7").unwrap(), ("fe80::9".into(), Some(7)));
        assert_eq!(read("fe80::9").unwrap(), ("fe80::9".into(), None));
        assert_eq!(read("1.1.1.1:00005").unwrap(), ("1.1.1.1".into(), Some(5)));
        for text in ["[fe80::9]", "[fe80::9]7", "[]:5", "[fe80::9", "1.1.1.1:+5", "1.1.1.1:", "1.1.1.1:65536", ":5", ""]
        {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
