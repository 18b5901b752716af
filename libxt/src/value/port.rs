//! Port ranges, as the transport matches compare and print them.

use std::fmt;

use super::{number, service};

/// Ports `min` to `max`, both included; empty if `min` is above `max`, which the `udp` match accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ports {
    /// The first.
    pub min: u16,
    /// The last.
    pub max: u16,
}

impl Ports {
    /// Every port.
    pub const ALL: Self = Self { min: 0, max: u16::MAX };

    /// Whether `port` is among them.
    pub const fn contain(self, port: u16) -> bool {
        self.min <= port && port <= self.max
    }

    /// Writes `min` alone, or `min:max`.
    pub fn save(self, w: &mut dyn fmt::Write) -> fmt::Result {
        number::write(w, self.min.into())?;
        if self.min != self.max {
            w.write_str(":")?;
            number::write(w, self.max.into())?;
        }
        Ok(())
    }

    /// How a listing shows them: `spt:22` or `spts:!1:1024`; with `protocol`, known ports by name.
    pub fn listed(self, w: &mut dyn fmt::Write, label: &str, inverted: bool, protocol: Option<&str>) -> fmt::Result {
        let not = if inverted { "!" } else { "" };
        let min = Shown { port: self.min, protocol };
        if self.min == self.max {
            write!(w, " {label}:{not}{min}")
        } else {
            write!(w, " {label}s:{not}{min}:{}", Shown { port: self.max, protocol })
        }
    }
}

impl Default for Ports {
    fn default() -> Self {
        Self::ALL
    }
}

/// As [`Ports::save`].
impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.save(f)
    }
}

/// A port by its name in a protocol, or by number where it has none or no protocol is given.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a> {
    /// The port.
    pub port: u16,
    /// The protocol's name, or `None` for numbers (`-n`).
    pub protocol: Option<&'a str>,
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.protocol.and_then(|protocol| service::name(self.port, protocol)) {
            Some(name) => f.write_str(name),
            None => write!(f, "{}", self.port),
        }
    }
}

/// A port by number or by its name in `protocol`; as `xtables_parse_port`.
pub fn parse(text: &str, protocol: &str) -> Option<u16> {
    number::parse(text, 0, u16::MAX.into())
        .and_then(|port| u16::try_from(port).ok())
        .or_else(|| service::port(text, Some(protocol)))
}

/// What `xtables_parse_port` says of a port it cannot read.
pub fn invalid(text: &str) -> String {
    format!("invalid port/service `{text}' specified")
}

/// A port as `getaddrinfo` reads a service: decimal digits modulo 2^16 unless they make a negative `int`, else a name in
/// any protocol.
pub fn parse_any(text: &str) -> Option<u16> {
    if text.is_empty() {
        return Some(0);
    }
    let digits = text.trim_start_matches([' ', '\t', '\n', '\x0b', '\x0c', '\r']);
    let (digits, negative) = match digits.strip_prefix('-') {
        Some(digits) => (digits, true),
        None => (digits.strip_prefix('+').unwrap_or(digits), false),
    };
    if digits.is_empty() {
        return None;
    }
    if digits.bytes().all(|byte| byte.is_ascii_digit()) {
        let number = digits.parse::<u64>().ok();
        let number = number.map_or(u64::MAX, |number| if negative { number.wrapping_neg() } else { number });
        return (number as i32 >= 0).then_some(number as u16);
    }
    ["tcp", "udp", "dccp", "udplite", "sctp"].iter().find_map(|protocol| service::port(text, Some(protocol)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_port_prints_alone() {
        assert_eq!(Ports { min: 5, max: 5 }.to_string(), "5");
        assert_eq!(Ports { min: 5, max: 6 }.to_string(), "5:6");
    }

    #[test]
    fn getaddrinfo_wraps_large_ports_and_knows_no_hexadecimal() {
        assert_eq!(parse_any("65536"), Some(0));
        assert_eq!(parse_any("010"), Some(10));
        assert_eq!(parse_any(""), Some(0));
        assert_eq!(parse_any("0x10"), None);
        assert_eq!(parse_any("-1"), None);
        assert_eq!(parse_any("-0"), Some(0));
        assert_eq!(parse_any("-4294967000"), Some(296));
        assert_eq!(parse_any("-18446744073709551616"), None);
    }

    #[test]
    fn an_empty_range_contains_nothing() {
        assert!(!Ports { min: 2, max: 1 }.contain(1));
        assert!(Ports::ALL.contain(0));
    }
}
