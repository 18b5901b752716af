//! Leaves the machine's namespaces: everything the lab does happens in network and mount namespaces of its own.

use std::{
    fs, io,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::Path,
    process::{Command, exit},
};

use nix::{
    mount::{MsFlags, mount},
    sched::{CloneFlags, unshare},
    unistd::{getegid, geteuid},
};

use crate::router::built;

/// With which rights the lab works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rights {
    /// The rights the program was started with: root's, or else rootless.
    AsStarted,
    /// In a user namespace. Root runs the program again as nobody.
    Rootless,
}

/// What [`enter`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sandbox {
    /// Whether a user namespace was needed.
    pub rootless: bool,
}

/// Moves the whole program into a mount and a network namespace of its own, through a user namespace when it is not
/// root. `/run` is an empty file system afterwards: locks, sockets and names of namespaces cannot meet those of others.
///
/// # Errors
/// Those of the system calls, with a hint; among them that the program already has threads.
pub fn enter(rights: Rights) -> io::Result<Sandbox> {
    if rights == Rights::Rootless && geteuid().is_root() {
        exit(again_as_nobody()?);
    }
    let rootless = !geteuid().is_root();
    if rootless {
        let (uid, gid) = (geteuid(), getegid());
        unshare(CloneFlags::CLONE_NEWUSER)
            .map_err(|e| hint(e, "unshare of a user namespace (are unprivileged user namespaces allowed?)"))?;
        fs::write("/proc/self/setgroups", "deny")?;
        fs::write("/proc/self/uid_map", format!("0 {uid} 1"))?;
        fs::write("/proc/self/gid_map", format!("0 {gid} 1"))?;
    }
    // After the maps: files under /proc/net get their owner when the network namespace is made.
    unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS).map_err(|e| hint(e, "unshare of namespaces"))?;
    let none: Option<&str> = None;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).map_err(|e| hint(e, "private mounts"))?;
    mount(Some("lab"), "/run", Some("tmpfs"), MsFlags::MS_NOSUID | MsFlags::MS_NODEV, Some("mode=755"))
        .map_err(|e| hint(e, "tmpfs on /run"))?;
    fs::create_dir_all(Path::new("/run/netns"))?;
    Ok(Sandbox { rootless })
}

/// Runs this program once more as nobody, from a folder that nobody can read; returns its exit code.
fn again_as_nobody() -> io::Result<i32> {
    const NOBODY: u32 = 65534;
    let folder = tempfile::Builder::new().prefix("xt-nobody-").tempdir()?;
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))?;
    let program = folder.path().join("lab");
    fs::copy(std::env::current_exe()?, &program)?;
    for name in ["xtables-rs-multi", "conntrack", "xt-datapath"] {
        let from = built().join(name);
        if from.is_file() {
            fs::copy(from, folder.path().join(name))?;
        }
    }
    let status = Command::new(&program)
        .args(std::env::args_os().skip(1))
        .env("XT_BUILT", folder.path())
        .env("HOME", "/")
        .env_remove("XDG_RUNTIME_DIR")
        .current_dir("/")
        .uid(NOBODY)
        .gid(NOBODY)
        .status()?;
    Ok(status.code().unwrap_or(1))
}

fn hint(errno: nix::errno::Errno, what: &str) -> io::Error {
    let error = io::Error::from(errno);
    io::Error::new(error.kind(), format!("{what}: {error}"))
}
