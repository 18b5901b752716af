//! The targets, one file each, and their registry.

use super::{Entry, Families, instance};

pub mod audit;
pub mod checksum;
pub mod classify;
pub mod clusterip;
pub mod connmark;
pub mod connsecmark;
pub mod ct;
pub mod dnat;
pub mod dscp;
pub mod ecn;
pub mod hl;
pub mod hmark;
pub mod idletimer;
pub mod led;
pub mod log;
pub mod mark;
pub mod masquerade;
mod nat_option;
pub mod netmap;
pub mod nflog;
pub mod nfqueue;
pub mod npt;
pub mod rateest;
pub mod redirect;
pub mod reject;
pub mod secmark;
pub mod set;
pub mod snat;
pub mod synproxy;
pub mod tcpmss;
pub mod tcpoptstrip;
pub mod tee;
pub mod tos;
pub mod tproxy;
pub mod trace;
pub mod ttl;
pub mod ulog;

/// Every target name, in the order of the alphabet.
pub const ENTRIES: &[Entry] = &[
    Entry::of::<audit::Audit>(Families::Both),
    Entry::of::<checksum::Checksum>(Families::Both),
    Entry::of::<classify::Classify>(Families::Both),
    Entry::of::<clusterip::Clusterip>(Families::V4),
    Entry::of::<connmark::Connmark>(Families::Both),
    Entry::of::<connsecmark::Connsecmark>(Families::Both),
    Entry::of::<ct::Ct>(Families::Both),
    Entry::of::<dnat::Dnat>(Families::Both),
    Entry::of::<npt::Dnpt>(Families::V6),
    Entry::of::<dscp::Dscp>(Families::Both),
    Entry::of::<ecn::Ecn>(Families::V4),
    Entry::of::<hl::Hl>(Families::V6),
    Entry::of::<hmark::Hmark>(Families::Both),
    Entry::of::<idletimer::Idletimer>(Families::Both),
    Entry::of::<led::Led>(Families::Both),
    Entry::of::<log::Log>(Families::Both),
    Entry::of::<mark::Mark>(Families::Both),
    Entry::of::<masquerade::Masquerade>(Families::Both),
    Entry::of::<netmap::Netmap>(Families::Both),
    Entry::of::<nflog::Nflog>(Families::Both),
    Entry::of::<nfqueue::Nfqueue>(Families::Both),
    Entry::of::<ct::Notrack>(Families::Both).alias("NOTRACK", || instance(ct::Notrack::default())),
    Entry::of::<rateest::Rateest>(Families::Both),
    Entry::of::<redirect::Redirect>(Families::Both),
    Entry::of::<reject::Reject>(Families::Both),
    Entry::of::<secmark::Secmark>(Families::Both),
    Entry::of::<set::Set>(Families::Both),
    Entry::of::<snat::Snat>(Families::Both),
    Entry::of::<npt::Snpt>(Families::V6),
    Entry::of::<synproxy::Synproxy>(Families::Both),
    Entry::of::<tcpmss::Tcpmss>(Families::Both),
    Entry::of::<tcpoptstrip::Tcpoptstrip>(Families::Both),
    Entry::of::<tee::Tee>(Families::Both),
    Entry::of::<tos::Tos>(Families::Both),
    Entry::of::<tproxy::Tproxy>(Families::Both),
    Entry::of::<trace::Trace>(Families::Both),
    Entry::of::<ttl::Ttl>(Families::V4),
    Entry::of::<ulog::Ulog>(Families::V4),
];
