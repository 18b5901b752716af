//! Scenarios of the `iptables` command itself: every command, good and bad, in one life of a table.

use std::process::Child;
use std::time::Duration;

use libxt::family::Af;

use crate::oracle::{Keeper, Namespace, Tool, Twins, output, split, under_test};

/// Runs each line with both tools, comparing what they say, and the tables' bytes and texts after each; ours on the
/// kernel's tables, then on a datapath's.
fn live(lines: &str) {
    live_with(Keeper::Kernel, lines);
    live_with(Keeper::Datapath, lines);
}

fn live_with(keeper: Keeper, lines: &str) {
    let mut twins = Twins::kept_by(keeper);
    let mut differences = Vec::new();
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        differences.extend(twins.try_words(&split(line), "").err());
        let af = if line.starts_with("ip6") { Af::V6 } else { Af::V4 };
        // Looking makes the table, in both namespaces alike, so only tables the line names are looked at.
        let words = split(line);
        let table = words.iter().position(|word| word == "-t").and_then(|at| words.get(at + 1));
        let table = table.map_or("filter", String::as_str);
        twins.compare_tables(af, &[table]);
    }
    for program in ["iptables-save", "iptables-save -c", "ip6tables-save", "ip6tables-save -c"] {
        differences.extend(twins.try_words(&split(program), "").err());
        twins.compare_reading(program);
    }
    assert!(differences.is_empty(), "{keeper:?}: {} differences:\n{}", differences.len(), differences.join("\n\n"));
}

#[test]
fn rules_are_appended_inserted_replaced_checked_and_deleted() {
    live(
        "iptables -A INPUT -s 10.0.0.0/8 -j ACCEPT
        iptables -A INPUT -s 10.1 -d 192.168.0.0/255.255.0.0 -p tcp -j DROP
        iptables -I INPUT -i lo -j ACCEPT
        iptables -I INPUT 4 -i eth+ -j DROP
        iptables -I INPUT 6 -j DROP
        iptables -I INPUT 0 -j DROP
        iptables -I INPUT x -j DROP
        iptables -R INPUT 2 -s 1.2.3.4 -j DROP
        iptables -R INPUT 9 -s 1.2.3.4 -j DROP
        iptables -R INPUT 1 -s 1.2.3.4,1.2.3.5 -j DROP
        iptables -R INPUT -j DROP
        iptables -C INPUT -s 1.2.3.4 -j DROP
        iptables -C INPUT -s 1.2.3.4 -j ACCEPT
        iptables -C NOWHERE -j ACCEPT
        iptables -D INPUT -s 1.2.3.4 -j DROP
        iptables -D INPUT -s 1.2.3.4 -j DROP
        iptables -D INPUT 1
        iptables -D INPUT 7
        iptables -D INPUT 0
        iptables -D INPUT 1 -j ACCEPT
        iptables -D NOWHERE 1
        iptables -A NOWHERE -j ACCEPT
        iptables -A INPUT -j NOWHERE
        iptables -A INPUT -s 1.1.1.1,2.2.2.2/24 -d 3.3.3.3,4.4.0.0/16 -j ACCEPT
        iptables -A INPUT
        iptables -D INPUT
        iptables -v -A INPUT -p icmp -i eth0 -s 1.2.3.4 -j ACCEPT
        iptables -v -C INPUT -p icmp -i eth0 -s 1.2.3.4 -j ACCEPT
        iptables -v -D INPUT -p icmp -i eth0 -s 1.2.3.4 -j ACCEPT
        iptables -S
        iptables -S INPUT 2
        iptables -L -n",
    );
}

#[test]
fn chains_are_made_renamed_emptied_and_deleted() {
    live(
        "iptables -N web
        iptables -N web
        iptables -N aaa
        iptables -N -x
        iptables -N !x
        iptables -N INPUT
        iptables -N ACCEPT
        iptables -N LOG
        iptables -N 'a b'
        iptables -N aaaaaaaaaabbbbbbbbbbccccccccc
        iptables -N aaaaaaaaaabbbbbbbbbbcccccccc
        iptables -A INPUT -j web
        iptables -A INPUT -g web
        iptables -A INPUT -g ACCEPT
        iptables -A web -j aaa
        iptables -A aaa -j web
        iptables -A aaa -j RETURN
        iptables -L -n -v
        iptables -S
        iptables -X web
        iptables -X
        iptables -X INPUT
        iptables -X nowhere
        iptables -E web www
        iptables -E www aaa
        iptables -E nowhere x
        iptables -E INPUT x
        iptables -E web
        iptables -S
        iptables -F INPUT
        iptables -F nowhere
        iptables -X www
        iptables -F www
        iptables -X www
        iptables -v -F
        iptables -v -X
        iptables -S",
    );
}

#[test]
fn policies_and_counters_are_set_shown_and_zeroed() {
    live(
        "iptables -P INPUT DROP
        iptables -P INPUT REJECT
        iptables -P INPUT nonsense
        iptables -P nowhere DROP
        iptables -N web
        iptables -P web DROP
        iptables -P FORWARD DROP -c 12 3456
        iptables -P INPUT
        iptables -P INPUT ACCEPT extra
        iptables -A INPUT -j ACCEPT -c 5 600
        iptables -A INPUT -c 100000,9999999 -j DROP
        iptables -A INPUT -c 123456789 12345678901234 -s 1.1.1.1
        iptables -A INPUT -c 1 -j DROP
        iptables -A INPUT -c x 1 -j DROP
        iptables -A INPUT -c 1 x -j DROP
        iptables -D INPUT -c 1 1 -j DROP
        iptables -L -v -n
        iptables -L -v -n -x
        iptables -L INPUT --line-numbers -n
        iptables -L INPUT 2 -n -v
        iptables -L INPUT 77 -n
        iptables -S -v
        iptables -S INPUT -v
        iptables -Z INPUT 2
        iptables -S -v
        iptables -Z INPUT 9
        iptables -Z nowhere
        iptables -L -Z -v -n
        iptables -v -Z
        iptables -Z
        iptables -L -v -n
        iptables -t nat -P OUTPUT DROP
        iptables -t nat -A OUTPUT -j DROP",
    );
}

#[test]
fn the_command_line_is_read_as_getopt_long_reads_it() {
    live(
        "iptables
        iptables -L -A INPUT
        iptables -nvL
        iptables -vnxL INPUT
        iptables -nLINPUT
        iptables -Lnv
        iptables -L -n INPUT
        iptables -tnat -nL
        iptables -AINPUT -j ACCEPT
        iptables --app INPUT --prot tcp --ds 1.1.1.1 --jump ACCEPT
        iptables --append INPUT --so 1.1.1.1 --j ACCEPT
        iptables --dele INPUT 1
        iptables --li
        iptables --l
        iptables --list-r
        iptables --nonsense
        iptables -A INPUT --foo
        iptables -A INPUT -p tcp --foo
        iptables -A INPUT -q
        iptables -A
        iptables -A INPUT -s
        iptables -A INPUT stray
        iptables -A INPUT -s ! 1.1.1.1
        iptables -A INPUT ! -s 1.1.1.1 -j ACCEPT
        iptables -A INPUT ! ! -s 1.1.1.1
        iptables -A INPUT !
        iptables ! -A INPUT
        iptables -A INPUT ! -j ACCEPT
        iptables -A INPUT ! -s 1.1.1.1,2.2.2.2
        iptables -A INPUT -s 1.1.1.1 -s 2.2.2.2
        iptables -A INPUT -p tcp -p udp
        iptables -A INPUT ! -p all
        iptables -A INPUT -p nosuch
        iptables -A INPUT -p 256
        iptables -A INPUT -p 255
        iptables -A INPUT -p TCP
        iptables -A INPUT -p ospf
        iptables -A INPUT -o eth0
        iptables -A OUTPUT -i eth0
        iptables -A INPUT -i ''
        iptables -A INPUT -i abcdefghijklmnopq
        iptables -A INPUT -i +
        iptables -A FORWARD ! -i eth0 ! -o eth1+ ! -f -j DROP
        iptables -A FORWARD -f -j DROP
        iptables -A FORWARD -f -f
        iptables -A INPUT -s 1.1.1.300
        iptables -A INPUT -s 1.1.1.1/33
        iptables -A INPUT -s 1.1.1.1/255.0.255.0
        iptables -A INPUT -s 0/0 -d 0.0.0.0/0.0.0.0
        iptables -A INPUT ! -s 0/0
        iptables -A INPUT -j nosuchtarget
        iptables -A INPUT -j ''
        iptables -A INPUT -m nosuchmatch
        iptables -A INPUT -j aaaaaaaaaabbbbbbbbbbcccccccccc
        iptables -A INPUT -j ACCEPT -j DROP
        iptables -L -s 1.1.1.1
        iptables -F -v -n
        iptables -S -x
        iptables -N x -p tcp
        iptables -t nosuch -L
        iptables -t '' -L
        iptables -L -w -1
        iptables -L -w 1
        iptables -w 5 -W 100000 -L -n
        iptables -L -w x
        iptables -L -W 100000
        iptables -4 -nL
        iptables -6 -nL
        iptables -V
        iptables ! -V
        iptables --version
        ip6tables -V
        ip6tables -A INPUT -f
        ip6tables -4 -nL
        iptables -Z -L -n
        iptables -S",
    );
}

#[test]
fn ip6tables_lives_the_same_life() {
    live(
        "ip6tables -A INPUT -s fe80::/10 -j ACCEPT
        ip6tables -A INPUT -s 2001:db8::1,2001:db8::2/127 -d ::1 -j DROP
        ip6tables -A INPUT ! -s 2001:db8::/ffff:ffff:0:ffff:: -j ACCEPT
        ip6tables -A INPUT -p ipv6-icmp -j ACCEPT
        ip6tables -A INPUT -p icmpv6 -j ACCEPT
        ip6tables -A INPUT ! -p tcp -i lo -j ACCEPT
        ip6tables -A INPUT -s 1.2.3.4
        ip6tables -A INPUT -s ::1/129
        ip6tables -A INPUT -s ::/0 -j DROP
        ip6tables -A INPUT -p ip -j DROP
        ip6tables -A INPUT -p 0 -j DROP
        ip6tables -A INPUT -p ipv6-opts -j DROP
        ip6tables -N web
        ip6tables -A FORWARD -g web
        ip6tables -A web -c 7 70
        ip6tables -P FORWARD DROP
        ip6tables -L -n -v --line-numbers
        ip6tables -L -n
        ip6tables -S
        ip6tables -v -A web -s ::1 -j ACCEPT
        ip6tables -t mangle -A POSTROUTING -o eth0 -j ACCEPT
        ip6tables -t mangle -S
        ip6tables -t raw -nvL
        ip6tables -t security -P INPUT DROP
        ip6tables -t nat -S",
    );
}

#[test]
fn an_extension_that_the_keeper_lacks_is_told_when_its_name_is_read() {
    live(
        "iptables -A INPUT -j LED --led-trigger-id x
        iptables -A INPUT -j LED
        iptables -A INPUT -j LED --nonsense
        iptables -A INPUT -p nosuch -j LED
        iptables -A INPUT -j LED -p nosuch
        iptables -D INPUT -j LED --led-trigger-id x
        iptables -N LED
        iptables -L LED
        ip6tables -N LED
        iptables -S",
    );
}

#[test]
fn who_may_not_ask_for_revisions_is_told_what_is_assumed() {
    let namespace = Namespace::new();
    for line in [
        "iptables -A INPUT -m conntrack --ctstate NEW -m mark --mark 1 -m mark --mark 2 -j NOTRACK",
        "ip6tables -A INPUT -m state --state NEW -j LOG",
        "iptables -N MARK",
    ] {
        let words = split(line);
        let [theirs, ours] = [Tool::Theirs, under_test()].map(|tool| namespace.run_without_rights(tool, &words));
        assert_eq!(theirs, ours, "{line}");
    }
}

#[test]
fn the_match_of_a_protocol_is_found_by_the_name_typed() {
    let protocols = [
        "tcp",
        "TCP",
        "6",
        "0x6",
        "06",
        "udp",
        "17",
        "udplite",
        "136",
        "sctp",
        "132",
        "dccp",
        "33",
        "esp",
        "50",
        "ah",
        "51",
        "icmp",
        "1",
        "icmpv6",
        "ipv6-icmp",
        "58",
        "icmp6",
        "mh",
        "ipv6-mh",
        "mobility-header",
        "Mobility-Header",
        "135",
        "ipcomp",
        "IPComp",
        "108",
        "ipv6-frag",
        "44",
        "ipv6-route",
        "hopopt",
        "all",
        "0",
        "mptcp",
        "MPTCP",
        "262",
        "256",
    ];
    let options = [
        "--dport 1",
        "--espspi 1",
        "--ahspi 1",
        "--icmp-type 8",
        "--icmpv6-type 1",
        "--mh-type 1",
        "--ipcompspi 1",
        "--dccp-types DATA",
        "--fraglen 1",
    ];
    let mut twins = Twins::new();
    for program in ["iptables", "ip6tables"] {
        for protocol in protocols {
            for option in options {
                for before in ["", "-n "] {
                    twins.forget();
                    twins.run(&format!("{program} {before}-C INPUT -p {protocol} {option}"));
                }
            }
            twins.run(&format!("{program} -v -A INPUT -p {protocol} -m conntrack --ctproto {protocol}"));
            twins.run(&format!("{program} -A INPUT ! -p {protocol}"));
            twins.run(&format!("{program} -D INPUT -p {protocol}"));
        }
        for reading in ["-L", "-nL", "-S", "-nvvL"] {
            twins.run(&format!("{program} {reading}"));
        }
    }
    twins.compare_tables(Af::V4, &["filter"]);
    twins.compare_tables(Af::V6, &["filter"]);
}

/// What random command lines once found.
#[test]
fn lines_that_once_differed_are_the_same_now() {
    let mut twins = Twins::new();
    let mut differences = Vec::new();
    for line in FOUND.lines().map(str::trim).filter(|line| !line.is_empty()) {
        for program in ["iptables", "ip6tables"] {
            differences.extend(twins.try_words(&split(&format!("{program} {line}")), "").err());
        }
    }
    differences.extend(twins.try_tables(Af::V4, &["filter", "nat", "mangle"]).err());
    differences.extend(twins.try_tables(Af::V6, &["filter", "nat", "mangle"]).err());
    assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), differences.join("\n\n"));
}

/// One a line, without the program.
pub(crate) const FOUND: &str = include_str!("found.txt");

#[test]
fn marks_are_matched_and_set() {
    live(
        "iptables -t mangle -A PREROUTING -m mark --mark 1 -j MARK --set-mark 2
        iptables -t mangle -A PREROUTING -m mark ! --mark 0x10/0xf0 -j MARK --or-mark 4
        iptables -t mangle -A PREROUTING -m mark -j ACCEPT
        iptables -t mangle -A PREROUTING -m mark --mark 1 --mark 2
        iptables -t mangle -A PREROUTING -m mark --mark x
        iptables -t mangle -A PREROUTING -m mark --mark=3 -m mark --mark 4 -j MARK --set-xmark 1/2
        iptables -t mangle -A PREROUTING -j MARK
        iptables -t mangle -A PREROUTING -j MARK --set-mark 1 --and-mark 2
        iptables -t mangle -A PREROUTING -j MARK ! --set-mark 1
        iptables -t mangle -A PREROUTING -j MARK --set-m 1
        iptables -t mangle -D PREROUTING -m mark --mark 0x1/0xffffffff -j MARK --set-xmark 0x2/0xffffffff
        iptables -t mangle -L -n -v
        iptables -t mangle -S",
    );
}

#[test]
fn a_numeric_listing_names_the_protocols_it_knows() {
    let namespace = Namespace::new();
    for (line, shown) in [
        ("iptables -A INPUT -p tcp -j ACCEPT", "ACCEPT     tcp  -- "),
        ("iptables -A INPUT ! -p 17 -j ACCEPT", "ACCEPT    !udp  -- "),
        ("iptables -A INPUT -j ACCEPT", "ACCEPT     all  -- "),
        ("iptables -A INPUT -p 250 -j ACCEPT", "ACCEPT     250  -- "),
    ] {
        namespace.run(Tool::Ours, &split(line), "");
        let listed = namespace.run_exactly(Tool::Ours, &split("iptables -nL INPUT"));
        assert!(listed.lines().last().is_some_and(|line| line.starts_with(shown)), "{shown}: {listed}");
    }
}

#[test]
fn a_missing_datapath_is_said_and_the_kernel_is_left_alone() {
    let namespace = Namespace::new();
    let rules = "*filter\nCOMMIT\n";
    for (line, code, said) in [
        ("iptables -A INPUT -j ACCEPT", 3, "iptables vX: can't initialize iptables table `filter': "),
        ("ip6tables -t nat -L", 3, "ip6tables vX: can't initialize ip6tables table `nat': "),
        ("iptables-save", 1, "iptables-save vX: Cannot initialize: "),
        ("iptables-restore", 2, "iptables-restore: "),
    ] {
        for backend in ["datapath", ""] {
            let outcome = namespace.run_backend(backend, line, rules);
            assert_eq!((outcome.code, outcome.stdout.as_str()), (code, ""), "{line}: {outcome}");
            assert!(outcome.stderr.starts_with(said), "{line}: {outcome}");
            assert!(outcome.stderr.contains("`xt-datapath run'"), "{line}: {outcome}");
        }
        let outcome = namespace.run_backend("nonsense", line, rules);
        assert_eq!(outcome.code, code, "{outcome}");
        assert!(outcome.stderr.contains("unknown backend `nonsense'"), "{outcome}");
    }
    assert_eq!(namespace.kernel_tables(), "");
}

#[test]
fn the_lock_is_waited_for_and_given_up_with_the_same_words() {
    for (line, waits) in [
        ("iptables -w 1 -L -n", false),
        ("iptables -L -n", true),
        ("iptables-restore -w 1", false),
        ("iptables -C INPUT -w1", false),
    ] {
        let mut said = Vec::new();
        for tool in [Tool::Theirs, under_test()] {
            let namespace = Namespace::new();
            let held = libxt::lock::Lock::acquire_at(namespace.lock_file().into(), libxt::lock::Wait::Forever);
            let held = held.expect("a lock nobody else has");
            let words = split(line);
            let mut child = namespace.spawn(tool, &words);
            {
                use std::io::Write;
                let _ = child.stdin.take().expect("a pipe").write_all(b"*filter\nCOMMIT\n");
            }
            if waits {
                std::thread::sleep(Duration::from_millis(300));
                assert!(still_runs(&mut child), "{line}: {tool:?} does not wait");
                drop(held);
            }
            let output = output(child);
            let folder = namespace.lock_file().parent().expect("a folder").display().to_string();
            let stderr = String::from_utf8_lossy(&output.stderr).replace(&folder, "FOLDER");
            said.push((output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned(), stderr));
        }
        assert_eq!(said[0], said[1], "{line}");
    }
}

fn still_runs(child: &mut Child) -> bool {
    child.try_wait().expect("a child").is_none()
}
