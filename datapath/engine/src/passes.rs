//! Where packets must be taken from the kernel, and which hooks are judged there: as few passes as the tables need.

use crate::packet::Hook;

/// For each hook of a family, the hooks whose judgement happens when a packet is taken there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Passes {
    at: [Hooks; 5],
}

/// A set of hooks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hooks(u8);

impl Passes {
    /// Nothing is taken anywhere.
    pub const NONE: Self = Self { at: [Hooks::NONE; 5] };

    /// The hooks judged at `hook`, to run in [`Hook::ALL`]'s order of a packet's way; empty: nothing is taken there.
    pub const fn at(&self, hook: Hook) -> Hooks {
        self.at[hook as usize]
    }

    /// Whether packets must be taken at `hook`.
    pub const fn taken(&self, hook: Hook) -> bool {
        self.at(hook).0 != 0
    }

    /// Both together.
    pub(crate) fn with(mut self, other: Self) -> Self {
        for (hooks, more) in self.at.iter_mut().zip(other.at) {
            *hooks = hooks.with(more);
        }
        self
    }

    /// Adds the judgement of `judged` to what happens at `taken`.
    pub(crate) const fn add(&mut self, taken: Hook, judged: Hook) {
        self.at[taken as usize].0 |= 1 << judged as u8;
    }
}

impl Hooks {
    /// None.
    pub const NONE: Self = Self(0);

    /// Whether `hook` is among them.
    pub const fn contain(self, hook: Hook) -> bool {
        self.0 & 1 << hook as u8 != 0
    }

    pub(crate) const fn of(hook: Hook) -> Self {
        Self(1 << hook as u8)
    }

    pub(crate) const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) const fn both(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub(crate) const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Bit *n* for `NF_INET_*` number *n*, as `valid_hooks` of a blob.
    pub const fn bits(self) -> u8 {
        self.0
    }
}
