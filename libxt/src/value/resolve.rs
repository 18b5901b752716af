//! Names for addresses, as `-L` without `-n` shows them, and addresses for names.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString};
use std::net::{IpAddr, SocketAddr};

use socket2::SockAddr;

use super::address::{self, Text};
use crate::family::Af;
use crate::octets;

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

/// All addresses of a host in a family; else what `getaddrinfo` says.
pub fn addresses(host: &str, af: Af) -> Result<Vec<IpAddr>, String> {
    let name = CString::new(octets::bytes(host)).map_err(|_| gai_text(libc::EAI_NONAME))?;
    // SAFETY: all zeros are a valid `addrinfo` that asks for nothing.
    let mut hints: libc::addrinfo = unsafe { std::mem::zeroed() };
    hints.ai_family = match af {
        Af::V4 => libc::AF_INET,
        Af::V6 => libc::AF_INET6,
    };
    hints.ai_socktype = libc::SOCK_RAW;
    let mut list = std::ptr::null_mut();
    // SAFETY: the name ends in a zero byte, the hints are initialised, and `list` is only read if the call says so.
    let failed = unsafe { libc::getaddrinfo(name.as_ptr(), std::ptr::null(), &raw const hints, &raw mut list) };
    if failed != 0 {
        return Err(gai_text(failed));
    }
    let mut found = Vec::new();
    let mut next = list;
    while !next.is_null() {
        // SAFETY: the pointer is not null and stems from the list, which is not freed yet.
        let entry = unsafe { &*next };
        // SAFETY: the list says what family its address is of, and that address is as long as its family's.
        found.extend(unsafe {
            match entry.ai_family {
                libc::AF_INET => {
                    let address = &*entry.ai_addr.cast::<libc::sockaddr_in>();
                    Some(IpAddr::from(address.sin_addr.s_addr.to_ne_bytes()))
                }
                libc::AF_INET6 => {
                    let address = &*entry.ai_addr.cast::<libc::sockaddr_in6>();
                    Some(IpAddr::from(address.sin6_addr.s6_addr))
                }
                _ => None,
            }
        });
        next = entry.ai_next;
    }
    // SAFETY: the list is one that getaddrinfo() made, freed once.
    unsafe { libc::freeaddrinfo(list) };
    if found.is_empty() { Err(gai_text(libc::EAI_NONAME)) } else { Ok(found) }
}

fn gai_text(error: libc::c_int) -> String {
    // SAFETY: gai_strerror() returns a static text for every number.
    unsafe { CStr::from_ptr(libc::gai_strerror(error)) }.to_string_lossy().into_owned()
}

/// `NI_MAXHOST`.
const NAME_MAX: usize = 1025;
