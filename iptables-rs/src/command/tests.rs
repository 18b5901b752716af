//! Command lines read in-process: no table, no backend.

use std::time::{Duration, Instant};

use libxt::abi::Counters;
use libxt::family::Af;
use libxt::lock::Wait;

use super::{Action, Command, Keeper, Parsed, Session, parse};
use crate::failure::Failure;
use crate::program::{Program, Role};

const IPTABLES: Program = Program { af: Af::V4, role: Role::Command };
const RESTORE: Program = Program { af: Af::V4, role: Role::Restore };

fn read(program: Program, line: &str) -> Result<Parsed<'_>, Failure> {
    let words: Vec<&str> = line.split(' ').collect();
    read_words(program, &words)
}

fn read_words<'a>(program: Program, words: &[&'a str]) -> Result<Parsed<'a>, Failure> {
    parse(program, words, &mut Session::default(), &mut Keeper::Nobody)
}

fn command(line: &str) -> Command<'_> {
    match read(IPTABLES, line) {
        Ok(Parsed::Run(command)) => *command,
        other => panic!("{line}: {other:?}"),
    }
}

fn refusal(program: Program, line: &str) -> String {
    match read(program, line) {
        Err(Failure::Usage(text) | Failure::Bare(text)) => text,
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn an_argument_may_stand_in_the_same_word_as_its_option() {
    let attached = command("iptables -AINPUT -ptcp -s1.1.1.1 --destination=2.2.2.2 -ieth0 --jump=ACCEPT -tmangle");
    let apart = command("iptables -A INPUT -p tcp -s 1.1.1.1 -d 2.2.2.2 -i eth0 -j ACCEPT -t mangle");
    assert_eq!(attached.rule.header, apart.rule.header);
    assert_eq!((attached.sources, attached.destinations), (apart.sources, apart.destinations));
    assert_eq!((&*attached.table, &*attached.jump.word), ("mangle", "ACCEPT"));
}

#[test]
fn the_match_of_the_protocol_is_loaded_when_an_option_asks_for_it() {
    let names =
        |line: &str| -> Vec<&'static str> { command(line).rule.matches.iter().map(|one| one.shown_name()).collect() };
    assert!(names("iptables -A INPUT -p tcp").is_empty());
    assert_eq!(names("iptables -A INPUT -p tcp --dport 80 --sport 1"), ["tcp"]);
    assert_eq!(names("iptables -A INPUT -p 6 -m mark --mark 1 --dp 80"), ["mark", "tcp"]);
    assert_eq!(refusal(IPTABLES, "iptables -A INPUT --dport 80"), "unknown option \"--dport\"");
    assert_eq!(refusal(IPTABLES, "iptables -A INPUT -p tcp --nosuch 80"), "unknown option \"--nosuch\"");
    assert_eq!(refusal(IPTABLES, "iptables -A INPUT -p tcp --dport"), "option \"--dport\" requires an argument");
}

#[test]
fn the_option_goes_to_the_last_match_of_its_name() {
    let twice = command("iptables -A INPUT -m mark --mark 1 -m mark --mark 2");
    assert_eq!(twice.rule.matches.len(), 2);
    assert_eq!(
        refusal(IPTABLES, "iptables -A INPUT -m mark --mark 1 --mark 2"),
        "mark: option \"--mark\" can only be used once.\n"
    );
}

#[test]
fn one_command_but_for_zeroing_beside_a_listing() {
    assert_eq!(refusal(IPTABLES, "iptables -L -A INPUT"), "Cannot use -A with -L");
    let both = command("iptables -Z -L INPUT");
    assert_eq!((both.action, both.also), (Action::List, Some(Action::Zero)));
    // A number after -Z makes upstream forget the -L before it.
    let zero = command("iptables -L -Z INPUT 1");
    assert_eq!((zero.action, zero.also, zero.number), (Action::ZeroNumber, None, 1));
}

#[test]
fn a_bang_belongs_before_its_option() {
    for (line, text) in [
        ("iptables -A INPUT ! ! -s 1.1.1.1", "multiple consecutive ! not allowed"),
        ("iptables -A INPUT -j ACCEPT !", "nothing appropriate following !"),
        ("iptables -A INPUT ! -j ACCEPT", "cannot have ! before -j"),
        ("iptables ! -A INPUT", "unexpected '!' flag"),
        ("iptables -A INPUT ! -s 1.1.1.1,2.2.2.2", "! not allowed with multiple source or destination IP addresses"),
        ("iptables -A INPUT ! -p all", "rule would never match protocol"),
    ] {
        assert_eq!(refusal(IPTABLES, line), text, "{line}");
    }
}

#[test]
fn every_pair_of_addresses_is_a_rule() {
    let many = command("iptables -A INPUT -s 1.1.1.1,2.2.2.2 -d 3.3.3.3,4.4.4.4/24,5.5.5.5 -j ACCEPT");
    assert_eq!((many.sources.len(), many.destinations.len()), (2, 3));
    assert_eq!(
        refusal(IPTABLES, "iptables -R INPUT 1 -s 1.1.1.1,2.2.2.2 -j ACCEPT"),
        "Replacement rule does not specify a unique address"
    );
}

#[test]
fn counters_come_as_two_words_or_as_one() {
    for line in ["iptables -A INPUT -c 5 6", "iptables -A INPUT -c 5,6", "iptables -A INPUT --set-counters 5 6"] {
        assert_eq!(command(line).rule.counters, Counters { packets: 5, bytes: 6 }, "{line}");
    }
    assert_eq!(refusal(IPTABLES, "iptables -A INPUT -c 5"), "-c requires packet and byte counter");
}

#[test]
fn the_wait_is_seconds_or_for_ever() {
    assert_eq!(command("iptables -L").wait, Wait::default());
    assert_eq!(command("iptables -w -L").wait, Wait::Forever);
    assert_eq!(command("iptables -w 5 -L").wait, Wait::Seconds(5));
    assert_eq!(command("iptables --wait=0x10 -L").wait, Wait::Seconds(16));
    assert_eq!(refusal(IPTABLES, "iptables -w INPUT -L"), "wait seconds not numeric");
}

#[test]
fn a_restore_knows_one_table_and_skips_the_other_family() {
    assert!(matches!(read(RESTORE, "iptables-restore -t raw -A PREROUTING -6"), Ok(Parsed::Nothing)));
    assert!(matches!(read(RESTORE, "iptables-restore -t raw -A PREROUTING -4"), Ok(Parsed::Run(_))));
    assert_eq!(
        refusal(RESTORE, "iptables-restore -t raw -A PREROUTING -t nat"),
        "The -t option cannot be used in iptables-restore.\n"
    );
    assert_eq!(refusal(RESTORE, "iptables-restore -w -L"), "You cannot use `-w' from iptables-restore");
    assert!(matches!(read(IPTABLES, "iptables -6 -L"), Err(Failure::Hint)));
}

#[test]
fn nat_drops_nothing() {
    assert!(refusal(IPTABLES, "iptables -t nat -A PREROUTING -j DROP").contains("inhibited"));
    assert!(refusal(IPTABLES, "iptables -P PREROUTING DROP -t nat").contains("inhibited"));
}

#[test]
fn the_time_for_many_matches_grows_as_their_number_does() {
    let time = |count| {
        let words: Vec<&str> =
            "iptables -A INPUT".split(' ').chain(["-m", "mark", "--mark", "1"].repeat(count)).collect();
        let began = Instant::now();
        let Ok(Parsed::Run(command)) = read_words(IPTABLES, &words) else { panic!("{count} matches") };
        assert_eq!(command.rule.matches.len(), count);
        began.elapsed()
    };
    // With their square it would be 400 times as much.
    let [few, many] = [time(5_000), time(100_000)];
    assert!(many < few * 100 + Duration::from_secs(1), "{few:?}, {many:?}");
}

#[test]
fn no_line_of_known_words_in_any_order_panics() {
    let mut state: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut next = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    let mut understood = 0;
    for _ in 0..100_000 {
        let af = if next(2) == 0 { Af::V4 } else { Af::V6 };
        let role = if next(4) == 0 { Role::Restore } else { Role::Command };
        let mut words = vec!["iptables"];
        for _ in 0..next(12) {
            words.push(WORDS[next(WORDS.len())]);
        }
        understood += usize::from(read_words(Program { af, role }, &words).is_ok());
    }
    assert!(understood > 1000, "{understood}");
}

/// Addresses and interfaces only in the word of their option: a stray word is never looked up as a host's name.
const WORDS: &[&str] = &[
    "-A",
    "-D",
    "-I",
    "-R",
    "-C",
    "-L",
    "-S",
    "-F",
    "-Z",
    "-N",
    "-X",
    "-E",
    "-P",
    "-h",
    "-V",
    "INPUT",
    "foo",
    "1",
    "0",
    "-1",
    "",
    "!",
    "-",
    "--",
    "-p",
    "tcp",
    "udp",
    "icmp",
    "17",
    "-s1.2.3.4",
    "1.2.3.4",
    "--source=::1",
    "10/8",
    "1.1.1.1,2.2.2.2",
    "-d10/8",
    "-ieth0",
    "eth+",
    "-olo",
    "lo",
    "-j",
    "ACCEPT",
    "LOG",
    "MARK",
    "REJECT",
    "-g",
    "-m",
    "mark",
    "limit",
    "multiport",
    "conntrack",
    "state",
    "--mark",
    "0x1/0x3",
    "--dport",
    "22",
    "1:",
    ":",
    "--sports",
    "--limit",
    "5/s",
    "--ctstate",
    "NEW,RELATED",
    "--set-mark",
    "--log-prefix",
    "--tcp-flags",
    "SYN,ACK",
    "SYN",
    "--syn",
    "-f",
    "-c",
    "5,6",
    "-n",
    "-v",
    "-x",
    "--line-numbers",
    "-t",
    "nat",
    "-w",
    "-4",
    "-6",
    "-nvL",
    "-LINPUT",
    "--jump=DROP",
    "--li",
    "--src=1.1.1.1",
    "-ptcp",
    "é",
    "-é",
    "--é",
    "--é=ü",
];
