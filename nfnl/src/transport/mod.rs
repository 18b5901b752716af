//! A pipe of whole netlink messages: the kernel's socket, or the same messages as frames on a socket to the datapath.

use std::io;
use std::os::fd::AsFd;

pub mod datapath;
pub mod kernel;
pub mod server;

pub use datapath::Datapath;
pub use kernel::Kernel;
pub use server::Server;

/// Multicast groups of `NETLINK_NETFILTER` (`NFNLGRP_*`).
pub mod group {
    /// New connections.
    pub const CONNTRACK_NEW: u32 = 1;
    /// Changed connections.
    pub const CONNTRACK_UPDATE: u32 = 2;
    /// Ended connections.
    pub const CONNTRACK_DESTROY: u32 = 3;
    /// New expectations.
    pub const CONNTRACK_EXP_NEW: u32 = 4;
    /// Changed expectations.
    pub const CONNTRACK_EXP_UPDATE: u32 = 5;
    /// Ended expectations.
    pub const CONNTRACK_EXP_DESTROY: u32 = 6;
}

/// Where netlink messages go and come from.
pub trait Transport: AsFd {
    /// Sends a datagram of one or more messages.
    fn send(&mut self, message: &[u8]) -> io::Result<()>;
    /// Waits for a datagram and puts it in `buf`, whose old bytes go. `ENOBUFS` means that messages were lost;
    /// `UnexpectedEof` that the other end is gone.
    fn recv(&mut self, buf: &mut Vec<u8>) -> io::Result<()>;
    /// Joins a multicast group ([`group`]).
    fn subscribe(&mut self, group: u32) -> io::Result<()>;
    /// Makes room for `size` bytes of waiting messages; what was granted comes back.
    fn set_buffer_size(&mut self, size: usize) -> io::Result<usize>;
}
