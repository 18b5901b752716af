//! Guessing the system that opens a connection (`-m osf`).

use std::{fs, io, process::Command};

use lab::{
    frame::{Ip, Tcp},
    router::program,
    suite::Test,
};

use super::{Stage, alone, client, play};

/// Where the datapath of the lab looks for fingerprints.
const PLACE: &str = "/run/pf.os";

/// The packets of one round, each a system's.
struct Syn {
    ttl: u8,
    fragment: u16,
    flags: u8,
    window: u16,
    options: Vec<u8>,
    data: &'static [u8],
}

/// MSS 1460, SACK permitted, timestamps, NOP, window scale 7.
const USUAL: [u8; 20] = [2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7];

const USUAL_SYN: Syn = Syn { ttl: 65, fragment: 0x4000, flags: Tcp::SYN, window: 5840, options: Vec::new(), data: b"" };

impl Syn {
    fn packet(&self) -> Vec<u8> {
        let ip = Ip { ttl: self.ttl, fragment: self.fragment, ..client() };
        let segment = Tcp::segment(1234, 80, self.flags, 1000, 0);
        ip.tcp(&Tcp { window: self.window, options: self.options.clone(), ..segment }, self.data)
    }
}

fn usual() -> Syn {
    Syn { options: USUAL.to_vec(), ..USUAL_SYN }
}

/// Systems that nobody else knows: the kernel has one list for all namespaces.
fn names() -> [String; 6] {
    ["a", "b", "c", "d", "e", "f"].map(|name| format!("lab{}{name}", std::process::id()))
}

fn text() -> String {
    let [a, b, c, d, e, f] = names();
    format!(
        "# window:ttl:df:length:options:name:version:subtype:words\n\
         5840:64:1:60:M*,S,T,N,W7:{a}:1:sub:one\n\
         S4:64:1:60:M1460,S,T0,N,W0:{b}:2::two\n\
         T2:64:0:44:M*:{c}:::three\n\
         %8192:128:1:48:M*,N,N,S:@{d}:::four\n\
         *:64:1:40:.:{e}:::five\n\
         *:64:1:60:M*,S,T,N,W7:{f}:::six\n\
         too few: fields\n"
    )
}

fn rules() -> Vec<String> {
    let [a, b, c, d, e, f] = names();
    let mut rules: Vec<_> = [&a, &b, &c, &d, &e, &f]
        .iter()
        .enumerate()
        .map(|(n, name)| format!("-A FORWARD -p tcp -m osf --genre {name} -m comment --comment s{n} "))
        .collect();
    rules.push(format!("-A FORWARD -p tcp -m osf ! --genre {a} -m comment --comment not "));
    rules.push(format!("-t mangle -A PREROUTING -p tcp -m osf --genre {a} --ttl 0 -m comment --comment ttl0 "));
    rules.push(format!("-t mangle -A PREROUTING -p tcp -m osf --genre {a} --ttl 1 -m comment --comment ttl1 "));
    rules.push(format!("-A FORWARD -p tcp -m osf --genre {a} --ttl 2 -m comment --comment ttl2 "));
    for level in 0..3 {
        rules.push(format!("-A FORWARD -p tcp -m osf --genre other --log {level} -m comment --comment log{level} "));
    }
    rules
}

fn talk(stage: &mut Stage) -> io::Result<()> {
    let small = |options: &[u8]| [&[2, 4, 2, 0], options].concat();
    for syn in [
        usual(),
        Syn { ttl: 60, ..usual() },
        Syn { ttl: 64, ..usual() },
        Syn { ttl: 66, ..usual() },
        Syn { fragment: 0, ..usual() },
        Syn { flags: Tcp::SYN | Tcp::ACK, ..usual() },
        Syn { flags: Tcp::ACK, ..usual() },
        Syn { window: 1, ..usual() },
        Syn { data: b"data", ..usual() },
        Syn { options: [&USUAL[4..], &USUAL[..4]].concat(), ..usual() },
        Syn { window: 2048, options: small(&USUAL[4..]), ..usual() },
        Syn { options: small(&USUAL[4..]), ..usual() },
        Syn { window: 5792, options: small(&USUAL[4..]), ..usual() },
        Syn { window: 1104, fragment: 0, options: small(&[]), ..usual() },
        Syn { window: 3000, fragment: 0, options: small(&[]), ..usual() },
        Syn { window: 3001, fragment: 0, options: small(&[]), ..usual() },
        Syn { window: 16384, ttl: 129, options: small(&[1, 1, 4, 2]), ..usual() },
        Syn { window: 16385, ttl: 128, options: small(&[1, 1, 4, 2]), ..usual() },
        Syn { window: 16384, ttl: 128, options: small(&[1, 1, 4, 2]), ..usual() },
        Syn { window: 7, options: Vec::new(), ..usual() },
        Syn { window: 7, options: vec![0; 4], ..usual() },
    ] {
        stage.lan(syn.packet())?;
    }
    // In FORWARD the TTL is one less.
    super::outside::counted(stage, &[("s0", 3), ("not", 3), ("ttl0", 1), ("ttl1", 2)])
}

pub(crate) const TESTS: &[Test] = &[("systems_are_known_by_the_first_packets_of_their_connections", || {
    fs::write(PLACE, text())?;
    let loader = program("nfnl_osf")?;
    let load = |words: &[&str]| Command::new(&loader).args(words).output();
    let rules = rules();
    let rules: Vec<_> = rules.iter().map(|rule| rule.trim_end()).collect();
    // The kernel has one list for the whole machine, which only its root may change.
    let known = fs::read_to_string("/proc/self/uid_map")?.split_whitespace().nth(2) == Some("4294967295");
    let done = if known {
        load(&["-f", PLACE])?;
        play(&rules, talk)
    } else {
        eprintln!("not compared with the kernel, whose fingerprints only the machine's root may change");
        alone(&rules, talk)
    };
    if known {
        load(&["-d", "-f", PLACE])?;
    }
    fs::remove_file(PLACE)?;
    done
})];
