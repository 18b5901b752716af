//! The targets, one file each, and their registry.

use super::{Entry, Families};

pub mod connmark;
pub mod dscp;
pub mod hl;
pub mod mark;
pub mod netmap;
pub mod tcpmss;
pub mod tos;
pub mod ttl;

/// Every target name, in the order of the alphabet.
pub const ENTRIES: &[Entry] = &[
    Entry::of::<connmark::Connmark>(Families::Both),
    Entry::of::<dscp::Dscp>(Families::Both),
    Entry::of::<hl::Hl>(Families::V6),
    Entry::of::<mark::Mark>(Families::Both),
    Entry::of::<netmap::Netmap>(Families::Both),
    Entry::of::<tcpmss::Tcpmss>(Families::Both),
    Entry::of::<tos::Tos>(Families::Both),
    Entry::of::<ttl::Ttl>(Families::V4),
];
