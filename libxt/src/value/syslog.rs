//! Syslog levels, by number and by name.

use super::number;

/// Names that are read.
const READ: [(&str, u8); 9] = [
    ("alert", 1),
    ("crit", 2),
    ("debug", 7),
    ("emerg", 0),
    ("error", 3),
    ("info", 6),
    ("notice", 5),
    ("panic", 0),
    ("warning", 4),
];

/// Names that are listed, by level.
const LISTED: [&str; 8] = ["emerg", "alert", "crit", "err", "warn", "notice", "info", "debug"];

/// A level, 0 (emerg) to 7 (debug), by number or name.
pub fn parse(text: &str) -> Option<u8> {
    number::parse(text, 0, 7)
        .and_then(|level| u8::try_from(level).ok())
        .or_else(|| READ.iter().find(|(name, _)| *name == text).map(|(_, level)| *level))
}

/// The name that `-L` shows for a level.
pub fn name(level: u8) -> Option<&'static str> {
    LISTED.get(usize::from(level)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_read_are_not_the_names_listed() {
        assert_eq!(parse("warning"), Some(4));
        assert_eq!(parse("warn"), None);
        assert_eq!(name(4), Some("warn"));
        assert_eq!(parse("8"), None);
        assert_eq!(name(8), None);
    }
}
