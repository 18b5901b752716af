//! Bytes that are not UTF-8, carried through `str` and given back unchanged.
//!
//! Arguments, restore files and the kernel's name fields are bytes; everything here reads them as text. A byte that is
//! no part of a character becomes a character of its own, from the end of the last private plane; [`bytes`] undoes it.
//! Text that really holds one of those characters is taken apart into its four bytes, so that nothing is ambiguous.

use std::borrow::Cow;
use std::io::{self, Write};

/// The text of some bytes.
pub fn text(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) if !has_stand_ins(bytes) => Cow::Borrowed(text),
        _ => {
            let mut text = String::with_capacity(bytes.len() * 2);
            for chunk in bytes.utf8_chunks() {
                for character in chunk.valid().chars() {
                    if byte_of(character).is_some() {
                        let mut encoded = [0; 4];
                        text.extend(character.encode_utf8(&mut encoded).bytes().map(stand_in));
                    } else {
                        text.push(character);
                    }
                }
                text.extend(chunk.invalid().iter().copied().map(stand_in));
            }
            Cow::Owned(text)
        }
    }
}

/// The bytes that a text came from.
pub fn bytes(text: &str) -> Cow<'_, [u8]> {
    if !has_stand_ins(text.as_bytes()) {
        return Cow::Borrowed(text.as_bytes());
    }
    let mut bytes = Vec::with_capacity(text.len());
    for character in text.chars() {
        match byte_of(character) {
            Some(byte) => bytes.push(byte),
            None => bytes.extend(character.encode_utf8(&mut [0; 4]).bytes()),
        }
    }
    Cow::Owned(bytes)
}

/// How many bytes a text came from.
pub fn len(text: &str) -> usize {
    bytes(text).len()
}

/// How many bytes a character came from.
pub fn char_len(character: char) -> usize {
    if byte_of(character).is_some() { 1 } else { character.len_utf8() }
}

/// An output that gives the bytes back. Every `write` must be of whole characters, as formatting does it.
#[derive(Debug)]
pub struct Raw<W>(pub W);

impl<W: Write> Write for Raw<W> {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        match has_stand_ins(text).then(|| std::str::from_utf8(text)) {
            Some(Ok(written)) => self.0.write_all(&bytes(written))?,
            _ => self.0.write_all(text)?,
        }
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Whether there may be stand-ins: all begin with these two bytes.
fn has_stand_ins(bytes: &[u8]) -> bool {
    bytes.contains(&0xf4) && bytes.windows(2).any(|pair| pair == [0xf4, 0x8f])
}

fn stand_in(byte: u8) -> char {
    char::from_u32(FIRST + u32::from(byte)).unwrap_or(char::REPLACEMENT_CHARACTER)
}

fn byte_of(character: char) -> Option<u8> {
    u8::try_from(u32::from(character).checked_sub(FIRST)?).ok()
}

/// What stands for byte 0; only those from 0x80 are used.
const FIRST: u32 = 0x10_ff00;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_bytes_come_back_as_they_were() {
        for raw in [
            &b"plain"[..],
            b"caf\xe9",
            "caf\u{e9}".as_bytes(),
            b"\xff\xfe\x80",
            b"\xf4\x8f\xbf\xbf",
            b"\xf4\x8f\xbc\x80 \xf4\x8f \xf4",
            b"\xe2\x82",
            b"",
        ] {
            let carried = text(raw);
            assert_eq!(&*bytes(&carried), raw);
            assert_eq!(len(&carried), raw.len());
            assert_eq!(carried.chars().map(char_len).sum::<usize>(), raw.len());
            let mut out = Raw(Vec::new());
            write!(out, "<{carried}>").unwrap();
            assert_eq!(out.0, [b"<", raw, b">"].concat());
        }
    }

    #[test]
    fn every_single_byte_and_pair_survives() {
        for first in 0..=u8::MAX {
            for second in 0..=u8::MAX {
                assert_eq!(&*bytes(&text(&[first, second])), [first, second]);
            }
        }
    }

    #[test]
    fn text_is_left_alone() {
        assert!(matches!(text("ä\u{10fe00}".as_bytes()), Cow::Owned(same) if same == "ä\u{10fe00}"));
        assert!(matches!(text("äöü".as_bytes()), Cow::Borrowed("äöü")));
        assert!(matches!(bytes("äöü"), Cow::Borrowed(_)));
    }
}
