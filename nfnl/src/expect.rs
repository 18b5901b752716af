//! Expectations over netlink: message numbers and statistics.

use crate::attr::{Attributes, Malformed};
use crate::message::Builder;

/// `IPCTNL_MSG_EXP_NEW`.
pub const NEW: u8 = 0;
/// `IPCTNL_MSG_EXP_GET`.
pub const GET: u8 = 1;
/// `IPCTNL_MSG_EXP_DELETE`.
pub const DELETE: u8 = 2;
/// `IPCTNL_MSG_EXP_GET_STATS_CPU`.
pub const GET_STATS_CPU: u8 = 3;

/// `enum ctattr_expect_stats`: what a CPU has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuStats {
    /// Expectations that came true.
    pub new: u32,
    /// Expectations made.
    pub create: u32,
    /// Expectations that ended.
    pub delete: u32,
}

impl CpuStats {
    /// Reads the attributes of a `GET_STATS_CPU` answer.
    pub fn parse(attributes: Attributes<'_>) -> Result<Self, Malformed> {
        let mut stats = Self::default();
        for attribute in attributes {
            let attribute = attribute?;
            match attribute.kind {
                1 => stats.new = attribute.be32()?,
                2 => stats.create = attribute.be32()?,
                3 => stats.delete = attribute.be32()?,
                _ => {}
            }
        }
        Ok(stats)
    }

    /// Writes them.
    pub fn emit(&self, builder: &mut Builder<'_>) {
        for (kind, value) in [(1, self.new), (2, self.create), (3, self.delete)] {
            builder.be32(kind, value);
        }
    }
}
