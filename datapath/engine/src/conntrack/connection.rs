//! One connection as the slab keeps it: plain data, no pointers.

use super::{Direction, ProtocolState, Tuple, status};

/// `struct nf_conn`.
#[derive(Clone, Debug)]
pub struct Connection {
    pub(crate) tuples: [Tuple; 2],
    pub(super) status: u32,
}

impl Connection {
    /// The tuple of a direction, as its packets look when they arrive.
    pub fn tuple(&self, direction: Direction) -> &Tuple {
        match direction {
            Direction::Original => &self.tuples[0],
            Direction::Reply => &self.tuples[1],
        }
    }

    /// `IPS_*`, see [`status`].
    pub fn status(&self) -> u32 {
        self.status
    }

    /// Whether it is in the table.
    pub fn confirmed(&self) -> bool {
        self.status & status::CONFIRMED != 0
    }

    /// `ct->mark`.
    pub fn mark(&self) -> u32 {
        todo!()
    }

    /// 128 label bits, bit 0 the lowest; `None` if it has no room for labels.
    pub fn labels(&self) -> Option<u128> {
        todo!()
    }

    /// Packets and bytes of each direction; `None` if it is not accounted.
    pub fn counters(&self) -> Option<[libxt::backend::Counters; 2]> {
        todo!()
    }

    /// Seconds until it times out, at least 0.
    pub fn seconds_left(&self, now: crate::Now) -> u32 {
        let _ = now;
        todo!()
    }

    /// The helper's name, NUL-filled; empty if it has none.
    pub fn helper(&self) -> [u8; 16] {
        todo!()
    }

    /// What its protocol knows of it.
    pub fn protocol(&self) -> ProtocolState {
        todo!()
    }

    /// The zone of each direction.
    pub fn zones(&self) -> [u16; 2] {
        todo!()
    }
}
