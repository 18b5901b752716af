//! The judge of packets: hooks, tables, jump stack, connection tracking, NAT, as x_tables, nf_conntrack and nf_nat do it.
//!
//! Everything here decides and nothing waits: there is no socket, file, thread or clock. The time is an argument
//! ([`Now`]), what must be asked of the outside stands behind [`Host`], and what must happen outside is left in
//! [`Effects`]. On a warmed engine a packet allocates nothing.
//!
//! Read in this order: [`packet`], [`stage`], [`host`], [`effects`], [`ruleset`], [`conntrack`], `nat`, `helper`.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod changeover;
pub mod conntrack;
pub mod effects;
mod engine;
pub mod ext;
pub mod fingerprints;
mod fragment;
pub mod helper;
pub mod host;
mod icmp_error;
mod log;
pub mod nat;
mod notes;
pub mod packet;
pub mod passes;
pub mod ruleset;
pub mod stage;
pub mod synproxy;
pub mod wire;

pub use effects::Effects;
pub use engine::Engine;
pub use host::{Host, Now};
pub use packet::{Device, Hook, Packet, Verdict};
pub use passes::Passes;
pub use ruleset::{Prepared, Refused, SetUse};
