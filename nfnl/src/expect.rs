//! Expectations over netlink: message numbers.

/// `IPCTNL_MSG_EXP_NEW`.
pub const NEW: u8 = 0;
/// `IPCTNL_MSG_EXP_GET`.
pub const GET: u8 = 1;
/// `IPCTNL_MSG_EXP_DELETE`.
pub const DELETE: u8 = 2;
/// `IPCTNL_MSG_EXP_GET_STATS_CPU`.
pub const GET_STATS_CPU: u8 = 3;
