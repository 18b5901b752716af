//! The values that options carry, one file each: numbers, marks, addresses, ports.

pub mod dscp;
pub mod header;
pub mod hops;
pub mod interface;
pub mod mark;
pub mod number;
pub mod tos;
