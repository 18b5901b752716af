//! Connection tracking, as nf_conntrack does it: tuples, the table, protocol states, timeouts, events.
//!
//! Connections live in one slab addressed by [`ConnId`]; both directions' tuples are hashed to ids with a keyed hash,
//! timers are threaded through the slab. Entries are plain data without pointers, so that the slab can live in a
//! mapping that outlives the process.

mod begin;
mod binding;
mod coming;
mod complaint;
mod connection;
mod control;
mod end;
pub(crate) mod error;
pub mod expect;
mod extra;
mod hash;
mod heads;
pub mod keep;
mod keymap;
mod lookup;
mod origin;
mod pair;
pub mod policy;
mod proto;
mod proxied;
mod recent;
pub mod settings;
mod statistics;
mod table;
#[cfg(test)]
pub(crate) mod tests;
mod text;
mod timer;
mod tracker;
pub mod tuple;

pub use connection::Connection;
pub use control::{Change, Draft, Refusal};
pub use origin::Origin;
pub(crate) use proxied::Phase;
pub use settings::Settings;
pub use statistics::Statistics;
pub(crate) use timer::LIMBO_TIME;
pub use tracker::{Full, Template, Tracker};
pub use tuple::{Address, Direction, Tuple};

/// Names a connection while it lives: an index into the slab and the generation of its slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConnId {
    /// Slot of the slab.
    pub index: u32,
    /// How often the slot was used before: a stale id finds nothing.
    pub generation: u32,
}

/// `enum ip_conntrack_info` without the direction: how a packet stands to its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// `IP_CT_ESTABLISHED`/`IP_CT_ESTABLISHED_REPLY`.
    Established,
    /// `IP_CT_RELATED`/`IP_CT_RELATED_REPLY`: an expected connection's first packets, or an ICMP error about one.
    Related,
    /// `IP_CT_NEW`.
    New,
}

/// What tracking said of a packet; rules see it as `--ctstate`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tracked {
    /// Nothing tracks this family now, or the packet has not met the stage yet.
    Unseen,
    /// `IP_CT_UNTRACKED`: NOTRACK, or neighbour discovery.
    Untracked,
    /// No connection: INVALID.
    Invalid,
    /// It belongs to a connection.
    Of {
        /// Which.
        id: ConnId,
        /// In which direction it travels (for an ICMP error: the direction opposite to the quoted packet's).
        direction: Direction,
        /// How it stands to it.
        relation: Relation,
    },
}

/// All of a connection, copied: for events and dumps.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// The entry's stable number (`CTA_ID`).
    pub id: u32,
    /// The tuples: original, reply.
    pub tuples: [Tuple; 2],
    /// The zone of each direction.
    pub zones: [u16; 2],
    /// `IPS_*` bits.
    pub status: u32,
    /// Seconds left, or `None` if it died of old age.
    pub timeout: Option<u32>,
    /// `CTA_MARK`.
    pub mark: u32,
    /// `CTA_SECMARK`'s number.
    pub secmark: u32,
    /// References, as `use=` shows them.
    pub uses: u32,
    /// Packets and bytes of each direction, if accounting is on for it.
    pub counters: Option<[libxt::backend::Counters; 2]>,
    /// Wall-clock nanoseconds of start and stop, if timestamping is on for it; stop is 0 while it lives.
    pub times: Option<[u64; 2]>,
    /// 128 label bits, if it has any extension for them.
    pub labels: Option<u128>,
    /// The protocol's own state.
    pub protocol: ProtocolState,
    /// The helper's name.
    pub helper: Option<crate::helper::user::Name>,
    /// The master's original tuple, for an expected connection.
    pub master: Option<Tuple>,
    /// Sequence adjustment of each direction, if any: correction position, offset before, offset after.
    pub adjustments: Option<[(u32, i32, i32); 2]>,
}

/// The part of a connection that only its protocol knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProtocolState {
    /// UDP, ICMP, generic: nothing.
    Stateless,
    /// TCP.
    Tcp {
        /// `TCP_CONNTRACK_*`.
        state: u8,
        /// Window scale of each direction.
        scales: [u8; 2],
        /// `IP_CT_TCP_FLAG_*` of each direction.
        flags: [u8; 2],
    },
    /// SCTP.
    Sctp {
        /// `SCTP_CONNTRACK_*`.
        state: u8,
        /// Verification tag of each direction.
        tags: [u32; 2],
    },
}

/// `IPS_*`, the status bits of uapi/linux/netfilter/nf_conntrack_common.h.
pub mod status {
    /// It came from an expectation.
    pub const EXPECTED: u32 = 1 << 0;
    /// Packets were seen both ways.
    pub const SEEN_REPLY: u32 = 1 << 1;
    /// Never dropped early.
    pub const ASSURED: u32 = 1 << 2;
    /// In the table.
    pub const CONFIRMED: u32 = 1 << 3;
    /// Its source is translated.
    pub const SRC_NAT: u32 = 1 << 4;
    /// Its destination is translated.
    pub const DST_NAT: u32 = 1 << 5;
    /// TCP sequence numbers are adjusted.
    pub const SEQ_ADJUST: u32 = 1 << 6;
    /// Source NAT was decided.
    pub const SRC_NAT_DONE: u32 = 1 << 7;
    /// Destination NAT was decided.
    pub const DST_NAT_DONE: u32 = 1 << 8;
    /// On its way out.
    pub const DYING: u32 = 1 << 9;
    /// Its timeout does not move.
    pub const FIXED_TIMEOUT: u32 = 1 << 10;
    /// A template (`-j CT`).
    pub const TEMPLATE: u32 = 1 << 11;
    /// It lost a clash.
    pub const NAT_CLASH: u32 = 1 << 12;
    /// A helper was set by hand.
    pub const HELPER: u32 = 1 << 13;
    /// In a flow table.
    pub const OFFLOAD: u32 = 1 << 14;
    /// In hardware.
    pub const HW_OFFLOAD: u32 = 1 << 15;
}
