//! Sequences of other protocols than TCP.

pub(crate) mod others;
