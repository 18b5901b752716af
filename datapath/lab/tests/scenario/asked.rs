//! What only the kernel itself can tell of a packet: its socket's control group, its CPU.

use std::{fs, io, path::PathBuf};

use lab::{
    frame::{Ip, Tcp},
    suite::Test,
};
use nix::{
    sched::{CpuSet, sched_getaffinity, sched_setaffinity},
    unistd::Pid,
};

use super::{Stage, claim, client, fail, outside::counted};

/// From a socket of the router's own.
fn own(port: u16) -> Vec<u8> {
    Ip::between([10, 2, 0, 1], [10, 2, 0, 2]).udp(port, 53, b"data")
}

/// Has this thread run on one CPU while `work` lasts; its number.
fn pinned(work: impl FnOnce(usize) -> io::Result<()>) -> io::Result<()> {
    let before = sched_getaffinity(Pid::from_raw(0))?;
    let allowed = |cpu: &usize| before.is_set(*cpu).unwrap_or(false);
    let Some(cpu) = (0..CpuSet::count()).find(allowed) else { return fail("no CPU at all") };
    let mut one = CpuSet::new();
    one.set(cpu)?;
    sched_setaffinity(Pid::from_raw(0), &one)?;
    let done = work(cpu);
    sched_setaffinity(Pid::from_raw(0), &before)?;
    done
}

/// A control group of this process's own in the unified hierarchy, taken away when dropped.
struct Group {
    folder: PathBuf,
    name: String,
}

impl Group {
    /// `None` where no group can be made.
    fn make() -> Option<Self> {
        let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
        let mount = mounts.lines().find(|line| line.split(' ').nth(2) == Some("cgroup2"))?.split(' ').nth(1)?;
        let name = format!("xt-lab-{}", std::process::id());
        let folder = PathBuf::from(mount).join(&name);
        fs::create_dir(&folder).ok()?;
        let group = Self { folder, name };
        // Its processes must be ours to move.
        group.enter(|| Ok(())).ok()?;
        Some(group)
    }

    /// Does something as a process of the group.
    fn enter(&self, work: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        let own = fs::read_to_string("/proc/self/cgroup")?;
        let place = own.lines().find_map(|line| line.strip_prefix("0::/")).unwrap_or_default();
        let root = self.folder.parent().map(|root| root.join(place)).unwrap_or_default();
        let process = std::process::id().to_string();
        fs::write(self.folder.join("cgroup.procs"), &process)?;
        let done = work();
        fs::write(root.join("cgroup.procs"), &process)?;
        done
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.folder);
    }
}

/// As [`counted`] of both rules together, however they share it.
fn together(stage: &mut Stage, names: [&str; 2], wanted: u64) -> io::Result<()> {
    let mut sum = 0;
    for name in names {
        sum += stage.count(&format!("--comment {name}"))?;
    }
    if sum == wanted { Ok(()) } else { fail(format!("{names:?} counted {sum}, not {wanted}")) }
}

pub(crate) const TESTS: &[Test] = &[
    ("packets_of_local_sockets_are_of_a_class_and_of_a_group", || {
        let rules = [
            "-A OUTPUT -p udp -m cgroup --cgroup 0 -m comment --comment none",
            "-A OUTPUT -p udp -m cgroup ! --cgroup 0 -m comment --comment some",
            "-t mangle -A POSTROUTING -p udp -m cgroup --path / -m comment --comment root",
            "-t mangle -A POSTROUTING -p udp -m cgroup ! --path / -m comment --comment other",
            "-A INPUT -p udp -m cgroup --path / -m comment --comment input",
            "-A OUTPUT -p udp -m cgroup --cgroup 0 -m comment --comment again",
        ];
        claim(&rules, |s| {
            for port in 1..4 {
                s.own(own(port))?;
            }
            // What passes has no socket here, so no rule knows a group of its own.
            s.lan(client().udp(1, 53, b"data"))?;
            counted(s, &[("none", 3), ("some", 0), ("root", 3), ("other", 0), ("input", 0), ("again", 3)])?;
            s.wan(Ip::between([10, 2, 0, 2], [10, 2, 0, 1]).udp(53, 9, b"data"))?;
            counted(s, &[("input", 0)])
        })
    }),
    ("a_socket_is_of_the_group_that_opened_it_and_of_those_above", || {
        let Some(group) = Group::make() else {
            eprintln!("not tried: nobody may make control groups here");
            return Ok(());
        };
        let name = &group.name;
        let rules = [
            format!("-A OUTPUT -p udp -m cgroup --path {name} -m comment --comment in"),
            format!("-A OUTPUT -p udp -m cgroup ! --path /{name} -m comment --comment out"),
            "-A OUTPUT -p udp -m cgroup --path / -m comment --comment root".to_owned(),
            format!("-t mangle -A POSTROUTING -p udp -m cgroup --path {name} -m comment --comment post"),
        ];
        let rules: Vec<&str> = rules.iter().map(String::as_str).collect();
        claim(&rules, |s| {
            s.own(own(1))?;
            group.enter(|| s.own(own(2)).map(drop))?;
            // The socket that is open already stays where it was opened.
            group.enter(|| s.own(own(1)).map(drop))?;
            s.own(own(2))?;
            counted(s, &[("in", 2), ("out", 2), ("root", 4), ("post", 2)])
        })
    }),
    ("a_group_that_is_not_there_is_refused", || {
        super::rules::refused("-A OUTPUT -m cgroup --path no/such/group")?;
        super::rules::refused("-t mangle -A PREROUTING -m cgroup --cgroup 1")
    }),
    ("a_packet_is_told_by_the_cpu_that_received_or_sent_it", || {
        pinned(|cpu| {
            let other = cpu + 1;
            let rules = [
                format!("-t mangle -A PREROUTING -m cpu --cpu {cpu} -p udp -m comment --comment here"),
                format!("-t raw -A PREROUTING -m cpu ! --cpu {cpu} -p udp -m comment --comment elsewhere"),
                format!("-A OUTPUT -m cpu --cpu {cpu} -p udp -m comment --comment sent"),
                format!("-A OUTPUT -m cpu --cpu {other} -p udp -m comment --comment not"),
            ];
            let rules: Vec<&str> = rules.iter().map(String::as_str).collect();
            claim(&rules, |s| {
                for port in 1..6 {
                    s.lan(client().udp(port, 53, b"data"))?;
                    s.own(own(port))?;
                }
                s.lan(client().tcp(&Tcp::segment(1, 80, Tcp::SYN, 1, 0), b""))?;
                counted(s, &[("here", 5), ("elsewhere", 0), ("sent", 5), ("not", 0)])
            })
        })
    }),
    ("a_program_may_load_what_a_queued_packet_does_not_tell", || {
        pinned(|cpu| {
            let rules = [
                format!(
                    "-t mangle -A PREROUTING -p udp -m bpf --bytecode \"4,32 0 0 4294963236,21 0 1 {cpu},6 0 0 1,6 0 0 0\" \
                     -m comment --comment here"
                ),
                format!(
                    "-t mangle -A PREROUTING -p udp -m bpf --bytecode \"4,32 0 0 4294963236,21 1 0 {cpu},6 0 0 1,6 0 0 0\" \
                     -m comment --comment elsewhere"
                ),
                "-A FORWARD -p udp -m bpf --bytecode \"4,32 0 0 4294963248,21 0 1 0,6 0 0 1,6 0 0 0\" -m comment \
                 --comment untagged"
                    .to_owned(),
            ];
            let rules: Vec<&str> = rules.iter().map(String::as_str).collect();
            claim(&rules, |s| {
                for port in 1..4 {
                    s.lan(client().udp(port, 53, b"data"))?;
                }
                together(s, ["here", "elsewhere"], 3)?;
                counted(s, &[("here", 3), ("untagged", 3)])
            })
        })
    }),
];
