//! The matches, one file each, and their registry.

use super::{Maker, Scene};

mod connmark;
mod dscp;
mod hl;
mod mark;
mod tos;
mod ttl;

/// A compiled match.
#[derive(Debug)]
pub enum Match {
    /// `-m connmark`.
    Connmark(libxt::ext::matches::connmark::Connmark),
    /// `-m dscp`.
    Dscp(libxt::ext::matches::dscp::Dscp),
    /// `-m hl`.
    Hl(libxt::ext::matches::hl::Hl),
    /// `-m mark`.
    Mark(libxt::ext::matches::mark::Mark),
    /// `-m tos`.
    Tos(libxt::ext::matches::tos::Tos),
    /// `-m ttl`.
    Ttl(libxt::ext::matches::ttl::Ttl),
}

/// Every match, in the order of the alphabet.
pub const MAKERS: &[Maker<Match>] = &[connmark::MAKER, dscp::MAKER, hl::MAKER, mark::MAKER, tos::MAKER, ttl::MAKER];

impl Match {
    /// Whether the packet matches; may set [`Scene::hotdrop`].
    pub fn matches(&mut self, scene: &mut Scene<'_, '_>) -> bool {
        match self {
            Self::Connmark(value) => connmark::matches(value, scene),
            Self::Dscp(value) => dscp::matches(value, scene),
            Self::Hl(value) => hl::matches(value, scene),
            Self::Mark(value) => mark::matches(value, scene),
            Self::Tos(value) => tos::matches(value, scene),
            Self::Ttl(value) => ttl::matches(value, scene),
        }
    }
}
