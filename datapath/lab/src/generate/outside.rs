//! Random matches that ask what is outside of the tables: sets, sockets, their control groups, routes.

use super::options::not;
use crate::{random::Random, twin::Script};

/// One match with its options, valid in the chain; empty where there is none.
pub(super) fn any(random: &mut Random, chain: &str, six: bool) -> String {
    let no = not(random);
    match (random.below(6), chain) {
        (0 | 1, _) => set(random, six),
        (2, "PREROUTING" | "INPUT") => {
            let options = random.pick(&[
                "",
                " --nowildcard",
                " --transparent",
                " --restore-skmark",
                " --transparent --nowildcard --restore-skmark",
            ]);
            format!("-m socket{options}")
        }
        // Of what only the kernel judges there may be four different ones. Behind OUTPUT nobody knows the socket any more from
        // which the stack sent a reset.
        (3, "INPUT" | "OUTPUT") => {
            format!("-m cgroup {}", random.pick(&["--cgroup 0", "! --cgroup 0", "--path /"]))
        }
        (4, _) => "-m bpf --bytecode \"4,32 0 0 4294963248,21 0 1 0,6 0 0 1,6 0 0 0\"".to_owned(),
        (5, "INPUT" | "FORWARD" | "OUTPUT" | "POSTROUTING") => {
            format!("-m realm {no}--realm {}", random.pick(&["0", "1", "0/0xff", "1/1"]))
        }
        _ => String::new(),
    }
}

/// A target that changes a set, which later rules may ask, or takes a mark from one.
pub(super) fn change(random: &mut Random, six: bool) -> String {
    let family = if six { "lab6" } else { "lab" };
    let (act, set) = (random.pick(&["add", "add", "del"]), random.pick(&["seen", "more"]));
    let (side, other) = (random.pick(&["src", "dst"]), random.pick(&["src", "dst"]));
    match random.below(4) {
        0 => format!("-j SET --map-set {family}-mark {side} --map-mark"),
        1 => format!("-j SET --{act}-set {family}-{set} {side} --map-set {family}-mark {other} --map-mark"),
        _ => format!("-j SET --{act}-set {family}-{set} {side}"),
    }
}

/// Has the administrator make the sets that rules name, as they were at the beginning.
pub(super) fn prepare(script: &mut Script) {
    if script.rules.lines.iter().any(|(_, line)| line.contains("-m set") || line.contains("-j SET")) {
        script.before.extend(if script.six { SETS6 } else { SETS });
    }
}

fn set(random: &mut Random, six: bool) -> String {
    let no = not(random);
    let side = random.pick(&["src", "dst"]);
    let (first, second) = (side, random.pick(&["src", "dst"]));
    let asked = match random.below(if six { 6 } else { 7 }) {
        0 => format!("ip {side}"),
        1 => format!("ipport {first},{second}"),
        2 => format!("net {side}{}", random.pick(&["", " --return-nomatch"])),
        3 => format!("seen {side}"),
        4 => format!("more {side}"),
        // What an entry has counted, in the order of the rules that ask.
        5 => {
            let condition = random.pick(&[
                "",
                " --packets-gt 2",
                " ! --packets-eq 3",
                " --bytes-lt 400",
                " ! --update-counters --packets-lt 4",
                " ! --update-counters ! --bytes-gt 200",
            ]);
            format!("count {side}{condition}")
        }
        _ => format!("port {side}"),
    };
    format!("-m set {no}--match-set {}-{asked}", if six { "lab6" } else { "lab" })
}

const SETS: &[&str] = &[
    "ipset -exist create lab-ip hash:ip",
    "ipset -exist add lab-ip 10.1.0.2",
    "ipset -exist create lab-ipport hash:ip,port",
    "ipset -exist add lab-ipport 10.2.0.2,udp:53",
    "ipset -exist add lab-ipport 10.2.0.2,tcp:80",
    "ipset -exist add lab-ipport 10.1.0.2,icmp:echo-request",
    "ipset -exist create lab-net hash:net",
    "ipset -exist add lab-net 10.1.0.0/24",
    "ipset -exist add lab-net 10.1.0.2 nomatch",
    "ipset -exist create lab-port bitmap:port range 0-1023",
    "ipset -exist add lab-port 53",
    "ipset -exist create lab-seen hash:ip",
    "ipset -exist flush lab-seen",
    "ipset -exist create lab-more hash:net",
    "ipset -exist flush lab-more",
    "ipset -exist add lab-more 192.168.0.0/29",
    "ipset -exist create lab-mark hash:net skbinfo",
    "ipset -exist add lab-mark 10.1.0.0/24 skbmark 0x1/0x7",
    "ipset -exist add lab-mark 10.2.0.2 skbmark 0x2/0xff",
    "ipset -exist create lab-count hash:net counters",
    "ipset -exist flush lab-count",
    "ipset -exist add lab-count 10.1.0.0/24",
    "ipset -exist add lab-count 10.2.0.0/24",
];

const SETS6: &[&str] = &[
    "ipset -exist create lab6-ip hash:ip family inet6",
    "ipset -exist add lab6-ip fd01::2",
    "ipset -exist create lab6-ipport hash:ip,port family inet6",
    "ipset -exist add lab6-ipport fd02::2,udp:53",
    "ipset -exist add lab6-ipport fd02::2,tcp:80",
    "ipset -exist create lab6-net hash:net family inet6",
    "ipset -exist add lab6-net fd01::/64",
    "ipset -exist add lab6-net fd01::2 nomatch",
    "ipset -exist create lab6-seen hash:ip family inet6",
    "ipset -exist flush lab6-seen",
    "ipset -exist create lab6-more hash:net family inet6",
    "ipset -exist flush lab6-more",
    "ipset -exist add lab6-more 2001:db8::/61",
    "ipset -exist create lab6-mark hash:net family inet6 skbinfo",
    "ipset -exist add lab6-mark fd01::/64 skbmark 0x1/0x7",
    "ipset -exist add lab6-mark fd02::2 skbmark 0x2/0xff",
    "ipset -exist create lab6-count hash:net family inet6 counters",
    "ipset -exist flush lab6-count",
    "ipset -exist add lab6-count fd01::/64",
    "ipset -exist add lab6-count fd02::/64",
];
