//! The matches, one file each, and their registry.

use super::{Maker, Scene};

mod comment;
mod connmark;
mod conntrack;
mod dscp;
mod hl;
mod icmp;
mod icmp6;
pub mod limit;
mod mark;
mod multiport;
mod tcp;
mod tos;
mod ttl;
mod udp;

/// A compiled match.
#[derive(Debug)]
pub enum Match {
    /// `-m comment`.
    Comment,
    /// `-m connmark`.
    Connmark(libxt::ext::matches::connmark::Connmark),
    /// `-m conntrack`.
    Conntrack(Box<libxt::ext::matches::conntrack::Conntrack>),
    /// `-m dscp`.
    Dscp(libxt::ext::matches::dscp::Dscp),
    /// `-m hl`.
    Hl(libxt::ext::matches::hl::Hl),
    /// `-m icmp`.
    Icmp(libxt::ext::matches::icmp::Icmp4),
    /// `-m icmp6`.
    Icmp6(libxt::ext::matches::icmp6::Icmp6),
    /// `-m limit`.
    Limit(limit::Limit),
    /// `-m mark`.
    Mark(libxt::ext::matches::mark::Mark),
    /// `-m multiport`.
    Multiport(libxt::ext::matches::multiport::Multiport),
    /// `-m tcp`.
    Tcp(libxt::ext::matches::tcp::Tcp),
    /// `-m tos`.
    Tos(libxt::ext::matches::tos::Tos),
    /// `-m ttl`.
    Ttl(libxt::ext::matches::ttl::Ttl),
    /// `-m udp`.
    Udp(libxt::ext::matches::udp::Udp),
}

/// Every match, in the order of the alphabet.
pub const MAKERS: &[Maker<Match>] = &[
    comment::MAKER,
    connmark::MAKER,
    conntrack::MAKER,
    dscp::MAKER,
    hl::MAKER,
    icmp::MAKER,
    icmp6::MAKER,
    limit::MAKER,
    mark::MAKER,
    multiport::MAKER,
    tcp::MAKER,
    tos::MAKER,
    ttl::MAKER,
    udp::MAKER,
];

impl Match {
    /// Whether the packet matches; may set [`Scene::hotdrop`].
    pub fn matches(&mut self, scene: &mut Scene<'_, '_>) -> bool {
        match self {
            Self::Comment => true,
            Self::Connmark(value) => connmark::matches(value, scene),
            Self::Conntrack(value) => conntrack::matches(value, scene),
            Self::Icmp(value) => icmp::matches(value, scene),
            Self::Icmp6(value) => icmp6::matches(value, scene),
            Self::Limit(value) => limit::matches(value, scene),
            Self::Multiport(value) => multiport::matches(value, scene),
            Self::Tcp(value) => tcp::matches(value, scene),
            Self::Udp(value) => udp::matches(value, scene),
            Self::Dscp(value) => dscp::matches(value, scene),
            Self::Hl(value) => hl::matches(value, scene),
            Self::Mark(value) => mark::matches(value, scene),
            Self::Tos(value) => tos::matches(value, scene),
            Self::Ttl(value) => ttl::matches(value, scene),
        }
    }
}
