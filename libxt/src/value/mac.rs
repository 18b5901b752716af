//! Ethernet addresses.

use std::fmt;

/// An Ethernet address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mac(
    /// The bytes as they travel.
    pub [u8; 6],
);

impl Mac {
    /// Six hexadecimal numbers with colons between them, each of at most two characters as `strtoul` takes them: a digit may be
    /// left out, and both; a space or a sign may stand in its place.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 6];
        let mut parts = text.split(':');
        for byte in &mut bytes {
            *byte = read(parts.next()?.as_bytes())?;
        }
        parts.next().is_none().then_some(Self(bytes))
    }
}

fn read(part: &[u8]) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    match *part {
        [] => Some(0),
        [low] => digit(low),
        [b' ' | 9..=13 | b'+', low] => digit(low),
        [b'-', low] => digit(low).map(u8::wrapping_neg),
        [high, low] => Some(digit(high)? << 4 | digit(low)?),
        _ => None,
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_parts_are_read_and_printed_in_full() {
        assert_eq!(Mac::parse("42:1:2:3:4:A").map(|mac| mac.to_string()), Some("42:01:02:03:04:0a".into()));
        assert_eq!(Mac::parse("42:1:2:3:4"), None);
        assert_eq!(Mac::parse("142:1:2:3:4:5"), None);
        assert_eq!(Mac::parse("1:2:3:4:5:6:7"), None);
        assert_eq!(Mac::parse(""), None);
    }

    #[test]
    fn parts_are_what_strtoul_takes_of_two_characters() {
        for (text, bytes) in [("2:1:2:3:4:-5", 0xfb), ("2:1:2:3:4:", 0), ("2:1:2:3:4:\t5", 5), ("2:1:2:3:4:+f", 15)] {
            assert_eq!(Mac::parse(text), Some(Mac([2, 1, 2, 3, 4, bytes])), "{text}");
        }
        for text in ["2:1:2:3:4:005", "2:1:2:3:4:5 ", "2:1:2:3:4:+", "2:1:2:3:4:0x", "2:1:2:3:4:++"] {
            assert_eq!(Mac::parse(text), None, "{text}");
        }
    }
}
