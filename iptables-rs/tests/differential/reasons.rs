//! Where the kernel would only say `Invalid argument', a second line says which part of which extension, and why.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::oracle::{Keeper, Twins, split, under_test};

/// Refused rules, and what the second line has to say.
const REFUSED: &[(&str, &str)] = &[
    ("-A INPUT -j MASQUERADE", "MASQUERADE: may stand only in table nat"),
    ("-t nat -A PREROUTING -j SNAT --to-source 1.2.3.4", "SNAT: may be reached only from INPUT, POSTROUTING"),
    ("-A INPUT -m owner --uid-owner 5", "owner: may be reached only from OUTPUT, POSTROUTING"),
    ("-A INPUT -p udp -m tcp --dport 5", "tcp: its rule must say -p tcp"),
    ("-A INPUT -m sctp --dport 5", "sctp: its rule must say -p sctp"),
    ("-A INPUT -j REJECT --reject-with tcp-reset", "REJECT: tcp-reset needs a rule for tcp"),
    ("-A FORWARD -p tcp -j TCPMSS --clamp-mss-to-pmtu", "TCPMSS: the rule must match SYN packets only"),
    ("-A INPUT -m recent --rcheck --hitcount 100000", "recent: --hitcount is at most 65535"),
    ("-A INPUT -m hashlimit --hashlimit-above 65535mb/s --hashlimit-name x", "hashlimit: the rate is too high"),
    (
        "-A INPUT -m addrtype --dst-type UNICAST --limit-iface-out",
        "addrtype: no output interface in PREROUTING and INPUT",
    ),
];

#[test]
fn both_keepers_tables_give_the_reason_for_a_refusal() {
    for keeper in [Keeper::Kernel, Keeper::Datapath] {
        let mut twins = Twins::kept_by(keeper);
        for (rule, reason) in REFUSED {
            let words = split(&format!("iptables {rule}"));
            let ours = twins.ours.run(under_test(), &words, "");
            let wanted = format!("iptables: Invalid argument. Run `dmesg' for more information.\niptables: {reason}\n");
            assert_eq!((ours.code, &ours.stderr), (1, &wanted), "{keeper:?}: {rule}");
            // But for the reason, all is as the real tool says it.
            twins.run_words(&words, "");
        }
        let text = "*filter\n-A INPUT -j MASQUERADE\nCOMMIT\n";
        let ours = twins.ours.run(under_test(), &["iptables-restore".to_owned()], text);
        let wanted = "iptables-restore: MASQUERADE: may stand only in table nat\niptables-restore: line 3 failed\n";
        assert_eq!((ours.code, ours.stderr.as_str()), (1, wanted), "{keeper:?}");
    }
}

#[test]
fn every_rule_of_the_corpus_that_the_kernel_calls_invalid_gets_a_reason() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../libxt/tests/corpus");
    let twins = Twins::new();
    let (mut silent, mut with_reason) = (BTreeSet::new(), 0);
    for file in ["matches", "targets"].iter().flat_map(|kind| fs::read_dir(folder.join(kind)).expect("the corpus")) {
        let file = file.expect("an entry").path();
        let name = file.file_stem().expect("a name").to_string_lossy().into_owned();
        let text = fs::read_to_string(&file).expect("a corpus file");
        let (mut table, mut chains, mut programs) = ("filter", "INPUT", vec!["iptables", "ip6tables"]);
        for line in text.lines() {
            match line.as_bytes().first() {
                None | Some(b'#') => {}
                Some(b'@') => match line {
                    "@family 4" => programs = vec!["iptables"],
                    "@family 6" => programs = vec!["ip6tables"],
                    "@family both" => programs = vec!["iptables", "ip6tables"],
                    _ => {}
                },
                Some(b':') => chains = &line[1..],
                Some(b'*') => table = line[1..].trim(),
                Some(_) => {
                    let Some(rule) = line.strip_suffix(";FAIL").and_then(|line| line.rsplit_once(';')) else {
                        continue;
                    };
                    for (program, chain) in
                        programs.iter().flat_map(|program| chains.split(',').map(move |chain| (program, chain)))
                    {
                        let words = split(&format!("{program} -t {table} -A {chain} {}", rule.0));
                        let said = twins.ours.run(under_test(), &words, "").stderr;
                        if said.contains("Invalid argument. Run") {
                            with_reason += usize::from(said.lines().count() == 2);
                            if said.lines().count() != 2 {
                                silent.insert(name.clone());
                            }
                        }
                    }
                }
            }
        }
    }
    assert!(with_reason > 50, "{with_reason}");
    // Whether there is a control group of a name only the kernel says.
    assert_eq!(silent.iter().map(String::as_str).collect::<Vec<_>>(), ["cgroup"], "without a reason");
}
