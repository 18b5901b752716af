//! Where the datapath of a network namespace listens: `/run/xt-datapath/<inode of the namespace>/`.

use std::env;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use nix::unistd::{AccessFlags, access};

/// The folder of the calling thread's network namespace, which need not exist.
///
/// Who may not write to `/run` (a user namespace of one's own) has it under `$XDG_RUNTIME_DIR`.
pub fn of_this_namespace() -> io::Result<PathBuf> {
    let inode = fs::metadata("/proc/thread-self/ns/net")?.ino();
    let run = match env::var_os("XDG_RUNTIME_DIR") {
        Some(own) if !own.is_empty() && access("/run", AccessFlags::W_OK).is_err() => PathBuf::from(own),
        _ => PathBuf::from("/run"),
    };
    Ok(run.join("xt-datapath").join(inode.to_string()))
}

/// The socket of the tables protocol in it.
pub fn tables_socket() -> io::Result<PathBuf> {
    Ok(of_this_namespace()?.join("tables"))
}
