//! Random conntrack command lines from a grammar: sensible, nearly sensible and hostile ones, of every command and table,
//! the entries that they find, and where ours is meant to differ from the original.

use crate::random::Random;

/// What a run of a program gave: the lines of stdout and of stderr, and the exit code, if no signal ended it.
pub type Heard = (Vec<String>, Vec<String>, Option<i32>);

/// Entries of every kind that lists show.
pub const ENTRIES: &str = "\
-I -p tcp -s 1.1.1.1 -d 2.2.2.2 --sport 1 --dport 2 --state ESTABLISHED -t 300 -u ASSURED,SEEN_REPLY -m 5
-I -p tcp -s 1.1.1.1 -d 2.2.2.2 --sport 3 --dport 2 --state SYN_SENT -t 300
-I -p udp -s 1.1.1.1 -d 2.2.2.2 --sport 1 --dport 2 -t 300
-I -p icmp -s 1.1.1.1 -d 2.2.2.2 --icmp-type 8 --icmp-code 0 --icmp-id 3 -t 300
-I -p gre -s 1.1.1.1 -d 2.2.2.2 --srckey 10 --dstkey 20 -t 300
-I -p udp -s fe80::1 -d fe80::2 --sport 1 --dport 2 -t 300
-I -p icmpv6 -s fe80::1 -d fe80::2 --icmpv6-type 128 --icmpv6-code 0 --icmpv6-id 9 -t 300
-I -p 99 -s 1.1.1.3 -d 2.2.2.2 -t 300
-I -p sctp -s 1.1.1.5 -d 2.2.2.2 --sport 5 --dport 6 --state ESTABLISHED --orig-vtag 1 --reply-vtag 2 -t 300
-I -p udplite -s 1.1.1.5 -d 2.2.2.2 --sport 5 --dport 6 -t 300 -u FIXED_TIMEOUT
-I -p udp -s 1.1.1.4 -d 2.2.2.2 --sport 1 --dport 2 -t 300 -n 9.9.9.9:88 -w 3
-I -p udp -s 1.1.1.4 -d 2.2.2.2 --sport 4 --dport 2 -t 300 -g 8.8.8.8 --orig-zone 4
-I -p tcp -s 1.1.1.4 -d 2.2.2.2 --sport 4 --dport 2 -t 300 --state CLOSE --reply-zone 5 -m 0x30
";

/// Commands, and how often each is drawn.
const COMMANDS: &[(usize, &str)] = &[
    (12, "-L"),
    (8, "-D"),
    (8, "-U"),
    (6, "-I"),
    (5, "-A"),
    (5, "-G"),
    (2, "-F"),
    (2, "-C"),
    (1, "-S"),
    (1, "-h"),
    (1, "-V"),
    (1, ""),
];

/// Each command's long name.
const LONG: &[(&str, &str)] = &[
    ("-L", "--dump"),
    ("-D", "--delete"),
    ("-U", "--update"),
    ("-I", "--create"),
    ("-A", "--add"),
    ("-G", "--get"),
    ("-F", "--flush"),
    ("-C", "--counter"),
    ("-S", "--stats"),
    ("-h", "--help"),
    ("-V", "--version"),
];

/// Options, the names they go by, and values: sensible ones first, behind the bar those that are not. `?` says that the
/// value may be left out; `!` that it must be a number, since we are as strict with it as 1.4.9, where 1.4.7 took
/// anything (and died of `--id` without one).
const OPTIONS: &[(&[&str], &str)] = &[
    (
        &["-s", "--src", "--orig-src"],
        "1.1.1.1 1.1.1.4 1.1.1.3 fe80::1 1.1.1.0/24 0/0 ::/0 fe80::/10 1.1.1.1/32 | 1.1 0x1.1.1.1 \
      1.1.1.256 1.1.1.1/33 fe80::1/129 /8 1.1.1.1/ 1.1.1.1/x 1.1.1.1/-1 :: ::ffff:1.1.1.1 01.01.01.01 1.1.1.1.1 x",
    ),
    (
        &["-d", "--dst", "--orig-dst"],
        "2.2.2.2 fe80::2 2.2.0.0/16 fe80::2/128 | 2.2.2.2/0 0 4294967295 4294967296 2.2.2.2/08 ::2/ -1",
    ),
    (&["-r", "--reply-src"], "2.2.2.2 8.8.8.8 fe80::2 | 2.2.2.0/24 fe80::/64 x"),
    (&["-q", "--reply-dst"], "1.1.1.1 9.9.9.9 fe80::1 | 1.1.1.1/24 1.1.1.1/ "),
    (&["-t", "--timeout"], "300 200 100 | -1 0 x 4294967296 99999999999999999999 5x"),
    (
        &["-u", "--status"],
        "ASSURED SEEN_REPLY UNREPLIED !ASSURED UNSET FIXED_TIMEOUT EXPECTED ASSURED,SEEN_REPLY OFFLOAD assu \
      !SEEN_REPLY,ASSURED SRC_NAT,DST_NAT | foo ASSURED, ,ASSURED !UNREPLIED unreplied HW_OFFLOAD !! UNREPLIED,foo A,S,U,F",
    ),
    (&["-m!", "--mark!"], "5 0x10 0x10/0x10 0x30/0xf0 0 010 4294967295"),
    (&["-w!", "--zone!"], "3 0 0x3 65535"),
    (&["--orig-zone!"], "4 0 7"),
    (&["--reply-zone!"], "5 0 6"),
    (
        &["-n?", "--src-nat?"],
        "9.9.9.9 9.9.9.9:88 7.7.7.7 [fe80::9]:7 | 9.9.9.9: :88 9.9.9.9:70000 9.9.9.9:x 1:2:3 [fe80::9 x 9.9.9.9:-1 \
      [fe80::9]7 []:5",
    ),
    (&["-g?", "--dst-nat?"], "8.8.8.8 8.8.8.8:99 7.7.7.7 | fe80::8 8.8.8.8:0 8.8.8.8:+5 8.8.8.8:65536"),
    (&["-j?", "--any-nat?"], "9.9.9.9 8.8.8.8 9.9.9.9:88 | foo"),
    (&["-f", "--family"], "ipv4 ipv6 | ip ipv4x IPV4 foo"),
    (
        &["-o", "--output"],
        "save xml extended id ktimestamp timestamp extended,id id,ktimestamp xml,id x e,i u userspace labels | \
      save,id foo id, ,id sav xml,save EXTENDED i,i",
    ),
    (&["-z", "--zero"], ""),
    (&["-e", "--event-mask"], "NEW | foo ALL,NEW"),
    (&["-c!", "--secmark!"], "0 1 4"),
    (&["-i!"], "5 7 0"),
    (&["-b", "--buffer-size"], "5 | x"),
    (&["-a", "--nat-range"], "5 1.1.1.1"),
    (&["-l", "--label"], "x"),
    (&["--label-add"], "x"),
    (&["--label-del?"], "x"),
    (&["--mask-src"], "255.255.255.0 255.255.255.255 ffff:: | x 255.255.255.0/3"),
    (&["--mask-dst"], "255.255.0.0 0.0.0.0 | -1"),
    (&["--tuple-src"], "3.3.3.3 fe80::3 | x"),
    (&["--tuple-dst"], "4.4.4.4 | 4.4.4.4/8"),
    (&["foo", "-", "--", "-x", "--bar", "-Z", "--s", "--orig"], ""),
];

/// Protocols as they are written, and their options.
const PROTOCOLS: &[(&str, &str)] = &[
    ("tcp", "ports state"),
    ("6", "ports state"),
    ("udp", "ports"),
    ("UDP", "ports"),
    ("udplite", "ports"),
    ("sctp", "ports sctp"),
    ("dccp", "ports dccp"),
    ("icmp", "icmp"),
    ("icmpv6", "icmpv6"),
    ("gre", "gre"),
    ("99", ""),
    ("esp", ""),
    ("igmp", ""),
    ("0", ""),
    ("255", ""),
];

/// The options that a protocol brings to life.
const OWN: &[(&str, &str, &str)] = &[
    ("ports", "--sport", "1 3 4 5 | 0 65535 65536 -1 x 0x10"),
    ("ports", "--orig-port-src", "1 3"),
    ("ports", "--dport", "2 6 | 99999"),
    ("ports", "--orig-port-dst", "2"),
    ("ports", "--reply-port-src", "2 6"),
    ("ports", "--reply-port-dst", "1 88"),
    ("ports", "--mask-port-src", "1"),
    ("ports", "--mask-port-dst", "65535"),
    ("ports", "--tuple-port-src", "7 0 | x"),
    ("ports", "--tuple-port-dst", "8 2"),
    (
        "state",
        "--state",
        "ESTABLISHED SYN_SENT SYN_RECV CLOSE CLOSE_WAIT LAST_ACK LISTEN TIME_WAIT NONE SYN_SENT2 FIN_WAIT | foo \
      established  EST",
    ),
    (
        "sctp",
        "--state",
        "ESTABLISHED CLOSED COOKIE_WAIT COOKIE_ECHOED SHUTDOWN_SENT SHUTDOWN_RECD SHUTDOWN_ACK_SENT NONE | \
      HEARTBEAT_SENT x",
    ),
    ("sctp", "--orig-vtag", "1 7 | x -1"),
    ("sctp", "--reply-vtag", "2 8"),
    ("dccp", "--state", "REQUEST OPEN | CLOSED"),
    ("dccp", "--role", "client server | x"),
    ("icmp", "--icmp-type", "8 0 13 | 99 256 x"),
    ("icmp", "--icmp-code", "0 1"),
    ("icmp", "--icmp-id", "3 4 | 65536"),
    ("icmpv6", "--icmpv6-type", "128 | 1"),
    ("icmpv6", "--icmpv6-code", "0"),
    ("icmpv6", "--icmpv6-id", "9 10"),
    ("gre", "--srckey", "10 0xa"),
    ("gre", "--dstkey", "20"),
    ("gre", "--reply-key-src", "20"),
    ("gre", "--reply-key-dst", "10"),
    ("gre", "--orig-key-src", "10"),
    ("gre", "--orig-key-dst", "20"),
    ("gre", "--mask-key-src", "1"),
    ("gre", "--mask-key-dst", "65535"),
    ("gre", "--tuple-key-src", "5"),
    ("gre", "--tuple-key-dst", "6 | x"),
];

/// A line that is worth a run: not one of those in which ours is meant to differ.
pub fn line(random: &mut Random) -> String {
    loop {
        let line = draw(random);
        if !decided(&line) {
            return line;
        }
    }
}

/// Where we follow a later release on purpose, or where the original asks nothing and answers with an old errno.
fn decided(line: &str) -> bool {
    let words: Vec<&str> = line.split(' ').collect();
    let has = |names: &[&str]| words.iter().any(|word| names.iter().any(|name| word.starts_with(name)));
    let get = has(&["-G", "--g"]);
    // Half a reply tuple makes the original fail before it asks, with whatever errno was left.
    (get && has(&["--reply-port", "--reply-key"]))
        // An ICMP type before the addresses finds no family to tell the reply's type of.
        || (has(&["-I", "-A", "--cr", "--ad"]) && {
            let place = |names: &[&str]| words.iter().position(|word| names.iter().any(|name| word.starts_with(name)));
            place(&["--ic"]) < place(&["-s", "-r", "-f", "--src", "--orig-s", "--reply-s", "--fam"]) && has(&["--ic"])
        })
        // Any translation to an address matches nothing if anything else is asked before it.
        || (has(&["-j", "--any-nat"]) && words.len() > 2 && words.iter().any(|word| word.contains(['8', '9'])))
        // Up to 1.4.7 a status makes a masked mark.
        || (has(&["-I", "-A", "--cr", "--ad"]) && has(&["-u", "--st"]) && words.iter().any(|word| word.starts_with("0x") && word.contains('/')))
        // Statistics count what the programs do themselves; a watch never ends.
        || (has(&["-S", "--st"]) && words.len() < 3)
        || has(&["-E", "--e"])
        // An update without a family fails up to 1.4.7.
        || (has(&["-U", "--u"]) && !has(&["-s", "-d", "--s", "--d", "--orig-s", "--orig-d", "-f", "--f"]))
}

/// What is about expectations: mostly complete, of masters that are there and that are not.
fn expectation(random: &mut Random) -> String {
    const MASTERS: &[&str] = &[
        "-s 1.1.1.1 -d 2.2.2.2",
        "-s 1.1.1.7 -d 2.2.2.7",
        "-s fe80::1 -d fe80::2",
        "--orig-src 1.1.1.4 --orig-dst 2.2.2.2",
    ];
    const COMING: &[&str] = &["--tuple-src 3.3.3.3 --tuple-dst 4.4.4.4", "--tuple-src fe80::3 --tuple-dst fe80::4"];
    const MASKS: &[&str] =
        &["--mask-src 255.255.255.255 --mask-dst 255.255.255.255", "--mask-src 0.0.0.0 --mask-dst 255.255.0.0"];
    const ENDS: &[&str] = &["-r 2.2.2.2 -q 1.1.1.1", "-r fe80::2 -q fe80::1"];
    const PORTS: &[&str] = &["--sport 1 --dport 2", "--orig-port-src 3 --orig-port-dst 2", "--sport 1"];
    let command =
        weighted(random, &[(5, "-I"), (3, "-D"), (3, "-G"), (2, "-L"), (1, "-F"), (1, "-C"), (1, "-U"), (1, "-A")]);
    let table = random.choose(&["expect", "exp", "e"]);
    let mut words = vec![spelled(random, command), table.to_owned()];
    let makes = command == "-I";
    let mut add = |random: &mut Random, wanted: bool, parts: &[&str]| {
        if wanted && random.below(12) != 0 || random.below(30) == 0 {
            words.extend(random.choose(parts).split(' ').map(str::to_owned));
        }
    };
    let names = matches!(command, "-I" | "-D" | "-G" | "-U" | "-A");
    add(random, names, MASTERS);
    add(random, makes, COMING);
    add(random, makes, MASKS);
    add(random, makes, &["-t 300", "--timeout 200", "-t x"]);
    let answered = matches!(command, "-D" | "-G") && random.below(2) == 0;
    add(random, answered, ENDS);
    add(random, names, &["-p tcp", "-p udp", "-p sctp", "-pudplite", "-p 99"]);
    add(random, names, PORTS);
    add(random, makes, &["--tuple-port-src 5 --tuple-port-dst 6", "--tuple-port-dst 7"]);
    add(random, makes, &["--mask-port-src 0 --mask-port-dst 65535"]);
    add(random, matches!(command, "-D" | "-G"), &["--reply-port-src 2 --reply-port-dst 1"]);
    add(random, false, &["-o xml", "-o id", "-u PERMANENT", "-f ipv6", "--id 5", "-w 3", "-m 5"]);
    words.join(" ")
}

fn draw(random: &mut Random) -> String {
    if random.below(8) == 0 {
        return expectation(random);
    }
    let command = weighted(random, COMMANDS);
    let mut words = vec![spelled(random, command)];
    let table = if random.below(10) == 0 {
        random.choose(&["expect", "e", "conntrack", "c", "dying", "unconfirmed", "un", "foo", "x", "expectx"])
    } else {
        ""
    };
    if !table.is_empty() {
        words.push(table.to_owned());
    }
    let mut options: Vec<Vec<String>> = Vec::new();
    let makes = matches!(command, "-I" | "-A" | "-G");
    if makes && random.below(8) != 0 {
        let ends = [
            "-s 1.1.1.1 -d 2.2.2.2",
            "-s 1.1.1.4 -d 2.2.2.2",
            "-s 1.1.1.7 -d 2.2.2.7",
            "-s fe80::1 -d fe80::2",
            "-r 2.2.2.2 -q 1.1.1.1",
            "--src 1.1.1.3 --dst=2.2.2.2",
        ];
        options.push(random.choose(&ends).split(' ').map(str::to_owned).collect());
    }
    if matches!(command, "-I" | "-A") && random.below(10) != 0 {
        options.push(vec!["-t".into(), "300".into()]);
    }
    if random.below(3) != 0 || makes {
        options.push(protocol(random, makes));
    }
    if command == "-U" && random.below(4) != 0 {
        options.push(option(random, &OPTIONS[0]));
    }
    for _ in 0..random.below(4) {
        let which = random.below(OPTIONS.len() as u64) as usize;
        options.push(option(random, &OPTIONS[which]));
    }
    // In any order.
    while !options.is_empty() {
        let next = random.below(options.len() as u64) as usize;
        words.extend(options.swap_remove(next));
    }
    if random.below(40) == 0 {
        words.rotate_left(1);
    }
    words.join(" ")
}

/// `-p` and some of what it brings; what makes an entry is mostly complete.
fn protocol(random: &mut Random, complete: bool) -> Vec<String> {
    let (name, own) = random.choose(PROTOCOLS);
    let mut words = match random.below(4) {
        0 => vec![format!("--protonum={name}")],
        1 => vec![format!("-p{name}")],
        _ => vec!["-p".into(), name.into()],
    };
    let mut seen = Vec::new();
    for &(group, long, values) in OWN.iter().filter(|(group, ..)| own.split(' ').any(|own| own == *group)) {
        let usual = ["--sport", "--dport", "--state", "vtag", "-type", "-code", "-id", "key"]
            .iter()
            .any(|end| long.ends_with(end));
        let often = if usual && complete { 8 } else { 3 };
        if random.below(10) < often && !seen.contains(&(group, long)) {
            seen.push((group, long));
            words.extend(valued(random, long, values));
        }
    }
    if random.below(25) == 0 {
        words.push("--sport".into());
        words.push("1".into());
    }
    words
}

fn option(random: &mut Random, (names, values): &(&[&str], &str)) -> Vec<String> {
    let name = random.choose(names);
    if values.is_empty() {
        return vec![name.to_owned()];
    }
    // Without a value, or with one that is a number.
    match (name.strip_suffix('?'), name.strip_suffix('!')) {
        (Some(name), _) if random.below(3) == 0 => vec![name.to_owned()],
        (Some(name), _) => valued(random, name, values),
        (_, Some(name)) => {
            let values: Vec<&str> = values.split(' ').collect();
            vec![name.to_owned(), random.choose(&values).to_owned()]
        }
        _ => valued(random, name, values),
    }
}

/// An option with a value: in its own word, in the next one, or rarely none.
fn valued(random: &mut Random, name: &str, values: &str) -> Vec<String> {
    let (good, bad) = values.split_once(" | ").unwrap_or((values, ""));
    let pool = if bad.is_empty() || random.below(6) != 0 { good } else { bad };
    let pool: Vec<&str> = pool.split(' ').filter(|value| !value.is_empty()).collect();
    let value = random.choose(&pool);
    let name = if name.starts_with("--") && random.below(12) == 0 { cut(random, name) } else { name.to_owned() };
    match random.below(30) {
        0 => vec![name],
        1..6 if name.starts_with("--") => vec![format!("{name}={value}")],
        1..6 => vec![format!("{name}{value}")],
        6 => vec![name, String::new()],
        _ => vec![name, value.to_owned()],
    }
}

/// A command by its letter, its long name, or the beginning of that.
fn spelled(random: &mut Random, command: &str) -> String {
    let long = LONG.iter().find(|(letter, _)| *letter == command).map(|(_, long)| *long);
    match (long, random.below(6)) {
        (Some(long), 0) => long.to_owned(),
        (Some(long), 1) => cut(random, long),
        _ => command.to_owned(),
    }
}

fn cut(random: &mut Random, long: &str) -> String {
    long[..3 + random.below(long.len() as u64 - 2) as usize].to_owned()
}

fn weighted<'a>(random: &mut Random, choices: &[(usize, &'a str)]) -> &'a str {
    let mut place = random.below(choices.iter().map(|(weight, _)| *weight as u64).sum()) as usize;
    for &(weight, choice) in choices {
        if place < weight {
            return choice;
        }
        place -= weight;
    }
    ""
}

/// Where ours differs on purpose, from what the original did.
pub fn excused(line: &str, theirs: &Heard, ours: &Heard) -> bool {
    // Help is in words of our own.
    let help = theirs.0.iter().any(|line| line.starts_with("Command line interface"));
    let (_, errors, code) = theirs;
    let update = line.split(' ').any(|word| word.starts_with("-U") || word.starts_with("--u"));
    let counts = |lines: &[String]| lines.iter().all(|line| line.starts_with("cpu="));
    // It died of a signal.
    code.is_none()
        // Statistics count what the programs themselves did.
        || !theirs.0.is_empty() && counts(&theirs.0) && counts(&ours.0) && (errors, code) == (&ours.1, &ours.2)
        || help && (errors, code) == (&ours.1, &ours.2)
        // An update that sets both gives the connection its status for a mark.
        || update && line.contains("-m") && (line.contains("-u") || line.contains("--status"))
            && (unmarked(&theirs.0), errors, code) == (unmarked(&ours.0), &ours.1, &ours.2)
        // Up to 1.4.7 an update loses entries in zones, and shows only some of several that it changed.
        || update && (errors.iter().any(|error| error.starts_with("Operation failed")) || !theirs.0.is_empty() && theirs.0.len() < ours.0.len())
}

/// Lines without their marks.
fn unmarked(lines: &[String]) -> Vec<String> {
    let plain = |word: &&str| !word.starts_with("mark=");
    lines.iter().map(|line| line.split(' ').filter(plain).collect::<Vec<_>>().join(" ")).collect()
}
