//! Words and files that are not UTF-8: taken, stored and printed by both tools as the bytes they are.

use libxt::family::Af;

use crate::oracle::{Tool, Twins, under_test};

/// Runs the same with both tools and compares everything.
fn run(twins: &Twins, words: &[&[u8]], stdin: &[u8]) -> Vec<u8> {
    let clean = |text: Vec<u8>| -> Vec<u8> {
        let lines = text.split_inclusive(|&byte| byte == b'\n').filter(|line| !line.starts_with(b"# "));
        // Versions, and the column in which 1.8.9 has numbers where we have names.
        let line = |line: &[u8]| {
            let position = |wanted: &[u8]| line.windows(wanted.len()).position(|part| part == wanted);
            match (position(b"(legacy)"), position(b" all  --")) {
                (Some(at), _) => line[at..].to_vec(),
                (_, Some(at)) => [&line[..at], b" 0    --", &line[at + 8..]].concat(),
                _ => line.to_vec(),
            }
        };
        lines.flat_map(line).collect()
    };
    let outcome = |(code, stdout, stderr)| (code, clean(stdout), clean(stderr));
    let theirs = outcome(twins.theirs.run_bytes(Tool::Theirs, words, stdin));
    let ours = outcome(twins.ours.run_bytes(under_test(), words, stdin));
    if theirs != ours {
        let show = |(code, out, err): &(i32, Vec<u8>, Vec<u8>)| {
            format!("{code}\n{}\n{}", out.escape_ascii(), err.escape_ascii())
        };
        panic!("{}\n--- theirs {}\n--- ours {}", words.concat().escape_ascii(), show(&theirs), show(&ours));
    }
    theirs.1
}

#[test]
fn any_bytes_may_stand_in_names_and_texts() {
    let twins = Twins::new();
    let long = [&[0xe9; 28][..], &[0xe9; 29], &[0xe9; 15], &[0xe9; 16]];
    let command = |words: &[&[u8]]| {
        let all: Vec<&[u8]> = [&b"iptables"[..]].into_iter().chain(words.iter().copied()).collect();
        run(&twins, &all, b"");
    };
    for words in [
        &[&b"-N"[..], b"caf\xe9"][..],
        &[b"-N", b"\xf4\x8f\xbf\xbf"],
        &[b"-N", long[0]],
        &[b"-N", long[1]],
        &[b"-A", b"INPUT", b"-m", b"comment", b"--comment", b"latin \xe4\xf6\xfc \"and\" \\ more"],
        &[b"-A", b"INPUT", b"-m", b"comment", b"--comment", b"\xff\xfe"],
        &[b"-A", b"INPUT", b"-j", b"caf\xe9"],
        &[b"-A", b"caf\xe9", b"-g", long[0]],
        &[b"-A", b"INPUT", b"-i", long[2]],
        &[b"-A", b"INPUT", b"-i", long[3]],
        &[b"-A", b"INPUT", b"-i", b"w\xe4n+"],
        &[b"-A", b"INPUT", b"-j", b"LOG", b"--log-prefix", b"stra\xdfe"],
        &[b"-A", b"INPUT", b"-m", b"string", b"--algo", b"bm", b"--string", b"stra\xdfe"],
        &[b"-A", b"INPUT", b"-m", b"string", b"--algo", b"bm", b"--hex-string", b"\xdf|00|"],
        &[b"-A", b"INPUT", b"-m", b"recent", b"--name", b"\xe9t\xe9", b"--set"],
        &[b"-A", b"INPUT", b"-p", b"tc\xfe"],
        &[b"-A", b"INPUT", b"-s", b"h\xf6st"],
        &[b"-A", b"INPUT", b"-j", b"\xe9"],
        &[b"-A", b"INPUT", b"-m", b"\xe9"],
        &[b"-A", b"INPUT", b"--\xe9", b"x"],
        &[b"-A", b"INPUT", b"-\xe9", b"x"],
        &[b"-A", b"INPUT", b"\xe9"],
        &[b"-D", b"INPUT", b"\xe9"],
        &[b"-E", b"caf\xe9", b"th\xe9"],
        &[b"-N", "gr\u{fc}n".as_bytes()],
        &[b"-A", "gr\u{fc}n".as_bytes(), b"-i", "n\u{fc}".as_bytes(), b"-j", b"th\xe9"],
        &[b"-A", b"INPUT", b"-j", "gr\u{fc}n".as_bytes()],
        &[b"-t", b"f\xefltre", b"-L"],
        &[b"-C", b"INPUT", b"-m", b"comment", b"--comment", b"\xff\xfe"],
        &[b"-D", b"INPUT", b"-m", b"comment", b"--comment", b"\xff\xff"],
        &[b"-S"],
        &[b"-S", b"th\xe9"],
        &[b"-L", b"-n", b"-v"],
        &[b"-L", b"-n", b"-vv"],
        &[b"-vA", b"INPUT", b"-i", b"w\xe4n+"],
    ] {
        command(words);
    }
    twins.compare_tables(Af::V4, &["filter"]);
    assert!(run(&twins, &[b"iptables-save"], b"").windows(4).any(|part| part == b" th\xe9"));
}

#[test]
fn a_latin_1_file_is_restored_and_saved_unchanged() {
    let twins = Twins::new();
    let text = b"*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:stra\xdfe - [0:0]\n\
        -A INPUT -m comment --comment \"caf\xe9 \xff\" -j stra\xdfe\n-A stra\xdfe -i w\xe4n -j LOG --log-prefix \"\xfc: \"\nCOMMIT\n";
    run(&twins, &[b"iptables-restore"], text);
    twins.compare_tables(Af::V4, &["filter"]);
    let saved = run(&twins, &[b"iptables-save"], b"");
    assert_eq!(saved.escape_ascii().to_string(), text.escape_ascii().to_string());
    run(&twins, &[b"iptables-xml"], text);
    run(&twins, &[b"iptables-xml", b"-v"], text);
    for bad in [&b"*f\xefltre\nCOMMIT\n"[..], b"*filter\n\xe9\nCOMMIT\n", b"*filter\n-A \xe9\nCOMMIT\n", b"\xe9\n"] {
        run(&twins, &[b"iptables-restore"], bad);
    }
    // A word's limit is in bytes.
    for (len, more) in [(1020, 3), (1021, 3)] {
        let mut long = b"*filter\n-A INPUT -m comment --comment ".to_vec();
        long.extend(std::iter::repeat_n(0xe9, len));
        long.extend("\u{20ac}".as_bytes().iter().take(more));
        long.extend(b"\nCOMMIT\n");
        run(&twins, &[b"iptables-restore"], &long);
    }
    run(&twins, &[b"iptables-restore", b"caf\xe9"], b"");
    run(&twins, &[b"iptables-save", b"-f", b"caf\xe9"], b"");
    run(&twins, &[b"iptables-restore", b"caf\xe9"], b"");
}
