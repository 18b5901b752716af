//! A TFTP server and client: the answer comes from another port than was asked.

use std::io;

use lab::suite::Test;

use super::{
    Place::{self, Client, Server},
    Site, play,
};

pub(crate) const TESTS: &[Test] = &[
    ("tftp_fetches_and_stores_through_source_nat", || {
        let rules = [
            "iptables -t raw -A PREROUTING -p udp --dport 69 -j CT --helper tftp",
            "iptables -t nat -A POSTROUTING -o wan0 -j SNAT --to-source 10.2.0.1",
            "iptables -P FORWARD DROP",
            "iptables -A FORWARD -m helper --helper tftp -m conntrack --ctstate RELATED -j ACCEPT",
            "iptables -A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT",
            "iptables -A FORWARD -i lan0 -p udp --dport 69 -j ACCEPT",
        ];
        play(&rules, |s| both_ways(s, Client, Server, "10.2.0.2"))
    }),
    ("tftp_fetches_and_stores_through_destination_nat", || {
        let rules = [
            "iptables -t raw -A PREROUTING -p udp --dport 69 -j CT --helper tftp",
            "iptables -t nat -A PREROUTING -i wan0 -p udp --dport 69 -j DNAT --to-destination 10.1.0.2",
            "iptables -P FORWARD DROP",
            "iptables -A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT",
            "iptables -A FORWARD -i wan0 -p udp --dport 69 -j ACCEPT",
        ];
        play(&rules, |s| both_ways(s, Server, Client, "10.2.0.1"))
    }),
    ("tftp_fetches_and_stores_through_source_nat_of_ipv6", || {
        let rules = [
            "ip6tables -t raw -A PREROUTING -p udp --dport 69 -j CT --helper tftp",
            "ip6tables -t nat -A POSTROUTING -o wan0 -j MASQUERADE",
            "ip6tables -P FORWARD DROP",
            "ip6tables -A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT",
            "ip6tables -A FORWARD -i lan0 -p udp --dport 69 -j ACCEPT",
        ];
        play(&rules, |s| both_ways(s, Client, Server, "fd02::2"))
    }),
];

fn both_ways(s: &mut Site, from: Place, to: Place, server: &str) -> io::Result<()> {
    std::fs::create_dir(s.path("there"))?;
    s.noise("there/some", 200_000)?;
    let folder = s.name("there");
    let address = if server.contains(':') { "[::]:69" } else { "0.0.0.0:69" };
    s.serve(to, &["in.tftpd", "-L", "-s", "-c", "-u", "root", "-R", "40000:50000", "-a", address, &folder])?;
    s.listens(to, &[("udp", 69)])?;
    let said = s.must(from, &["tftp", "-v", "-m", "binary", server, "-c", "get", "some", "got"])?;
    s.same("there/some", "got").map_err(|e| io::Error::other(format!("{e}\n{said}")))?;
    s.must(from, &["tftp", "-v", "-m", "binary", server, "-c", "put", "got", "put"])?;
    // The server closes its file when it gave the last answer.
    s.becomes("there/some", "there/put")
}
