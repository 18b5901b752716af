//! The same command lines given to the original and to ours, over the same kernel table.
//!
//! What both write to stdout and stderr, their exit codes and the table afterwards must be equal, but for the version,
//! for entry numbers and for seconds that passed. The original must be installed and runs first: a case in which it
//! fails to run tests nothing, and is a failure.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "this is a test")]

mod expectations;
mod follower;
mod json;

use std::io::Write;
use std::process::{Command, Stdio};

use lab::conntrack_lines::{self, ENTRIES, Heard, excused};
use lab::random::Random;
use nix::sched::{CloneFlags, unshare};

#[test]
fn filters_choose_the_same_entries() {
    check(
        "filters_choose_the_same_entries",
        &[
            "-L",
            "-L -o extended",
            "-L -o id",
            "-L -o xml",
            "-L -o save",
            "-L -o timestamp,ktimestamp",
            "-L -o x,i",
            "-L -f ipv4",
            "-L -f ipv6",
            "-L -p tcp",
            "-L -p TCP",
            "-L -p 17",
            "-L -p 99",
            "-L -p sctp",
            "-L -p udplite",
            "-L -p gre --srckey 10",
            "-L -p tcp --state SYN_SENT",
            "-L -p tcp --sport 1",
            "-L -p tcp --orig-port-src=3",
            "-L -p tcp --reply-port-src 2",
            "-L -p icmp --icmp-type 8",
            "-L -p icmp --icmp-id 4",
            "-L -p icmpv6 --icmpv6-id 9",
            "-L -s 1.1.1.0/24",
            "-L -s 1.1.1.1 --mask-src 255.255.255.0",
            "-L -s fe80::/64",
            "-L -d 2.2.2.2",
            "-L -r 2.2.2.2",
            "-L -q 9.9.9.9",
            "-L -s 0/0",
            "-L -s 1.1",
            "-L -m 5",
            "-L -m 0x5/0x4",
            "-L -m 0x10/0x10",
            "-L -u ASSURED",
            "-L -u seen",
            "-L -u UNREPLIED",
            "-L -u !ASSURED",
            "-L -u FIX",
            "-L -u UNSET",
            "-L -u SRC_NAT",
            "-L -w 3",
            "-L -w 0",
            "-L --orig-zone 4",
            "-L --orig-zone 0",
            "-L --reply-zone 5",
            "-L -n",
            "-L -n 9.9.9.9",
            "-L -n 9.9.9.9:88",
            "-L -n 9.9.9.9:89",
            "-L -g",
            "-L -j",
            "-L -j 8.8.8.8",
            "-L -n -g",
            "-L -z",
            "-L -z -n 9.9.9.9",
            "-L -c 4",
            "-L conn",
            "-L dying",
            "-L unconfirmed",
            "-L expect",
            "-C",
            "-C expect",
            "-S expect",
            "--dump",
            "-L --proto=udp",
            "foo -L",
            "-L foo -p tcp",
            "-Lp tcp",
            "-Lexpect",
            "- -L",
        ],
    );
}

#[test]
fn mistakes_are_told_in_the_same_words() {
    check(
        "mistakes_are_told_in_the_same_words",
        &[
            "-L -D",
            "-L -L",
            "-V -L",
            "-hV",
            "-V -s 1.1.1.1",
            "-s 1.1.1.1",
            "-p tcp --sport 3",
            "-h -f ipv4",
            "-L foo",
            "-h foo",
            "-U expect",
            "-F dying",
            "-C dying",
            "-S foo",
            "--d",
            "-L --sou",
            "-L --orig",
            "-L -x",
            "-L -s",
            "-L -p",
            "-L -t",
            "-L -p tcp --sport",
            "-L -o foo",
            "-L -o ",
            "-L -o id,",
            "-L -o save,id",
            "-L -o save,xml",
            "-E -e foo",
            "-L -e NEW",
            "-L -a 5 -i 3",
            "-I -a 5",
            "-L -l foo",
            "-L -i 4",
            "-L -b 4",
            "-F -s 1.1.1.1",
            "-E -f ipv6 -t 5",
            "-L -u foo",
            "-L -u ASSURED,foo",
            "-L -u unreplied",
            "-L -u !UNREPLIED",
            "-L -n :88",
            "-L -n 9.9.9.9:70000",
            "-L -n 1.1.1.1:5:6",
            "-L -n -j",
            "-L --mask-src 255.255.255.0",
            "-L -r 2.2.2.2/24",
            "-L -q 2.2.2.2/24",
            "-L -s fe80::1 -d 1.1.1.1",
            "-L -f ip",
            "-L -f ipv4 -s fe80::1",
            "-L -s 1.1.1.1/33",
            "-L -s foo",
            "-L -s /24",
            "-L -s 1.1.1.1/x",
            "-L -d 2.2.2.2 --mask-dst foo",
            "-L -p tcp --state foo",
            "-L -p dccp --state foo",
            "-L -p dccp --role foo",
            "-L -p dccp --role client",
            "-L -p tcp --mask-port-dst 1",
            "-E -p sctp --orig-vtag 1",
            "-L -p foo",
            "-L -p 256",
            "-L -p -1",
            "-L -p 6x",
            "-L --sport 3",
            "-L -p udp --state ESTABLISHED",
            "-L -p icmp --sport 4",
            "-L -z -p tcp",
            "-L -z -s 1.1.1.1",
            "-L -p icmpv6 -z --mask-dst 255.255.0.0",
            "-L -z -p tcp -a 5",
            "-S -p tcp",
            "-C -p tcp",
            "-D -i",
            "-L expect -s 1.1.1.1",
            "-G",
            "-G -p tcp",
            "-G -p tcp -s 1.1.1.1",
            "-G -p tcp -r 2.2.2.2",
            "-G -p tcp -s 1.1.1.1 -d 2.2.2.2",
            "-G -p tcp -s 1.1.1.1 -d 2.2.2.2 --sport 1",
            "-G -p tcp -s 1.1.1.1 -d 2.2.2.2 --reply-port-src 5",
            "-G -p icmp -s 1.1.1.1 -d 2.2.2.2",
            "-G -p udp -s 1.1.1.4 -d 2.2.2.2 --sport 1 --dport 2 -w 3",
            "-I -p tcp -s 1.1.1.1 -d 2.2.2.2 --sport 1 --dport 2 -t 300",
            "-I -p udp -s 1.1.1.1 -d 2.2.2.2 -t 3",
            "-I -p tcp -s 1.1.1.1 -d 2.2.2.2 --sport 1 --dport 2 --state CLOSE",
            "-I -s 1.1.1.1 -d 2.2.2.2 -t 5",
            "-I -p udp -s 1.1.1.0/24 -d 2.2.2.2 --sport 19 --dport 2 -t 20",
            "-I -p sctp -s 1.1.1.1 -d 2.2.2.2 --sport 1 --dport 2 --state ESTABLISHED -t 5",
        ],
    );
}

#[test]
fn entries_are_made_changed_and_deleted_alike() {
    check(
        "entries_are_made_changed_and_deleted_alike",
        &[
            "-G -p tcp -s 1.1.1.1 -d 2.2.2.2 --sport 1 --dport 2",
            "-G -p tcp -r 2.2.2.2 -q 1.1.1.1 --reply-port-src 2 --reply-port-dst 1",
            "-G -p tcp -s 1.1.1.1 -d 2.2.2.2 --sport 8 --dport 2",
            "-G -p 99 -s 1.1.1.3 -d 2.2.2.2",
            "-G -p icmp -s 1.1.1.1 -d 2.2.2.2 --icmp-type 8 --icmp-code 0 --icmp-id 3",
            "-G -p icmp -s 1.1.1.1 -d 2.2.2.2 --icmp-type 8 --icmp-code 0",
            "-G -p gre -s 1.1.1.1 -d 2.2.2.2 --srckey 10 --dstkey 20",
            "-D -p tcp --sport 3",
            "-D -p tcp --sport 9",
            "-D -i 5",
            "-D -m 5",
            "-D -t 5",
            "-D -u ASSURED",
            "-D -u UNREPLIED",
            "-D",
            "-D conntrack -s 1.1.1.1",
            "-D -n",
            "-D -g 8.8.8.8",
            "-D -w 3",
            "-D --orig-zone 4",
            "-D -f ipv6",
            "-D -p udp -o save",
            "-D -o xml -p tcp",
            "-F",
            "-F -f ipv6",
            "-F expect",
            "-F conntrack foo",
            "-I -p tcp -s 1.1.1.1 -d 2.2.2.2 --sport 1 --dport 2 --state ESTABLISHED -t 300",
            "-A -p tcp -s 1.1.1.1 -d 2.2.2.2 --sport 1 --dport 2 --state ESTABLISHED -t 300",
            "-A -p tcp -s 1.1.1.1 -d 2.2.2.2 --sport 9 --dport 2 --state LISTEN -t 300",
            "-I -p udp -r 1.1.1.1 -q 2.2.2.2 --reply-port-src 31 --reply-port-dst 32 -t 300",
            "-I -p udp -r 1.1.1.1 -q 2.2.2.2 --sport 31 --dport 32 -t 300",
            "-I -p udp -s 8.1.1.1 -d 8.2.2.2 --sport 1 --dport 2 -r 9.1.1.1 -q 9.2.2.2 --reply-port-src 4 --reply-port-dst 5 -t 300",
            "-I -p udp -s 1.1.1.1 -d 2.2.2.2 --sport 16 --dport 2 -t 300 -u EXPECTED",
            "-I -p udp -s 1.1.1.1 -d 2.2.2.2 --sport 16 --dport 2 -t 300 -u FIXED_TIMEOUT,SEEN_REPLY",
            "-I -p tcp -s 1.1.1.1 -d 2.2.2.2 --sport 11 --dport 2 --state CLOSE -t 300 -u !ASSURED",
            "-I -p udp -s 1.1.1.1 -d 2.2.2.2 --sport 15 --dport 2 -t -1",
            "-I -p udp -s 1.1.1.1 -d 2.2.2.2 --sport 17 --dport 2 -t 300 -n",
            "-I -p udp -s 1.1.1.1 -d 2.2.2.2 --sport 18 --dport 2 -t 300 -g 8.8.8.8:99 -n 7.7.7.7 -m 0x10/0xff",
            "-I -p udp -s 1.1.1.1 -d 2.2.2.2 --sport 20 --dport 2 -t 300 --reply-zone 6 --orig-zone 7 -w 3",
            "-I -p udp -s fe80::1 -d fe80::3 --sport 1 --dport 2 -t 300 -n [fe80::9]:7",
            "-I -p dccp -s 1.1.1.1 -d 2.2.2.2 --sport 1 --dport 2 --state OPEN --role client -t 300",
            "-I -p icmp -s 1.1.1.1 -d 2.2.2.2 --icmp-type 99 --icmp-code 0 -t 300",
            "-I -p udp --sport 31 --reply-port-dst 1 --reply-port-src 2 -s 1.1.1.1 -d 2.2.2.2 -t 300",
            "-I -p udp --sport 4 --dport 2 --reply-port-src 2 -r 2.2.2.2 -q 1.1.1.1 -t 300",
            "-I -p 99 -r 2.2.2.2 -q 1.1.1.1 -d 2.2.9.9 -n 9.9.9.9 -t 300",
            "-I -p icmp --icmp-type 8 --icmp-code 0 -s fe80::1 -d fe80::2 -t 300",
            "-I -p icmpv6 --icmpv6-type 128 --icmpv6-code 0 --icmpv6-id 9 -s 1.1.1.4 -d 2.2.2.2 -t 300",
            "-G -p icmpv6 --icmpv6-type 128 --icmpv6-code 0 -s fe80::1 -d fe80::2",
            "-G -p icmpv6 --icmpv6-type 128 --icmpv6-code 0 -s 1.1.1.4 -d 2.2.2.2",
            "-I -p icmpv6 -s fe80::1 -d fe80::2 --icmpv6-type 128 --icmpv6-code 0 -t 300",
            "-G -p tcp --sport 3 --dport 2 --state ESTABLISHED -s 1.1.1.1 -d 2.2.2.2",
            "-U -s 1.1.1.1 -p udp --dport 2 --sport 1 -m 9",
            "-U -s 1.1.1.9 -t 100",
            "-U -s 1.1.1.3 -t 200",
            "-U -s 1.1.1.3 -t 200 -o xml",
            "-U -s 1.1.1.3 -t 200 -o save",
            "-G -p 99 -s 1.1.1.3 -d 2.2.2.2 -o xml",
            "-G -p 99 -s 1.1.1.3 -d 2.2.2.2 -o save",
            "-U -s 1.1.1.3",
            "-U -s 1.1.1.1 -p tcp --sport 3 -u SEEN_REPLY",
            "-U -s 1.1.1.1 -p tcp --sport 3 -u UNSET",
            "-U -s 1.1.1.1 -p tcp --sport 1 -m 0x10/0x1",
            "-U -s 1.1.1.1 -p tcp --sport 1 --state TIME_WAIT -t 100",
        ],
    );
}

/// Files for `-R`, each of its lines behind the other's.
#[test]
fn files_of_command_lines_are_run_alike() {
    const ONE: &str = "-I -p udp -s 5.1.1.1 -d 2.2.2.2 --sport 1 --dport 2 -t 300";
    if !enter("files_of_command_lines_are_run_alike") {
        return;
    }
    let mut wrong = Vec::new();
    for text in [
        "",
        &format!("{ONE}\n"),
        &format!("{ONE}\n{ONE}\n-F\n"),
        &format!("-F\n{ONE}"),
        &format!("conntrack {ONE} --sport 9\nfoo bar\t{ONE} --sport 10\n"),
        &format!("# c\n\n  \n   # d\n{ONE} -m \"5\" # no\r\n"),
        &format!("{ONE} -u 'ASSURED'\n"),
        &format!("-F\n{ONE} --bad\n"),
        "-F\n-L -p tcp\n",
        "-L expect\n",
        "-G -p udp\n",
        "-E\n",
        "-C expect\n",
        "--stats\n",
        "-h\n",
        "-V\n",
        "-R x\n",
        "foo\n",
        "-D -p udp\n-F\n",
        "-D -p udp --sport 99\n",
        "-I -p udp\n-F\n",
        "-A -p udp -s 5.1.1.1 -d 2.2.2.2 --sport 1 --dport 2 -t 300 -o xml\n",
        "-F -F\n",
        "-F expect\n",
        "-A expect\n",
        "-a 5 -F\n",
        "-F \"\"\n",
        "\"-F\n",
        "-F \"a b\"c\n",
        "-F conn\n-F # x\n",
        &format!("-F {}\n", "x ".repeat(252)),
        &format!("-F {}\n", "x ".repeat(253)),
        &format!("-F {}\n", "x".repeat(1023)),
        &format!("-F {}\n", "x".repeat(1024)),
    ] {
        for words in [["-R", "-"], ["--load-file", "-"]] {
            fill();
            let theirs = (run_with(ORIGINAL, &words, text), table());
            fill();
            let ours = (run_with(env!("CARGO_BIN_EXE_conntrack"), &words, text), table());
            if theirs != ours {
                wrong.push(format!("{words:?} <<{text:?}\n--- theirs: {theirs:#?}\n--- ours: {ours:#?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
    for words in [["-R", "/nonexistent"], ["-R", "/"], ["--load", "/"], ["--load-file=/", "x"], ["-L", "-R"]] {
        assert_eq!(run(ORIGINAL, &words), run(env!("CARGO_BIN_EXE_conntrack"), &words), "{words:?}");
    }
}

/// Random command lines; `CONNTRACK_CASES` says how many, `CONNTRACK_SEED` which. A line alone is enough to see a
/// difference again, since every line begins with the same table.
#[test]
fn random_command_lines_do_the_same() {
    let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    let seed = number("CONNTRACK_SEED")
        .unwrap_or_else(|| std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs());
    println!("CONNTRACK_SEED={seed}");
    let mut random = Random::new(seed);
    let lines: Vec<String> =
        (0..number("CONNTRACK_CASES").unwrap_or(500)).map(|_| conntrack_lines::line(&mut random)).collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    check("random_command_lines_do_the_same", &lines);
}

/// Gives each line to both programs and compares.
fn check(name: &str, lines: &[&str]) {
    if !enter(name) {
        return;
    }
    fill();
    let mut wrong = Vec::new();
    for line in lines {
        // The kernel has one hash for all namespaces: what others do to it may hide an entry from a dump.
        let Some(first) = difference(line) else { continue };
        match difference(line) {
            Some(again) => wrong.push(again),
            None => println!("differed once and not again: {first}"),
        }
    }
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), lines.len(), wrong.join("\n"));
}

/// What a line does that it should not, with the table filled before and after.
fn difference(line: &str) -> Option<String> {
    let words: Vec<&str> = line.split(' ').collect();
    let reads = line.starts_with("-L") || line.starts_with("-G") || line.starts_with("-C");
    let done = |program: &str| {
        let done = (run(program, &words), table());
        if !reads {
            fill();
        }
        done
    };
    let theirs = done(ORIGINAL);
    let ours = done(env!("CARGO_BIN_EXE_conntrack"));
    let differs = theirs != ours && !excused(line, &theirs.0, &ours.0);
    differs.then(|| format!("conntrack {line}\n--- theirs: {theirs:#?}\n--- ours: {ours:#?}"))
}

/// A network namespace of the test's own, in which the kernel tracks. `false` if another process does the test there,
/// since this one may not make namespaces.
fn enter(name: &str) -> bool {
    const ENTERED: &str = "CONNTRACK_NAMESPACE";
    if std::env::var_os(ENTERED).is_none() && !nix::unistd::geteuid().is_root() {
        let mut again = Command::new("unshare");
        again.arg("-rn").arg(std::env::current_exe().unwrap()).args(["--exact", name, "--nocapture"]);
        assert!(again.env(ENTERED, "1").status().unwrap().success());
        return false;
    }
    unshare(CloneFlags::CLONE_NEWNET).unwrap();
    for program in ["iptables-legacy", "ip6tables-legacy"] {
        let rule = ["-A", "OUTPUT", "-m", "conntrack", "--ctstate", "NEW"];
        assert!(Command::new(program).args(rule).status().unwrap().success(), "{program}");
    }
    // As the kernel sets it (2), what begins while nobody on the whole machine follows events never has any.
    std::fs::write("/proc/sys/net/netfilter/nf_conntrack_events", "1").unwrap();
    true
}

const ORIGINAL: &str = "/usr/sbin/conntrack";

/// The table as the tests begin with it.
fn fill() {
    assert!(Command::new(ORIGINAL).arg("-F").stderr(Stdio::null()).status().unwrap().success());
    let mut load = Command::new(ORIGINAL).args(["-R", "-"]).stdin(Stdio::piped()).spawn().unwrap();
    load.stdin.take().unwrap().write_all(ENTRIES.as_bytes()).unwrap();
    assert!(load.wait().unwrap().success());
}

fn table() -> Vec<String> {
    let (lines, _, code) = run(ORIGINAL, &["-L", "-o", "extended"]);
    assert_eq!(code, Some(0));
    lines
}

fn run(program: &str, words: &[&str]) -> Heard {
    run_with(program, words, "")
}

fn run_with(program: &str, words: &[&str], stdin: &str) -> Heard {
    let mut child = Command::new(program)
        .args(words)
        .env("XT_BACKEND", "kernel")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Who reads no input may be gone by now.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    let output = child.wait_with_output().unwrap();
    let lines = |bytes: &[u8]| String::from_utf8_lossy(bytes).lines().map(plain).collect();
    (lines(&output.stdout), lines(&output.stderr), output.status.code())
}

/// A line without what may differ: the version, entry numbers, seconds that passed since the table was filled.
fn plain(line: &str) -> String {
    let line = line.replace("v1.4.7", "V").replace("v1.4.9", "V");
    let mut out = String::new();
    for word in line.split_inclusive(|c: char| !c.is_ascii_digit()) {
        let digits = word.trim_end_matches(|c: char| !c.is_ascii_digit());
        let rest = &word[digits.len()..];
        match digits.parse::<u64>() {
            Ok(90..=300) => out += "T",
            Ok(1_000_000..) => out += "N",
            _ => out += digits,
        }
        out += rest;
    }
    out
}
