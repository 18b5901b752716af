//! Names for addresses, as `-L` without `-n` shows them.
#![allow(unsafe_code)]

use std::ffi::CStr;
use std::net::{IpAddr, SocketAddr};

use socket2::SockAddr;

use super::address::{self, Text};

/// A host's name, else a network's (IPv4), else the number (`xtables_ipaddr_to_anyname`).
pub fn any_name(address: IpAddr) -> String {
    if let Some(name) = host_name(address) {
        return name;
    }
    if let IpAddr::V4(v4) = address
        && let Some(name) = address::network_name(v4)
    {
        return name;
    }
    Text(address).to_string()
}

fn host_name(address: IpAddr) -> Option<String> {
    let socket = SockAddr::from(SocketAddr::new(address, 0));
    let mut name = [0; NAME_MAX];
    // SAFETY: the address pointer and its length come from one live `SockAddr`; at most `name.len()` bytes are written
    // to `name`; a null service with length 0 asks for none.
    let failed = unsafe {
        libc::getnameinfo(
            socket.as_ptr().cast(),
            socket.len(),
            name.as_mut_ptr().cast(),
            name.len() as libc::socklen_t,
            std::ptr::null_mut(),
            0,
            libc::NI_NAMEREQD,
        )
    };
    if failed != 0 {
        return None;
    }
    CStr::from_bytes_until_nul(&name).ok()?.to_str().ok().map(str::to_owned)
}

/// `NI_MAXHOST`.
const NAME_MAX: usize = 1025;
