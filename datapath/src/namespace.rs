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

/// Which ids of the world outside are which ids of this process's user namespace (user_namespaces(7)). The kernel tells a
/// packet's owner in ids of the outside.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ids(Vec<[u32; 3]>);

impl Ids {
    /// Reads `/proc/self/uid_map` or `gid_map`; without it ids stay as they are.
    pub(crate) fn read(file: &str) -> Self {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        let line = |line: &str| {
            let mut numbers = line.split_ascii_whitespace().map_while(|word| word.parse().ok());
            Some([numbers.next()?, numbers.next()?, numbers.next()?])
        };
        Self(text.lines().filter_map(line).collect())
    }

    /// What an id of the outside is called here; the overflow id (65534) if it is nobody's here.
    pub(crate) fn inside(&self, outside: u32) -> u32 {
        const NOBODY: u32 = 65_534;
        if self.0.is_empty() {
            return outside;
        }
        let at = |&[inside, first, count]: &[u32; 3]| {
            outside.checked_sub(first).filter(|offset| *offset < count).map(|offset| inside.saturating_add(offset))
        };
        self.0.iter().find_map(at).unwrap_or(NOBODY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_the_outside_are_told_by_their_names_here() {
        let ids = Ids(vec![[0, 1_000, 1], [1, 100_000, 65_536]]);
        assert_eq!([1_000, 100_000, 165_535, 0, 1_001].map(|id| ids.inside(id)), [0, 1, 65_536, 65_534, 65_534]);
        assert_eq!(Ids::default().inside(7), 7);
    }

    #[test]
    fn the_cookie_stays_the_same_within_a_namespace() {
        assert_eq!(cookie().unwrap(), cookie().unwrap());
    }
}
