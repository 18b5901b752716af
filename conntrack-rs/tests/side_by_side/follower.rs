//! Somebody who follows events while a test goes on.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::{Heard, plain};

/// A tool that runs `-E`.
pub(crate) struct Follower(Child);

/// Groups of netlink, a bit each, as `/proc/net/netlink` shows them: connections that begin, change and end.
pub(crate) const CONNECTIONS: u32 = 0b111;
/// Expectations that are made, changed and ended.
pub(crate) const EXPECTATIONS: u32 = 0b111 << 3;

impl Follower {
    /// Starts it, and waits until it listens to these groups.
    pub(crate) fn start(program: &str, line: &str, groups: u32) -> Self {
        let mut command = Command::new(program);
        command.args(line.split(' ')).env("XT_BACKEND", "kernel").stdin(Stdio::null());
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let follower = Self(child);
        follower.wait("listens", |socket| socket.groups == groups);
        follower
    }

    /// Ends it once it has read what there is to read.
    pub(crate) fn end(self) -> Heard {
        let (stdout, stderr, code) = self.end_with_bytes();
        let lines = |bytes: &[u8]| String::from_utf8_lossy(bytes).lines().map(plain).collect();
        (lines(&stdout), lines(&stderr), code)
    }

    /// The same, with all that it wrote as it is.
    pub(crate) fn end_with_bytes(self) -> (Vec<u8>, Vec<u8>, Option<i32>) {
        self.wait("has read", |socket| socket.waiting == 0);
        // It is read, and not yet written.
        std::thread::sleep(Duration::from_millis(300));
        kill(Pid::from_raw(self.0.id().cast_signed()), Signal::SIGINT).unwrap();
        let output = self.0.wait_with_output().unwrap();
        (output.stdout, output.stderr, output.status.code())
    }

    fn wait(&self, what: &str, is_so: impl Fn(&Socket) -> bool) {
        let end = Instant::now() + Duration::from_secs(20);
        while !self.sockets().iter().any(&is_so) {
            assert!(Instant::now() < end, "no follower that {what}: {:?}", self.sockets());
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Its sockets that listen to groups.
    fn sockets(&self) -> Vec<Socket> {
        let own: Vec<String> = std::fs::read_dir(format!("/proc/{}/fd", self.0.id()))
            .unwrap()
            .filter_map(|fd| Some(std::fs::read_link(fd.ok()?.path()).ok()?.display().to_string()))
            .collect();
        let text = std::fs::read_to_string("/proc/thread-self/net/netlink").unwrap();
        // sk Eth Pid Groups Rmem Wmem Dump Locks Drops Inode
        let rows = text.lines().skip(1).map(|line| line.split_ascii_whitespace().collect::<Vec<_>>());
        rows.filter(|row| own.contains(&format!("socket:[{}]", row[9])))
            .map(|row| Socket { groups: u32::from_str_radix(row[3], 16).unwrap(), waiting: row[4].parse().unwrap() })
            .filter(|socket| socket.groups != 0)
            .collect()
    }
}

#[derive(Debug)]
struct Socket {
    groups: u32,
    /// Bytes that it has not read.
    waiting: u64,
}
