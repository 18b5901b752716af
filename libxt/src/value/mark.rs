//! `value[/mask]` as marks are written (`XTTYPE_MARKMASK32`).

use std::fmt;

/// A 32-bit value and the bits of it that count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Masked {
    /// The bits.
    pub value: u32,
    /// Which of them count.
    pub mask: u32,
}

impl fmt::Display for Masked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.mask == u32::MAX {
            write!(f, "{:#x}", self.value)
        } else {
            write!(f, "{:#x}/{:#x}", self.value, self.mask)
        }
    }
}
