//! The site on which programs run: client, router and server, each with a stack of its own.

pub(crate) mod errors;
pub(crate) mod ftp;
pub(crate) mod irc;
pub(crate) mod names;
mod passage;
pub(crate) mod plain;
pub(crate) mod pptp;
pub(crate) mod sctp;
pub(crate) mod sip;
mod site;
pub(crate) mod tftp;

pub(crate) use site::{LONG, Place, Site, fail, play, play_with};
