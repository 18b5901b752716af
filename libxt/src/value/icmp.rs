//! ICMP and ICMPv6 types and codes, by number and by name.

use std::fmt;

use super::number;

/// A type and the codes of it that are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Icmp {
    /// The type; 255 in ICMPv4 means any type.
    pub kind: u8,
    /// The first code.
    pub code_min: u8,
    /// The last code.
    pub code_max: u8,
}

/// A name of a type, or of a type with a code.
#[derive(Clone, Copy, Debug)]
pub struct Name {
    /// As typed and listed.
    pub name: &'static str,
    /// What it means.
    pub means: Icmp,
}

/// The names of one protocol, and what the protocol is called in messages.
#[derive(Clone, Copy, Debug)]
pub struct Names {
    /// `ICMP` or `ICMPv6`.
    pub protocol: &'static str,
    /// In the order in which prefixes are tried.
    pub names: &'static [Name],
}

impl Icmp {
    /// Every code of a type.
    pub const fn of(kind: u8) -> Self {
        Self { kind, code_min: 0, code_max: u8::MAX }
    }

    /// One code of a type.
    pub const fn code(kind: u8, code: u8) -> Self {
        Self { kind, code_min: code, code_max: code }
    }

    /// Whether every code is meant.
    pub const fn any_code(self) -> bool {
        self.code_min == 0 && self.code_max == u8::MAX
    }
}

impl Names {
    /// A name, any unambiguous beginning of one in any case, `type`, `type/code` or `type/code:code`. The error is the
    /// tools' text.
    pub fn parse(&self, text: &str) -> Result<Icmp, String> {
        let starts = |name: &Name| name.name.get(..text.len()).is_some_and(|head| head.eq_ignore_ascii_case(text));
        let mut found = self.names.iter().filter(|name| starts(name));
        let protocol = self.protocol;
        match (found.next(), found.next()) {
            (Some(one), None) => return Ok(one.means),
            (Some(one), Some(two)) => {
                return Err(format!("Ambiguous {protocol} type `{text}': `{}' or `{}'?", one.name, two.name));
            }
            (None, _) => {}
        }
        let unknown = |part: &str| format!("Unknown {protocol} {part} `{text}'");
        let (first, last, rest) = range(text).ok_or_else(|| unknown("type"))?;
        let (codes, rest) = match rest.strip_prefix('/') {
            Some(codes) => {
                let (min, max, rest) = range(codes).ok_or_else(|| unknown("code"))?;
                ((min, max), rest)
            }
            None => ((0, u8::MAX), rest),
        };
        if let Some(other) = rest.chars().next() {
            return Err(format!("unknown character {other}"));
        }
        if first != last {
            return Err(format!("{protocol} type range not supported"));
        }
        Ok(Icmp { kind: first, code_min: codes.0, code_max: codes.1 })
    }

    /// The first name that means exactly this.
    pub fn name(&self, icmp: Icmp) -> Option<&'static str> {
        self.names.iter().find(|name| name.means == icmp).map(|name| name.name)
    }

    /// How a listing shows a type: its name, or `type 3 code 1` where it has none or numbers are wanted.
    pub fn listed(&self, w: &mut dyn fmt::Write, icmp: Icmp, inverted: bool, numeric: bool) -> fmt::Result {
        if !numeric && let Some(name) = self.name(icmp) {
            return write!(w, " {}{name}", if inverted { "!" } else { "" });
        }
        write!(w, "{}type {}", if inverted { " !" } else { "" }, icmp.kind)?;
        match icmp {
            _ if icmp.any_code() => Ok(()),
            Icmp { code_min, code_max, .. } if code_min == code_max => write!(w, " code {code_min}"),
            Icmp { code_min, code_max, .. } => write!(w, " codes {code_min}-{code_max}"),
        }
    }
}

/// `number` or `number:number`, and what follows.
fn range(text: &str) -> Option<(u8, u8, &str)> {
    let (first, rest) = byte(text)?;
    match rest.strip_prefix(':') {
        Some(last) => byte(last).map(|(last, rest)| (first, last, rest)),
        None => Some((first, first, rest)),
    }
}

fn byte(text: &str) -> Option<(u8, &str)> {
    let (value, rest) = number::parse_prefix(text)?;
    Some((u8::try_from(value).ok()?, rest))
}

const fn of(name: &'static str, kind: u8) -> Name {
    Name { name, means: Icmp::of(kind) }
}

const fn code(name: &'static str, kind: u8, code: u8) -> Name {
    Name { name, means: Icmp::code(kind, code) }
}

/// ICMP (RFC 792, 950, 1122, 1256, 1812).
pub const V4: Names = Names {
    protocol: "ICMP",
    names: &[
        of("any", 255),
        of("echo-reply", 0),
        of("pong", 0),
        of("destination-unreachable", 3),
        code("network-unreachable", 3, 0),
        code("host-unreachable", 3, 1),
        code("protocol-unreachable", 3, 2),
        code("port-unreachable", 3, 3),
        code("fragmentation-needed", 3, 4),
        code("source-route-failed", 3, 5),
        code("network-unknown", 3, 6),
        code("host-unknown", 3, 7),
        code("network-prohibited", 3, 9),
        code("host-prohibited", 3, 10),
        code("TOS-network-unreachable", 3, 11),
        code("TOS-host-unreachable", 3, 12),
        code("communication-prohibited", 3, 13),
        code("host-precedence-violation", 3, 14),
        code("precedence-cutoff", 3, 15),
        of("source-quench", 4),
        of("redirect", 5),
        code("network-redirect", 5, 0),
        code("host-redirect", 5, 1),
        code("TOS-network-redirect", 5, 2),
        code("TOS-host-redirect", 5, 3),
        of("echo-request", 8),
        of("ping", 8),
        of("router-advertisement", 9),
        of("router-solicitation", 10),
        of("time-exceeded", 11),
        of("ttl-exceeded", 11),
        code("ttl-zero-during-transit", 11, 0),
        code("ttl-zero-during-reassembly", 11, 1),
        of("parameter-problem", 12),
        code("ip-header-bad", 12, 0),
        code("required-option-missing", 12, 1),
        of("timestamp-request", 13),
        of("timestamp-reply", 14),
        of("address-mask-request", 17),
        of("address-mask-reply", 18),
    ],
};

/// ICMPv6 (RFC 4443, 4861).
pub const V6: Names = Names {
    protocol: "ICMPv6",
    names: &[
        of("destination-unreachable", 1),
        code("no-route", 1, 0),
        code("communication-prohibited", 1, 1),
        code("beyond-scope", 1, 2),
        code("address-unreachable", 1, 3),
        code("port-unreachable", 1, 4),
        code("failed-policy", 1, 5),
        code("reject-route", 1, 6),
        of("packet-too-big", 2),
        of("time-exceeded", 3),
        of("ttl-exceeded", 3),
        code("ttl-zero-during-transit", 3, 0),
        code("ttl-zero-during-reassembly", 3, 1),
        of("parameter-problem", 4),
        code("bad-header", 4, 0),
        code("unknown-header-type", 4, 1),
        code("unknown-option", 4, 2),
        of("echo-request", 128),
        of("ping", 128),
        of("echo-reply", 129),
        of("pong", 129),
        of("router-solicitation", 133),
        of("router-advertisement", 134),
        of("neighbour-solicitation", 135),
        of("neighbor-solicitation", 135),
        of("neighbour-advertisement", 136),
        of("neighbor-advertisement", 136),
        of("redirect", 137),
    ],
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beginning_of_one_name_is_enough() {
        assert_eq!(V4.parse("port-unreach"), Ok(Icmp::code(3, 3)));
        assert_eq!(V4.parse("PONG"), Ok(Icmp::of(0)));
        assert_eq!(V4.parse("echo"), Err("Ambiguous ICMP type `echo': `echo-reply' or `echo-request'?".to_owned()));
    }

    #[test]
    fn numbers_may_name_a_code_or_a_range_of_codes() {
        assert_eq!(V6.parse("1/7"), Ok(Icmp::code(1, 7)));
        assert_eq!(V4.parse("3/1:4"), Ok(Icmp { kind: 3, code_min: 1, code_max: 4 }));
        assert_eq!(V4.parse("256"), Err("Unknown ICMP type `256'".to_owned()));
        assert_eq!(V4.parse("3-4"), Err("unknown character -".to_owned()));
    }
}
