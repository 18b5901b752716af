//! Whole numbers as the tools read them: `strtoul` with base 0, nothing after the digits.

/// A number in decimal, octal (`0…`) or hexadecimal (`0x…`), at most `max` and at least `min`; as `xtables_strtoul`.
///
/// Leading white space and a `+` are accepted as `strtoul` accepts them, a `-` is not, and the text must end with the digits.
pub fn parse(text: &str, min: u64, max: u64) -> Option<u64> {
    let (value, rest) = parse_prefix(text)?;
    (rest.is_empty() && (min..=max).contains(&value)).then_some(value)
}

/// The number at the start of `text`, and what follows it. `None` without digits, with a sign `-`, or past 64 bits.
pub fn parse_prefix(text: &str) -> Option<(u64, &str)> {
    let text = text.trim_start_matches([' ', '\t', '\n', '\x0b', '\x0c', '\r']);
    let text = text.strip_prefix('+').unwrap_or(text);
    let (digits, radix) = match text.as_bytes() {
        [b'0', b'x' | b'X', digit, ..] if digit.is_ascii_hexdigit() => (&text[2..], 16),
        [b'0', ..] => (text, 8),
        _ => (text, 10),
    };
    let end = digits.find(|c: char| !c.is_digit(radix)).unwrap_or(digits.len());
    if end == 0 {
        return None;
    }
    let value = u64::from_str_radix(&digits[..end], radix).ok()?;
    Some((value, &digits[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_base_comes_from_the_prefix() {
        assert_eq!(parse("10", 0, 255), Some(10));
        assert_eq!(parse("010", 0, 255), Some(8));
        assert_eq!(parse("0x10", 0, 255), Some(16));
        assert_eq!(parse("0", 0, 255), Some(0));
    }

    #[test]
    fn what_follows_the_digits_is_refused() {
        assert_eq!(parse("10a", 0, 255), None);
        assert_eq!(parse("0x", 0, 255), None);
        assert_eq!(parse("", 0, 255), None);
        assert_eq!(parse("-1", 0, 255), None);
        assert_eq!(parse("256", 0, 255), None);
    }
}
