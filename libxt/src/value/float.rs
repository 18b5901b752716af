//! Numbers with a fraction as the tools read them: `strtod`, which takes `1e3`, `0x1p4`, `inf` and `nan`, too.
#![allow(unsafe_code)]

use std::ffi::{CString, c_char};

/// The number at the start of `text`, and what follows it; `None` if there is none.
pub fn parse_prefix(text: &str) -> Option<(f64, &str)> {
    let bytes = text.split('\0').next()?;
    let c_text = CString::new(bytes).ok()?;
    let start = c_text.as_ptr();
    let mut end: *mut c_char = std::ptr::null_mut();
    // SAFETY: `start` is a live string with its terminator, and `end` a place for one pointer.
    let number = unsafe { libc::strtod(start, &raw mut end) };
    let len = end.addr().checked_sub(start.addr()).filter(|len| *len > 0)?;
    Some((number, text.get(len..)?))
}

/// The low 32 bits of the whole number below, as the tools' C compiler converts: 0 for what fits no 64 bits.
pub const fn low_word(number: f64) -> u32 {
    if number.abs() < 9.2e18 { number as i64 as u32 } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_ends_where_strtod_ends_it() {
        assert_eq!(parse_prefix("1.5kbit"), Some((1.5, "kbit")));
        assert_eq!(parse_prefix(" +1e3bit"), Some((1000.0, "bit")));
        assert_eq!(parse_prefix("0x10"), Some((16.0, "")));
        assert_eq!(parse_prefix("1exa"), Some((1.0, "exa")));
        assert_eq!(parse_prefix("bit"), None);
        assert_eq!(parse_prefix(""), None);
    }

    #[test]
    fn what_is_too_large_wraps() {
        assert_eq!(low_word(5e9), 705_032_704);
        assert_eq!(low_word(f64::INFINITY), 0);
        assert_eq!(low_word(f64::NAN), 0);
        assert_eq!(low_word(-1.0), u32::MAX);
    }
}
