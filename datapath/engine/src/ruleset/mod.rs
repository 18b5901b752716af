//! Tables: the check of a blob, what it is compiled to, and the walk of a packet through it, as ip_tables.c and
//! x_tables.c do it.

pub mod refused;

pub use refused::Refused;

use libxt::family::Af;

/// A blob that was checked and compiled, ready to be swapped in: made without the engine, so outside any lock.
#[derive(Debug)]
pub struct Prepared {}

impl Prepared {
    /// Checks and compiles `struct ipt_replace` with its entries, as `translate_table()`.
    pub fn new(af: Af, blob: &[u8]) -> Result<Self, Refused> {
        let _ = (af, blob);
        Err(Refused::invalid("no tables yet"))
    }
}
