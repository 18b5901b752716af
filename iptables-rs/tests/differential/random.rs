//! Random command lines, valid and nearly so, through both tools. The seed is printed; `XT_SEED` repeats a run and
//! `XT_ENDLESS=1` never ends it.

use std::env;
use std::time::{Duration, Instant, SystemTime};

use libxt::family::Af;

use crate::oracle::{Twins, split};

#[test]
fn random_command_lines_have_the_same_effect() {
    let seed = match env::var("XT_SEED") {
        Ok(seed) => seed.parse().expect("XT_SEED is a number"),
        Err(_) => SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64,
    };
    println!("XT_SEED={seed}");
    let endless = env::var_os("XT_ENDLESS").is_some();
    let (start, mut lines) = (Instant::now(), 0);
    let mut random = Random(seed | 1);
    while endless || start.elapsed() < Duration::from_secs(20) {
        // Namespaces are made anew now and then: small tables are where commands meet.
        let mut twins = Twins::new();
        for _ in 0..60 {
            let (af, line) = line(&mut random);
            let words = split(&line);
            if let Err(panic) = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                twins.run_words(&words, "");
                twins.compare_tables(af, &["filter", "mangle"]);
            })) {
                println!("XT_SEED={seed}: after {lines} lines: {line}");
                std::panic::resume_unwind(panic);
            }
            lines += 1;
        }
        twins.compare_reading("iptables-save -c");
        twins.compare_reading("ip6tables-save -c");
    }
    println!("{lines} command lines compared");
    assert!(lines > 0);
}

/// xorshift64*: the sequence is the seed's alone.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

fn line(random: &mut Random) -> (Af, String) {
    let af = if random.chance(70) { Af::V4 } else { Af::V6 };
    let mut words: Vec<String> = Vec::new();
    let mut say = |text: &str| words.push(text.to_owned());
    if random.chance(30) {
        say(random.pick(&["-t mangle", "-t filter", "--table mangle", "-tmangle", "-t nosuch", "--tab filter"]));
    }
    if random.chance(10) {
        say(random.pick(&["-w", "-w 5", "-n", "-v", "--verbose", "--wait=2", "-x", "--line-numbers", "-4", "-6"]));
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
                say(random.pick(&["1", "2", "3", "9", "0", "x"]));
            }
            rule(random, af, &mut say);
        }
        9 => {
            say("-R");
            say(chain(random));
            say(random.pick(&["1", "2", "9"]));
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
            say(random.pick(&["1", "2", "3", "0", "99"]));
        }
        12..14 => {
            say(random.pick(&["-N", "--new-chain", "-N", "-X", "-F", "-Z", "--flush", "--zero"]));
            say(chain(random));
        }
        14 => say(random.pick(&["-F", "-Z", "-X", "-vF", "-vX", "-Zv", "-L -Z -n"])),
        15 => {
            say("-E");
            say(chain(random));
            say(chain(random));
        }
        16 => {
            say("-P");
            say(chain(random));
            say(random.pick(&["ACCEPT", "DROP", "REJECT", "RETURN", "ACCEPT -c 1 2"]));
        }
        17 => say(random.pick(&["-S", "-S INPUT", "-S a 1", "-nvL", "-nL a", "-L -n -x -v", "-nL --line-numbers"])),
        18 => say(random.pick(&["-S -v", "-L INPUT 1 -n", "-nLa", "-vnL b", "-L b -nvx", "--list-rules a", "-vS"])),
        _ => {
            rule(random, af, &mut say);
            say(random.pick(&["-A INPUT", "-A FORWARD", "-I a", "-A b", ""]));
        }
    }
    let program = if af == Af::V4 { "iptables" } else { "ip6tables" };
    (af, format!("{program} {}", words.join(" ")))
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
