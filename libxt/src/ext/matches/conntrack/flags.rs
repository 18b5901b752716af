//! The sets of states and statuses that `conntrack` compares, with their names.

use std::fmt;

/// A set of states; bits as `XT_CONNTRACK_STATE_BIT` has them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct State(
    /// The bits.
    pub u16,
);

impl State {
    /// No connection could be found or made.
    pub const INVALID: Self = Self(1);
    /// A packet of a connection that has seen both directions.
    pub const ESTABLISHED: Self = Self(1 << 1);
    /// A new connection or an ICMP error that belongs to another.
    pub const RELATED: Self = Self(1 << 2);
    /// The first packets of a connection.
    pub const NEW: Self = Self(1 << 3);
    /// The source address is NATed.
    pub const SNAT: Self = Self(1 << 6);
    /// The destination address is NATed.
    pub const DNAT: Self = Self(1 << 7);
    /// Deliberately not tracked.
    pub const UNTRACKED: Self = Self(1 << 8);

    /// Whether the two sets meet.
    pub const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// A list with commas, beginnings of names in any case. The error is what the tools quote.
    pub(super) fn parse(text: &str) -> Result<Self, &str> {
        parse(text, &STATES).map(Self)
    }
}

/// In the order in which they print.
const STATES: [(&str, u16); 7] = [
    ("INVALID", State::INVALID.0),
    ("NEW", State::NEW.0),
    ("RELATED", State::RELATED.0),
    ("ESTABLISHED", State::ESTABLISHED.0),
    ("UNTRACKED", State::UNTRACKED.0),
    ("SNAT", State::SNAT.0),
    ("DNAT", State::DNAT.0),
];

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_names(f, self.0, &STATES).map(|_| ())
    }
}

/// A set of `IPS_*` bits of a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Status(
    /// The bits.
    pub u16,
);

impl Status {
    /// `IPS_EXPECTED`.
    pub const EXPECTED: Self = Self(1);
    /// `IPS_SEEN_REPLY`.
    pub const SEEN_REPLY: Self = Self(1 << 1);
    /// `IPS_ASSURED`.
    pub const ASSURED: Self = Self(1 << 2);
    /// `IPS_CONFIRMED`.
    pub const CONFIRMED: Self = Self(1 << 3);

    /// A list with commas, beginnings of names in any case. The error is what the tools quote.
    pub(super) fn parse(text: &str) -> Result<Self, &str> {
        parse(text, &STATUSES).map(Self)
    }
}

const STATUSES: [(&str, u16); 5] = [
    ("EXPECTED", Status::EXPECTED.0),
    ("SEEN_REPLY", Status::SEEN_REPLY.0),
    ("ASSURED", Status::ASSURED.0),
    ("CONFIRMED", Status::CONFIRMED.0),
    ("NONE", 0),
];

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if write_names(f, self.0, &STATUSES)? { Ok(()) } else { f.write_str("NONE") }
    }
}

/// The tools quote the rest of the list from the word that they do not know.
fn parse<'a>(text: &'a str, names: &[(&str, u16)]) -> Result<u16, &'a str> {
    let mut bits = 0;
    let mut rest = text;
    loop {
        let (word, after) = match rest.split_once(',') {
            Some((word, after)) if !word.is_empty() => (word, Some(after)),
            _ => (rest, None),
        };
        let begins = |name: &str| name.get(..word.len()).is_some_and(|head| head.eq_ignore_ascii_case(word));
        match names.iter().find(|(name, _)| !word.is_empty() && begins(name)) {
            Some((_, bit)) => bits |= bit,
            None => return Err(rest),
        }
        match after {
            Some(after) => rest = after,
            None => return Ok(bits),
        }
    }
}

/// Whether any name was written.
fn write_names(f: &mut fmt::Formatter<'_>, bits: u16, names: &[(&str, u16)]) -> Result<bool, fmt::Error> {
    let mut comma = "";
    for (name, bit) in names {
        if bits & bit != 0 {
            f.write_str(comma)?;
            f.write_str(name)?;
            comma = ",";
        }
    }
    Ok(!comma.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_in_any_order_and_print_in_one() {
        assert_eq!(State::parse("dnat,New").unwrap().to_string(), "NEW,DNAT");
        assert_eq!(State::parse("n,e,re,i").unwrap().to_string(), "INVALID,NEW,RELATED,ESTABLISHED");
        assert_eq!(Status::parse("NONE").unwrap().to_string(), "NONE");
    }

    #[test]
    fn empty_words_are_unknown() {
        assert_eq!(State::parse("NEW,"), Err(""));
        assert_eq!(State::parse(",NEW"), Err(",NEW"));
    }
}
