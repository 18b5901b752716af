//! Protocol names and numbers, as `-p` and its like take them.

use std::sync::OnceLock;

use super::number;

/// The names the tools know themselves, before `/etc/protocols`; the first of a number is the one shown.
const BUILT_IN: [(&str, u8); 13] = [
    ("tcp", 6),
    ("sctp", 132),
    ("udp", 17),
    ("udplite", 136),
    ("icmp", 1),
    ("ipv6-icmp", 58),
    ("icmpv6", 58),
    ("esp", 50),
    ("ah", 51),
    ("mobility-header", 135),
    ("ipv6-mh", 135),
    ("mh", 135),
    ("all", 0),
];

/// A protocol by number from 0 to 255 or by name in any case, as `-p` reads it.
pub fn parse(text: &str) -> Option<u16> {
    parse_exact(&text.to_ascii_lowercase())
}

/// A protocol by number from 0 to 255 or by one of its names; as `xtables_parse_protocol`. Only `/etc/protocols` knows
/// numbers beyond a byte (`mptcp`).
pub fn parse_exact(text: &str) -> Option<u16> {
    if let Some(number) = number::parse(text, 0, u8::MAX.into()) {
        return u16::try_from(number).ok();
    }
    if let Some((_, number)) = BUILT_IN.iter().find(|(name, _)| *name == text) {
        return Some((*number).into());
    }
    file().iter().find(|(names, _)| names.iter().any(|name| name == text)).map(|&(_, number)| number)
}

/// The name shown for a number: a built-in one, else the first in `/etc/protocols`.
pub fn name(number: u16) -> Option<&'static str> {
    let in_file = || file().iter().find(|(_, own)| *own == number).and_then(|(names, _)| names.first());
    u8::try_from(number).ok().and_then(built_in_name).or_else(|| in_file().map(String::as_str))
}

/// The built-in name of a number: what `-L -n` shows, which looks no file up.
pub fn built_in_name(number: u8) -> Option<&'static str> {
    BUILT_IN.iter().find(|&&(_, own)| own == number).map(|&(name, _)| name)
}

/// What `xtables_parse_protocol` says of a name it does not know.
pub fn unknown(text: &str) -> String {
    format!("unknown protocol \"{text}\" specified")
}

fn file() -> &'static [(Vec<String>, u16)] {
    static FILE: OnceLock<Vec<(Vec<String>, u16)>> = OnceLock::new();
    FILE.get_or_init(|| {
        let file = std::fs::read("/etc/protocols").unwrap_or_default();
        String::from_utf8_lossy(&file).lines().filter_map(line).collect()
    })
}

/// `name number aliases… # comment`.
fn line(line: &str) -> Option<(Vec<String>, u16)> {
    let mut words = line.split('#').next()?.split_ascii_whitespace();
    let name = words.next()?;
    let number = words.next()?.parse().ok()?;
    Some((std::iter::once(name).chain(words).map(str::to_owned).collect(), number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_in_names_need_no_file() {
        assert_eq!(parse("TCP"), Some(6));
        assert_eq!(parse("ipv6-icmp"), Some(58));
        assert_eq!(parse("all"), Some(0));
        assert_eq!(parse("255"), Some(255));
        assert_eq!(parse("256"), None);
        assert_eq!(parse("no such protocol"), None);
    }

    #[test]
    fn a_line_gives_names_and_a_number() {
        assert_eq!(line("icmp\t1\tICMP\t# message"), Some((vec!["icmp".into(), "ICMP".into()], 1)));
        assert_eq!(line("# nothing"), None);
    }
}
