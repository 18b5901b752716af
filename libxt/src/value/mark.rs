//! `value[/mask]` as marks are written (`XTTYPE_MARKMASK32`).

use std::fmt;

use super::number;

/// A 32-bit value and the bits of it that count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Masked {
    /// The bits.
    pub value: u32,
    /// Which of them count.
    pub mask: u32,
}

impl Masked {
    /// `value` or `value/mask`; without a mask every bit counts.
    pub fn parse(text: &str) -> Option<Self> {
        let (value, rest) = number::parse_prefix(text)?;
        let value = u32::try_from(value).ok()?;
        let mask = match rest.strip_prefix('/') {
            Some(mask) => number::parse(mask, 0, u32::MAX.into())? as u32,
            None if rest.is_empty() => u32::MAX,
            None => return None,
        };
        Some(Self { value, mask })
    }
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
