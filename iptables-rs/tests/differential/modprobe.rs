//! `-M`: both tools run the command where, and only where, the kernel's tables are not there.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::oracle::{Tool, under_test};

/// Runs one command line in a network namespace where `/proc` is empty if `hidden`: the exit code and the words that the
/// fake command was started with.
fn run(tool: Tool, folder: &Path, hidden: bool, line: &str) -> (Option<i32>, String) {
    let log = folder.join("log");
    fs::write(&log, "").expect("a log");
    let hide = if hidden { "mount -t tmpfs none /proc && " } else { "" };
    let path = tool.path("").into_os_string();
    let script = format!("{hide}exec \"$TOOLS\"/{}", line.replace("FAKE", &format!("{}/fake", folder.display())));
    let output = Command::new("unshare")
        .args(["-m", "-n", "sh", "-c", &script])
        .env("TOOLS", path)
        .env("LOG", "passed on")
        .env("XT_BACKEND", "kernel")
        .env("XTABLES_LOCKFILE", folder.join("lock"))
        .output()
        .expect("unshare of util-linux");
    (output.status.code(), fs::read_to_string(&log).expect("the log"))
}

#[test]
fn the_command_is_run_once_if_the_module_is_missing_and_never_otherwise() {
    let folder = tempfile::tempdir().expect("a folder");
    let fake = folder.path().join("fake");
    // It gets no environment from either tool: one that is passed on would be seen here.
    let script = format!("#!/bin/sh\necho \"$*$LOG\" >> {}/log\n", folder.path().display());
    fs::write(&fake, script).expect("a script");
    fs::set_permissions(&fake, fs::Permissions::from_mode(0o755)).expect("a script");
    for (line, asked) in [
        ("iptables -M FAKE -t nosuch -L", "ip_tables\n"),
        ("iptables --modprobe=FAKE -t nosuch -A INPUT", "ip_tables\n"),
        ("ip6tables -M FAKE -t nosuch -S", "ip6_tables\n"),
        ("iptables-save -M FAKE -t nosuch", "ip_tables\n"),
        ("ip6tables-save -M FAKE -t nosuch", "ip6_tables\n"),
        ("iptables-restore -M FAKE <<E\n*nosuch\nCOMMIT\nE", "ip_tables\n"),
        ("iptables -M FAKE -L", ""),
        ("iptables -M FAKE-that-is-not-there -t nosuch -L", ""),
        ("iptables -M fake -t nosuch -L", ""),
        ("iptables -t nosuch -L", ""),
    ] {
        for hidden in [true, false] {
            let theirs = run(Tool::Theirs, folder.path(), hidden, line);
            let ours = run(under_test(), folder.path(), hidden, line);
            assert_eq!(theirs, ours, "{line} (hidden: {hidden})");
            assert_eq!(ours.1, if hidden { asked } else { "" }, "{line} (hidden: {hidden})");
        }
    }
}
