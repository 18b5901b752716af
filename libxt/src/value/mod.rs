//! The values that options carry, one file each: numbers, marks, addresses, ports.

pub mod header;
pub mod interface;
pub mod mark;
pub mod number;
