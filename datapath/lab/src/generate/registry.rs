//! Holds the generator to the registry of extensions: each is drawn, or it is said here why not.

use std::collections::BTreeSet;

use libxt::ext::{matches, targets};

use super::{rules, state};
use crate::{random::Random, twin::Script};

/// Matches that are not drawn; scenarios compare them.
const MATCHES: [(&str, &str); 4] = [
    ("cpu", "says on which processor a program happened to run"),
    ("ipvs", "is refused"),
    ("nfacct", "changes nothing but counters of the kernel's own"),
    ("osf", "reads one list of systems for all namespaces"),
];

/// Targets that are not drawn.
const TARGETS: [(&str, &str); 8] = [
    ("CLUSTERIP", "is refused"),
    ("LED", "is refused"),
    ("SECMARK", "is refused"),
    ("SYNPROXY", "has numbers that are cookies under a key of the router's own"),
    ("TEE", "has copies that leave at another moment than in the kernel"),
    ("TPROXY", "needs sockets, and has packets that leave at another moment than in the kernel"),
    ("TRACE", "leaves nothing that is compared here"),
    ("ULOG", "is refused"),
];

#[test]
fn every_extension_is_drawn_or_it_is_said_why_not() {
    let mut drawn = BTreeSet::new();
    for seed in 0..20_000 {
        let mut random = Random::new(seed);
        let six = random.one_in(3);
        let mut script = Script { six, rules: rules::rules(&mut random, six), ..Script::default() };
        state::prepare(&mut script);
        for (_, line) in &script.rules.lines {
            let words: Vec<&str> = line.split(' ').filter(|word| !word.is_empty()).collect();
            for pair in words.windows(2) {
                match *pair {
                    ["-m" | "-j", name] => drawn.insert(name.to_owned()),
                    ["-p", "icmpv6"] => drawn.insert("icmp6".to_owned()),
                    ["-p", protocol] => drawn.insert(protocol.to_owned()),
                    _ => false,
                };
            }
        }
    }
    for (entries, left_out) in [(matches::ENTRIES, &MATCHES[..]), (targets::ENTRIES, &TARGETS)] {
        for entry in entries {
            let why = left_out.iter().find(|(name, _)| *name == entry.name);
            assert_ne!(drawn.contains(entry.name), why.is_some(), "{}: {why:?}", entry.name);
        }
        for (name, _) in left_out {
            assert!(entries.iter().any(|entry| entry.name == *name), "{name} is no extension");
        }
    }
}
