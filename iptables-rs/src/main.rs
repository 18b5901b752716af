//! The multi-call program: see the library.
//!
//! It starts as a C program does. Before a Rust `main` the standard library reads `/proc/self/maps` and sets up a signal
//! stack, to word a stack overflow: that alone is a fifth of the time of a single command.
#![no_main]
#![allow(unsafe_code)]

use std::ffi::{CStr, OsStr, c_char, c_int};
use std::os::unix::ffi::OsStrExt;
use std::process;

/// The C library's entry.
///
/// # Safety
/// `argv` is what the C library hands over: `argc` pointers to texts that end with a zero byte.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn main(argc: c_int, argv: *const *const c_char) -> c_int {
    let words = (0..usize::try_from(argc).unwrap_or_default()).map(|index| {
        // SAFETY: the index is below `argc`; the texts stay where they are as long as the process lives.
        let word = unsafe { CStr::from_ptr(*argv.add(index)) };
        OsStr::from_bytes(word.to_bytes())
    });
    // What is still buffered for stdout is written by exit().
    process::exit(iptables::main(words).into())
}

// The unwinder as a part of the program, for one library less to be loaded at its start.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[link(name = "gcc_eh", kind = "static", modifiers = "-bundle")]
unsafe extern "C" {}
