//! A value to compare with, and whether `!` turned the comparison round.

/// One condition of a match that has several: `[!] --option value`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Condition<T> {
    /// What is compared with.
    pub value: T,
    /// `!`: the condition holds where the value does not fit.
    pub inverted: bool,
}

impl<T> Condition<T> {
    /// `value`, inverted or not.
    pub const fn new(value: T, inverted: bool) -> Self {
        Self { value, inverted }
    }

    /// Whether the condition holds, given whether the value fits.
    pub const fn holds(&self, fits: bool) -> bool {
        fits != self.inverted
    }

    /// `" !"` or nothing, as it stands before an option or a listed word.
    pub const fn not(&self) -> &'static str {
        if self.inverted { " !" } else { "" }
    }
}
