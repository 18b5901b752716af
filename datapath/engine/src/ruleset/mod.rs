//! Tables: the check of a blob, what it is compiled to, and the walk of a packet through it, as ip_tables.c and
//! x_tables.c do it.
//!
//! Read in this order: [`kind`], `check`, `rule`, `table`, `walk`, `tables`.

mod check;
pub mod kind;
pub mod refused;
mod rule;
mod table;
mod tables;
mod trace;
mod walk;

pub use kind::Kind;
pub use refused::Refused;
pub(crate) use rule::Key;
pub(crate) use table::Table;
pub use table::{Prepared, SetUse};
pub(crate) use tables::Tables;
pub(crate) use walk::walk;
