//! The targets, one file each, and their registry. The standard target is the walk's own.

use super::{Maker, Scene};
use crate::packet::Verdict;

mod mark;

/// A compiled target that is not the standard one.
#[derive(Debug)]
pub enum Target {
    /// `-j MARK`.
    Mark(libxt::ext::targets::mark::Mark),
}

/// What a target makes of the walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// `XT_CONTINUE`: the next rule.
    Continue,
    /// The table's verdict.
    Verdict(Verdict),
}

/// Every target, in the order of the alphabet.
pub const MAKERS: &[Maker<Target>] = &[mark::MAKER];

impl Target {
    /// Does what the target does.
    pub fn act(&mut self, scene: &mut Scene<'_, '_>) -> Outcome {
        match self {
            Self::Mark(mark) => mark::act(mark, scene),
        }
    }

    /// Whether it translates addresses, which starts NAT in its family.
    pub fn translates(&self) -> bool {
        false
    }
}
