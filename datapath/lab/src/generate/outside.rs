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

/// A target that changes a set, which later rules may ask.
pub(super) fn change(random: &mut Random, six: bool) -> String {
    let set = if six { "lab6-seen" } else { "lab-seen" };
    format!("-j SET --{}-set {set} {}", random.pick(&["add", "add", "del"]), random.pick(&["src", "dst"]))
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
    let asked = match random.below(if six { 4 } else { 5 }) {
        0 => format!("ip {side}"),
        1 => format!("ipport {first},{second}"),
        2 => format!("net {side}{}", random.pick(&["", " --return-nomatch"])),
        3 => format!("seen {side}"),
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
];
