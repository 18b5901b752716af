//! An interface name with the bytes of it that count, as `-i eth+` and `-o` are kept.

use std::borrow::Cow;
use std::fmt;

use crate::octets;

/// The name and its mask as they stand in the entry struct.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Interface {
    /// The name as typed, zero-filled; a trailing `+` is kept here and masked out.
    pub name: [u8; 16],
    /// 0xff for each byte that is compared: the name and its zero, or the name's beginning only for `eth+`.
    pub mask: [u8; 16],
}

impl Interface {
    /// The interface of a `-i` or `-o` argument (`xtables_parse_interface`); `None` if it is longer than 15 bytes.
    pub fn parse(text: &str) -> Option<Self> {
        let mut interface = Self::default();
        let text = &*octets::bytes(text);
        if text.len() >= interface.name.len() {
            return None;
        }
        interface.name.get_mut(..text.len())?.copy_from_slice(text);
        let compared = match text.strip_suffix(b"+") {
            Some(beginning) => beginning.len(),
            None if text.is_empty() => 0,
            None => text.len() + 1,
        };
        interface.mask.get_mut(..compared)?.fill(0xff);
        Some(interface)
    }

    /// Whether every interface matches.
    pub fn is_any(&self) -> bool {
        self.mask.first() == Some(&0)
    }

    /// Whether a device's name matches, as `ifname_compare()` in x_tables.h.
    pub fn matches(&self, device: &[u8; 16]) -> bool {
        self.name.iter().zip(device).zip(&self.mask).all(|((name, device), mask)| (name ^ device) & mask == 0)
    }

    /// The name up to its zero, as `-L -v` shows it.
    pub fn text(&self) -> Cow<'_, str> {
        let end = self.name.iter().position(|&byte| byte == 0).unwrap_or(self.name.len());
        octets::text(self.name.get(..end).unwrap_or_default())
    }

    /// Writes it as `-S` prints it: the bytes that count, and a `+` where the mask ends before the name does.
    pub fn save(&self, w: &mut dyn fmt::Write) -> fmt::Result {
        let compared = self.mask.iter().position(|&mask| mask == 0).unwrap_or(self.mask.len());
        let name = self.name.get(..compared).unwrap_or_default();
        let (text, behind) = name.split_at(name.iter().position(|&byte| byte == 0).unwrap_or(name.len()));
        w.write_str(&octets::text(text))?;
        if behind.len() > 1 {
            let text: Vec<u8> = behind.iter().copied().filter(|&byte| byte != 0).collect();
            w.write_str(&octets::text(&text))?;
        }
        if compared < self.mask.len() && name.last().is_some_and(|&byte| byte != 0) { w.write_str("+") } else { Ok(()) }
    }
}

/// As [`Interface::save`].
impl fmt::Display for Interface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.save(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(name: &str) -> [u8; 16] {
        Interface::parse(name).unwrap().name
    }

    #[test]
    fn a_plus_stands_for_any_ending() {
        let eth = Interface::parse("eth+").unwrap();
        assert!(eth.matches(&device("eth0")) && eth.matches(&device("eth")) && !eth.matches(&device("et")));
        assert_eq!(eth.to_string(), "eth+");
        assert_eq!(eth.text(), "eth+");
    }

    #[test]
    fn a_whole_name_ends_with_its_zero() {
        let eth0 = Interface::parse("eth0").unwrap();
        assert!(eth0.matches(&device("eth0")) && !eth0.matches(&device("eth01")));
        assert_eq!(eth0.to_string(), "eth0");
    }

    #[test]
    fn sixteen_bytes_are_too_many() {
        assert!(Interface::parse("abcdefghijklmno").is_some());
        assert_eq!(Interface::parse("abcdefghijklmnop"), None);
    }

    #[test]
    fn a_plus_alone_is_any() {
        assert!(Interface::parse("+").unwrap().is_any());
    }
}
