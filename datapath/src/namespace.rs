//! Which network namespace this is, told so that no other ever has the same name.

use std::io;
use std::os::fd::AsRawFd;

use socket2::{Domain, Socket, Type};

/// The cookie of this network namespace (`SO_NETNS_COOKIE`, Linux 5.14): a number that is not used twice while the
/// machine runs.
#[allow(unsafe_code)]
pub(crate) fn cookie() -> io::Result<u64> {
    let socket = Socket::new(Domain::UNIX, Type::DGRAM, None)?;
    let mut cookie = 0u64;
    let mut length = size_of::<u64>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes to `cookie`, which has as many and outlives the call.
    let done = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            SO_NETNS_COOKIE,
            (&raw mut cookie).cast(),
            &raw mut length,
        )
    };
    if done == 0 { Ok(cookie) } else { Err(io::Error::last_os_error()) }
}

/// asm-generic/socket.h.
const SO_NETNS_COOKIE: libc::c_int = 71;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cookie_stays_the_same_within_a_namespace() {
        assert_eq!(cookie().unwrap(), cookie().unwrap());
    }
}
