//! What answers with errors, and echoes: traceroute by every means, floods of ping, and a narrow way behind the router.

use std::io;

use lab::suite::Test;

use super::{
    Place::{Client, Server},
    Site, fail, play,
};

pub(crate) const TESTS: &[Test] = &[
    ("traceroute_by_udp_icmp_and_tcp_sees_both_hops_through_nat", || {
        play(&rules("iptables", "icmp", "10.2.0.1"), |s| {
            s.serve(Server, &["nc.openbsd", "-n", "-l", "-k", "80"])?;
            s.listens(Server, &[("tcp", 80)])?;
            for how in [&[][..], &["-I"], &["-T", "-p", "80"], &["-T", "-p", "81"], &["-U", "-p", "53"]] {
                let hops = traceroute(s, "10.2.0.2", how)?;
                if hops != "10.1.0.1 10.1.0.1 10.2.0.2 10.2.0.2" {
                    return fail(format!("traceroute {how:?}: {hops}"));
                }
            }
            Ok(())
        })
    }),
    ("traceroute_by_udp_icmp_and_tcp_sees_both_hops_through_nat_of_ipv6", || {
        play(&rules("ip6tables", "icmpv6", "fd02::1"), |s| {
            for how in [&[][..], &["-I"], &["-T", "-p", "81"]] {
                let hops = traceroute(s, "fd02::2", how)?;
                if hops != "fd01::1 fd01::1 fd02::2 fd02::2" {
                    return fail(format!("traceroute {how:?}: {hops}"));
                }
            }
            Ok(())
        })
    }),
    ("a_router_that_forwards_nothing_new_finds_its_neighbours_and_tells_its_groups", || {
        let rules = [
            "ip6tables -P FORWARD DROP",
            "ip6tables -A FORWARD -p icmpv6 --icmpv6-type echo-request -j ACCEPT",
            "ip6tables -A FORWARD -p icmpv6 --icmpv6-type echo-reply -j ACCEPT",
            "ip6tables -A FORWARD -p icmpv6",
            "ip6tables -A OUTPUT -p icmpv6 --icmpv6-type neighbour-solicitation",
            "ip6tables -A OUTPUT -p icmpv6 --icmpv6-type 143",
        ];
        play(&rules, |s| {
            s.chain.route_back()?;
            forget_neighbours(s)?;
            s.must(Client, &["ping", "-n", "-q", "-c", "2", "-W", "20", "fd02::2"])?;
            // Another group: a report of it.
            s.chain.router.ip("addr add fd01::77/64 dev lan0 nodad\n")?;
            Ok(())
        })
    }),
    ("a_flood_of_pings_loses_nothing", || {
        play(&rules("iptables", "icmp", "10.2.0.1"), |s| {
            flood(s, "10.2.0.2", &["-c", "500"])?;
            flood(s, "10.2.0.2", &["-c", "100", "-s", "4000"])?;
            flood(s, "10.1.0.1", &["-c", "100"])
        })
    }),
    ("a_flood_of_pings_over_ipv6_loses_nothing", || {
        play(&rules("ip6tables", "icmpv6", "fd02::1"), |s| {
            flood(s, "fd02::2", &["-c", "500"])?;
            flood(s, "fd02::2", &["-c", "100", "-s", "4000"])
        })
    }),
    ("a_narrow_way_behind_the_router_is_found_by_translated_errors", || {
        play(&rules("iptables", "icmp", "10.2.0.1"), |s| {
            narrow(s)?;
            traceroute(s, "10.2.0.2", &["--mtu", "-m", "2"])?;
            s.noise("some", 2 << 20)?;
            s.serve(Server, &["sh", "-c", "exec nc.openbsd -n -l 7000 >got"])?;
            s.listens(Server, &[("tcp", 7000)])?;
            s.must(Client, &["sh", "-c", "exec nc.openbsd -n -N 10.2.0.2 7000 <some"])?;
            s.becomes("some", "got")
        })
    }),
    ("a_narrow_way_behind_the_router_is_found_by_translated_errors_of_ipv6", || {
        play(&rules("ip6tables", "icmpv6", "fd02::1"), |s| {
            narrow(s)?;
            s.noise("some", 2 << 20)?;
            s.serve(Server, &["sh", "-c", "exec nc.openbsd -6 -n -l 7000 >got"])?;
            s.listens(Server, &[("tcp", 7000)])?;
            s.must(Client, &["sh", "-c", "exec nc.openbsd -n -N fd02::2 7000 <some"])?;
            s.becomes("some", "got")
        })
    }),
];

/// Makes the router find its neighbours by itself, as everywhere else.
fn forget_neighbours(s: &Site) -> io::Result<()> {
    s.chain.router.ip("addr add fe80::1/64 dev lan0 nodad\naddr add fe80::1/64 dev wan0 nodad\n")?;
    s.chain.router.ip("neigh flush all nud permanent\nneigh flush all\n")
}

fn rules(command: &str, icmp: &str, to: &str) -> Vec<String> {
    [
        &format!("-t nat -A POSTROUTING -o wan0 -j SNAT --to-source {to}"),
        "-P FORWARD DROP",
        &format!("-A FORWARD -p {icmp} -m conntrack --ctstate RELATED -j ACCEPT"),
        &format!("-A OUTPUT -p {icmp} -m conntrack --ctstate RELATED -j ACCEPT"),
        "-A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT",
        "-A FORWARD -i lan0 -m conntrack --ctstate NEW -j ACCEPT",
    ]
    .map(|rule| format!("{command} {rule}"))
    .to_vec()
}

/// The hosts that answer, twice each, one after the other.
fn traceroute(s: &Site, to: &str, how: &[&str]) -> io::Result<String> {
    let said =
        s.must(Client, &[&["traceroute.db", "-n", "-q", "2", "-N", "1", "-w", "10", "-m", "4"], how, &[to]].concat())?;
    let hosts = said.lines().skip(1).flat_map(|line| {
        let mut host = "";
        let words = line.split_whitespace().skip(1);
        words.filter_map(move |word| {
            match word {
                "ms" => return Some(host),
                "*" => return Some("*"),
                _ if word.contains(':') || word.split('.').count() == 4 => host = word,
                _ => {}
            }
            None
        })
    });
    Ok(hosts.collect::<Vec<_>>().join(" "))
}

fn flood(s: &Site, to: &str, words: &[&str]) -> io::Result<()> {
    let said = s.must(Client, &[&["ping", "-n", "-q", "-f"], words, &[to]].concat())?;
    if said.contains(" 0% packet loss") { Ok(()) } else { fail(said) }
}

/// 1,400 bytes between router and server, of which the server does not know.
fn narrow(s: &Site) -> io::Result<()> {
    s.chain.router.ip("link set wan0 mtu 1400\n")
}
