//! Connection tracking over netlink: the value of a flow, the requests about flows, statistics and events.
//!
//! One value, [`Flow`], serves as entry, event, template and filter: every part of it may be missing. It is read from
//! and written to the attributes of `linux/netfilter/nfnetlink_conntrack.h`, in both directions, by both ends.

pub mod attribute;
pub mod filter;
pub mod flow;
pub mod nat;
pub mod protocol;
pub mod stats;
pub mod tuple;

pub use filter::Filter;
pub use flow::Flow;
pub use nat::NatRange;
pub use protocol::ProtocolInfo;
pub use stats::{CpuStats, GlobalStats};
pub use tuple::Tuple;

/// Message numbers of the subsystem (`IPCTNL_MSG_CT_*`).
pub mod message {
    /// Create or update; also what dumps and events carry.
    pub const NEW: u8 = 0;
    /// Ask for one or for all.
    pub const GET: u8 = 1;
    /// Delete one or flush; also the event of an end.
    pub const DELETE: u8 = 2;
    /// Dump and set the counters to zero.
    pub const GET_CTRZERO: u8 = 3;
    /// Statistics of each CPU.
    pub const GET_STATS_CPU: u8 = 4;
    /// Statistics of all.
    pub const GET_STATS: u8 = 5;
    /// Entries on their way out.
    pub const GET_DYING: u8 = 6;
    /// Entries not yet confirmed.
    pub const GET_UNCONFIRMED: u8 = 7;
}
