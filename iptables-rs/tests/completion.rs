//! The completion scripts in the shells they are for.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::process::Command;

use tempfile::TempDir;

#[test]
fn bash_reads_its_script_and_completes_by_it() {
    let (_folder, file) = script("bash");
    run("bash", &["-n", &file]);
    let complete = |function: &str, words: &str| {
        let program = words.split(' ').next().unwrap();
        let line = format!(
            "source {file}; COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); {function} {program}; \
             echo \"${{COMPREPLY[@]}}\""
        );
        run("bash", &["--norc", "-c", &line])
    };
    assert_eq!(complete("_xtables_rs_rule", "iptables -A INPUT -m tcp --dp"), "--dport\n");
    assert_eq!(complete("_xtables_rs_rule", "iptables -p udp --dp"), "--dport\n");
    assert_eq!(complete("_xtables_rs_rule", "iptables --dp"), "\n");
    assert_eq!(complete("_xtables_rs_rule", "ip6tables -m hl --hl-l"), "--hl-lt\n");
    assert_eq!(complete("_xtables_rs_rule", "iptables -m hl --hl-l"), "\n");
    assert_eq!(complete("_xtables_rs_rule", "iptables -t nat -A P"), "PREROUTING POSTROUTING\n");
    assert_eq!(complete("_xtables_rs_rule", "ip6tables -j DN"), "DNAT DNPT\n");
    assert_eq!(complete("_xtables_rs_kin", "iptables-save --du"), "--dump\n");
}

#[test]
fn zsh_reads_its_script_and_completes_by_it() {
    let (_folder, file) = script("zsh");
    run("zsh", &["-n", &file]);
    // What zsh's own completion does with the words is not looked at.
    let complete = |words: &str| {
        let line = format!(
            "_describe() {{ print -l -- $reply }}; compadd() {{ print -l -- ${{@:#--}} }}; words=({words} ''); \
             CURRENT=${{#words}}; service=$words[1]; source {file}"
        );
        run("zsh", &["-f", "-c", &line])
    };
    let offers = |words: &str, option: &str| complete(words).lines().any(|line| line.split(':').next() == Some(option));
    assert!(offers("iptables -A INPUT -m tcp", "--dport"));
    assert!(offers("iptables -p udp", "--dport"));
    assert!(!offers("iptables", "--dport"));
    assert!(offers("iptables", "--append"));
    assert!(offers("ip6tables -m hl", "--hl-lt"));
    assert!(!offers("iptables -m hl", "--hl-lt"));
    assert!(offers("ip6tables -j", "SNPT"));
    assert!(!offers("iptables -j", "SNPT"));
    assert_eq!(complete("iptables -t raw -A"), "PREROUTING\nOUTPUT\n");
}

#[test]
fn fish_reads_its_script_and_completes_by_it() {
    let (folder, file) = script("fish");
    run("fish", &["--no-config", "--no-execute", &file]);
    let complete = |line: &str| {
        let line = format!("source {file}; complete -C '{line}'");
        let home = folder.path().to_str().unwrap();
        run("env", &[&format!("HOME={home}"), "fish", "--no-config", "-c", &line])
    };
    assert_eq!(complete("iptables -A INPUT -m tcp --dp"), "--dport\tthe same\n");
    assert_eq!(complete("iptables -p udp --dp"), "--dport\tthe same\n");
    assert_eq!(complete("iptables --dp"), "");
    assert_eq!(complete("ip6tables -m hl --hl-l"), "--hl-lt\tHL below value\n");
    assert_eq!(complete("iptables -m hl --hl-l"), "");
    assert_eq!(complete("ip6tables -j DN"), "DNAT\nDNPT\n");
    assert_eq!(complete("iptables-save --du"), "--dump\n");
}

/// The script for a shell, in a file.
fn script(shell: &str) -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("script");
    let text = run(env!("CARGO_BIN_EXE_xtables-rs-multi"), &["complete", shell]);
    fs::write(&file, text).unwrap();
    let file = file.to_str().unwrap().to_owned();
    (folder, file)
}

/// What a program prints; it must succeed and complain of nothing.
fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error} (`make needs-test' installs it)"));
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && complaint.is_empty(), "{program} {arguments:?}: {complaint}");
    String::from_utf8(output.stdout).unwrap()
}
