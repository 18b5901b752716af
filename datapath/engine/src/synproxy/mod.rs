//! SYNPROXY: this machine answers the opening of TCP connections for their servers, and has a server hear only of clients
//! that proved to be where they say. As nf_synproxy_core.c.
//!
//! To a client's SYN goes a SYN-ACK whose number is a cookie and whose timestamp holds what the client offered; nothing is
//! kept. The ACK that brings both back becomes a SYN to the server, and only that is a connection. It is marked so when it
//! begins; from the server's SYN-ACK on, a stage before the last moves the numbers and times of one side to those that the
//! other knows.

mod client;
mod cookie;
mod offer;
mod segments;
mod stage;
mod statistics;

pub(crate) use client::{accept, answer};
pub(crate) use stage::stand_in;
pub use statistics::Statistics;
