//! One key from the standard input, within a time, whatever signals arrive.

use std::mem::MaybeUninit;
use std::time::{Duration, Instant};

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction, signal};

/// From here on the signals that would end the program only interrupt a [`read`], which then has no answer.
pub(super) fn survive_signals() {
    extern "C" fn note(_: libc::c_int) {}
    let action = SigAction::new(SigHandler::Handler(note), SaFlags::empty(), SigSet::empty());
    for ending in [Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTERM] {
        // SAFETY: the handler does nothing, which may be done at any moment. It cannot fail for these signals.
        let _ = unsafe { sigaction(ending, &action) };
    }
    // SAFETY: no handler is installed, the signal is only ignored.
    let _ = unsafe { signal(Signal::SIGPIPE, SigHandler::SigIgn) };
}

/// The next byte, of a terminal at the press of the key. `None` for the end of input, an empty line, a signal, or when
/// the time is over.
pub(super) fn read(patience: Duration) -> Option<u8> {
    let _keys = Keys::at_once();
    let end = Instant::now() + patience;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let millis = i32::try_from(left.as_millis()).unwrap_or(i32::MAX);
        let mut input = libc::pollfd { fd: libc::STDIN_FILENO, events: libc::POLLIN, revents: 0 };
        // SAFETY: one live pollfd is passed, and the count says one.
        let ready = unsafe { libc::poll(&raw mut input, 1, millis) };
        if ready == 0 && Instant::now() < end {
            continue;
        }
        if ready <= 0 || left.is_zero() {
            return None;
        }
        let mut key = 0_u8;
        // SAFETY: at most one byte is written, to a live byte.
        let count = unsafe { libc::read(libc::STDIN_FILENO, (&raw mut key).cast(), 1) };
        return (count == 1 && key != b'\n').then_some(key);
    }
}

/// A terminal that gives keys at once; as it was again when dropped.
struct Keys(libc::termios);

impl Keys {
    /// `None` if the standard input is no terminal.
    fn at_once() -> Option<Self> {
        let mut before = MaybeUninit::<libc::termios>::zeroed();
        // SAFETY: the struct is live and of the right type; all zeroes are a valid one, whatever the call does.
        let before = unsafe {
            if libc::tcgetattr(libc::STDIN_FILENO, before.as_mut_ptr()) != 0 {
                return None;
            }
            before.assume_init()
        };
        let mut keys = before;
        keys.c_lflag &= !libc::ICANON;
        (keys.c_cc[libc::VMIN], keys.c_cc[libc::VTIME]) = (1, 0);
        // SAFETY: the struct is live and only read.
        unsafe { libc::tcsetattr(libc::STDIN_FILENO, libc::TCSANOW, &raw const keys) };
        Some(Self(before))
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        // SAFETY: the struct is live and only read.
        unsafe { libc::tcsetattr(libc::STDIN_FILENO, libc::TCSANOW, &raw const self.0) };
    }
}
