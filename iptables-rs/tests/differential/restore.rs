//! `-save` and `-restore`: good files, bad files, and every option, through both tools.

use libxt::family::Af;

use crate::oracle::{Keeper, Outcome, Tool, Twins, split, under_test};

/// Feeds `text` to `command`; says how the tools differ, if they do.
fn try_feed(twins: &mut Twins, command: &str, text: &str) -> Option<String> {
    let difference = twins.try_words(&split(command), text).err();
    for line in ["iptables-save -c", "iptables-save"] {
        if let Err(later) = twins.try_words(&split(line), "") {
            return Some(format!("{}\nafter {command} <<{text:?}\n{later}", difference.unwrap_or_default()));
        }
    }
    difference
}

/// Feeds `text` to `command`, then compares everything both namespaces hold.
fn feed(twins: &mut Twins, command: &str, text: &str) -> Outcome {
    let outcome = twins.run_words(&split(command), text);
    for line in ["iptables-save -c", "iptables-save", "ip6tables-save -c"] {
        twins.run(line);
        twins.compare_reading(line);
    }
    twins.compare_tables(Af::V4, &["filter", "nat", "mangle"]);
    outcome
}

const GOOD: &str = "# a comment
*nat
:PREROUTING ACCEPT [1:2]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [3:4]
:POSTROUTING ACCEPT [0:0]
:zzz - [5:6]
-A PREROUTING -j zzz
COMMIT

*filter
:INPUT DROP [10:1000]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:web - [0:0]
:aaa - [0:0]
[7:700] -A INPUT -i lo -j ACCEPT
-A INPUT -s 10.0.0.0/8 -p tcp -j web
  -A web -m mark --mark 0x1 -j RETURN
-A web -g aaa
-A aaa -j DROP
COMMIT
";

#[test]
fn a_good_file_is_restored_with_every_option() {
    for keeper in [Keeper::Kernel, Keeper::Datapath] {
        for command in [
            "iptables-restore",
            "iptables-restore -c",
            "iptables-restore --counters -n",
            "iptables-restore --noflush",
            "iptables-restore -t",
            "iptables-restore --test --verbose",
            "iptables-restore -v",
            "iptables-restore -T filter",
            "iptables-restore --table=nat",
            "iptables-restore -T nosuch",
            "iptables-restore -w 5 --noflush --counters",
            "iptables-restore -w",
            "iptables-restore --wait=3",
            "iptables-restore -W 100 -w",
            "iptables-restore -M /bin/true",
        ] {
            let mut twins = Twins::kept_by(keeper);
            feed(&mut twins, command, GOOD);
            // Again over what stands there now, with a chain and a rule of somebody else's.
            twins.run("iptables -N mine");
            twins.run("iptables -A INPUT -c 3 4 -j mine");
            feed(&mut twins, command, GOOD);
        }
    }
}

#[test]
fn options_of_the_programs_are_read_alike() {
    let mut twins = Twins::new();
    for command in [
        "iptables-restore -V",
        "iptables-restore --version",
        "iptables-restore --nonsense",
        "iptables-restore -x",
        "iptables-restore -w5",
        "iptables-restore -T",
        "iptables-restore nosuchfile",
        "iptables-restore one two",
        "iptables-restore -b",
        "iptables-restore --co --verb",
        "iptables-restore --ver",
        "iptables-save -V",
        "iptables-save --version",
        "iptables-save -h",
        "iptables-save --nonsense",
        "iptables-save extra",
        "iptables-save -t nosuch",
        "iptables-save -t",
        "iptables-save -t filter",
        "iptables-save -t nat -c",
        "iptables-save -c -d",
        "iptables-save -b",
        "iptables-save --table mangle --counters",
        "iptables-save -f /nonexistent/file",
        "iptables-save -M /bin/true -t raw",
        "ip6tables-save -t filter",
        "ip6tables-save -V",
        "ip6tables-save -t nosuch",
        "ip6tables-restore -V",
        "ip6tables-restore nosuchfile",
    ] {
        twins.run(command);
    }
}

#[test]
fn help_goes_where_upstream_sends_it() {
    let twins = Twins::new();
    for command in ["iptables-restore -h", "ip6tables-restore --help"] {
        let words = split(command);
        let [theirs, ours] = [Tool::Theirs, under_test()].map(|tool| {
            // The words of the help are our own.
            let Outcome { code, stdout, stderr } = twins.ours.run(tool, &words, "");
            (code, stdout.is_empty(), stderr.is_empty())
        });
        assert_eq!(theirs, ours, "{command}");
    }
}

#[test]
fn a_file_named_on_the_command_line_is_read() {
    let mut twins = Twins::new();
    for namespace in [&twins.theirs, &twins.ours] {
        namespace.write("rules.v4", GOOD);
    }
    feed(&mut twins, "iptables-restore rules.v4", "");
    feed(&mut twins, "iptables-save -f saved", "");
    feed(&mut twins, "iptables-restore saved", "");
}

#[test]
fn bad_files_fail_at_the_same_line_with_the_same_words() {
    for keeper in [Keeper::Kernel, Keeper::Datapath] {
        let mut twins = Twins::kept_by(keeper);
        twins.run("iptables -A INPUT -c 8 9 -s 9.9.9.9 -j ACCEPT");
        let mut differences = Vec::new();
        for text in [
            "nonsense\n",
            "-A INPUT -j ACCEPT\n",
            ":INPUT ACCEPT [0:0]\n",
            "COMMIT\n",
            "*\n",
            "*nosuch\n:INPUT ACCEPT\nCOMMIT\n",
            "*filter\n",
            "*filter\n-A INPUT -j ACCEPT\n",
            "*filter\n*nat\nCOMMIT\n",
            "*filter\n-A INPUT -j ACCEPT\nCOMMIT",
            "*filter\n-A INPUT -j ACCEPT\nCOMMIT \n",
            "*filter\r\n-A INPUT -j ACCEPT\r\nCOMMIT\r\n",
            " *filter\nCOMMIT\n",
            "*filter junk\nCOMMIT\n",
            "*filter\nnonsense\nCOMMIT\n",
            "*filter\n-A INPUT -j nosuch\nCOMMIT\n",
            "*filter\n-A nosuch -j ACCEPT\nCOMMIT\n",
            "*filter\n-A INPUT --nonsense\nCOMMIT\n",
            "*filter\n-A INPUT -t filter -j ACCEPT\nCOMMIT\n",
            "*filter\n-A INPUT -tfilter -j ACCEPT\nCOMMIT\n",
            "*filter\n-A INPUT --table filter -j ACCEPT\nCOMMIT\n",
            "*filter\n-A INPUT --table=nat -j ACCEPT\nCOMMIT\n",
            "*filter\n-w -A INPUT -j ACCEPT\nCOMMIT\n",
            "*filter\n-A INPUT -w 5 -j ACCEPT\nCOMMIT\n",
            "*filter\n-A INPUT -W 5 -j ACCEPT\nCOMMIT\n",
            "*filter\n:\nCOMMIT\n",
            "*filter\n:INPUT\nCOMMIT\n",
            "*filter\n:INPUT ACCEPT\nCOMMIT\n",
            "*filter\n:INPUT ACCEPT [\nCOMMIT\n",
            "*filter\n:INPUT ACCEPT [1\nCOMMIT\n",
            "*filter\n:INPUT ACCEPT [1:2\nCOMMIT\n",
            "*filter\n:INPUT ACCEPT [x:y]\nCOMMIT\n",
            "*filter\n:INPUT NONSENSE [0:0]\nCOMMIT\n",
            "*filter\n:INPUT - [0:0]\nCOMMIT\n",
            "*filter\n:web ACCEPT [0:0]\nCOMMIT\n",
            "*filter\n:web\nCOMMIT\n",
            "*filter\n:web - [0:0]\n:web - [0:0]\nCOMMIT\n",
            "*filter\n:ACCEPT - [0:0]\nCOMMIT\n",
            "*filter\n:aaaaaaaaaabbbbbbbbbbcccccccccc - [0:0]\nCOMMIT\n",
            "*filter\n[1:2] -A INPUT -j ACCEPT\nCOMMIT\n",
            "*filter\n[1:2]-A INPUT -j ACCEPT\nCOMMIT\n",
            "*filter\n[1:2 -A INPUT -j ACCEPT\nCOMMIT\n",
            "*filter\n[12] -A INPUT -j ACCEPT\nCOMMIT\n",
            "*filter\n[1:x] -A INPUT -j ACCEPT\nCOMMIT\n",
            "*filter\n[x:1] -A INPUT -j ACCEPT\nCOMMIT\n",
            "*filter\n-A INPUT -c 5 6 -j ACCEPT\nCOMMIT\n",
            "*filter\n-A INPUT -m comment --comment \"unclosed\nCOMMIT\n",
            // (Upstream cannot print a jump that is not committed yet; ours can, so none is printed here.)
            "*filter\n-N web\n-A INPUT -j ACCEPT\n-S\n-L -n\n-X\n-A INPUT -j web\nCOMMIT\n",
            "*filter\n-P INPUT DROP\n-F INPUT\n-E web www\nCOMMIT\n",
            "*filter\n-D INPUT -j ACCEPT\nCOMMIT\n",
            "*filter\n-D INPUT 1\nCOMMIT\n",
            "*filter\n-4 -A INPUT -j ACCEPT\n-6 -A INPUT -j DROP\nCOMMIT\n",
            "*filter\n-A INPUT -j ACCEPT -6\nCOMMIT\n",
            "*filter\n:a - [0:0]\n:b - [0:0]\n-A a -j b\n-A b -j a\n-A INPUT -j a\nCOMMIT\n",
            "*nat\n:zzz - [0:0]\nCOMMIT\n*filter\n-A INPUT -j nosuch\nCOMMIT\n",
            "*filter\nCOMMIT\nCOMMIT\n",
            "*filter\n-A INPUT -s 1.1.1.1,2.2.2.2 -j ACCEPT\nCOMMIT\n# done\n\n",
            "*filter\n\\-A INPUT -j ACCEPT\nCOMMIT\n",
            "*filter\n-A \"INPUT\" -j \"ACCEPT\"\nCOMMIT\n",
            "*filter\n-A INPUT -j\tACCEPT\nCOMMIT\n",
            "*filter\n-A 'INPUT' -j ACCEPT\nCOMMIT\n",
            "*filter\n-A INPUT ! -i lo -j ACCEPT\nCOMMIT\n",
            "*filter\n-V\nCOMMIT\n",
            "*filter\n-C INPUT -j ACCEPT\nCOMMIT\n",
            "*filter\n-Z\n-Z INPUT\nCOMMIT\n",
            "",
            "\n",
        ] {
            for command in
                ["iptables-restore", "iptables-restore -n -c", "iptables-restore -t", "iptables-restore -T nat"]
            {
                differences.extend(try_feed(&mut twins, command, text));
            }
        }
        assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), differences.join("\n\n"));
    }
}

#[test]
fn words_and_lines_have_the_same_limits() {
    for keeper in [Keeper::Kernel, Keeper::Datapath] {
        let mut twins = Twins::kept_by(keeper);
        let word = "x".repeat(1022);
        let long_word = "x".repeat(1024);
        let many = "-s 1.1.1.1 ".repeat(130);
        for text in [
            format!("*filter\n-A INPUT -m comment --comment {word}\nCOMMIT\n"),
            format!("*filter\n-A INPUT -m comment --comment {long_word}\nCOMMIT\n"),
            format!("*filter\n-A INPUT {many}\nCOMMIT\n"),
            format!("*filter\n# {}\n-A INPUT -j ACCEPT\nCOMMIT\n", "y".repeat(20_000)),
            format!("*filter\n-A INPUT -s {} -j ACCEPT\nCOMMIT\n", vec!["1.1.1.1"; 100].join(",")),
        ] {
            feed(&mut twins, "iptables-restore", &text);
        }
    }
}

#[test]
fn noflush_keeps_the_rest_and_empties_the_chains_it_names() {
    for keeper in [Keeper::Kernel, Keeper::Datapath] {
        let mut twins = Twins::kept_by(keeper);
        feed(&mut twins, "iptables-restore -c", GOOD);
        for text in [
            "*filter\n:web - [0:0]\nCOMMIT\n",
            "*filter\n:INPUT - [0:0]\n-A INPUT -j web\nCOMMIT\n",
            "*filter\n:INPUT ACCEPT [5:5]\n:new - [0:0]\n-I INPUT -j new\nCOMMIT\n",
            "*filter\n:aaa - [9:9]\n[3:4] -A aaa -j ACCEPT\nCOMMIT\n",
        ] {
            feed(&mut twins, "iptables-restore -n", text);
            feed(&mut twins, "iptables-restore --noflush --counters", text);
        }
    }
}

#[test]
fn a_chain_that_was_declared_is_no_extension_anywhere_after() {
    let mut twins = Twins::new();
    for text in [
        "*filter\n:LED - [0:0]\n-A INPUT -j LED\n-A LED -j LED --led-trigger-id x\nCOMMIT\n",
        "*filter\n:LED - [0:0]\nCOMMIT\n*nat\n-A INPUT -j LED --led-trigger-id x\nCOMMIT\n",
        "*filter\n:MARK - [0:0]\n-E MARK LOG\nCOMMIT\n*mangle\n-A INPUT -j LOG\n-A INPUT -j MARK --set-mark 1\nCOMMIT\n",
        "*filter\n:MARK - [0:0]\n-N MARK\nCOMMIT\n",
        "*filter\n-N x\n-E x MARK\n-A INPUT -j MARK\nCOMMIT\n",
        "*filter\n-N x\n-E x TRACE\n-A INPUT -j TRACE\nCOMMIT\n",
        "*filter\n:LOG -\n-A INPUT -j LOG --log-prefix x\nCOMMIT\n",
        "*filter\n:log -\n-A INPUT -g log\n-A INPUT -g LOG\nCOMMIT\n",
        "*filter\n-A INPUT -j LED\nCOMMIT\n",
        "*filter\n-A INPUT -j LED --led-trigger-id x\n-A INPUT -j LED --led-trigger-id x\nCOMMIT\n",
    ] {
        for command in ["iptables-restore", "iptables-restore -n", "iptables-restore -n -v", "iptables-restore -T nat"]
        {
            feed(&mut twins, command, text);
        }
    }
}
