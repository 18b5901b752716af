//! `iptables-apply` beside the original script: every way out, and the rules each leaves behind.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::oracle::{Twins, split};

/// Fresh rules, then one run of both; returns the exit code and the rules that are left.
fn apply(twins: &mut Twins, line: &str, answer: &str) -> (i32, String) {
    for line in ["iptables -F", "iptables -A INPUT -s 1.1.1.1"] {
        twins.run(line);
    }
    let mut words = split("iptables-apply");
    words.extend(split(line));
    let outcome = twins.run_words(&words, answer);
    (outcome.code, twins.run("iptables -S INPUT").stdout.replace("-P INPUT ACCEPT\n", ""))
}

fn files(twins: &Twins) {
    for side in [&twins.theirs, &twins.ours] {
        side.write("good", "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -s 9.9.9.9/32 -j DROP\nCOMMIT\n");
        side.write("bad", "*filter\nnonsense\nCOMMIT\n");
        for (name, end) in [("works", "exit 0"), ("fails", "exit 3"), ("hangs", "exec sleep 20")] {
            side.write(name, &format!("#!/bin/sh\niptables -A INPUT -s 8.8.8.8 -j DROP\n{end}\n"));
            let file = side.lock_file().with_file_name(name);
            fs::set_permissions(file, fs::Permissions::from_mode(0o755)).expect("a script");
        }
    }
}

const OLD: &str = "-A INPUT -s 1.1.1.1/32\n";
const NEW: &str = "-A INPUT -s 9.9.9.9/32 -j DROP\n";

#[test]
fn only_a_yes_keeps_the_new_rules() {
    let mut twins = Twins::new();
    files(&twins);
    for (answer, code, left) in [("y", 0, NEW), ("Yes\n", 0, NEW), ("n", 255, OLD), ("\n", 255, OLD), ("", 255, OLD)] {
        assert_eq!(apply(&mut twins, "good", answer), (code, left.to_owned()), "{answer:?}");
    }
    assert_eq!(apply(&mut twins, "bad", "y"), (5, OLD.to_owned()));
}

#[test]
fn a_command_that_fails_or_hangs_is_undone() {
    let mut twins = Twins::new();
    files(&twins);
    let both = format!("{OLD}-A INPUT -s 8.8.8.8/32 -j DROP\n");
    assert_eq!(apply(&mut twins, "-c ./works", "y"), (0, both));
    assert_eq!(apply(&mut twins, "--command ./works", "n"), (255, OLD.to_owned()));
    assert_eq!(apply(&mut twins, "-c ./fails", "y"), (7, OLD.to_owned()));
    assert_eq!(apply(&mut twins, "-t 1 -c ./hangs", "y"), (7, OLD.to_owned()));
}

#[test]
fn what_cannot_work_is_refused_before_anything_is_touched() {
    let mut twins = Twins::new();
    files(&twins);
    for (line, code) in [
        ("nosuch", 2),
        ("-c ./nosuch", 6),
        ("-c good", 6),
        ("-t x good", 1),
        ("-t -5 good", 1),
        ("-q", 1),
        ("--nonsense", 1),
        ("good -t", 1),
    ] {
        assert_eq!(apply(&mut twins, line, "y"), (code, OLD.to_owned()), "{line}");
    }
}

#[test]
fn confirmed_rules_are_written_to_the_file_asked_for() {
    let mut twins = Twins::new();
    files(&twins);
    assert_eq!(apply(&mut twins, "-w saved good", "y").0, 0);
    let saved = fs::read_to_string(twins.ours.lock_file().with_file_name("saved")).expect("the saved rules");
    assert!(saved.contains(NEW), "{saved}");
    // Nobody answers within the time although the input stays open.
    let mut child = twins.ours.spawn(crate::oracle::under_test(), &split("iptables-apply -t 1 good"));
    let _open = child.stdin.take();
    assert_eq!(child.wait().expect("the command's end").code(), Some(255));
}
