//! The matches, one file each, and their registry.

use super::{Maker, Scene};

mod mark;

/// A compiled match.
#[derive(Debug)]
pub enum Match {
    /// `-m mark`.
    Mark(libxt::ext::matches::mark::Mark),
}

/// Every match, in the order of the alphabet.
pub const MAKERS: &[Maker<Match>] = &[mark::MAKER];

impl Match {
    /// Whether the packet matches; may set [`Scene::hotdrop`].
    pub fn matches(&mut self, scene: &mut Scene<'_, '_>) -> bool {
        match self {
            Self::Mark(mark) => mark::matches(mark, scene),
        }
    }
}
