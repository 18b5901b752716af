//! Netfilter netlink as values: messages and attributes, the sockets they travel on, connection tracking, queues,
//! rules and routes.
//!
//! The crate owns both ends of the connection-tracking protocol: what a command sends and reads, and what a server
//! reads and answers. It does not decide anything about packets and knows nothing of rules.
//!
//! Reading never panics, never allocates for the sake of reading and ends on every input. Read in this order:
//! [`attr`], [`message`], [`transport`], [`request`], [`conntrack`].
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod accounting;
pub mod attr;
pub mod conntrack;
pub mod expect;
pub mod helper;
pub mod ipset;
pub mod message;
pub mod nftables;
pub mod queue;
pub mod request;
pub mod route;
pub mod sockets;
pub mod timeout;
pub mod transport;
