//! Ethernet addresses.

use std::fmt;

/// An Ethernet address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mac(
    /// The bytes as they travel.
    pub [u8; 6],
);

impl Mac {
    /// Six hexadecimal numbers with colons between them; a digit may be left out.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 6];
        let mut parts = text.split(':');
        for byte in &mut bytes {
            let part = parts.next()?;
            *byte = u8::from_str_radix(part, 16).ok().filter(|_| !part.starts_with('+'))?;
        }
        parts.next().is_none().then_some(Self(bytes))
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
}
