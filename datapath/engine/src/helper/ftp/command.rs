//! The four commands and answers of FTP that name an address: PORT, EPRT, 227, 229.

use std::fmt::Write;

use libxt::family::Af;

use super::super::text::Text;
use super::is_question;
use crate::conntrack::{Address, Direction, Tuple};

/// What a line's beginning says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing about addresses.
    Nothing,
    /// The beginning of a command, or one that makes no sense: what follows decides, and nobody would look at it.
    Part,
    /// A command.
    Command(Named),
}

/// A place that a command names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) kind: Kind,
    /// Where in the payload it stands, and how long it is.
    pub(super) at: usize,
    pub(super) length: usize,
    address: Address,
    pub(super) port: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Port,
    Eprt,
    Pasv,
    Epsv,
}

/// How a command looks: what it starts with, and behind which byte its place stands.
struct Pattern {
    kind: Kind,
    start: &'static [u8],
    skip: Option<u8>,
}

/// As `search[]`.
const QUESTIONS: [Pattern; 2] = [
    Pattern { kind: Kind::Port, start: b"PORT", skip: Some(b' ') },
    Pattern { kind: Kind::Eprt, start: b"EPRT", skip: Some(b' ') },
];
const ANSWERS: [Pattern; 2] = [
    Pattern { kind: Kind::Pasv, start: b"227 ", skip: None },
    Pattern { kind: Kind::Epsv, start: b"229 ", skip: Some(b'(') },
];

/// The command at the start of a line of a sender with this tuple, whose address EPSV leaves out.
pub(super) fn find(line: &[u8], direction: Direction, own: &Tuple) -> Found {
    let patterns = if is_question(direction) { &QUESTIONS } else { &ANSWERS };
    for pattern in patterns {
        match pattern.find(line, own) {
            Found::Nothing => {}
            found => return found,
        }
    }
    Found::Nothing
}

impl Pattern {
    /// As find_pattern().
    fn find(&self, line: &[u8], own: &Tuple) -> Found {
        if line.len() <= self.start.len() {
            let begins = !line.is_empty() && self.start.get(..line.len()).is_some_and(|s| s.eq_ignore_ascii_case(line));
            return if begins { Found::Part } else { Found::Nothing };
        }
        let (start, rest) = line.split_at(self.start.len());
        if !start.eq_ignore_ascii_case(self.start) {
            return Found::Nothing;
        }
        let skipped = match self.skip {
            // Its last byte cannot be it: nothing would follow.
            Some(skip) => match rest[..rest.len() - 1].iter().position(|&byte| byte == skip) {
                Some(at) => at + 1,
                None => return Found::Part,
            },
            None => 0,
        };
        let at = self.start.len() + skipped;
        match self.kind.read(&line[at..], own) {
            Some((before, length, address, port)) => {
                Found::Command(Named { kind: self.kind, at: at + before, length, address, port })
            }
            None => Found::Part,
        }
    }
}

impl Named {
    /// The address, of the same family, if it is another than the sender's own.
    pub(super) fn elsewhere(&self, own: &Tuple) -> Option<Address> {
        (self.address != own.source).then_some(self.address)
    }
}

impl Kind {
    /// How many bytes stand before the place, how many it takes, and what it is.
    fn read(self, text: &[u8], own: &Tuple) -> Option<(usize, usize, Address, u16)> {
        match self {
            Self::Port => host_port(text, Some(b'\r')).map(|(length, address, port)| (0, length, address, port)),
            Self::Pasv => {
                // RFC 1123: the brackets may be missing.
                let before = text.iter().position(u8::is_ascii_digit)?;
                host_port(&text[before..], None).map(|(length, address, port)| (before, length, address, port))
            }
            Self::Eprt => {
                let (delimiter, &[_, family, closed, ..]) = (delimiter(text)?, text) else { return None };
                let known = if own.af == Af::V4 { b'1' } else { b'2' };
                if closed != delimiter || family != known {
                    return None;
                }
                let (length, address) = match own.af {
                    Af::V4 => {
                        let (length, numbers) = numbers::<4>(&text[3..], b'.', Some(delimiter))?;
                        (length, v4(numbers))
                    }
                    Af::V6 => v6(&text[3..], delimiter)?,
                };
                let (end, port) = port(text, 3 + length + 1, delimiter)?;
                Some((0, end, address, port))
            }
            Self::Epsv => {
                let delimiter = delimiter(text)?;
                if text.get(1..3) != Some(&[delimiter; 2]) {
                    return None;
                }
                let (end, port) = port(text, 3, delimiter)?;
                Some((0, end, own.source, port))
            }
        }
    }

    /// The place in its words. As nf_nat_ftp_fmt_cmd().
    pub(super) fn write(self, af: Af, address: Address, port: u16, text: &mut Text) {
        let [a, b, c, d] = *address.0.first_chunk().unwrap_or(&[0; 4]);
        let _ = match (self, af) {
            (Self::Port | Self::Pasv, _) => write!(text, "{a},{b},{c},{d},{},{}", port >> 8, port & 0xff),
            (Self::Eprt, Af::V4) => write!(text, "|1|{a}.{b}.{c}.{d}|{port}|"),
            (Self::Eprt, Af::V6) => {
                let _ = write!(text, "|2|");
                for (at, [high, low]) in address.0.as_chunks::<2>().0.iter().enumerate() {
                    let _ = write!(text, "{}{high:02x}{low:02x}", if at == 0 { "" } else { ":" });
                }
                write!(text, "|{port}|")
            }
            (Self::Epsv, _) => write!(text, "|||{port}|"),
        };
    }
}

/// Six numbers. As try_rfc959(): those that are no bytes run over into each other.
fn host_port(text: &[u8], end: Option<u8>) -> Option<(usize, Address, u16)> {
    let (length, [a, b, c, d, high, low]) = numbers::<6>(text, b',', end)?;
    Some((length, v4([a, b, c, d]), (high << 8 | low) as u16))
}

fn v4([a, b, c, d]: [u32; 4]) -> Address {
    let mut address = Address::default();
    address.0[..4].copy_from_slice(&(a << 24 | b << 16 | c << 8 | d).to_be_bytes());
    address
}

/// An IPv6 address up to the delimiter, and how long it is. As get_ipv6_addr().
fn v6(text: &[u8], delimiter: u8) -> Option<(usize, Address)> {
    const LONGEST: usize = 45;
    let length = text.iter().take(LONGEST + 1).position(|&byte| byte == delimiter)?;
    let address: std::net::Ipv6Addr = std::str::from_utf8(&text[..length]).ok()?.parse().ok()?;
    Some((length, Address(address.octets())))
}

/// `N` numbers between separators, and how long they are; behind them stands the end or, if none is asked for, anything that
/// is neither digit nor separator. As try_number().
fn numbers<const N: usize>(text: &[u8], separator: u8, end: Option<u8>) -> Option<(usize, [u32; N])> {
    let mut all = [0_u32; N];
    let mut at = 0;
    for (length, &byte) in text.iter().enumerate() {
        match byte {
            b'0'..=b'9' => {
                let number = all.get_mut(at)?;
                *number = number.wrapping_mul(10).wrapping_add(u32::from(byte - b'0'));
            }
            _ if byte == separator => at += 1,
            _ => return (end.is_none_or(|end| byte == end) && at == N - 1).then_some((length, all)),
        }
        if at == N {
            return None;
        }
    }
    None
}

/// The byte that stands between the parts of EPRT and EPSV.
fn delimiter(text: &[u8]) -> Option<u8> {
    let &[delimiter, _, _, _, ..] = text else { return None };
    ((33..=126).contains(&delimiter) && !delimiter.is_ascii_digit()).then_some(delimiter)
}

/// A port from `start` on up to the delimiter, and where it ends behind that. As get_port().
fn port(text: &[u8], start: usize, delimiter: u8) -> Option<(usize, u16)> {
    let mut port = 0_u16;
    for (at, &byte) in text.iter().enumerate().skip(start) {
        match byte {
            _ if byte == delimiter => return (port != 0).then_some((at + 1, port)),
            b'0'..=b'9' => port = port.wrapping_mul(10).wrapping_add(u16::from(byte - b'0')),
            _ => return None,
        }
    }
    None
}
