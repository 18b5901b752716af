//! Several writers of one table: with the lock in common, and without, where only the kernel notices that they met.

use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use crate::oracle::{Keeper, Namespace, Tool, Twins, output, split, under_test};

#[test]
fn rules_of_many_writers_are_all_there_in_the_end() {
    for keeper in [Keeper::Kernel, Keeper::Datapath] {
        let twins = Twins::kept_by(keeper);
        let namespace = &twins.ours;
        thread::scope(|scope| {
            for writer in 0..4 {
                scope.spawn(move || {
                    for rule in 0..20 {
                        let line = format!("iptables -A INPUT -s 10.{writer}.{rule}.1 -j ACCEPT");
                        let outcome = namespace.run(under_test(), &split(&line), "");
                        assert_eq!(outcome.code, 0, "{outcome}");
                    }
                });
            }
        });
        let saved = namespace.run(under_test(), &split("iptables -S INPUT"), "").stdout;
        assert_eq!(saved.lines().filter(|line| line.starts_with("-A ")).count(), 80, "{keeper:?}: {saved}");
    }
}

/// Has two writers add rules to one table, each with a lock file of its own, so that neither waits for the other.
fn write_at_once(keeper: Keeper, other: Tool, write: impl Fn(&Namespace, Tool, &str, usize) + Sync) {
    let twins = Twins::kept_by(keeper);
    let namespace = &twins.ours;
    thread::scope(|scope| {
        for (writer, tool) in [("1", under_test()), ("2", other)] {
            let write = &write;
            scope.spawn(move || (0..RULES).for_each(|rule| write(namespace, tool, writer, rule)));
        }
    });
    let saved = namespace.run(under_test(), &split("iptables -S INPUT"), "").stdout;
    for writer in ["1", "2"] {
        let rules = saved.lines().filter(|line| line.contains(&format!("-s 10.{writer}."))).count();
        assert_eq!(rules, RULES, "{keeper:?}, writer {writer}, beside {other:?}:\n{saved}");
    }
    // What was done anew was done once.
    assert_eq!(saved.lines().count(), 1 + 2 * RULES, "{saved}");
}

#[test]
fn a_table_that_changed_under_a_command_is_edited_anew() {
    for (keeper, wait) in
        [(Keeper::Kernel, ""), (Keeper::Kernel, "-w "), (Keeper::Datapath, ""), (Keeper::Datapath, "-w 5 ")]
    {
        write_at_once(keeper, under_test(), |namespace, tool, writer, rule| {
            let line = format!("iptables {wait}-A INPUT -s 10.{writer}.{rule}.1 -j ACCEPT");
            let outcome = namespace.run_with_lock(tool, &split(&line), "", writer);
            assert_eq!((outcome.code, outcome.stderr.as_str()), (0, ""), "{line}: {outcome}");
        });
    }
}

#[test]
fn a_table_that_the_real_tool_changes_is_edited_anew() {
    write_at_once(Keeper::Kernel, Tool::Theirs, |namespace, tool, writer, rule| {
        let line = format!("iptables -A INPUT -s 10.{writer}.{rule}.1 -j ACCEPT");
        // The real tool gives up, and its caller has to try again: exit 4. Where ours came between its two calls, it
        // says that what it did had failed.
        loop {
            let outcome = namespace.run_with_lock(tool, &split(&line), "", writer);
            let added = outcome.code == 0 || (tool == Tool::Theirs && outcome.code == 1);
            if added {
                break;
            }
            assert!(tool == Tool::Theirs && outcome.code == 4, "{line}: {outcome}");
        }
    });
}

#[test]
fn a_restore_that_keeps_the_rest_is_repeated_on_a_table_that_changed() {
    for keeper in [Keeper::Kernel, Keeper::Datapath] {
        write_at_once(keeper, under_test(), |namespace, tool, writer, rule| {
            let (words, text) = if writer == "1" {
                let text = format!(
                    "*filter\n:w - [0:0]\n-A w -j RETURN\n[3:4] -A INPUT -s 10.1.{rule}.1 -j w\n-F FORWARD\n\
                     -A FORWARD -j w\n-A FORWARD -j w\n-D FORWARD 1\nCOMMIT\n"
                );
                (split("iptables-restore -c --noflush"), text)
            } else {
                (split(&format!("iptables -A INPUT -s 10.2.{rule}.1 -j ACCEPT")), String::new())
            };
            let outcome = namespace.run_with_lock(tool, &words, &text, writer);
            assert_eq!((outcome.code, outcome.stderr.as_str()), (0, ""), "{words:?}: {outcome}");
        });
    }
}

#[test]
fn a_whole_restore_replaces_whatever_the_table_is_by_then() {
    for keeper in [Keeper::Kernel, Keeper::Datapath] {
        let twins = Twins::kept_by(keeper);
        let namespace = &twins.ours;
        namespace.run(under_test(), &split("iptables -P FORWARD DROP"), "");
        let mut child = namespace.spawn(under_test(), &["iptables-restore".to_owned()]);
        let mut input = child.stdin.take().expect("a pipe");
        // The table is read with its first line.
        input.write_all(b"*filter\n:OUTPUT DROP [0:0]\n-A INPUT -s 1.1.1.1 -j ACCEPT\n").expect("it reads");
        let deadline = Instant::now() + Duration::from_secs(20);
        while !namespace.is_locked() {
            assert!(Instant::now() < deadline, "the restore never came to its table");
            thread::sleep(Duration::from_millis(5));
        }
        for line in ["iptables -A INPUT -s 2.2.2.2 -j DROP", "iptables -P FORWARD ACCEPT", "iptables -P OUTPUT ACCEPT"]
        {
            let outcome = namespace.run_with_lock(under_test(), &split(line), "", "other");
            assert_eq!(outcome.code, 0, "{outcome}");
        }
        input.write_all(b"COMMIT\n").expect("it reads");
        drop(input);
        let output = output(child);
        assert!(output.status.success(), "{keeper:?}: {output:?}");
        let saved = namespace.run(under_test(), &split("iptables -S"), "").stdout;
        let wanted = "-P INPUT ACCEPT\n-P FORWARD ACCEPT\n-P OUTPUT DROP\n-A INPUT -s 1.1.1.1/32 -j ACCEPT\n";
        assert_eq!(saved, wanted, "{keeper:?}");
    }
}

/// Rules of each writer.
const RULES: usize = 40;
