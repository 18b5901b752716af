//! SCTP, which usrsctp speaks in user space over raw sockets.

use std::io;

use lab::suite::Test;

use super::{
    Place::{self, Client, Server},
    Site, fail, play,
};

pub(crate) const TESTS: &[Test] = &[
    ("an_sctp_echo_of_usrsctp_through_source_nat", || {
        play(&rules("-t nat -A POSTROUTING -o wan0 -j MASQUERADE", "lan0"), |s| echo(s, Client, Server, "10.2.0.2"))
    }),
    ("an_sctp_echo_of_usrsctp_through_destination_nat", || {
        let there = "-t nat -A PREROUTING -i wan0 -p sctp --dport 7 -j DNAT --to-destination 10.1.0.2";
        play(&rules(there, "wan0"), |s| echo(s, Server, Client, "10.2.0.1"))
    }),
    ("a_thousand_sctp_messages_of_usrsctp_through_source_nat", || {
        play(&rules("-t nat -A POSTROUTING -o wan0 -p sctp -j SNAT --to-source 10.2.0.1", "lan0"), |s| {
            s.serve(Server, &[&example("tsctp"), "-L", "10.2.0.2", "-p", "5001"])?;
            s.listens(Server, &[("raw", SCTP)])?;
            let words = ["-L", "10.1.0.2", "-p", "5001", "-n", "1000", "-l", "1400", "10.2.0.2"];
            s.must(Client, &[&[example("tsctp").as_str()], &words[..]].concat()).map(drop)
        })
    }),
];

/// The protocol's number, by which raw sockets are listed.
const SCTP: u16 = 132;

fn rules(translation: &str, from: &str) -> Vec<String> {
    [
        translation,
        "-P FORWARD DROP",
        "-A FORWARD -m conntrack --ctstate INVALID",
        "-A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT",
        &format!("-A FORWARD -i {from} -p sctp -m conntrack --ctstate NEW -m sctp --chunk-types any INIT -j ACCEPT"),
    ]
    .map(|rule| format!("iptables {rule}"))
    .to_vec()
}

fn example(name: &str) -> String {
    format!("/usr/lib/usrsctp/{name}")
}

/// Lines go there and come back, and the association ends in order.
fn echo(s: &mut Site, from: Place, to: Place, server: &str) -> io::Result<()> {
    s.serve(to, &[&example("echo_server"), "9899", "22222"])?;
    s.listens(to, &[("raw", SCTP)])?;
    let script = format!(
        "(for line in one two three; do echo $line; sleep 0.1; done; until grep -q three got; do sleep 0.05; done) |
         {} {server} 7 0 0 0 >got",
        example("client")
    );
    s.must(from, &["sh", "-c", &script])?;
    let got = std::fs::read_to_string(s.path("got"))?;
    if got.starts_with("one\ntwo\nthree\n") { Ok(()) } else { fail(got) }
}
