//! Named counters of the kernel's (`nfnetlink_acct.h`), in the network namespace of the thread that asks.

use std::{
    io::{self, Read, Write},
    time::Duration,
};

use socket2::{Domain, Protocol, Socket, Type};

/// Makes a counter, with more attributes.
///
/// # Errors
/// The kernel's errno.
pub fn make(name: &str, more: &[u8]) -> io::Result<()> {
    let answer = ask(0, CREATE | ACK, name, more)?;
    match answer.get(16..20).and_then(|errno| errno.try_into().ok()).map(i32::from_ne_bytes) {
        Some(0) => Ok(()),
        Some(errno) => Err(io::Error::from_raw_os_error(-errno)),
        None => Err(io::Error::other("no answer about a counter")),
    }
}

/// Packets and bytes that a counter holds.
pub fn reading(name: &str) -> io::Result<(u64, u64)> {
    let answer = ask(1, 0, name, &[])?;
    let (mut packets, mut bytes, mut at) = (0, 0, 20);
    while let Some(&[a, b, c, d]) = answer.get(at..at + 4) {
        let (length, kind) = (usize::from(u16::from_ne_bytes([a, b])), u16::from_ne_bytes([c, d]) & 0x3fff);
        let number = answer.get(at + 4..at + 12).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_be_bytes);
        match kind {
            2 => packets = number,
            3 => bytes = number,
            _ => {}
        }
        at += length.max(4).next_multiple_of(4);
    }
    Ok((packets, bytes))
}

/// A request about a counter: `NFNL_MSG_ACCT_NEW` (0) makes it, `NFNL_MSG_ACCT_GET` (1) reads it. The kernel's answer.
fn ask(message: u8, flags: u16, name: &str, more: &[u8]) -> io::Result<Vec<u8>> {
    let mut body = vec![0; 4];
    let length = (4 + name.len() + 1) as u16;
    body.extend([length.to_ne_bytes(), 1u16.to_ne_bytes()].concat());
    body.extend(name.as_bytes());
    body.resize((body.len() + 1).next_multiple_of(4), 0);
    body.extend(more);
    let mut request = (16 + body.len() as u32).to_ne_bytes().to_vec();
    request.extend([(7u16 << 8 | u16::from(message)).to_ne_bytes(), (flags | REQUEST).to_ne_bytes()].concat());
    request.extend([0; 8]);
    request.extend(body);
    let mut socket = Socket::new(Domain::from(libc::AF_NETLINK), Type::RAW, Some(Protocol::from(NETFILTER)))?;
    socket.set_read_timeout(Some(Duration::from_secs(20)))?;
    socket.write_all(&request)?;
    let mut answer = vec![0; 4096];
    let length = socket.read(&mut answer)?;
    answer.truncate(length);
    Ok(answer)
}

/// `NETLINK_NETFILTER`.
const NETFILTER: i32 = 12;
/// `NLM_F_*`.
const REQUEST: u16 = 1;
const ACK: u16 = 4;
const CREATE: u16 = 0x400;
