//! Reading and writing numbers and words inside payload.

use std::fmt;

/// Text of a bounded length.
#[derive(Clone, Copy, Debug)]
pub(super) struct Text {
    room: [u8; 64],
    len: usize,
}

impl Default for Text {
    fn default() -> Self {
        Self { room: [0; 64], len: 0 }
    }
}

impl Text {
    pub(super) fn bytes(&self) -> &[u8] {
        self.room.get(..self.len).unwrap_or_default()
    }
}

impl fmt::Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = self.room.get_mut(self.len..self.len + text.len()).ok_or(fmt::Error)?;
        room.copy_from_slice(text.as_bytes());
        self.len += text.len();
        Ok(())
    }
}

/// The decimal number that a text begins with, 0 if there is none, and how many digits it has. One that is too large runs
/// over. As simple_strtoul().
pub(super) fn number(text: &[u8]) -> (u64, usize) {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let append = |number: u64, byte: &u8| number.wrapping_mul(10).wrapping_add(u64::from(byte - b'0'));
    (text.iter().take(digits).fold(0, append), digits)
}

/// Where some words begin in a text. As skb_find_text().
pub(super) fn find(text: &[u8], words: &[u8]) -> Option<usize> {
    text.windows(words.len()).position(|window| window == words)
}
