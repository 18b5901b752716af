//! What an administrator does in the middle of random talk.

use crate::random::Random;

/// A `conntrack` command whose outcome does not depend on what a router draws.
pub(super) fn act(random: &mut Random, six: bool) -> String {
    let family = if six { "ipv6" } else { "ipv4" };
    let host = match six {
        true => random.pick(&["fd01::2", "fd01::3", "fd02::2", "fd02::3"]),
        false => random.pick(&["10.1.0.2", "10.1.0.3", "10.2.0.2", "10.2.0.3"]),
    };
    let protocol = random.pick(&["tcp", "udp"]);
    match random.below(9) {
        0 => "conntrack -F".to_owned(),
        1 => format!("conntrack -D -f {family} -s {host}"),
        2 => format!("conntrack -D -f {family} -d {host}"),
        3 => format!("conntrack -D -f {family} -p {protocol}"),
        4 => format!(
            "conntrack -D -f {family} -p tcp --state {}",
            random.pick(&["ESTABLISHED", "SYN_SENT", "CLOSE", "TIME_WAIT"])
        ),
        5 => format!("conntrack -U -f {family} -p {protocol} -m {}", random.below(8)),
        6 => {
            format!("conntrack -U -f {family} -s {host} -m {}/0x{:x}", random.below(8), random.choose(&[1u8, 5, 0xff]))
        }
        7 => format!("conntrack -D -f {family} -m {}", random.below(3)),
        _ => {
            format!("conntrack -D -f {family} {}", random.pick(&["-n", "-g", "-p udp --dport 53", "-p tcp --dport 80"]))
        }
    }
}

/// Settings of tracking that change what it says of packets, without a wait.
pub(super) fn setting(random: &mut Random) -> (&'static str, &'static str) {
    random.choose(&[
        ("net.netfilter.nf_conntrack_tcp_loose", "0"),
        ("net.netfilter.nf_conntrack_tcp_be_liberal", "1"),
        ("net.netfilter.nf_conntrack_tcp_ignore_invalid_rst", "1"),
        ("net.netfilter.nf_conntrack_tcp_max_retrans", "1"),
        ("net.netfilter.nf_conntrack_checksum", "0"),
        ("net.netfilter.nf_conntrack_acct", "1"),
        ("net.netfilter.nf_conntrack_tcp_timeout_established", "40"),
        ("net.netfilter.nf_conntrack_tcp_timeout_max_retrans", "50"),
        ("net.netfilter.nf_conntrack_tcp_timeout_unacknowledged", "60"),
        ("net.netfilter.nf_conntrack_udp_timeout", "70"),
    ])
}

/// Timeouts so short that a pause outlasts them.
pub(super) const SHORT: [&str; 9] = [
    "net.netfilter.nf_conntrack_tcp_timeout_syn_sent",
    "net.netfilter.nf_conntrack_tcp_timeout_syn_recv",
    "net.netfilter.nf_conntrack_tcp_timeout_time_wait",
    "net.netfilter.nf_conntrack_tcp_timeout_close",
    "net.netfilter.nf_conntrack_tcp_timeout_established",
    "net.netfilter.nf_conntrack_tcp_timeout_unacknowledged",
    "net.netfilter.nf_conntrack_udp_timeout",
    "net.netfilter.nf_conntrack_icmp_timeout",
    "net.netfilter.nf_conntrack_icmpv6_timeout",
];
