//! Command lines of the base options: small tables are where commands meet.

use libxt::family::Af;

use super::draw::{Line, Random};
use crate::oracle::split;

pub(super) fn line(random: &mut Random) -> Line {
    let af = if random.chance(70) { Af::V4 } else { Af::V6 };
    let mut words: Vec<String> = Vec::new();
    let mut say = |text: &str| words.push(text.to_owned());
    if random.chance(30) {
        say(random.pick(&[
            "-t mangle",
            "-t filter",
            "--table mangle",
            "-tmangle",
            "-t nosuch",
            "--tab filter",
            "-t raw",
            "-t nat",
            "-t security",
            "-t raw -t mangle",
        ]));
    }
    if random.chance(10) {
        say(random.pick(&[
            "-w",
            "-w 5",
            "-n",
            "-v",
            "--verbose",
            "--wait=2",
            "-x",
            "--line-numbers",
            "-4",
            "-6",
            "-vv",
            "-v -v -v",
            "-w -1",
            "-w0x2",
            "-W 5",
            "-w 1 -W 5",
            "-w 1 -W 1000000",
            "-M x",
            "--",
            "-nx",
            "--exact",
        ]));
    }
    match random.below(20) {
        0..7 => {
            say(random.pick(&["-A", "--append", "--app"]));
            say(chain(random));
            rule(random, af, &mut say);
        }
        7..9 => {
            say(random.pick(&["-I", "--insert"]));
            say(chain(random));
            if random.chance(60) {
                say(random.pick(&["1", "2", "3", "9", "0", "x", "-1", "+1", "01", "0x1", "4294967297", "1 2"]));
            }
            rule(random, af, &mut say);
        }
        9 => {
            say("-R");
            say(chain(random));
            say(random.pick(&["1", "2", "9", "0", "", "x"]));
            rule(random, af, &mut say);
        }
        10 => {
            say(random.pick(&["-D", "-C", "--delete", "--check"]));
            say(chain(random));
            rule(random, af, &mut say);
        }
        11 => {
            say("-D");
            say(chain(random));
            say(random.pick(&["1", "2", "3", "0", "99", "1 -j ACCEPT", "-1", "1x", "2147483648"]));
        }
        12..14 => {
            say(random.pick(&["-N", "--new-chain", "-N", "-X", "-F", "-Z", "--flush", "--zero"]));
            say(chain(random));
        }
        14 => say(random.pick(&[
            "-F",
            "-Z",
            "-X",
            "-vF",
            "-vX",
            "-Zv",
            "-L -Z -n",
            "-vvF",
            "-Z INPUT 1",
            "-Z a 2",
            "-Z INPUT 99",
            "-L INPUT -Z INPUT 1 -n",
            "-S -Z",
            "-S INPUT 1 -Z",
            "-L -F",
            "-X a b",
            "-F a 1",
            "-vvZ",
        ])),
        15 => {
            say("-E");
            say(chain(random));
            say(chain(random));
        }
        16 => {
            say("-P");
            say(chain(random));
            say(random.pick(&[
                "ACCEPT",
                "DROP",
                "REJECT",
                "RETURN",
                "ACCEPT -c 1 2",
                "DROP -c 5",
                "drop",
                "",
                "ACCEPT -v",
                "a",
            ]));
        }
        17 => say(random.pick(&[
            "-S",
            "-S INPUT",
            "-S a 1",
            "-nvL",
            "-nL a",
            "-L -n -x -v",
            "-nL --line-numbers",
            "-vvnL",
            "-vvS",
            "-vvvnxL a",
        ])),
        18 => say(random.pick(&[
            "-S -v",
            "-L INPUT 1 -n",
            "-nLa",
            "-vnL b",
            "-L b -nvx",
            "--list-rules a",
            "-vS",
            "-nL --line-numbers -v",
            "-nxL",
            "-nvL INPUT 2 --line-numbers",
            "-S INPUT 0",
            "-nL INPUT 0",
            "-L -n a b",
        ])),
        _ => {
            rule(random, af, &mut say);
            say(random.pick(&["-A INPUT", "-A FORWARD", "-I a", "-A b", ""]));
        }
    }
    let text = words.join(" ");
    let table = ["mangle", "security", "nat", "raw"].into_iter().find(|table| text.contains(table)).unwrap_or("filter");
    Line { af, table: table.to_owned(), words: split(&text) }
}

fn chain<'a>(random: &mut Random) -> &'a str {
    random.pick(&["INPUT", "INPUT", "FORWARD", "OUTPUT", "PREROUTING", "a", "a", "b", "b", "c", "nosuch", "-x"])
}

fn rule(random: &mut Random, af: Af, say: &mut dyn FnMut(&str)) {
    for _ in 0..random.below(4) {
        if random.chance(15) {
            say("!");
        }
        match (random.below(9), af) {
            (0, Af::V4) => say(random.pick(&["-s 1.2.3.4", "-s 10/8", "-s 1.1.1.1,2.2.2.2", "-s 1.2.3.4/255.0.255.0"])),
            (0, Af::V6) => say(random.pick(&["-s ::1", "-s fe80::/10", "-s ::1,::2", "-s 2001:db8::/ffff:0:ffff::"])),
            (1, Af::V4) => say(random.pick(&["-d 5.6.7.8", "-d 0/0", "--dst 1.1.1.1/31", "-d 1.2.3.4/40", "-d 1.2.3"])),
            (1, Af::V6) => say(random.pick(&["-d ::2", "-d ::/0", "--dst fc00::/7", "-d ::1/200", "-d 1.2.3.4"])),
            (2, _) => say(random.pick(&["-p tcp", "-p udp", "-p 47", "-p all", "-p 300", "-p icmp", "-p nosuch"])),
            (3, _) => say(random.pick(&["-i eth0", "-i eth+", "-i lo", "-i +", "-i aaaaaaaaaaaaaaaaaa"])),
            (4, _) => say(random.pick(&["-o eth0", "-o eth+", "--out-interface lo"])),
            (5, _) => say(random.pick(&["-m mark --mark 1", "-m mark ! --mark 0x10/0xf0", "-m mark", "--mark 5"])),
            (6, _) => say(random.pick(&["-c 1 2", "-c 100000,200", "-c 5", "-f", "-n", "-v"])),
            (7, _) => say(random.pick(&["-m nosuch", "stray", "--nonsense", "-m", "--mark", "-q"])),
            _ => say("-p tcp"),
        }
    }
    if random.chance(85) {
        say(random.pick(&[
            "-j ACCEPT",
            "-j DROP",
            "-j RETURN",
            "-j a",
            "-j b",
            "-g a",
            "-g b",
            "-j MARK --set-mark 1",
            "-j MARK --set-xmark 0x1/0xff",
            "-j MARK",
            "-j nosuch",
            "-g ACCEPT",
            "--jump QUEUE",
            "--goto nosuch",
        ]));
    }
}
