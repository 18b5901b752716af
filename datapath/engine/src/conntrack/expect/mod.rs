//! Expectations: connections that a helper, or somebody by hand, announced. As nf_conntrack_expect.c.
//!
//! An expectation belongs to a master and dies with it. It is found by where a first packet goes; the source counts as far
//! as its mask says. There are few of them, at most [`Settings::expect_max`](super::Settings), and while there is none
//! nobody looks.

mod check;
mod control;
mod expected;
mod follow;
pub mod keep;
mod life;
mod table;
#[cfg(test)]
mod tests;

pub use control::Wanted;
pub use expected::{Expected, Follow, Snapshot};
pub(super) use table::{Expectations, Link};

/// Classes that a helper's expectations may have (`NF_CT_MAX_EXPECT_CLASSES`).
pub const CLASSES: usize = 4;

/// `NF_CT_EXPECT_*`.
pub mod flag {
    /// It stays when a connection came.
    pub const PERMANENT: u32 = 1 << 0;
    /// It waits to be switched on.
    pub const INACTIVE: u32 = 1 << 1;
    /// A program of user space made it as a helper.
    pub const USERSPACE: u32 = 1 << 2;
}
