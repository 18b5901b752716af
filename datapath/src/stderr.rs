//! What the datapath says of itself on stderr. Packets never wait for whoever reads it: what is not taken at once is lost.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::panic::PanicHookInfo;
use std::sync::Mutex;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::state::lock;

/// Says a text for people, in lines of its own.
pub(crate) fn complain(text: &str) {
    let _ = write(format!("xt-datapath: {text}\n").as_bytes());
}

/// Writes whole or not at all; cut to what a pipe takes in one piece (4,096 bytes).
pub(crate) fn write(bytes: &[u8]) -> io::Result<()> {
    // Two at once could find room for one.
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = lock(&ALONE);
    let stderr = io::stderr();
    if poll(&mut [PollFd::new(stderr.as_fd(), PollFlags::POLLOUT)], PollTimeout::ZERO)? == 0 {
        return Err(io::ErrorKind::WouldBlock.into());
    }
    stderr.lock().write_all(bytes.get(..libc::PIPE_BUF).unwrap_or(bytes))
}

/// Tells of a panic, which ends at most the packet it happened at, as everything else is told.
pub(crate) fn tell_of_panic(panic: &PanicHookInfo<'_>) {
    let trace = Backtrace::capture();
    match trace.status() {
        BacktraceStatus::Captured => complain(&format!("{panic}\n{trace}")),
        _ => complain(&panic.to_string()),
    }
}
