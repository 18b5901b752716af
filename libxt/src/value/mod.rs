//! The values that options carry, one file each: numbers, marks, addresses, ports.

pub mod account;
pub mod address;
pub mod condition;
pub mod dscp;
pub mod header;
pub mod hops;
pub mod icmp;
pub mod interface;
pub mod mac;
pub mod mark;
pub mod named;
pub mod nat;
pub mod network;
pub mod number;
pub mod port;
pub mod protocol;
pub mod rate;
pub mod resolve;
pub mod service;
pub mod spi;
pub mod syslog;
pub mod tcp_flags;
pub mod text;
pub mod tos;
