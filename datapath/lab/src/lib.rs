//! Network namespaces, traffic and the kernel as oracle: for tests, the demo and the benchmarks.
//!
//! A program of the lab calls [`sandbox::enter`] first, while it has one thread: from then on it lives in namespaces of
//! its own (as root, or rootless in a user namespace) and nothing it does reaches the machine. It builds routers from
//! [`namespace`], [`link`] and [`topology`], puts either judge into them ([`router`]: the kernel's iptables-legacy, or
#![deny(unsafe_code)]
#![allow(clippy::print_stdout, reason = "the lab reports on its standard output")]

pub mod conntrack_lines;
pub mod drawn;
pub mod events;
pub mod fill;
pub mod frame;
pub mod generate;
pub mod held;
pub mod link;
pub mod namespace;
pub mod nfacct;
pub mod own;
mod pieces;
pub mod port;
pub mod random;
pub mod router;
pub mod sandbox;
mod sent;
pub mod shrink;
pub mod suite;
pub mod told;
pub mod topology;
pub mod traffic;
pub mod twin;
