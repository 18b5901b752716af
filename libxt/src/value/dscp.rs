//! Differentiated services code points: six-bit numbers, and the class names of RFC 2474, 2597 and 3246.

/// The class names and their code points.
pub const CLASSES: &[(&str, u8)] = &[
    ("CS0", 0x00),
    ("CS1", 0x08),
    ("CS2", 0x10),
    ("CS3", 0x18),
    ("CS4", 0x20),
    ("CS5", 0x28),
    ("CS6", 0x30),
    ("CS7", 0x38),
    ("BE", 0x00),
    ("AF11", 0x0a),
    ("AF12", 0x0c),
    ("AF13", 0x0e),
    ("AF21", 0x12),
    ("AF22", 0x14),
    ("AF23", 0x16),
    ("AF31", 0x1a),
    ("AF32", 0x1c),
    ("AF33", 0x1e),
    ("AF41", 0x22),
    ("AF42", 0x24),
    ("AF43", 0x26),
    ("EF", 0x2e),
];

/// The highest code point.
pub const MAX: u8 = 0x3f;

/// The code point of a class name in any case, whatever follows it. The error is upstream's text.
pub fn parse_class(text: &str) -> Result<u8, String> {
    CLASSES
        .iter()
        .find(|(name, _)| text.get(..name.len()).is_some_and(|head| head.eq_ignore_ascii_case(name)))
        .map(|&(_, code_point)| code_point)
        .ok_or_else(|| format!("Invalid DSCP value `{text}'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn class_names_are_read_in_any_case() {
        assert_eq!(parse_class("ef"), Ok(46));
        assert_eq!(parse_class("Af43"), Ok(38));
        assert_eq!(parse_class("CS12"), Ok(8));
        assert_eq!(parse_class("LE"), Err("Invalid DSCP value `LE'".into()));
    }
}
