//! The targets, one file each, and their registry. The standard target is the walk's own.

use super::{Maker, Scene};
use crate::packet::Verdict;

mod connmark;
mod dscp;
mod hl;
mod mark;
mod netmap;
mod tcpmss;
mod tos;
mod ttl;

/// A compiled target that is not the standard one.
#[derive(Debug)]
pub enum Target {
    /// `-j CONNMARK`.
    Connmark(libxt::ext::targets::connmark::Connmark),
    /// `-j DSCP`.
    Dscp(libxt::ext::targets::dscp::Dscp),
    /// `-j HL`.
    Hl(libxt::ext::targets::hl::Hl),
    /// `-j MARK`.
    Mark(libxt::ext::targets::mark::Mark),
    /// `-j NETMAP`.
    Netmap(libxt::ext::targets::netmap::Netmap),
    /// `-j TCPMSS`.
    Tcpmss(libxt::ext::targets::tcpmss::Tcpmss),
    /// `-j TOS`.
    Tos(libxt::ext::targets::tos::Tos),
    /// `-j TTL`.
    Ttl(libxt::ext::targets::ttl::Ttl),
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
pub const MAKERS: &[Maker<Target>] =
    &[connmark::MAKER, dscp::MAKER, hl::MAKER, mark::MAKER, netmap::MAKER, tcpmss::MAKER, tos::MAKER, ttl::MAKER];

impl Target {
    /// Does what the target does.
    pub fn act(&mut self, scene: &mut Scene<'_, '_>) -> Outcome {
        match self {
            Self::Connmark(value) => connmark::act(value, scene),
            Self::Dscp(value) => dscp::act(value, scene),
            Self::Hl(value) => hl::act(value, scene),
            Self::Mark(value) => mark::act(value, scene),
            Self::Netmap(value) => netmap::act(value, scene),
            Self::Tcpmss(value) => tcpmss::act(value, scene),
            Self::Tos(value) => tos::act(value, scene),
            Self::Ttl(value) => ttl::act(value, scene),
        }
    }

    /// Whether it translates addresses, which starts NAT in its family.
    pub fn translates(&self) -> bool {
        matches!(self, Self::Netmap(_))
    }
}
