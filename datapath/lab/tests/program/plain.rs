//! Programs whose connections nobody has to expect: curl and a web server, netcat, iperf3.

use std::{
    io,
    time::{Duration, Instant},
};

use lab::{link::Offload, suite::Test};

use super::{
    LONG,
    Place::{Client, Server},
    Site, fail, play, play_with,
};

pub(crate) const TESTS: &[Test] = &[
    ("curl_fetches_many_files_at_once_through_masquerade", || {
        play(SOURCE, |s| {
            web(s, "10.2.0.2")?;
            let mut words = vec!["curl", "-q", "-sS", "-Z", "-m", "50"];
            let urls: Vec<String> = (0..8).map(|number| format!("http://10.2.0.2:8000/some?{number}")).collect();
            let files: Vec<String> = (0..8).map(|number| s.name(&format!("got{number}"))).collect();
            for (url, file) in urls.iter().zip(&files) {
                words.extend(["-o", file, url]);
            }
            s.must(Client, &words)?;
            (0..8).try_for_each(|number| s.same("there/some", &format!("got{number}")))
        })
    }),
    ("curl_fetches_a_large_file_over_ipv6", || {
        play(SOURCE6, |s| {
            web(s, "fd02::2")?;
            s.noise("there/large", 30 << 20)?;
            s.must(Client, &["curl", "-q", "-sS", "-g", "-m", "50", "-o", "got", "http://[fd02::2]:8000/large"])?;
            s.same("there/large", "got")
        })
    }),
    ("netcat_sends_a_file_through_destination_nat_to_another_port", || {
        let rules = [
            "iptables -t nat -A PREROUTING -i wan0 -p tcp --dport 7000 -j DNAT --to-destination 10.1.0.2:7100",
            "iptables -t nat -A POSTROUTING -o lan0 -p tcp -j SNAT --to-source 10.1.0.1:61000-64999",
            "iptables -A FORWARD -m conntrack --ctstate INVALID",
        ];
        play(&rules, |s| {
            s.noise("some", 20 << 20)?;
            s.serve(Client, &["sh", "-c", "exec nc.openbsd -n -l 7100 >got"])?;
            s.listens(Client, &[("tcp", 7100)])?;
            s.must(Server, &["sh", "-c", "exec nc.openbsd -n -N 10.2.0.1 7000 <some"])?;
            s.becomes("some", "got")
        })
    }),
    ("netcat_talks_udp_with_datagrams_in_fragments", || {
        play(SOURCE, |s| {
            s.noise("some", 9000)?;
            s.noise("other", 7000)?;
            udp(s, "some", "other", "10.2.0.2")
        })
    }),
    ("netcat_talks_udp_over_ipv6_with_datagrams_in_fragments", || {
        play(SOURCE6, |s| {
            s.noise("some", 9000)?;
            s.noise("other", 7000)?;
            udp(s, "some", "other", "fd02::2")
        })
    }),
    ("a_udp_flow_of_netcat_that_lasts_is_assured", || {
        play(SOURCE, |s| {
            s.serve(Server, &["sh", "-c", "(echo yes; sleep 30) | nc.openbsd -n -u -l 7000 >there"])?;
            s.listens(Server, &[("udp", 7000)])?;
            s.serve(
                Client,
                &["sh", "-c", "while echo more; do sleep 0.5; done | nc.openbsd -n -u 10.2.0.2 7000 >here"],
            )?;
            let deadline = Instant::now() + LONG;
            while !s
                .must(super::Place::Router, &["conntrack", "-L", "-p", "udp", "-u", "ASSURED"])?
                .contains("dport=7000")
            {
                if Instant::now() > deadline {
                    return fail("it never is");
                }
                std::thread::sleep(Duration::from_millis(50));
            }
            Ok(())
        })
    }),
    ("parallel_streams_of_iperf3", || play(SOURCE, |s| iperf3(s, "10.2.0.2", &["-P", "4", "-n", "20M"]))),
    ("parallel_streams_of_iperf3_packet_by_packet", || {
        play_with(Offload::Off, SOURCE, |s| iperf3(s, "10.2.0.2", &["-P", "4", "-n", "10M"]))
    }),
    ("parallel_streams_of_iperf3_back_over_ipv6", || {
        play(SOURCE6, |s| iperf3(s, "fd02::2", &["-R", "-P", "3", "-n", "10M"]))
    }),
    ("parallel_flows_of_iperf3_over_udp", || {
        play(SOURCE, |s| {
            iperf3(s, "10.2.0.2", &["-u", "-P", "3", "-b", "10M", "-n", "500K"])?;
            iperf3(s, "10.2.0.2", &["-u", "-R", "-P", "3", "-b", "10M", "-n", "500K"])
        })
    }),
    ("parallel_flows_of_iperf3_over_udp_of_ipv6", || {
        play(SOURCE6, |s| iperf3(s, "fd02::2", &["-u", "-P", "3", "-b", "10M", "-n", "500K"]))
    }),
];

const SOURCE: &[&str] = &[
    "iptables -t nat -A POSTROUTING -o wan0 -j MASQUERADE",
    "iptables -P FORWARD DROP",
    "iptables -A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT",
    "iptables -A FORWARD -i lan0 -m conntrack --ctstate NEW -j ACCEPT",
];
const SOURCE6: &[&str] = &[
    "ip6tables -t nat -A POSTROUTING -o wan0 -j SNAT --to-source fd02::1",
    "ip6tables -P FORWARD DROP",
    "ip6tables -A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT",
    "ip6tables -A FORWARD -i lan0 -m conntrack --ctstate NEW -j ACCEPT",
];

/// A web server of the folder `there`, which holds `some`.
fn web(s: &mut Site, address: &str) -> io::Result<()> {
    std::fs::create_dir(s.path("there"))?;
    s.noise("there/some", 1_000_000)?;
    let folder = s.name("there");
    s.serve(Server, &["python3", "-m", "http.server", "8000", "--bind", address, "--directory", &folder])?;
    s.listens(Server, &[("tcp", 8000)])
}

/// Sends one file to the server, and gets another back.
fn udp(s: &mut Site, there: &str, back: &str, server: &str) -> io::Result<()> {
    let family = if server.contains(':') { "-6" } else { "-4" };
    s.serve(Server, &["sh", "-c", &format!("exec nc.openbsd -n {family} -u -l 7000 <{back} >there")])?;
    s.listens(Server, &[("udp", 7000)])?;
    s.serve(Client, &["sh", "-c", &format!("exec nc.openbsd -n -u {server} 7000 <{there} >back")])?;
    s.becomes(there, "there")?;
    s.becomes(back, "back")
}

fn iperf3(s: &mut Site, server: &str, words: &[&str]) -> io::Result<()> {
    s.serve(Server, &["iperf3", "-s", "-1"])?;
    s.listens(Server, &[("tcp", 5201)])?;
    s.must(Client, &[&["iperf3", "-c", server], words].concat())?;
    // Gone when it served one.
    s.await_last()
}
