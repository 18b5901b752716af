//! Random NAT targets: of one address each, so that the choice of it is not the router's; ports and echo ids may be drawn.

use crate::random::Random;

/// A NAT target that fits the chain, with the matches it needs.
pub(super) fn target(random: &mut Random, chain: &str, six: bool) -> String {
    match chain {
        "POSTROUTING" => source(random, six, true),
        "INPUT" => source(random, six, false),
        _ => destination(random, six),
    }
}

/// Rules of more than one chain that belong together.
pub(super) fn whole(random: &mut Random, six: bool) -> Vec<String> {
    let (inside, outside, lan) = match six {
        true => ("fd01::3", "fd02::1", "fd01::/64"),
        false => ("10.1.0.3", "10.2.0.1", "10.1.0.0/24"),
    };
    let protocol = random.pick(&["tcp", "udp"]);
    let port = random.choose(&[80u16, 53, 8080]);
    let to = end(inside, six, random.choose(&[Some(80), Some(5300), None]));
    match random.below(3) {
        // Hairpin: who asks from inside for the outer address is sent back inside, under the router's name.
        0 => vec![
            format!("-A PREROUTING -d {outside} -p {protocol} --dport {port} -j DNAT --to-destination {to}"),
            format!("-A POSTROUTING -s {lan} -d {inside} -j MASQUERADE"),
        ],
        // Both ends at once.
        1 => vec![
            format!("-A PREROUTING -p {protocol} --dport {port} -j DNAT --to-destination {to}"),
            format!("-A POSTROUTING -p {protocol} -j SNAT --to-source {}", end(outside, six, None)),
        ],
        // All ports on one.
        _ => vec![format!("-A PREROUTING -p {protocol} -j DNAT --to-destination {to}")],
    }
}

fn source(random: &mut Random, six: bool, leaving: bool) -> String {
    let protocol = random.pick(&["tcp", "udp"]);
    // No matter of chance whether two connections clash; or one port, where they do.
    let range = random.pick(&[RANGE, "7000", RANGE]);
    let host = format!("{}{}", if six { "fd02::" } else { "10.2.0." }, 3 + random.below(4));
    let more = random.pick(&["", "", "", " --persistent", " --random", " --random-fully"]);
    match random.below(9) {
        0..=2 if leaving => "-j MASQUERADE".to_owned(),
        3 if leaving => format!("-p {protocol} -j MASQUERADE --to-ports {range}"),
        4 if leaving => format!("-j MASQUERADE{}", random.pick(&[" --random", " --random-fully"])),
        5 if leaving && six => "-s fd01::/64 -j NETMAP --to fd03::/64".to_owned(),
        5 if leaving => "-s 10.1.0.0/24 -j NETMAP --to 10.3.0.0/24".to_owned(),
        6 => format!("-p {protocol} -j SNAT --to-source {}{more}", end_of(&host, six, range)),
        _ => format!("-j SNAT --to-source {host}{more}"),
    }
}

fn destination(random: &mut Random, six: bool) -> String {
    let protocol = random.pick(&["tcp", "udp"]);
    let range = range(random);
    let host = format!("{}{}", if six { "fd02::" } else { "10.2.0." }, 2 + random.below(4));
    let more = random.pick(&["", "", "", " --persistent"]);
    match random.below(11) {
        0 => format!("-p {protocol} -j DNAT --to-destination {}{more}", end_of(&host, six, range)),
        1 => format!("-p {protocol} --dport 22:113 -j DNAT --to-destination {}", end_of(&host, six, "4000-4099/22")),
        2 => format!("-p {protocol} -j DNAT --to-destination {}", end(&host, six, Some(8080))),
        3 => format!("-j DNAT --to-destination {host}{more}"),
        4 => format!("-p icmp{} -j DNAT --to-destination {host} --random", if six { "v6" } else { "" }),
        5 => format!("-p {protocol} -j REDIRECT --to-ports {range}"),
        6 => format!("-p {protocol} -j REDIRECT --to-ports 5300"),
        7 => "-p tcp --dport 80 -j REDIRECT".to_owned(),
        8 if six => "-d fd02::2/127 -j NETMAP --to fd02::4/127".to_owned(),
        8 => "-d 10.2.0.2/31 -j NETMAP --to 10.2.0.4/31".to_owned(),
        9 => "-j ACCEPT".to_owned(),
        _ => "-j RETURN".to_owned(),
    }
}

/// Ports of which the first that is free is taken, or a single port.
fn range(random: &mut Random) -> &'static str {
    random.pick(&["3000-3003", "3100-3101", "4000-4099", "2000"])
}

fn end(host: &str, six: bool, port: Option<u16>) -> String {
    match port {
        Some(port) => end_of(host, six, &port.to_string()),
        None => host.to_owned(),
    }
}

fn end_of(host: &str, six: bool, ports: &str) -> String {
    if six { format!("[{host}]:{ports}") } else { format!("{host}:{ports}") }
}

/// Ports for sources of which one is drawn: so many that hardly one is drawn twice in a case, and so few that hardly any that is
/// drawn without a range is of them. No other range has any of them.
const RANGE: &str = "9000-9199";
