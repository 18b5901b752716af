//! What ctnetlink does to the table: find, list, insert, change, delete.

use super::{ConnId, Direction, ProtocolState, Snapshot, Tracker, Tuple};
use crate::{Effects, Now, nat};

/// A connection to insert (`ctnetlink_create_conntrack`).
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// The tuples: original, reply.
    pub tuples: [Tuple; 2],
    /// The zone of each direction.
    pub zones: [u16; 2],
    /// `CTA_STATUS`, 0 if it was not given. CONFIRMED is added; a bit that nobody may set is refused.
    pub status: u32,
    /// `CTA_TIMEOUT` in seconds.
    pub timeout: u32,
    /// `CTA_MARK`.
    pub mark: u32,
    /// `CTA_LABELS`.
    pub labels: Option<u128>,
    /// `CTA_PROTOINFO`.
    pub protocol: Option<ProtocolState>,
    /// `CTA_NAT_SRC`, `CTA_NAT_DST`.
    pub nat: [Option<nat::Range>; 2],
    /// `CTA_HELP`'s name, NUL-filled; empty for none.
    pub helper: [u8; 16],
}

/// What to change in a connection (`ctnetlink_change_conntrack`); `None` leaves as it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Change {
    /// `CTA_STATUS`: bits to set; most cannot be cleared, nor all be set.
    pub status: Option<u32>,
    /// `CTA_TIMEOUT` in seconds.
    pub timeout: Option<u32>,
    /// `CTA_MARK` and `CTA_MARK_MASK` (all ones if it was not given).
    pub mark: Option<(u32, u32)>,
    /// `CTA_LABELS` and `CTA_LABELS_MASK`.
    pub labels: Option<(u128, u128)>,
    /// `CTA_PROTOINFO`: for TCP the state and flags (value, mask) of each direction.
    pub protocol: Option<ProtocolState>,
}

/// Why the table refuses, by the kernel's errno.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// EEXIST: a tuple is taken.
    Exists,
    /// ENOENT: there is none.
    Missing,
    /// EINVAL.
    Invalid,
    /// EBUSY: a status bit may not change.
    Busy,
    /// ENOMEM: the table is full.
    Full,
    /// EOPNOTSUPP.
    Unsupported,
}

impl Refusal {
    /// The errno, positive.
    pub const fn errno(self) -> i32 {
        match self {
            Self::Exists => 17,
            Self::Missing => 2,
            Self::Invalid => 22,
            Self::Busy => 16,
            Self::Full => 12,
            Self::Unsupported => 95,
        }
    }
}

impl Tracker {
    /// The confirmed connection with a tuple in a zone, and which direction's tuple it is.
    pub fn find(&self, tuple: &Tuple, zone: u16, now: Now) -> Option<(ConnId, Direction)> {
        let _ = (tuple, zone, now);
        todo!()
    }

    /// All of a connection, copied.
    pub fn snapshot(&self, id: ConnId, now: Now) -> Option<Snapshot> {
        let _ = (id, now);
        todo!()
    }

    /// Inserts a connection; `port` is the asker's netlink port, which the event names.
    pub fn insert(&mut self, draft: &Draft, port: u32, now: Now, out: &mut Effects) -> Result<ConnId, Refusal> {
        let _ = (draft, port, now, out);
        todo!()
    }

    /// Changes a connection.
    pub fn update(
        &mut self,
        id: ConnId,
        change: &Change,
        port: u32,
        now: Now,
        out: &mut Effects,
    ) -> Result<(), Refusal> {
        let _ = (id, change, port, now, out);
        todo!()
    }

    /// Deletes a connection; `false` if it is gone already.
    pub fn delete(&mut self, id: ConnId, port: u32, now: Now, out: &mut Effects) -> bool {
        let _ = (id, port, now, out);
        todo!()
    }

    /// The first confirmed connection at or behind a place of the table; the next call takes its `index + 1`.
    pub fn from_place(&self, place: u32) -> Option<ConnId> {
        let _ = place;
        todo!()
    }

    /// How many connections are in the table.
    pub fn len(&self) -> usize {
        todo!()
    }

    /// Whether the table is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
