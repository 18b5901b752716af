//! Datagrams of a queue's socket, many with one system call, into memory that is made once.

use std::io;
use std::ops::Range;
use std::os::fd::{AsRawFd, BorrowedFd};

use nfnl::queue::MESSAGE_ROOM;

/// Datagrams taken at once, at most.
pub(crate) const BATCH: usize = 32;

/// Room for a batch, one slot a datagram.
#[derive(Debug)]
pub(crate) struct Ring {
    room: Vec<u8>,
    lengths: [usize; BATCH],
}

impl Ring {
    pub(crate) fn new() -> Self {
        Self { room: vec![0; BATCH * SLOT], lengths: [0; BATCH] }
    }

    /// Waits for one datagram, as long as the socket's timeout lets it, and takes all that wait then, up to [`BATCH`].
    #[allow(unsafe_code)]
    pub(crate) fn fill(&mut self, socket: BorrowedFd<'_>) -> io::Result<usize> {
        let mut parts = [libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 }; BATCH];
        for (part, slot) in parts.iter_mut().zip(self.room.chunks_exact_mut(SLOT)) {
            *part = libc::iovec { iov_base: slot.as_mut_ptr().cast(), iov_len: slot.len() };
        }
        // SAFETY: all-zero bytes are a valid mmsghdr (null pointers with zero lengths).
        let mut headers: [libc::mmsghdr; BATCH] = unsafe { std::mem::zeroed() };
        for (header, part) in headers.iter_mut().zip(&mut parts) {
            header.msg_hdr.msg_iov = part;
            header.msg_hdr.msg_iovlen = 1;
        }
        // SAFETY: each header points to one iovec that covers a slot of `room` of its own; `parts`, `headers` and `room`
        // live past the call, and nothing else reads or writes them meanwhile.
        let received = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                headers.as_mut_ptr(),
                BATCH as libc::c_uint,
                libc::MSG_WAITFORONE,
                std::ptr::null_mut(),
            )
        };
        let received = usize::try_from(received).map_err(|_| io::Error::last_os_error())?;
        for (length, header) in self.lengths.iter_mut().zip(&headers).take(received) {
            *length = (header.msg_len as usize).min(SLOT);
        }
        Ok(received)
    }

    /// Where a range of a slot lies in [`Self::bytes`].
    pub(crate) fn place(index: usize, range: Range<usize>) -> Range<usize> {
        index * SLOT + range.start..index * SLOT + range.end
    }

    /// All slots, one behind the other.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.room
    }

    /// A slot and how much of it the datagram fills; room follows it.
    pub(crate) fn slot(&mut self, index: usize) -> (&mut [u8], usize) {
        let length = self.lengths.get(index).copied().unwrap_or(0);
        let slot = self.room.get_mut(index * SLOT..(index + 1) * SLOT).unwrap_or(&mut []);
        let length = length.min(slot.len());
        (slot, length)
    }
}

/// A message, and room for a packet to grow in place (TCPMSS adds an option, a helper lengthens a line).
const SLOT: usize = MESSAGE_ROOM + 0x1000;
