//! One call or one answer as a packet on a `SOCK_SEQPACKET` socket; what is large travels beside it in a sealed memfd.
//!
//! ```text
//! Header | reason (UTF-8) | data        or, with IN_MEMFD:  Header | reason     and the data in the descriptor
//! ```
//! Every length in a frame is checked against what really came, and against [`MAX_DATA`], before it is believed.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut, Read, Seek, Write};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::Get;
use crate::family::Af;

/// Bytes of data in one call or answer at most.
pub(super) const MAX_DATA: usize = 1 << 30;

/// What a frame asks for; an answer repeats it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    Get(Get),
    Replace,
    AddCounters,
    TableNames,
}

/// A frame, taken apart.
#[derive(Debug)]
pub(super) struct Frame<'a> {
    pub(super) call: Call,
    pub(super) af: Af,
    /// 0, or why not: in answers only.
    pub(super) errno: i32,
    /// More words on `errno`.
    pub(super) reason: String,
    pub(super) data: Cow<'a, [u8]>,
}

/// What came out of the socket.
#[derive(Debug)]
pub(super) enum Received {
    Frame(Frame<'static>),
    /// Not a frame; why.
    Garbage(&'static str),
    /// The other end is gone.
    Closed,
}

/// Sends a frame as one packet.
pub(super) fn send(socket: BorrowedFd<'_>, frame: &Frame<'_>) -> io::Result<()> {
    let reason = frame.reason.as_bytes();
    let reason = reason.get(..MAX_REASON).unwrap_or(reason);
    let in_memfd = frame.data.len() > MAX_INLINE;
    let header = Header {
        magic: MAGIC,
        call: frame.call.number(),
        af: frame.af.number(),
        flags: if in_memfd { IN_MEMFD } else { 0 },
        pad: 0,
        errno: frame.errno,
        reason_len: reason.len() as u32,
        data_len: frame.data.len() as u64,
    };
    let sealed = if in_memfd { Some(sealed_memfd(&frame.data)?) } else { None };
    let inline: &[u8] = if in_memfd { &[] } else { &frame.data };
    let parts = [IoSlice::new(header.as_bytes()), IoSlice::new(reason), IoSlice::new(inline)];
    let fds: Vec<RawFd> = sealed.iter().map(AsRawFd::as_raw_fd).collect();
    let rights = [ControlMessage::ScmRights(&fds)];
    let control: &[ControlMessage<'_>] = if in_memfd { &rights } else { &[] };
    retry(|| sendmsg::<()>(socket.as_raw_fd(), &parts, control, MsgFlags::MSG_NOSIGNAL, None))?;
    Ok(())
}

/// Receives one packet. Whatever it holds, the socket is ready for the next one.
pub(super) fn receive(socket: BorrowedFd<'_>) -> io::Result<Received> {
    let mut packet = vec![0; size_of::<Header>() + MAX_REASON + MAX_INLINE];
    let mut control = nix::cmsg_space!([RawFd; MAX_FDS]);
    let mut fds = Vec::new();
    let (len, truncated) = {
        let mut parts = [IoSliceMut::new(&mut packet)];
        let message = loop {
            match recvmsg::<()>(socket.as_raw_fd(), &mut parts, Some(&mut control), MsgFlags::MSG_CMSG_CLOEXEC) {
                Err(Errno::EINTR) => {}
                other => break other?,
            }
        };
        for item in message.cmsgs().into_iter().flatten() {
            if let ControlMessageOwned::ScmRights(numbers) = item {
                fds.extend(numbers.into_iter().map(own));
            }
        }
        (message.bytes, message.flags.intersects(MsgFlags::MSG_TRUNC | MsgFlags::MSG_CTRUNC))
    };
    if len == 0 {
        return Ok(Received::Closed);
    }
    if truncated {
        return Ok(Received::Garbage("a frame longer than any frame is"));
    }
    let packet = packet.get(..len).unwrap_or_default();
    Ok(match take_apart(packet, fds) {
        Ok(frame) => Received::Frame(frame),
        Err(why) => Received::Garbage(why),
    })
}

/// How long `value` must be for the kernel to answer `what` in it, from what it holds going in.
pub(super) fn answer_len(what: Get, value: &[u8]) -> io::Result<usize> {
    let invalid = || io::Error::from_raw_os_error(libc::EINVAL);
    match what {
        Get::Info => Ok(GETINFO),
        Get::RevisionMatch | Get::RevisionTarget => Ok(GET_REVISION),
        Get::Entries => {
            let size = value.get(NAME..NAME + 4).and_then(|bytes| bytes.try_into().ok()).ok_or_else(invalid)?;
            let size = u32::from_ne_bytes(size) as usize;
            if size > MAX_DATA - GET_ENTRIES {
                return Err(io::Error::from_raw_os_error(libc::ENOMEM));
            }
            Ok(GET_ENTRIES + size)
        }
    }
}

impl Call {
    const fn number(self) -> u8 {
        match self {
            Self::Get(Get::Info) => 1,
            Self::Get(Get::Entries) => 2,
            Self::Get(Get::RevisionMatch) => 3,
            Self::Get(Get::RevisionTarget) => 4,
            Self::Replace => 5,
            Self::AddCounters => 6,
            Self::TableNames => 7,
        }
    }

    const fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::Get(Get::Info),
            2 => Self::Get(Get::Entries),
            3 => Self::Get(Get::RevisionMatch),
            4 => Self::Get(Get::RevisionTarget),
            5 => Self::Replace,
            6 => Self::AddCounters,
            7 => Self::TableNames,
            _ => return None,
        })
    }
}

/// What starts every frame.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Header {
    magic: u32,
    call: u8,
    af: u8,
    flags: u8,
    pad: u8,
    errno: i32,
    reason_len: u32,
    data_len: u64,
}

fn take_apart(packet: &[u8], mut fds: Vec<OwnedFd>) -> Result<Frame<'static>, &'static str> {
    let (header, rest) = Header::read_from_prefix(packet).map_err(|_| "a frame shorter than its header")?;
    if header.magic != MAGIC {
        return Err("a frame of another protocol or version");
    }
    let call = Call::from_number(header.call).ok_or("an unknown call")?;
    let af = Af::from_number(header.af).ok_or("an unknown address family")?;
    let data_len = usize::try_from(header.data_len).map_err(|_| "more data than any table has")?;
    if data_len > MAX_DATA {
        return Err("more data than any table has");
    }
    let (reason, inline) =
        rest.split_at_checked(header.reason_len as usize).ok_or("a reason that runs past its frame")?;
    let reason = String::from_utf8_lossy(reason).into_owned();
    let data = if header.flags & IN_MEMFD == 0 {
        if inline.len() != data_len || !fds.is_empty() {
            return Err("data of another length than announced");
        }
        inline.to_vec()
    } else {
        let (Some(fd), true, true) = (fds.pop(), fds.is_empty(), inline.is_empty()) else {
            return Err("not exactly one descriptor");
        };
        read_sealed(fd, data_len)?
    };
    Ok(Frame { call, af, errno: header.errno, reason, data: data.into() })
}

/// Nobody can change the data any more: what is checked is what is used.
fn sealed_memfd(data: &[u8]) -> io::Result<OwnedFd> {
    let fd = memfd_create(c"xt-tables", MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING)?;
    let mut file = File::from(fd);
    file.write_all(data)?;
    fcntl(&file, FcntlArg::F_ADD_SEALS(SEALS | SealFlag::F_SEAL_SEAL))?;
    Ok(file.into())
}

fn read_sealed(fd: OwnedFd, len: usize) -> Result<Vec<u8>, &'static str> {
    let seals = fcntl(&fd, FcntlArg::F_GET_SEALS).map_err(|_| "a descriptor that is no memfd")?;
    if !SealFlag::from_bits_retain(seals).contains(SEALS) {
        return Err("an unsealed memfd");
    }
    let mut file = File::from(fd);
    if file.metadata().map_err(|_| "a memfd that cannot be read")?.len() != len as u64 {
        return Err("a memfd of another length than announced");
    }
    let mut data = Vec::new();
    data.try_reserve_exact(len).map_err(|_| "more data than there is memory for")?;
    file.rewind().map_err(|_| "a memfd that cannot be read")?;
    file.take(len as u64).read_to_end(&mut data).map_err(|_| "a memfd that cannot be read")?;
    if data.len() == len { Ok(data) } else { Err("a memfd of another length than announced") }
}

#[allow(unsafe_code)]
fn own(fd: RawFd) -> OwnedFd {
    // SAFETY: the kernel has just made this descriptor for us (SCM_RIGHTS); nobody else knows its number.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

fn retry<T>(mut call: impl FnMut() -> nix::Result<T>) -> nix::Result<T> {
    loop {
        match call() {
            Err(Errno::EINTR) => {}
            other => return other,
        }
    }
}

/// "XTB1", which also tells a foreign byte order apart.
const MAGIC: u32 = 0x3142_5458;
const IN_MEMFD: u8 = 1;
const MAX_REASON: usize = 1024;
/// A packet must fit the smallest socket buffer around.
const MAX_INLINE: usize = 32 * 1024;
/// More than one is garbage, but each that arrives must be closed.
const MAX_FDS: usize = 8;
const SEALS: SealFlag = SealFlag::F_SEAL_SHRINK.union(SealFlag::F_SEAL_GROW).union(SealFlag::F_SEAL_WRITE);

/// Length of `table` in the structs below, XT_TABLE_MAXNAMELEN.
const NAME: usize = 32;
/// struct ipt_getinfo.
const GETINFO: usize = 84;
/// struct ipt_get_entries without the entries, which are aligned to 8.
pub(super) const GET_ENTRIES: usize = 40;
/// struct xt_get_revision.
const GET_REVISION: usize = 30;
