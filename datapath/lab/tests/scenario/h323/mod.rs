//! H.323: registrations, calls and media through a router that reads along.

pub(crate) mod calls;
mod media;
mod per;
pub(crate) mod random;
mod ras;
pub(crate) mod registration;
mod signal;

use std::{io, net::SocketAddr};

use super::fail;

const INNER: [u8; 4] = [10, 1, 0, 2];
const OUTER: [u8; 4] = [10, 2, 0, 1];
const SERVER: [u8; 4] = [10, 2, 0, 2];

fn place(address: [u8; 4], port: u16) -> SocketAddr {
    SocketAddr::from((address, port))
}

fn same(heard: &[u8], wanted: &[u8]) -> io::Result<()> {
    if heard == wanted { Ok(()) } else { fail(format!("heard {heard:02x?}\nwanted {wanted:02x?}")) }
}
