//! Telephony: sipp calls sipp, and they talk.

use std::{
    io,
    thread::sleep,
    time::{Duration, Instant},
};

use lab::suite::Test;

use super::{
    LONG,
    Place::{self, Client, Router, Server},
    Site, fail, play,
};

pub(crate) const TESTS: &[Test] = &[
    ("a_call_of_sipp_through_source_nat_with_its_media", || {
        play(&source("udp"), |s| call(s, Client, "u1", "10.1.0.2", "10.2.0.2"))
    }),
    ("a_call_of_sipp_over_tcp_through_source_nat_with_its_media", || {
        play(&source("tcp"), |s| call(s, Client, "t1", "10.1.0.2", "10.2.0.2"))
    }),
    ("a_call_of_sipp_through_destination_nat_with_its_media", || {
        play(&destination("udp"), |s| call(s, Server, "u1", "10.2.0.2", "10.2.0.1"))
    }),
    ("a_call_of_sipp_over_tcp_through_destination_nat_with_its_media", || {
        play(&destination("tcp"), |s| call(s, Server, "t1", "10.2.0.2", "10.2.0.1"))
    }),
    ("a_call_of_sipp_through_source_nat_of_ipv6", || {
        let rules: Vec<String> = source("udp")
            .iter()
            .map(|rule| rule.replace("iptables", "ip6tables").replace("MASQUERADE", "SNAT --to-source fd02::1"))
            .collect();
        play(&rules, |s| call(s, Client, "u1", "fd01::2", "fd02::2"))
    }),
    ("a_phone_behind_source_nat_that_registered_is_called", || {
        play(&source("udp"), |s| {
            s.chain.router.sysctl(&[("net.netfilter.nf_conntrack_acct", "1")])?;
            sipp(s, Server, "registrar", &["-i", "10.2.0.2", "-p", "5060"])?;
            s.listens(Server, &[("udp", 5060)])?;
            dial(s, Client, "phone", &["-i", "10.1.0.2", "-p", "5060", "10.2.0.2:5060"])?;
            s.await_last()?;
            sipp(
                s,
                Client,
                "callee",
                &["-i", "10.1.0.2", "-p", "5060", "-mi", "10.1.0.2", "-mp", "7000", "-rtp_echo"],
            )?;
            s.listens(Client, &[("udp", 5060)])?;
            dial(
                s,
                Server,
                "caller",
                &["-i", "10.2.0.2", "-p", "5060", "-mi", "10.2.0.2", "-mp", "7100", "10.2.0.1:5060"],
            )?;
            s.await_last()?;
            voice(s)
        })
    }),
];

/// RTP packets of a call.
const VOICE: u32 = 20;

fn source(protocol: &str) -> Vec<String> {
    [
        &format!("-t raw -A PREROUTING -p {protocol} --dport 5060 -j CT --helper sip"),
        "-t nat -A POSTROUTING -o wan0 -j MASQUERADE",
        "-P FORWARD DROP",
        "-A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT",
        &format!("-A FORWARD -i lan0 -p {protocol} --dport 5060 -m conntrack --ctstate NEW -j ACCEPT"),
    ]
    .map(|rule| format!("iptables {rule}"))
    .to_vec()
}

fn destination(protocol: &str) -> Vec<String> {
    [
        &format!("-t raw -A PREROUTING -p {protocol} --dport 5060 -j CT --helper sip"),
        &format!("-t nat -A PREROUTING -i wan0 -p {protocol} --dport 5060 -j DNAT --to-destination 10.1.0.2"),
        "-P FORWARD DROP",
        "-A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT",
        &format!("-A FORWARD -i wan0 -p {protocol} --dport 5060 -m conntrack --ctstate NEW -j ACCEPT"),
    ]
    .map(|rule| format!("iptables {rule}"))
    .to_vec()
}

/// One call from port 5061 to a server that echoes what it hears on port 7000.
fn call(s: &mut Site, from: Place, transport: &str, own: &str, server: &str) -> io::Result<()> {
    let to = if from == Client { Server } else { Client };
    let local = match (to, own.contains(':')) {
        (Server, false) => "10.2.0.2",
        (Server, true) => "fd02::2",
        _ => "10.1.0.2",
    };
    s.chain.router.sysctl(&[("net.netfilter.nf_conntrack_acct", "1")])?;
    let remote = if server.contains(':') { format!("[{server}]:5060") } else { format!("{server}:5060") };
    sipp(s, to, "callee", &["-t", transport, "-i", local, "-p", "5060", "-mi", local, "-mp", "7000", "-rtp_echo"])?;
    s.listens(to, &[(if transport == "t1" { "tcp" } else { "udp" }, 5060)])?;
    dial(s, from, "caller", &["-t", transport, "-i", own, "-p", "5061", "-mi", own, "-mp", "7100", &remote])?;
    s.await_last()?;
    voice(s)
}

/// Starts a sipp that answers one call.
fn sipp(s: &mut Site, place: Place, what: &str, words: &[&str]) -> io::Result<()> {
    let file = scenario(s, what)?;
    s.serve(place, &[&["sipp", "-sf", &file, "-m", "1", "-nostdin", "-nr"], words].concat())
}

/// Has sipp make one call.
fn dial(s: &mut Site, place: Place, what: &str, words: &[&str]) -> io::Result<()> {
    let file = scenario(s, what)?;
    s.write("voice.pcap", recording())?;
    s.must(place, &[&["sipp", "-sf", &file, "-m", "1", "-nostdin", "-nr", "-timeout", "40s"], words].concat())?;
    Ok(())
}

fn scenario(s: &Site, what: &str) -> io::Result<String> {
    let text = match what {
        "caller" => include_str!("sipp/caller.xml"),
        "callee" => include_str!("sipp/callee.xml"),
        "phone" => include_str!("sipp/phone.xml"),
        _ => include_str!("sipp/registrar.xml"),
    };
    s.write(&format!("{what}.xml"), text)
}

/// What was said came to the other end and back: whole RTP packets, and none was held back.
fn voice(s: &Site) -> io::Result<()> {
    let deadline = Instant::now() + LONG;
    loop {
        let entries = s.must(Router, &["conntrack", "-L", "-p", "udp", "--orig-port-src", "7100"])?;
        let counts = |key: &str| -> Vec<usize> {
            entries.split_whitespace().filter_map(|word| word.strip_prefix(key)?.parse().ok()).collect()
        };
        let (packets, bytes) = (counts("packets="), counts("bytes="));
        let whole = packets.iter().zip(&bytes).all(|(packets, bytes)| *packets > 0 && bytes % packets == 0);
        if packets.len() == 2 && whole {
            break;
        }
        if Instant::now() > deadline {
            return fail(format!("not what was said: {entries}"));
        }
        sleep(Duration::from_millis(20));
    }
    let dropping = [s.must(Router, &["iptables-save", "-c"])?, s.must(Router, &["ip6tables-save", "-c"])?].concat();
    match dropping.lines().find(|line| line.starts_with(":FORWARD DROP") && !line.ends_with("[0:0]")) {
        None => Ok(()),
        Some(line) => fail(format!("some was held back: {line}")),
    }
}

/// A recording of [`VOICE`] RTP packets, 10 ms apart, as tcpdump writes it.
fn recording() -> Vec<u8> {
    let mut file = Vec::new();
    for number in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65535, 1] {
        file.extend(number.to_le_bytes());
    }
    for number in 0..VOICE {
        let voice = [number as u8; 80];
        let rtp = [&[0x80, 8, 0, number as u8][..], &(number * 80).to_be_bytes(), &[0, 0, 0, 1], &voice].concat();
        let packet = lab::frame::Ip::between([10, 1, 0, 2], [10, 2, 0, 2]).udp(7100, 7000, &rtp);
        let frame = lab::frame::ethernet([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2], &packet);
        let length = frame.len() as u32;
        for number in [number / 100, number % 100 * 10_000, length, length] {
            file.extend(number.to_le_bytes());
        }
        file.extend(frame);
    }
    file
}
