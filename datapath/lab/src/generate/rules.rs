//! Random rules over the extensions that the datapath judges, valid for the table and chain they are for.

use super::{computing, dialogues, options, outside, translation};
use crate::{
    random::Random,
    twin::{Rules, Script, built_in},
};

/// One to twenty rules over the tables, with policies and user chains.
pub(super) fn rules(random: &mut Random, six: bool) -> Rules {
    let mut lines: Vec<(&'static str, String)> = Vec::new();
    // A lively case has some of everything.
    let lively = random.one_in(3);
    for table in ["filter", "mangle", "nat", "raw", "security"] {
        let wanted = match table {
            "filter" => 1 + random.below(8),
            "security" => u64::from(random.one_in(8)),
            "raw" => random.below(if lively { 4 } else { 3 }),
            _ if lively => 1 + random.below(4),
            _ => random.below(4),
        };
        let mut chains: Vec<String> = built_in(table).iter().map(|&c| c.to_owned()).collect();
        if table != "nat" && random.one_in(3) {
            let chain = chains[random.below(chains.len() as u64) as usize].clone();
            lines.push((table, format!(":{chain} DROP")));
        }
        let users: Vec<String> = if wanted > 2 { vec!["inner".into(), "outer".into()] } else { Vec::new() };
        for user in &users {
            lines.push((table, format!(":{user} -")));
        }
        if table == "nat" && wanted > 0 {
            // Without a translating target nothing of this table would be seen.
            let target = translation::target(random, "POSTROUTING", six);
            lines.push((table, format!("-A POSTROUTING -o wan0 {target}")));
            if random.one_in(4) {
                lines.extend(translation::whole(random, six).into_iter().map(|line| (table, line)));
            }
        }
        if let [inner, outer] = users.as_slice() {
            // A chain may only lead deeper: loops are refused.
            let chain = chains[random.below(chains.len() as u64) as usize].clone();
            let how = random.pick(&["-j", "-g"]);
            let some = matches(random, &chain, six, table);
            lines.push((table, format!("-A {chain} {some} {how} {outer}")));
            let how = random.pick(&["-j", "-g"]);
            let some = matches(random, outer, six, table);
            lines.push((table, format!("-A {outer} {some} {how} {inner}")));
            chains.extend(users.clone());
        }
        for _ in 0..wanted {
            let chain = if table == "filter" && random.one_in(2) {
                random.pick(&["FORWARD", "FORWARD", "INPUT", "OUTPUT"]).to_owned()
            } else {
                chains[random.below(chains.len() as u64) as usize].clone()
            };
            let line = match matches!(table, "nat") {
                true => {
                    let some = matches(random, &chain, six, table);
                    let target = translation::target(random, &chain, six);
                    format!("-A {chain} {}", join(&some, &target))
                }
                false => rule(random, table, &chain, six),
            };
            lines.push((table, line));
        }
    }
    if six && random.one_in(12) {
        lines.extend(computing::prefixes(random));
    }
    // Some cases track nothing: no fragment waits for its siblings, and every protocol is as good as another.
    if random.one_in(6) {
        lines.retain(|(table, line)| !needs_tracking(table, line));
    }
    if lines.iter().any(|(table, _)| *table == "nat") {
        for (_, line) in lines.iter_mut().filter(|(_, line)| line.contains("-j HMARK")) {
            *line = line.replace(",sport,dport", "");
        }
    }
    let mut rules = Rules { lines };
    if dialogues::helper(&rules).is_some_and(|helper| helper.names_ports) {
        // A clash would have the router draw one, and the words name it.
        rules.lines.retain(|(table, _)| *table != "nat");
    }
    rules
}

/// One packet in so many leaves in fragments; none where prefixes are translated: the kernel does so in the error that a
/// fragment quotes only as far as the first of them reaches.
pub(super) fn torn(rules: &Rules, torn: u64) -> u64 {
    if translates_prefixes(rules) { u64::MAX } else { torn }
}

/// Whether prefixes are translated.
pub(super) fn translates_prefixes(rules: &Rules) -> bool {
    rules.lines.iter().any(|(_, line)| line.contains("-j DNPT"))
}

/// Whether some rule needs connections.
pub(super) fn tracks(rules: &Rules) -> bool {
    rules.lines.iter().any(|(table, line)| needs_tracking(table, line))
}

fn needs_tracking(table: &str, line: &str) -> bool {
    let words = [
        "-m conntrack",
        "-m state",
        "-m conn",
        "-m cluster",
        "-m helper",
        "-m socket",
        "-j CT",
        "-j CONN",
        "-j SYNPROXY",
    ];
    table == "nat" || line.contains("-j NOTRACK") || words.iter().any(|word| line.contains(word))
}

/// Whether rules change what no checksum covers in an IPv6 header of arriving packets. The kernel then takes a long datagram
/// for broken, but only if tracking had summed it up before (`udp6_csum_init()` with `csum_complete_sw`); the datapath does not.
pub(super) fn breaks_sums(script: &Script) -> bool {
    let changes = |line: &str| ["-j TOS", "-j DSCP", "-j HL"].iter().any(|target| line.contains(target));
    let leaves = |line: &str| ["-A FORWARD", "-A OUTPUT", "-A POSTROUTING"].iter().any(|chain| line.starts_with(chain));
    script.six && script.rules.lines.iter().any(|(_, line)| changes(line) && !leaves(line))
}

fn rule(random: &mut Random, table: &str, chain: &str, six: bool) -> String {
    let some = matches(random, chain, six, table);
    let target = match (table, random.below(10)) {
        ("filter", 0..=3) => "-j ACCEPT".to_owned(),
        ("filter", 4..=5) => "-j DROP".to_owned(),
        ("filter", 6) if some.contains("-p tcp") => "-p tcp -j REJECT --reject-with tcp-reset".to_owned(),
        ("filter", 6..=7) => {
            let kind = match six {
                true => random.pick(&[
                    "icmp6-port-unreachable",
                    "icmp6-adm-prohibited",
                    "icmp6-no-route",
                    "icmp6-addr-unreachable",
                    "icmp6-policy-fail",
                    "icmp6-reject-route",
                ]),
                false => random.pick(&[
                    "icmp-port-unreachable",
                    "icmp-admin-prohibited",
                    "icmp-host-unreachable",
                    "icmp-net-unreachable",
                    "icmp-proto-unreachable",
                    "icmp-net-prohibited",
                    "icmp-host-prohibited",
                ]),
            };
            format!("-j REJECT --reject-with {kind}")
        }
        ("mangle", 0..=7) => mangle(random, chain, six),
        ("raw", 0..=2) => random.pick(&["-j NOTRACK", "-j CT --notrack", "-j CT --zone 0"]).to_owned(),
        ("raw", 3) => format!("-j CT --zone{} {}", random.pick(&["", "-orig", "-reply"]), 1 + random.below(2)),
        ("raw", 4) => format!("-j CT --ctevents {}", random.pick(&["new", "new,destroy", "mark", "assured,reply"])),
        ("raw", 5) => "-j DROP".to_owned(),
        ("raw", 6..=7) => dialogues::target(random, six),
        (_, 8) => "-j RETURN".to_owned(),
        ("security", 0..=3) => format!("-j CONNSECMARK --{}", random.pick(&["save", "restore"])),
        (_, 9) if random.one_in(3) => random
            .pick(&[
                "-j AUDIT --type accept",
                "-j AUDIT --type drop",
                "-j IDLETIMER --timeout 600 --label xt-lab-1",
                "-j IDLETIMER --timeout 900 --label xt-lab-2",
                "-j NFLOG --nflog-group 9 --nflog-prefix x",
                "-j NFQUEUE --queue-num 9 --queue-bypass",
            ])
            .to_owned(),
        _ => random.pick(&["", "-j ACCEPT", "-j LOG --log-prefix x --log-level 7"]).to_owned(),
    };
    format!("-A {chain} {}", join(&some, &target))
}

/// Matches and target in one rule: an option that both want is given once, and where they disagree the rule only counts.
fn join(some: &str, target: &str) -> String {
    for option in ["-p ", "-s ", "--dport ", "--tcp-flags "] {
        let (ours, theirs) =
            (some.contains(option) || (option == "--tcp-flags " && some.contains("--syn")), target.contains(option));
        if ours && theirs {
            let rest = match target.split_once(' ').and_then(|(_, rest)| rest.split_once(' ')) {
                Some((protocol, rest)) if option == "-p " && some.contains(&format!("-p {protocol}")) => rest,
                _ => return some.to_owned(),
            };
            return join(some, rest);
        }
    }
    format!("{some} {target}")
}

fn mangle(random: &mut Random, chain: &str, six: bool) -> String {
    let number = random.below(8);
    match random.below(14) {
        11 if six => {
            format!("-p tcp -j TCPOPTSTRIP --strip-options {}", random.pick(&["mss", "wscale,sack-permitted", "2,8"]))
        }
        11 | 12 => format!(
            "-p tcp -j {}",
            random.pick(if six {
                &["TCPOPTSTRIP --strip-options mss"]
            } else {
                &[
                    "ECN --ecn-tcp-remove",
                    "TCPOPTSTRIP --strip-options mss,wscale",
                    "TCPOPTSTRIP --strip-options sack-permitted",
                ]
            })
        ),
        13 if matches!(chain, "FORWARD" | "OUTPUT" | "POSTROUTING") => {
            "-p tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu".to_owned()
        }
        10 => outside::change(random, six),
        8 | 9 => computing::target(random, chain, six),
        0 => format!("-j MARK --set-xmark 0x{number:x}/0x{:x}", random.choose(&[7u32, 0xff, u32::MAX])),
        1 => format!("-j MARK --or-mark {number}"),
        2 => {
            let mask = random.choose(&[0xfu32, 0xff, u32::MAX]);
            let how = random.pick(&["set-xmark", "set-mark", "and-mark", "or-mark", "xor-mark"]);
            let mask = if how.starts_with("set") { format!("/0x{mask:x}") } else { String::new() };
            format!("-j {} --{how} 0x{number:x}{mask}", random.pick(&["CONNMARK", "CONNMARK", "MARK"]))
        }
        3 => {
            let masks = random.pick(&["", " --nfmask 0xf --ctmask 0xff", " --mask 0x3", " --nfmask 0x5 --ctmask 0x1"]);
            format!("-j CONNMARK --{}-mark{masks}", random.pick(&["save", "restore"]))
        }
        4 => format!("-j TOS --set-tos 0x{:x}/0x{:x}", random.below(256), random.choose(&[0xffu32, 0x3f, 0x10])),
        5 => format!("-j DSCP --set-dscp {}", random.below(64)),
        6 if six => format!("-j HL --hl-{} {}", random.pick(&["set", "dec", "inc"]), 1 + random.below(70)),
        6 => format!("-j TTL --ttl-{} {}", random.pick(&["set", "dec", "inc"]), 1 + random.below(70)),
        _ if matches!(chain, "FORWARD" | "OUTPUT" | "POSTROUTING") => {
            format!("-p tcp --tcp-flags SYN,RST SYN -j TCPMSS --set-mss {}", 500 + random.below(1000))
        }
        _ => "-j ACCEPT".to_owned(),
    }
}

/// No to three matches.
fn matches(random: &mut Random, chain: &str, six: bool, table: &str) -> String {
    let mut text = String::new();
    let protocol = random.below(8);
    if random.one_in(3) {
        text += match (six, random.one_in(2)) {
            (false, true) => random.pick(&["-s 10.1.0.0/24 ", "-s 10.1.0.2 ", "! -s 10.1.0.3 ", "-d 10.2.0.0/24 "]),
            (false, false) => random.pick(&["-d 10.2.0.2 ", "! -d 10.2.0.3 ", "-d 10.1.0.0/255.255.255.254 "]),
            (true, true) => random.pick(&["-s fd01::/64 ", "-s fd01::2 ", "! -s fd01::3 ", "-d fd02::/64 "]),
            (true, false) => random.pick(&["-d fd02::2 ", "! -d fd02::3 ", "-d fd01::/127 "]),
        };
    }
    if random.one_in(4) {
        text += match chain {
            "PREROUTING" | "INPUT" => random.pick(&["-i lan0 ", "! -i lan0 ", "-i wan+ "]),
            "OUTPUT" | "POSTROUTING" => random.pick(&["-o lan0 ", "! -o lan0 ", "-o wan+ "]),
            "FORWARD" => random.pick(&["-i lan0 ", "-o lan0 ", "-i lan+ -o wan0 ", "! -o wan0 "]),
            _ => "",
        };
    }
    if protocol < 5 && !text.contains("-p ") {
        text += &transport(random, protocol, six);
    }
    for _ in 0..random.below(3) {
        let one = options::any(random, chain, six, table);
        // One protocol, and each match once: two of a kind in a rule are refused or the last counts.
        let clash = one.contains("-p ") && text.contains("-p ")
            || one
                .split("-m ")
                .nth(1)
                .and_then(|m| m.split(' ').next())
                .is_some_and(|m| text.contains(&format!("-m {m} ")));
        if !clash {
            text += &one;
            text.push(' ');
        }
    }
    text.trim_end().to_owned()
}

/// `-p` with options of that protocol.
fn transport(random: &mut Random, protocol: u64, six: bool) -> String {
    let port = random.choose(&[22u16, 53, 80, 113, 443, 8080]);
    match (protocol, random.below(6)) {
        (0 | 1, 0) => format!("-p tcp --dport {port} "),
        (0 | 1, 1) => format!("-p tcp --sport 1024:65535 ! --dport {port} "),
        (0 | 1, 2) => "-p tcp --syn ".into(),
        (0 | 1, 3) => format!(
            "-p tcp {}--tcp-flags {} {} ",
            random.pick(&["", "! "]),
            random.pick(&["SYN,ACK,FIN,RST", "ALL", "SYN,RST"]),
            random.pick(&["SYN", "ACK", "SYN,ACK", "NONE", "RST"])
        ),
        (0 | 1, 4) => "-p tcp --tcp-option 2 ".into(),
        (0 | 1, _) => format!("-p tcp -m multiport {}--dports 22,{port},1024:65535 ", random.pick(&["", "! "])),
        (2, 0) => format!("-p udp --dport {port} "),
        (2, 1) => format!("-p udp -m multiport --ports {port},512:1023 "),
        (2, 2) => "! -p udp ".into(),
        (2, _) => "-p udp ".into(),
        (_, 0..=2) if six => format!("-p icmpv6 --icmpv6-type {} ", random.pick(&["128", "129", "1", "1/4", "3"])),
        (_, 0..=2) => format!("-p icmp --icmp-type {} ", random.pick(&["8", "0", "3", "3/3", "11", "any"])),
        (_, _) if six => "-p icmpv6 ".into(),
        (_, 3) => "-p icmp ".into(),
        (_, _) => random.pick(&["-f ", "! -f ", "-p tcp ", "-p 47 "]).into(),
    }
}
