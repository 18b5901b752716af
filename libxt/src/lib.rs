//! Rules in their three forms: **text** (what people type), **value** (what it means), **bytes** (the kernel's
//! `ipt_replace` blob), and the translations between them. Nothing here judges a packet.
//!
//! Read in this order: [`family`], [`abi`], [`blob`], [`ext`], [`rule`], [`table`]; then [`getopt`] and [`backend`].
#![deny(unsafe_code)]
#![warn(missing_docs)]

pub mod abi;
pub mod backend;
pub mod blob;
pub mod errno;
pub mod ext;
pub mod family;
pub mod getopt;
pub mod lock;
pub mod octets;
pub mod rule;
pub mod rundir;
pub mod save;
pub mod table;
pub mod translate;
pub mod value;
