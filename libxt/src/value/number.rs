//! Whole numbers as the tools read them: `strtoul` with base 0, nothing after the digits.

use std::fmt;

/// A number in decimal, octal (`0…`) or hexadecimal (`0x…`), at most `max` and at least `min`; as `xtables_strtoul`.
///
/// Leading white space and a `+` are accepted as `strtoul` accepts them, a `-` is not, and the text must end with the digits.
pub fn parse(text: &str, min: u64, max: u64) -> Option<u64> {
    let (value, rest) = parse_prefix(text)?;
    (rest.is_empty() && (min..=max).contains(&value)).then_some(value)
}

/// The number at the start of `text`, and what follows it. `None` without digits, with a sign `-`, or past 64 bits.
pub fn parse_prefix(text: &str) -> Option<(u64, &str)> {
    let blanks = text.bytes().take_while(|byte| matches!(byte, b' ' | b'\t'..=b'\r')).count();
    let text = text.get(blanks..)?;
    let text = text.strip_prefix('+').unwrap_or(text);
    let (digits, radix) = match text.as_bytes() {
        [b'0', b'x' | b'X', digit, ..] if digit.is_ascii_hexdigit() => (&text[2..], 16),
        [b'0', ..] => (text, 8),
        _ => (text, 10),
    };
    let mut value = 0u64;
    let mut len = 0;
    while let Some(digit) = digits.as_bytes().get(len).and_then(|&byte| char::from(byte).to_digit(radix)) {
        value = value.checked_mul(radix.into())?.checked_add(digit.into())?;
        len += 1;
    }
    if len == 0 { None } else { Some((value, digits.get(len..)?)) }
}

/// Writes a number in decimal digits, as `{}` does and sooner.
pub fn write(w: &mut dyn fmt::Write, mut number: u64) -> fmt::Result {
    let mut digits = [0; 20];
    let mut start = digits.len();
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
        start -= 1;
        if number == 0 {
            break;
        }
    }
    w.write_str(std::str::from_utf8(&digits[start..]).map_err(|_| fmt::Error)?)
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
        assert_eq!(parse("08", 0, 255), None);
        assert_eq!(parse_prefix(" \u{b}+0x1g\u{e9}"), Some((1, "g\u{e9}")));
        assert_eq!(parse_prefix("18446744073709551615:"), Some((u64::MAX, ":")));
        assert_eq!(parse_prefix("18446744073709551616"), None);
        assert_eq!(parse("256", 0, 255), None);
    }

    #[test]
    fn a_number_is_written_as_display_writes_it() {
        for number in [0, 9, 10, 255, 65_535, u64::MAX] {
            let mut text = String::new();
            write(&mut text, number).unwrap();
            assert_eq!(text, number.to_string());
        }
    }
}
