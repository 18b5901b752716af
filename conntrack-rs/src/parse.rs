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

/// An address with an optional prefix length: the address and, if there was a length, its mask.
pub(crate) fn network(bytes: &[u8]) -> Result<(IpAddr, Option<IpAddr>), Error> {
    if bytes.first() == Some(&b'/') {
        return Ok((address(bytes)?, None));
    }
    let mut parts = bytes.splitn(2, |&byte| byte == b'/');
    let ip = address(parts.next().unwrap_or_default())?;
    let Some(length) = parts.next() else { return Ok((ip, None)) };
    let invalid = || Error::Parameter("Invalid netmask".into());
    let length = match text(length).trim_start() {
        "" => 0,
        digits => digits.parse::<u32>().map_err(|_| invalid())?,
    };
    let mask = match ip {
        IpAddr::V4(_) if length <= 32 => {
            IpAddr::V4(Ipv4Addr::from_bits(u32::MAX.checked_shl(32 - length).unwrap_or(0)))
        }
        IpAddr::V6(_) if length <= 128 => {
            IpAddr::V6(Ipv6Addr::from_bits(u128::MAX.checked_shl(128 - length).unwrap_or(0)))
        }
        _ => return Err(invalid()),
    };
    Ok((ip, Some(mask)))
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
    let (ip, port) = match bytes {
        [b'[', rest @ ..] if rest.contains(&b']') => {
            let end = rest.iter().position(|&byte| byte == b']').unwrap_or(0);
            let behind = rest.get(end + 1..).unwrap_or_default();
            (rest.get(..end).unwrap_or_default(), behind.strip_prefix(b":"))
        }
        _ if bytes.iter().filter(|&&byte| byte == b':').count() == 1 => {
            let mut parts = bytes.splitn(2, |&byte| byte == b':');
            (parts.next().unwrap_or_default(), parts.next())
        }
        _ => (bytes, None),
    };
    let port = match port {
        None => None,
        Some([]) => return Err(Error::Parameter("No port specified after `:'".into())),
        Some(digits) => {
            let invalid = || Error::Parameter(format!("Invalid port `{}'", text(digits)));
            Some(u16::try_from(atol(digits)).map_err(|_| invalid())?)
        }
    };
    Ok((Some(address(ip)?), port))
}

/// Each word of a comma-separated list, as the one of `names` that it begins, in any case.
pub(crate) fn words<T: Copy>(bytes: &[u8], names: &[(&str, T)]) -> Result<Vec<(bool, T)>, Error> {
    let list = text(bytes);
    list.split(',')
        .map(|word| {
            let (negated, name) = word.strip_prefix('!').map_or((false, word), |name| (true, name));
            let begins = |full: &str| {
                !name.is_empty() && full.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name))
            };
            let found = names.iter().find(|(full, _)| begins(full)).map(|&(_, value)| (negated, value));
            found.ok_or_else(|| Error::Parameter(format!("Bad parameter `{name}'")))
        })
        .collect()
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
        assert_eq!(network(b"1.1.1.1/24").unwrap().1.unwrap().to_string(), "255.255.255.0");
        assert_eq!(network(b"::/0").unwrap().1.unwrap().to_string(), "::");
        assert!(network(b"1.1.1.1/33").is_err() && network(b"1.1.1.1/x").is_err());
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
        assert_eq!(words(b"assu,!S", &names).unwrap(), [(false, 1), (true, 2)]);
        assert!(words(b"ASSURED,", &names).is_err());
    }
}
