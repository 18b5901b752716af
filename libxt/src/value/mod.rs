//! The values that options carry, one file each: numbers, marks, addresses, ports.

pub mod mark;
pub mod number;
