//! TCP flags by name.

use std::fmt;

/// Flags of a TCP header's 14th byte, FIN in bit 0; the tools name the lower six.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpFlags(pub u8);

const NAMES: [(&str, u8); 6] =
    [("FIN", 0x01), ("SYN", 0x02), ("RST", 0x04), ("PSH", 0x08), ("ACK", 0x10), ("URG", 0x20)];

impl TcpFlags {
    /// FIN, SYN, RST and ACK: the flags that `--syn` looks at.
    pub const SYN_MASK: Self = Self(0x17);
    /// SYN alone.
    pub const SYN: Self = Self(0x02);

    /// A list with commas, in any case, with `ALL` and `NONE`; empty words are skipped. The error is the unknown word.
    pub fn parse(text: &str) -> Result<Self, &str> {
        let mut flags = 0;
        for word in text.split(',').filter(|word| !word.is_empty()) {
            flags |= match NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(word)) {
                Some((_, bit)) => *bit,
                None if word.eq_ignore_ascii_case("ALL") => 0x3f,
                None if word.eq_ignore_ascii_case("NONE") => 0,
                None => return Err(word),
            };
        }
        Ok(Self(flags))
    }
}

impl fmt::Display for TcpFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut comma = "";
        for (name, bit) in NAMES {
            if self.0 & bit != 0 {
                write!(f, "{comma}{name}")?;
                comma = ",";
            }
        }
        if comma.is_empty() { f.write_str("NONE") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_in_any_case_and_order() {
        assert_eq!(TcpFlags::parse("urg,FIN"), Ok(TcpFlags(0x21)));
        assert_eq!(TcpFlags::parse("ALL"), Ok(TcpFlags(0x3f)));
        assert_eq!(TcpFlags::parse(""), Ok(TcpFlags(0)));
        assert_eq!(TcpFlags::parse("SYN,FOO"), Err("FOO"));
    }

    #[test]
    fn they_print_from_bit_zero_up() {
        assert_eq!(TcpFlags(0x12).to_string(), "SYN,ACK");
        assert_eq!(TcpFlags(0).to_string(), "NONE");
    }
}
