//! The programs side by side: the real ones and ours, each tool's names in a folder of its own.

use std::env;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::LazyLock;

/// Which program stands behind the names `iptables`, `ip6tables-save` and so on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tool {
    Theirs,
    Ours,
}

impl Tool {
    pub(crate) fn path(self, name: &str) -> PathBuf {
        match self {
            Self::Theirs => LINKS.join("theirs").join(name),
            Self::Ours => LINKS.join("ours").join(name),
        }
    }
}

/// What stands on our side.
pub(crate) fn under_test() -> Tool {
    match env::var("UNDER_TEST").as_deref() {
        Ok("theirs") => Tool::Theirs,
        Ok("ours") | Err(_) => Tool::Ours,
        Ok(other) => panic!("UNDER_TEST is `{other}', not ours or theirs"),
    }
}

fn oracle() -> PathBuf {
    let candidates = env::var_os("XT_ORACLE")
        .into_iter()
        .chain(["/usr/sbin/xtables-legacy-multi".into(), "/sbin/xtables-legacy-multi".into()]);
    for candidate in candidates {
        let mut first = [0; 4];
        if File::open(&candidate).and_then(|mut file| file.read_exact(&mut first)).is_ok() {
            return candidate.into();
        }
    }
    panic!("the real iptables-legacy is not installed: these tests compare with it (Debian package iptables)")
}

/// The original of `iptables-apply`.
fn script() -> PathBuf {
    let found = ["/usr/sbin/iptables-apply", "/sbin/iptables-apply"].map(PathBuf::from);
    found.into_iter().find(|file| file.exists()).expect("the real iptables-apply (Debian package iptables)")
}

/// One folder of names for each tool: what a program calls itself depends on argv[0].
static LINKS: LazyLock<PathBuf> = LazyLock::new(|| {
    let all = Path::new(env!("CARGO_TARGET_TMPDIR")).join("tools");
    // Nothing drops a static: what test processes before this one left goes now.
    for left in fs::read_dir(&all).into_iter().flatten().flatten() {
        if !Path::new("/proc").join(left.file_name()).exists() {
            let _ = fs::remove_dir_all(left.path());
        }
    }
    let folder = all.join(process::id().to_string());
    fs::create_dir_all(&folder).expect("a folder");
    // Whoever builds meanwhile takes the program away for a moment, and then puts another one there.
    let ours = folder.join("xtables-rs-multi");
    fs::copy(env!("CARGO_BIN_EXE_xtables-rs-multi"), &ours).expect("a copy of our program");
    let programs = [("theirs", oracle()), ("ours", ours)];
    for (tool, program) in programs {
        fs::create_dir(folder.join(tool)).expect("a folder");
        let apply = if tool == "ours" { program.clone() } else { script() };
        let translator = if tool == "ours" { program.clone() } else { program.with_file_name("xtables-nft-multi") };
        for name in ["iptables", "ip6tables"] {
            for suffix in ["-translate", "-restore-translate"] {
                symlink(&translator, folder.join(tool).join(format!("{name}{suffix}"))).expect("a link");
            }
        }
        symlink(&apply, folder.join(tool).join("iptables-apply")).expect("a link");
        symlink(&program, folder.join(tool).join("iptables-xml")).expect("a link");
        for name in ["iptables", "ip6tables"] {
            for suffix in ["", "-save", "-restore"] {
                symlink(&program, folder.join(tool).join(format!("{name}{suffix}"))).expect("a link");
            }
        }
    }
    folder
});

/// `PATH` with the tool's own folder first, for programs that start others.
pub(super) fn path_with(folder: PathBuf) -> OsString {
    let path = env::var_os("PATH").unwrap_or_default();
    env::join_paths(std::iter::once(folder).chain(env::split_paths(&path))).expect("a path")
}
