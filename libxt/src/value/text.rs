//! Strings in fixed fields of the uAPI structs, and how `-S` quotes them.

use std::borrow::Cow;
use std::fmt;

use crate::octets;

/// A NUL-terminated string in `N` bytes. Bytes behind the NUL are kept, so that what was decoded is encoded again.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Text<const N: usize>(pub [u8; N]);

impl<const N: usize> Text<N> {
    /// As much of `text` as leaves room for the NUL, as `strncpy` cuts it.
    pub fn cut(text: &str) -> Self {
        let mut bytes = [0; N];
        for (to, from) in bytes.iter_mut().take(N.saturating_sub(1)).zip(octets::bytes(text).iter()) {
            *to = *from;
        }
        Self(bytes)
    }

    /// The bytes before the NUL.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.split(|byte| *byte == 0).next().unwrap_or(&[])
    }

    /// The text; bytes that are not UTF-8 as [`octets`] carries them.
    pub fn to_str(&self) -> Cow<'_, str> {
        octets::text(self.as_bytes())
    }

    /// Whether there is no character.
    pub fn is_empty(&self) -> bool {
        self.as_bytes().is_empty()
    }
}

impl<const N: usize> Default for Text<N> {
    fn default() -> Self {
        Self([0; N])
    }
}

impl<const N: usize> fmt::Debug for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.to_str(), f)
    }
}

impl<const N: usize> fmt::Display for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_str())
    }
}

/// A string as `xtables_save_string` prints it: plain if every character is harmless, else in double quotes.
#[derive(Clone, Copy, Debug)]
pub struct Quoted<'a>(pub &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let harmless = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        if !self.0.is_empty() && self.0.bytes().all(harmless) {
            return f.write_str(self.0);
        }
        f.write_str("\"")?;
        let mut rest = self.0;
        while let Some(at) = rest.bytes().position(|byte| matches!(byte, b'"' | b'\\' | b'\'')) {
            let (plain, special) = rest.split_at(at);
            let (special, after) = special.split_at(1);
            for piece in [plain, "\\", special] {
                f.write_str(piece)?;
            }
            rest = after;
        }
        f.write_str(rest)?;
        f.write_str("\"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_before_the_terminator() {
        assert_eq!(Text::<4>::cut("abcdef").as_bytes(), b"abc");
        assert_eq!(Text::<0>::cut("abc").as_bytes(), b"");
    }

    #[test]
    fn only_harmless_characters_stand_without_quotes() {
        assert_eq!(Quoted("a-b_1").to_string(), "a-b_1");
        assert_eq!(Quoted("").to_string(), "\"\"");
        assert_eq!(Quoted("it's").to_string(), "\"it\\'s\"");
        assert_eq!(Quoted("a:b").to_string(), "\"a:b\"");
        assert_eq!(Quoted("\"\u{e9}\\").to_string(), "\"\\\"\u{e9}\\\\\"");
    }
}
