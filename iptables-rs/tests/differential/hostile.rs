//! Bad input beside the real tool: what is too long, too much, no text, interrupted or in the way.

use std::io::{Read, Write};

use libxt::family::Af;

use crate::oracle::{Keeper, Namespace, Tool, Twins, split, under_test};

#[test]
fn lines_of_a_mebibyte_are_cut_as_the_real_tool_cuts_them() {
    let long = "x".repeat(1 << 20);
    let addresses = vec!["10.0.0.1"; (1 << 20) / 9].join(",");
    for keeper in [Keeper::Kernel, Keeper::Datapath] {
        let mut twins = Twins::kept_by(keeper);
        for text in [
            format!("*filter\n-A INPUT -m comment --comment {long}\nCOMMIT\n"),
            format!("*filter\n-A INPUT -m comment --comment \"{long}\"\nCOMMIT\n"),
            format!("*filter\n-A INPUT -s {addresses} -j ACCEPT\nCOMMIT\n"),
            format!("*filter\n# {long}\n-A INPUT -j ACCEPT\nCOMMIT\n"),
            format!("*filter\n{}-A INPUT -j ACCEPT\nCOMMIT\n", " ".repeat(1 << 20)),
            format!("*{long}\nCOMMIT\n"),
            format!("*filter\n:{long} - [0:0]\nCOMMIT\n"),
            format!("*filter\n[{long}:1] -A INPUT\nCOMMIT\n"),
            long.clone(),
        ] {
            twins.run_words(&["iptables-restore".to_owned()], &text);
            twins.run("iptables-save -c");
        }
    }
}

#[test]
fn a_rule_of_ten_thousand_matches_is_refused_and_one_of_many_is_taken() {
    let mut twins = Twins::new();
    let matches = |count| "-m mark --mark 1 ".repeat(count);
    // An entry's size is 16 bits: the words below make one that is just short of it, and one past it.
    for count in [100, 1000, 1360, 1370, 10_000] {
        twins.forget();
        let line = format!("iptables -A INPUT {}-j ACCEPT", matches(count));
        let words = split(&line);
        let theirs = twins.theirs.run(Tool::Theirs, &words, "");
        let ours = twins.ours.run(under_test(), &words, "");
        // Upstream lets the size wrap around, and the kernel judge what is left of the rule.
        if theirs.code == 0 || count < 1365 {
            assert!(theirs == ours, "{count} matches\n--- theirs\n{theirs}\n--- ours\n{ours}");
        } else {
            assert_ne!(ours.code, 0, "{count}: {ours}");
            assert!(ours.code < 128, "{count}: {ours}");
        }
        twins.run("iptables -F");
    }
}

#[test]
fn bytes_that_are_no_text_reach_both_tools_alike() {
    let namespaces = [(Tool::Theirs, Namespace::new()), (under_test(), Namespace::new())];
    let inputs: [&[u8]; 6] = [
        b"*filter\n-A INPUT -m comment --comment \"a\0b\" -j ACCEPT\nCOMMIT\n",
        b"*filter\n\0\nCOMMIT\n",
        b"\0*filter\nCOMMIT\n",
        b"*fil\0ter\n-A INPUT -j ACCEPT\nCOMMIT\n",
        b"*filter\n:\xff\xfe - [0:0]\n-A INPUT -j \xff\xfe\nCOMMIT\n",
        b"*filter\n-A INPUT -i \xc3\x28 -m comment --comment \xf0\x28\x8c\x28\nCOMMIT\n",
    ];
    let words: [&[&[u8]]; 4] = [
        &[b"iptables", b"-A", b"INPUT", b"-i", b"\xff\xff", b"-j", b"ACCEPT"],
        &[b"iptables", b"-N", b"\xe2\x82"],
        &[b"iptables", b"-A", b"\xe2\x82", b"-m", b"\xff"],
        &[b"iptables", b"-S"],
    ];
    for input in inputs {
        let [theirs, ours] = namespaces.each_ref().map(|(tool, namespace)| {
            let restored = without_version(namespace.run_bytes(*tool, &[b"iptables-restore"], input));
            (restored, namespace.run_bytes(*tool, &[b"iptables", b"-S"], b""))
        });
        assert_eq!(theirs, ours, "{input:?}");
    }
    for words in words {
        let [theirs, ours] =
            namespaces.each_ref().map(|(tool, namespace)| without_version(namespace.run_bytes(*tool, words, b"")));
        assert_eq!(theirs, ours, "{words:?}");
    }
}

#[test]
fn numbers_past_every_limit_and_names_past_every_length_are_refused_alike() {
    let mut twins = Twins::new();
    let mut differences = Vec::new();
    let numbers =
        ["-1", "256", "65536", "4294967296", "18446744073709551615", "18446744073709551616", "9".repeat(400).leak()];
    for number in numbers {
        for line in [
            format!("-A INPUT -p {number}"),
            format!("-I INPUT {number}"),
            format!("-D INPUT {number}"),
            format!("-A INPUT -c {number} {number}"),
            format!("-L -w {number}"),
            format!("-A INPUT -s 10.0.0.0/{number}"),
            format!("-A INPUT -p tcp --dport {number}"),
            format!("-A INPUT -m mark --mark {number}"),
            format!("-A INPUT -m length --length {number}:{number}"),
            format!("-A INPUT -m limit --limit {number}/s"),
            format!("-A INPUT -m connbytes --connbytes {number} --connbytes-dir both --connbytes-mode bytes"),
            format!("-A INPUT -m quota --quota {number}"),
            format!("-A INPUT -j LOG --log-level {number}"),
            format!("-A INPUT -j NFQUEUE --queue-num {number}"),
            format!("-A INPUT -m statistic --mode nth --every {number}"),
        ] {
            differences.extend(twins.try_words(&split(&format!("iptables {line}")), "").err());
        }
    }
    for length in [14, 15, 16, 28, 29, 30, 31, 32, 63, 64, 255, 256, 4096, 100_000] {
        let name = "n".repeat(length);
        for line in [
            format!("-N {name}"),
            format!("-E {name} {name}x"),
            format!("-A INPUT -j {name}"),
            format!("-A INPUT -m {name}"),
            format!("-A INPUT -p {name}"),
            format!("-A INPUT -i {name}"),
            format!("-t {name} -L"),
            format!("-P {name} DROP"),
            format!("-A INPUT -j LOG --log-prefix {name}"),
            format!("-A INPUT -m comment --comment {name}"),
            format!("-A INPUT -m recent --name {name} --set"),
            format!("-A INPUT -m helper --helper {name}"),
            format!("-A INPUT -m string --algo bm --string {name}"),
        ] {
            differences.extend(twins.try_words(&split(&format!("iptables {line}")), "").err());
        }
    }
    differences.extend(twins.try_tables(Af::V4, &["filter"]).err());
    assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), differences.join("\n\n"));
}

#[test]
fn a_lock_file_on_a_full_disk_is_no_hindrance() {
    // The lock is an empty file: /dev/full stands for one that cannot be written to.
    let mut said = Vec::new();
    for tool in [Tool::Theirs, under_test()] {
        let namespace = Namespace::new();
        std::os::unix::fs::symlink("/dev/full", namespace.lock_file()).expect("a link");
        let outcome = namespace.run(tool, &split("iptables -A INPUT -j ACCEPT"), "");
        said.push((outcome, namespace.run(tool, &split("iptables -S"), "")));
    }
    assert_eq!(said[0], said[1]);
}

#[test]
fn a_lock_file_that_cannot_be_made_is_told_of_alike() {
    // A full disk, and a /run that is read-only.
    for (options, why) in [("size=4k,nr_inodes=1", "No space left on device"), ("ro", "Read-only file system")] {
        let mut said = Vec::new();
        for tool in [Tool::Theirs, under_test()] {
            let namespace = Namespace::new();
            let folder = namespace.mount("run", options);
            for line in ["iptables -A INPUT -j ACCEPT", "iptables -w 1 -L -n", "iptables-restore"] {
                let mut outcome =
                    namespace.run_with_lock(tool, &split(line), "*filter\n-A INPUT\nCOMMIT\n", "run/xtables");
                assert!(outcome.stderr.contains(why), "{options}: {line}: {outcome}");
                outcome.stderr = outcome.stderr.replace(&folder, "RUN");
                said.push((tool, outcome));
            }
            said.push((tool, namespace.run(tool, &split("iptables -S"), "")));
        }
        let half = said.len() / 2;
        for (theirs, ours) in said[..half].iter().zip(&said[half..]) {
            assert_eq!(theirs.1, ours.1, "{options}");
        }
    }
}

#[test]
fn output_that_nobody_reads_or_that_has_no_room_ends_both_alike() {
    let rules: String = (0..5000).map(|n| format!("-A INPUT -s 10.0.{}.{} -j ACCEPT\n", n / 250, n % 250)).collect();
    let rules = format!("*filter\n{rules}COMMIT\n");
    let mut ended = Vec::new();
    for tool in [Tool::Theirs, under_test()] {
        let namespace = Namespace::new();
        namespace.run(tool, &["iptables-restore".to_owned()], &rules);
        for line in ["iptables-save", "iptables -S", "iptables -nL"] {
            // The reader goes away after a few bytes.
            let mut child = namespace.spawn(tool, &split(line));
            let mut some = [0; 10];
            child.stdout.take().expect("a pipe").read_exact(&mut some).expect("output");
            drop(child.stdin.take());
            use std::os::unix::process::ExitStatusExt;
            let status = child.wait().expect("an end");
            // Rust's start ignores the signal; both end without a word, by the signal or by a failed write.
            let mut stderr = String::new();
            child.stderr.take().expect("a pipe").read_to_string(&mut stderr).expect("its last words");
            ended.push((tool, line, status.signal(), status.code(), stderr));
        }
    }
    let half = ended.len() / 2;
    for (theirs, ours) in ended[..half].iter().zip(&ended[half..]) {
        assert_eq!((theirs.2, theirs.3, &theirs.4), (ours.2, ours.3, &ours.4), "{} ", theirs.1);
    }
}

#[test]
fn a_restore_that_is_killed_leaves_the_table_whole() {
    for keeper in [Keeper::Kernel, Keeper::Datapath] {
        let twins = Twins::kept_by(keeper);
        let namespace = &twins.ours;
        namespace.run(under_test(), &split("iptables -A INPUT -s 1.1.1.1 -j ACCEPT"), "");
        let mut child = namespace.spawn(under_test(), &["iptables-restore".to_owned()]);
        let mut input = child.stdin.take().expect("a pipe");
        input.write_all(b"*filter\n-A INPUT -s 2.2.2.2 -j ACCEPT\n").expect("it reads");
        child.kill().expect("a child");
        child.wait().expect("its end");
        let saved = namespace.run(under_test(), &split("iptables -S INPUT"), "").stdout;
        assert!(saved.contains("1.1.1.1") && !saved.contains("2.2.2.2"), "{keeper:?}: {saved}");
    }
}

fn without_version((code, stdout, stderr): (i32, Vec<u8>, Vec<u8>)) -> (i32, Vec<u8>, String) {
    let stderr: String = stderr.iter().map(|&byte| char::from(byte)).collect();
    (code, stdout, stderr.replace("1.8.9", "X").replace("1.8.11", "X"))
}
