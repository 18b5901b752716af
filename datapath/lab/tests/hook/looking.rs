//! Every match in every chain that takes it: counters beside the kernel's, and whether each has matched and missed.

use std::io;

use lab::{
    router::{Judge, built},
    suite,
    twin::{Record, Rules, Script, Subject},
};

use super::{
    counts::counts,
    kernels::{KERNELS, Systems},
    matches::MATCHES,
    packets,
    plan::{Chain, Known, Line},
    quiet::{CHATTER, quiet},
};

/// Which of the plan one set of rules holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Share {
    /// What needs no connections, in all tables but nat; nothing is tracked.
    Plain,
    /// What needs connections, everywhere, and the rest in nat.
    Tracked,
    /// What the kernel judges for the datapath, everywhere.
    Kernels,
}

/// A rule of the plan.
struct Rule {
    chain: Chain,
    line: &'static Line,
    inverted: bool,
    text: String,
}

/// Plays a share of the plan on the kernel, and on the other router.
pub(crate) fn play(share: Share, six: bool) -> io::Result<()> {
    // The kernel has one list of systems for the whole machine, which only its root may change.
    let systems = (share == Share::Kernels && !six).then(Systems::load).transpose()?.flatten();
    let rules = rules(share, six, systems.is_some());
    let script = script(share, six, &rules);
    let play = |judge| -> io::Result<Record> { Ok(quiet(Subject::new(judge, &built())?.play(&script)?)) };
    let kernel = || {
        let record = play(Judge::Kernel)?;
        suite::none_wrong(&judge(share, &rules, &record.counters))?;
        let packets: usize = script.rounds.iter().map(Vec::len).sum();
        println!("  {} rules, {packets} packets, {:.1} s on the kernel", rules.len(), record.took.as_secs_f64());
        Ok(record)
    };
    suite::compare(kernel, |judge, _| play(judge), Record::differences)
}

fn rules(share: Share, six: bool, systems: bool) -> Vec<Rule> {
    let mut rules = Vec::new();
    for chain in Chain::every() {
        let plan = if share == Share::Kernels { KERNELS } else { MATCHES };
        for line in plan.iter().flat_map(|(_, lines)| *lines) {
            let wanted = match share {
                Share::Kernels => systems || !line.options.contains("-m osf"),
                Share::Plain => !line.tracked && chain.table != "nat",
                Share::Tracked => !line.torn && (line.tracked || chain.table == "nat"),
            };
            if !wanted || line.six.is_some_and(|only| only != six) || !line.legal(&chain) {
                continue;
            }
            for (inverted, options) in line.both() {
                let text = format!("-A {} {}", chain.name, chain.fill(&options, rules.len(), six));
                rules.push(Rule { chain, line, inverted, text });
            }
        }
    }
    rules
}

/// Rules that give others something to see stand first; the next counts all; then those of the plan.
fn script(share: Share, six: bool, rules: &[Rule]) -> Script {
    let mut script = Script { six, rounds: packets::all(six), before: before(six), ..Script::default() };
    let mut lines = Vec::new();
    for chain in Chain::every() {
        for line in first(share, &chain) {
            lines.push((chain.table, chain.fill(line, 0, six)));
        }
        if six {
            lines.extend(CHATTER.iter().map(|kind| (chain.table, chain.fill(kind, 0, six))));
        }
        lines.push((chain.table, format!("-A {}", chain.name)));
        lines.extend(rules.iter().filter(|rule| rule.chain == chain).map(|rule| (chain.table, rule.text.clone())));
        for line in last(share, &chain) {
            let to = if six { "[{server}]:53" } else { "{server}:53" };
            lines.push((chain.table, chain.fill(&line.replace("{service}", to), 0, six)));
        }
    }
    script.rules = Rules { lines };
    if share == Share::Tracked {
        script.settings.push(("net.netfilter.nf_conntrack_acct", "1"));
        script.pace = std::time::Duration::from_millis(9);
    }
    script
}

fn first(share: Share, chain: &Chain) -> &'static [&'static str] {
    match (chain.table, chain.name) {
        ("raw", "PREROUTING") => match share {
            Share::Kernels => &[],
            Share::Plain => &[
                "-A PREROUTING -j RATEEST --rateest-name lab --rateest-interval 250ms --rateest-ewmalog 500ms",
                "-A PREROUTING -p udp --dport 53 -j MARK --set-mark 0x25",
                "-A PREROUTING -p udp --dport 80 -j MARK --set-mark 0x15",
            ],
            Share::Tracked => &[
                "-A PREROUTING -j RATEEST --rateest-name lab --rateest-interval 250ms --rateest-ewmalog 500ms",
                "-A PREROUTING -p udp --dport 53 -j MARK --set-mark 0x25",
                "-A PREROUTING -p udp --dport 80 -j MARK --set-mark 0x15",
                "-A PREROUTING -p udp --dport 99 -j NOTRACK",
                "-A PREROUTING -p udp --dport 69 -j CT --helper tftp",
            ],
        },
        ("raw", "OUTPUT") => match share {
            Share::Kernels => &[],
            Share::Plain => &[
                "-A OUTPUT -p udp --dport 53 -j MARK --set-mark 0x25",
                "-A OUTPUT -p udp --dport 80 -j MARK --set-mark 0x15",
            ],
            Share::Tracked => &[
                "-A OUTPUT -p udp --dport 53 -j MARK --set-mark 0x25",
                "-A OUTPUT -p udp --dport 80 -j MARK --set-mark 0x15",
                "-A OUTPUT -p udp --dport 99 -j NOTRACK",
                "-A OUTPUT -p udp --dport 69 -j CT --helper tftp",
            ],
        },
        ("mangle", "PREROUTING") if share == Share::Tracked => &[
            "-A PREROUTING -p udp --dport 53 -j CONNMARK --set-mark 0x25",
            "-A PREROUTING -p udp --dport 53 -m connlabel --label 5 --set",
        ],
        ("mangle", "OUTPUT") if share == Share::Tracked => &[
            "-A OUTPUT -p udp --dport 53 -j CONNMARK --set-mark 0x25",
            "-A OUTPUT -p udp --dport 53 -m connlabel --label 5 --set",
        ],
        _ => &[],
    }
}

fn last(share: Share, chain: &Chain) -> &'static [&'static str] {
    match (chain.table, chain.name) {
        ("nat", "PREROUTING") if share != Share::Plain => {
            &["-A PREROUTING -i lan0 -p udp --dport 5353 -j DNAT --to-destination {service}"]
        }
        ("nat", "OUTPUT") if share != Share::Plain => {
            &["-A OUTPUT -o wan0 -p udp --dport 5353 -j DNAT --to-destination {service}"]
        }
        ("nat", "INPUT") if share != Share::Plain => {
            &["-A INPUT -p udp --sport 20410:20415 -j SNAT --to-source {server}"]
        }
        ("nat", "POSTROUTING") if share != Share::Plain => {
            &["-A POSTROUTING -o wan0 -p udp --sport 20410:20415 -j SNAT --to-source {outer}"]
        }
        _ => &[],
    }
}

/// What rules ask for outside of the tables.
fn before(six: bool) -> Vec<&'static str> {
    let mut all = vec!["ip link set dev lan0 group 1", "ip link set dev wan0 group 2"];
    let family: &[&'static str] = match six {
        false => &[
            "ip route add 10.7.0.0/24 via 10.1.0.9 realm 9",
            "ip route add blackhole 10.8.0.0/24",
            "ipset -exist create lab-ip hash:ip",
            "ipset -exist add lab-ip 10.1.0.2",
            "ipset -exist add lab-ip 10.2.0.1",
            "ipset -exist create lab-ipport hash:ip,port",
            "ipset -exist add lab-ipport 10.2.0.2,udp:53",
            "ipset -exist add lab-ipport 10.2.0.1,udp:53",
            "ipset -exist create lab-net hash:net",
            "ipset -exist add lab-net 10.1.0.0/24",
        ],
        true => &[
            "ip -6 route add fd07::/64 via fd01::9",
            "ip -6 route add unreachable fd08::/64",
            "ip -6 neigh replace fd01::ff:fe00:102 lladdr 02:00:00:00:01:02 dev lan0 nud permanent",
            "ipset -exist create lab6-ip hash:ip family inet6",
            "ipset -exist add lab6-ip fd01::2",
            "ipset -exist add lab6-ip fd02::1",
            "ipset -exist create lab6-ipport hash:ip,port family inet6",
            "ipset -exist add lab6-ipport fd02::2,udp:53",
            "ipset -exist add lab6-ipport fd02::1,udp:53",
            "ipset -exist create lab6-net hash:net family inet6",
            "ipset -exist add lab6-net fd01::/64",
        ],
    };
    all.extend(family);
    all
}

/// Rules whose answers on the kernel are not what the plan says.
fn judge(share: Share, rules: &[Rule], lines: &[String]) -> Vec<String> {
    let counted = counts(lines);
    let mut wrong = Vec::new();
    for chain in Chain::every() {
        let mine: Vec<&Rule> = rules.iter().filter(|rule| rule.chain == chain).collect();
        let all = counted.get(&chain.number).map_or(&[][..], Vec::as_slice);
        // What is behind those of the plan, or before the one that counts all.
        let behind = last(share, &chain).len();
        let Some(from) = all.len().checked_sub(mine.len() + behind + 1) else {
            wrong.push(format!("{} {}: {} counters", chain.table, chain.name, all.len()));
            continue;
        };
        let every = all[from];
        for (rule, &count) in mine.iter().zip(&all[from + 1..]) {
            let known = rule.line.known(&chain);
            let right = match (known, rule.inverted) {
                (Known::Some, _) => 0 < count && count < every,
                (Known::All, false) | (Known::None, true) => count == every,
                (Known::None, false) | (Known::All, true) => count == 0,
                (Known::Free, _) => true,
            };
            if !right {
                wrong.push(format!("{} {}: {count} of {every}, not {known:?}", chain.table, rule.text));
            }
        }
    }
    wrong
}
