//! `-m NAME -h` and `-j NAME -h` list the options that the real tool lists.

use std::collections::BTreeSet;

use libxt::ext::{Kind, entries};
use libxt::family::Af;

use crate::oracle::{Namespace, Tool, split};

#[test]
fn the_help_of_every_extension_lists_the_options_that_the_real_tools_does() {
    let namespace = Namespace::new();
    let options = |tool, words: &[&str]| -> Option<BTreeSet<String>> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let outcome = namespace.run(tool, &words, "");
        (outcome.code == 0).then(|| listed(&outcome.stdout))
    };
    let mut wrong = Vec::new();
    for (program, af) in [("iptables", Af::V4), ("ip6tables", Af::V6)] {
        for (letter, kind) in [("-m", Kind::Match), ("-j", Kind::Target)] {
            for entry in entries(kind).iter().filter(|entry| entry.families.contain(af)) {
                let words = [program, letter, entry.name, "-h"];
                let (Some(theirs), Some(ours)) = (options(Tool::Theirs, &words), options(Tool::Ours, &words)) else {
                    wrong.push(format!("{words:?} is refused"));
                    continue;
                };
                let base = options(Tool::Theirs, &[program, "-h"]).expect("help");
                let missing: Vec<_> = theirs.difference(&ours).filter(|option| !base.contains(*option)).collect();
                if !missing.is_empty() {
                    wrong.push(format!("{words:?}: {missing:?} missing"));
                }
                let object = (entry.new)();
                let known = |option: &str| (0..object.option_count()).any(|index| object.option(index).name == option);
                let unlisted: Vec<_> = ours.difference(&theirs).filter(|option| known(option)).collect();
                // Options that the real tool takes and does not mention.
                if unlisted.iter().any(|option| !UNMENTIONED.contains(&option.as_str())) {
                    wrong.push(format!("{words:?}: {unlisted:?} not listed by the real tool"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_help_lists_the_names_that_the_real_tools_does() {
    let namespace = Namespace::new();
    for (line, heading) in [
        ("iptables -p icmp -h", "Valid ICMP Types:"),
        ("ip6tables -p icmpv6 -h", "Valid ICMPv6 Types:"),
        ("ip6tables -m mh -h", "Valid MH types:"),
        ("iptables -m pkttype -h", "Valid packet types:"),
        ("iptables -j REJECT -h", "Valid reject types:"),
        ("ip6tables -j REJECT -h", "Valid reject types:"),
    ] {
        let theirs = namespace.run(Tool::Theirs, &split(line), "").stdout;
        let ours = namespace.run(Tool::Ours, &split(line), "").stdout;
        let (_, theirs) = theirs.split_once(heading).expect("the real tool's list");
        let (_, ours) = ours.split_once("Names:").expect("our list");
        let known: BTreeSet<&str> = ours.split([' ', '(', ')', '\n']).collect();
        let first = theirs.lines().map(str::trim).take_while(|line| !line.starts_with("(*)"));
        let wanted = first.filter_map(|line| line.split_ascii_whitespace().next()).collect::<Vec<_>>();
        assert!(wanted.len() >= 4, "{line}: {theirs}");
        for name in wanted {
            assert!(known.contains(name), "{line}: {name} is missing");
        }
    }
}

/// Every `--name` in a text.
fn listed(text: &str) -> BTreeSet<String> {
    let end = |c: char| !(c.is_ascii_alphanumeric() || c == '-');
    let names = text.split("--").skip(1).filter_map(|after| after.split(end).next());
    names.map(|name| name.trim_end_matches('-').to_owned()).filter(|name| !name.is_empty()).collect()
}

const UNMENTIONED: [&str; 14] = [
    "compres",
    "contiguous",
    "ecn-ip-ect",
    "ecn-tcp-cwr",
    "ecn-tcp-ece",
    "hashlimit",
    "hl",
    "localtz",
    "rateest",
    "rateest-bps",
    "rateest-pps",
    "set",
    "ttl",
    "utc",
];
