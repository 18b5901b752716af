//! The running kernel's tables, through the socket options of a raw socket.
#![allow(unsafe_code)]

use std::fs;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use socket2::{Domain, Protocol, Socket, Type};
use zerocopy::IntoBytes;

use super::{Backend, Counters, Get, frame};
use crate::family::Af;

/// The tables of one family in the network namespace of this process.
#[derive(Debug)]
pub struct Kernel {
    af: Af,
    socket: OwnedFd,
}

impl Kernel {
    /// Opens the raw socket (as `TC_INIT` of libiptc); EPERM without `CAP_NET_RAW`.
    pub fn open(af: Af) -> io::Result<Self> {
        let domain = match af {
            Af::V4 => Domain::IPV4,
            Af::V6 => Domain::IPV6,
        };
        let socket = Socket::new(domain, Type::RAW, Some(Protocol::from(libc::IPPROTO_RAW)))?;
        Ok(Self { af, socket: socket.into() })
    }

    fn level(&self) -> libc::c_int {
        match self.af {
            Af::V4 => libc::SOL_IP,
            Af::V6 => libc::SOL_IPV6,
        }
    }

    fn set(&self, option: libc::c_int, value: &[u8]) -> io::Result<()> {
        let len = libc::socklen_t::try_from(value.len()).map_err(|_| errno(libc::ENOMEM))?;
        // SAFETY: the pointer and the length are those of a live slice, which the kernel only reads. What the bytes
        // point at is the caller's concern: `replace` below is the only one to put a pointer into them.
        let done =
            unsafe { libc::setsockopt(self.socket.as_raw_fd(), self.level(), option, value.as_ptr().cast(), len) };
        if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}

impl Backend for Kernel {
    fn af(&self) -> Af {
        self.af
    }

    fn get(&mut self, what: Get, value: &mut Vec<u8>) -> io::Result<()> {
        // Fresh zeroes are pages that the kernel's answer is the first to touch.
        let mut answer = vec![0; frame::answer_len(what, value)?];
        let question = value.get(..value.len().min(answer.len())).unwrap_or_default();
        answer[..question.len()].copy_from_slice(question);
        *value = answer;
        let mut len = libc::socklen_t::try_from(value.len()).map_err(|_| errno(libc::ENOMEM))?;
        let option = match (what, self.af) {
            (Get::Info, _) => SO_GET_INFO,
            (Get::Entries, _) => SO_GET_ENTRIES,
            (Get::RevisionMatch, Af::V4) => IPT_SO_GET_REVISION_MATCH,
            (Get::RevisionTarget, Af::V4) => IPT_SO_GET_REVISION_TARGET,
            (Get::RevisionMatch, Af::V6) => IP6T_SO_GET_REVISION_MATCH,
            (Get::RevisionTarget, Af::V6) => IP6T_SO_GET_REVISION_TARGET,
        };
        // SAFETY: the kernel writes at most `len` bytes, and `value` is exactly that long.
        let done = unsafe {
            libc::getsockopt(self.socket.as_raw_fd(), self.level(), option, value.as_mut_ptr().cast(), &raw mut len)
        };
        if done < 0 {
            return Err(io::Error::last_os_error());
        }
        value.truncate(len as usize);
        Ok(())
    }

    fn replace(&mut self, blob: &mut [u8], old: &mut [Counters]) -> io::Result<()> {
        if blob.len() < REPLACE_HEADER {
            return Err(errno(libc::EINVAL));
        }
        let count = u32::try_from(old.len()).map_err(|_| errno(libc::ENOMEM))?;
        // The kernel writes `num_counters` counters through the pointer: both are set here, together, from one slice.
        blob[NUM_COUNTERS..COUNTERS].copy_from_slice(&count.to_ne_bytes());
        blob[COUNTERS..REPLACE_HEADER].copy_from_slice(&old.as_mut_bytes().as_mut_ptr().addr().to_ne_bytes());
        old.as_mut_bytes().as_mut_ptr().expose_provenance();
        self.set(SO_SET_REPLACE, blob)
    }

    fn add_counters(&mut self, blob: &[u8]) -> io::Result<()> {
        self.set(SO_SET_ADD_COUNTERS, blob)
    }

    fn table_names(&mut self) -> io::Result<Vec<String>> {
        let file = match self.af {
            Af::V4 => "/proc/net/ip_tables_names",
            Af::V6 => "/proc/net/ip6_tables_names",
        };
        match fs::read_to_string(file) {
            Ok(names) => Ok(names.lines().map(str::to_owned).collect()),
            // The file appears with the module: until then there are no tables, which is no error (do_output() of
            // iptables-save agrees).
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }
}

fn errno(number: i32) -> io::Error {
    io::Error::from_raw_os_error(number)
}

/// Where `num_counters` stands in `struct ipt_replace` and `struct ip6t_replace`.
pub(super) const NUM_COUNTERS: usize = 84;
/// Where the pointer `counters` stands in them.
pub(super) const COUNTERS: usize = 88;
/// Their length without entries.
const REPLACE_HEADER: usize = COUNTERS + size_of::<usize>();

const SO_SET_REPLACE: libc::c_int = 64;
const SO_SET_ADD_COUNTERS: libc::c_int = 65;
const SO_GET_INFO: libc::c_int = 64;
const SO_GET_ENTRIES: libc::c_int = 65;
const IPT_SO_GET_REVISION_MATCH: libc::c_int = 66;
const IPT_SO_GET_REVISION_TARGET: libc::c_int = 67;
const IP6T_SO_GET_REVISION_MATCH: libc::c_int = 68;
const IP6T_SO_GET_REVISION_TARGET: libc::c_int = 69;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_running_kernel_answers_every_kind_of_question() {
        let mut kernel = match Kernel::open(Af::V4) {
            Ok(kernel) => kernel,
            Err(error) => panic!("this test needs CAP_NET_RAW: {error}"),
        };
        // A revision question changes nothing in the namespace, unlike GET_INFO, which makes the table.
        let mut question = vec![0; 30];
        question[..4].copy_from_slice(b"mark");
        question[29] = 1;
        kernel.get(Get::RevisionMatch, &mut question).unwrap();
        question[29] = 200;
        let error = kernel.get(Get::RevisionMatch, &mut question).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EPROTONOSUPPORT));
        let mut unknown = b"no_such_table".to_vec();
        assert_eq!(kernel.get(Get::Info, &mut unknown).unwrap_err().raw_os_error(), Some(libc::ENOENT));
        assert_eq!(kernel.replace(&mut [0; 4], &mut []).unwrap_err().raw_os_error(), Some(libc::EINVAL));
        kernel.table_names().unwrap();
    }
}
