//! Security parameter indexes of IPsec headers.

use std::fmt;

/// Indexes from the first to the last; the order is not checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spis {
    /// The first.
    pub min: u32,
    /// The last.
    pub max: u32,
}

impl Spis {
    /// Every index.
    pub const ALL: Self = Self { min: 0, max: u32::MAX };

    /// Whether an index is among them.
    pub const fn contain(self, spi: u32) -> bool {
        self.min <= spi && spi <= self.max
    }

    /// How a listing shows them: `spi:5` or `spis:!1:9`.
    pub fn listed(self, w: &mut dyn fmt::Write, inverted: bool) -> fmt::Result {
        write!(w, "{}:{}{self}", if self.min == self.max { "spi" } else { "spis" }, if inverted { "!" } else { "" })
    }
}

impl Default for Spis {
    fn default() -> Self {
        Self::ALL
    }
}

/// `min` alone, or `min:max`.
impl fmt::Display for Spis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.min == self.max { write!(f, "{}", self.min) } else { write!(f, "{}:{}", self.min, self.max) }
    }
}
