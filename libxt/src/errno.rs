//! The C library's words for an errno, which upstream's messages end with.

use std::io;

/// As strerror() of a failed call's errno.
pub fn of(error: &io::Error) -> String {
    text(error.raw_os_error().unwrap_or(libc::EIO))
}

/// As strerror().
pub fn text(errno: i32) -> String {
    let mut text = io::Error::from_raw_os_error(errno).to_string();
    if let Some(end) = text.rfind(" (os error ") {
        text.truncate(end);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_those_of_strerror() {
        assert_eq!(text(libc::EAGAIN), "Resource temporarily unavailable");
        assert_eq!(text(libc::ELOOP), "Too many levels of symbolic links");
        assert_eq!(text(9999), "Unknown error 9999");
    }
}
