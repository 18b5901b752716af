//! Flows: the first packet of each and its answer, and how `conntrack -L` shows them.

pub(crate) mod model;
pub(crate) mod rules;
mod talk;

pub(crate) use lab::frame::SCTP;
pub(crate) use talk::{Entry, Flow, GRE, Tuple, UNKNOWN, entry, host, number, tell};
