//! Client, router and server, traffic that misses nothing, and what tables make of it.

pub(crate) mod counters;
mod load;
pub(crate) mod long;
pub(crate) mod replacing;
mod site;
