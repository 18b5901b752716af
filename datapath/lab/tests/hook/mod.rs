//! Every extension in every chain of every table that takes it.

pub(crate) mod changing;
mod counts;
mod kernels;
pub(crate) mod looking;
mod matches;
mod packets;
mod plan;
mod quiet;
pub(crate) mod refusing;
pub(crate) mod registry;
mod targets;
