//! An interface name with the bytes of it that count, as `-i eth+` and `-o` are kept.

/// The name and its mask as they stand in the entry struct.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Interface {
    /// The name, zero-filled; without a trailing `+`.
    pub name: [u8; 16],
    /// 0xff for each byte that is compared: the name and its zero, or the name's beginning only for `eth+`.
    pub mask: [u8; 16],
}

impl Interface {
    /// Whether every interface matches.
    pub fn is_any(&self) -> bool {
        self.mask == [0; 16]
    }

    /// Whether a device's name matches, as `ifname_compare()` in x_tables.h.
    pub fn matches(&self, device: &[u8; 16]) -> bool {
        self.name.iter().zip(device).zip(&self.mask).all(|((name, device), mask)| (name ^ device) & mask == 0)
    }
}
