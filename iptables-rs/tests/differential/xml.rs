//! `iptables-xml` beside the original: saves of both tools, bad files, and random lines.

use std::fmt::Write;

use crate::oracle::{Tool, Twins, split};

const ALL: &[&str] = &["iptables-xml", "iptables-xml -c", "iptables-xml -v", "iptables-xml --combine --verbose"];

/// Compares both tools with these options on this input.
fn convert(twins: &mut Twins, text: &str) {
    for command in ALL {
        twins.run_words(&split(command), text);
    }
}

#[test]
fn what_a_save_prints_becomes_the_same_document() {
    let mut twins = Twins::new();
    for line in [
        "iptables -N web",
        "iptables -A INPUT -p tcp -s 10.0.0.0/8 ! -d 1.2.3.4 -i eth+ -m tcp ! --dport 80:90 --tcp-flags SYN,ACK SYN -j LOG --log-prefix \"a <b> & 'c' \\\"d\\\"\"",
        "iptables -A INPUT -p tcp -s 10.0.0.0/8 ! -d 1.2.3.4 -i eth+ -m tcp ! --dport 80:90 --tcp-flags SYN,ACK SYN -j web",
        "iptables -A INPUT -m comment --comment \"two  words -j\" -m conntrack --ctstate NEW,ESTABLISHED -g web",
        "iptables -A web -f -m limit --limit 5/min -j REJECT --reject-with icmp-host-prohibited",
        "iptables -A web -m mark ! --mark 0x1/0xff",
        "iptables -A web",
        "iptables -P FORWARD DROP",
        "iptables -t nat -A PREROUTING -p udp --dport 53 -j REDIRECT --to-ports 5300",
        "iptables -t mangle -A PREROUTING -m comment --comment äöü -j MARK --set-mark 5",
    ] {
        assert_eq!(twins.run(line).code, 0, "{line}");
    }
    for save in ["iptables-save", "iptables-save -c"] {
        // The dates are the one thing in which two saves of the same tables differ.
        let text = twins.ours.run_exactly(Tool::Theirs, &split(save));
        convert(&mut twins, &text);
        let ours = twins.ours.run_exactly(Tool::Ours, &split(save));
        convert(&mut twins, &ours);
    }
}

#[test]
fn bad_files_and_options_fail_alike() {
    let mut twins = Twins::new();
    for text in [
        "",
        "\n",
        "nonsense\n",
        "COMMIT\n",
        "*filter\n",
        "*\n",
        "*filter\n:\nCOMMIT\n",
        "*filter\n:x\nCOMMIT\n",
        "*filter\n-N x\nCOMMIT\n",
        "*filter\n-A\nCOMMIT\n",
        "*filter\n-A x\nCOMMIT",
        "*filter\n-A x\nCOMMIT \n",
        "*filter\n--append x -j y\nCOMMIT\n",
        "*filter\n[1:2 -A x\nCOMMIT\n",
        "*filter\n[12] -A x\nCOMMIT\n",
        "*filter\n:a - [0:0]\n*nat\n:b ACCEPT [1:2]\nCOMMIT\nCOMMIT\n",
        "*filter\n-A x -m\n-A x -j\n-A x -s 1 ! -d 2 ! 3 ! -m x --a ! --b c \"d e\" \"-j\" \"!\" -- -\nCOMMIT\n",
        "# a -- b & <c>\n*a\n# in -- table\n-A x\0-j y\nCOMMIT\n",
    ] {
        convert(&mut twins, text);
    }
    let long = format!("*filter\n-A x --comment {}\nCOMMIT\n", "x".repeat(1024));
    let many = format!("*filter\n-A x {}\nCOMMIT\n", "-s 1 ".repeat(130));
    for text in [long, many] {
        convert(&mut twins, &text);
    }
    for command in [
        "iptables-xml nosuchfile",
        "iptables-xml a b",
        "iptables-xml -q",
        "iptables-xml -V",
        "iptables-xml --verb --combine=x",
    ] {
        twins.run_words(&split(command), "");
    }
    // The text of -h is in words of our own.
    assert_eq!(twins.ours.run(Tool::Ours, &split("iptables-xml -h"), "").code, 1);
    assert_eq!(twins.theirs.run(Tool::Theirs, &split("iptables-xml -h"), "").code, 1);
}

#[test]
fn random_files_become_the_same_documents() {
    let mut twins = Twins::new();
    for seed in 1..=150 {
        twins.forget();
        let text = random_save(seed);
        for command in ALL {
            if let Err(difference) = twins.try_words(&split(command), &text) {
                panic!("seed {seed}: {difference}");
            }
        }
    }
}

#[test]
fn the_text_comes_back_from_the_document() {
    // Each rule's words stand in the document in order; nothing of a rule is lost.
    let mut twins = Twins::new();
    let text = "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -s 1.2.3.4/32 -p tcp -m tcp --dport 22 -j ACCEPT\nCOMMIT\n";
    let document = twins.run_words(&split("iptables-xml"), text).stdout;
    let mut rest = document.as_str();
    for word in ["INPUT", "ACCEPT", "<s >1.2.3.4/32<", "<p >tcp<", "<tcp >", "<dport >22<", "<ACCEPT "] {
        let at = rest.find(word).unwrap_or_else(|| panic!("{word} is missing in {rest}"));
        rest = &rest[at + word.len()..];
    }
}

/// A save with every oddity that the format allows, and a few that it does not.
fn random_save(seed: u64) -> String {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut below = |limit: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % limit as u64) as usize
    };
    let mut text = String::new();
    for _ in 0..=below(2) {
        let _ = writeln!(text, "*{}", ["filter", "nat", "a b"][below(3)]);
        for chain in ["x", "y", "INPUT", "z&"] {
            if below(4) > 0 {
                let policy = ["-", "ACCEPT", "DROP"][below(3)];
                let _ = writeln!(text, ":{chain} {policy} {}", ["[0:0]", "[12:34]", "[7:8", "[9:10]z"][below(4)]);
            }
        }
        for _ in 0..below(7) {
            let mut line = ["", "", "", "[1:2] ", "[33:44]", "[1:2:3] ", "[:5:6] "][below(7)].to_owned();
            line += ["-A x", "-A y", "-A INPUT", "-A nope", "-A \"x\"", "-I x -A y"][below(6)];
            for _ in 0..below(9) {
                line.push(' ');
                line += WORDS[below(WORDS.len())];
            }
            line.push('\n');
            text += &line;
            if below(3) == 0 {
                text += &line;
            }
        }
        if below(12) > 0 {
            text += "COMMIT\n";
        }
    }
    text
}

const WORDS: &[&str] = &[
    "-s",
    "1.2.3.4",
    "!",
    "-d",
    "-m",
    "tcp",
    "--dport",
    "80",
    "-j",
    "-g",
    "LOG",
    "ACCEPT",
    "x",
    "y",
    "\"a b\"",
    "\"-j\"",
    "\"!\"",
    "\"\"",
    "-p",
    "--jump",
    "--goto",
    "--module",
    "-f",
    "--",
    "-",
    "--append",
    "a<b",
    "&",
    "\"x\\\"y\"",
    "RETURN",
    "--log-prefix",
    "äé",
    "x\"q\"z",
];
