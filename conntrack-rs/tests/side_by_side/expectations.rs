//! Expectations made by hand, for a connection that has a helper: the same commands by each tool in turn.

use std::net::UdpSocket;
use std::process::Command;

use crate::follower::{EXPECTATIONS, Follower};
use crate::{Heard, ORIGINAL, enter, run};

/// Makes what is expected of [`connection_with_a_helper`].
pub(crate) const EXPECTATION: &str = "-I expect -s 127.0.0.1 -d 127.0.0.1 --tuple-src 127.0.0.1 --tuple-dst 127.0.0.1 \
    --mask-src 255.255.255.255 --mask-dst 255.255.255.255 -p udp --sport 4000 --dport 69 -t 200 --tuple-port-src 0 \
    --tuple-port-dst 400 --mask-port-src 0 --mask-port-dst 65535";

#[test]
fn expectations_are_made_shown_and_ended_alike() {
    if !enter("expectations::expectations_are_made_shown_and_ended_alike") {
        return;
    }
    let _connection = connection_with_a_helper();
    let theirs = story(ORIGINAL);
    let ours = story(env!("CARGO_BIN_EXE_conntrack"));
    for ((line, theirs), (_, ours)) in theirs.iter().zip(&ours) {
        assert_eq!(theirs, ours, "conntrack {line}");
    }
    assert_eq!(theirs.len(), ours.len());
    assert!(theirs.iter().any(|(_, (out, ..))| out.iter().any(|line| line.contains("helper=tftp"))));
}

#[test]
fn mistakes_about_expectations_are_told_in_the_same_words() {
    if !enter("expectations::mistakes_about_expectations_are_told_in_the_same_words") {
        return;
    }
    let addresses = "-s 1.1.1.1 -d 2.2.2.2 --tuple-src 1.1.1.1 --tuple-dst 1.1.1.2 --mask-src 255.255.255.255 \
                     --mask-dst 255.255.255.255 -t 5";
    for protocol in ["tcp", "udp", "udplite", "sctp", "dccp", "gre", "icmp", "99"] {
        let (ends, kind) =
            if protocol == "gre" { ("--srckey 1 --dstkey 2", "key") } else { ("--sport 1 --dport 2", "port") };
        let reply = format!("--reply-{kind}-src 1 --reply-{kind}-dst 2");
        let both = format!("--tuple-{kind}-src 1 --tuple-{kind}-dst 2 --mask-{kind}-src 3 --mask-{kind}-dst 4");
        let create = format!("-I expect {addresses} -p {protocol}");
        let find = format!("expect -s 1.1.1.1 -d 2.2.2.2 -p {protocol}");
        for line in [
            create.clone(),
            format!("{create} {ends}"),
            format!("{create} {both}"),
            format!("{create} {ends} {both} {reply}"),
            format!("{create} {ends} {both} --state ESTABLISHED"),
            format!("-G {find}"),
            format!("-G {find} {reply}"),
            format!("-D {find} {ends}"),
            format!("-D {find} {ends} {reply}"),
            format!("-D {find} {ends} {reply} {both}"),
            format!("-G {find} {ends} {reply} -o xml"),
            format!("-U {find}"),
        ] {
            let words: Vec<&str> = line.split(' ').collect();
            assert_eq!(run(ORIGINAL, &words), run(env!("CARGO_BIN_EXE_conntrack"), &words), "conntrack {line}");
        }
    }
}

/// A connection to the TFTP port of this machine, which the kernel's helper looks after.
pub(crate) fn connection_with_a_helper() -> [UdpSocket; 2] {
    for line in ["ip link set lo up", "iptables-legacy -t raw -A OUTPUT -p udp --dport 69 -j CT --helper tftp"] {
        let words: Vec<&str> = line.split(' ').collect();
        assert!(Command::new(words[0]).args(&words[1..]).status().unwrap().success(), "{line}");
    }
    let server = UdpSocket::bind("127.0.0.1:69").unwrap();
    let client = UdpSocket::bind("127.0.0.1:4000").unwrap();
    client.send_to(b"no request", "127.0.0.1:69").unwrap();
    server.recv_from(&mut [0; 16]).unwrap();
    server.send_to(b"no answer", "127.0.0.1:4000").unwrap();
    [server, client]
}

/// What a tool says to each of these, and at the end to whoever followed the events.
fn story(program: &str) -> Vec<(String, Heard)> {
    let followers = ["-E expect", "-E expect -o xml"].map(|line| (line, Follower::start(program, line, EXPECTATIONS)));
    let one = "expect -s 127.0.0.1 -d 127.0.0.1 -p udp --sport 0 --dport 400 --reply-port-src 1 --reply-port-dst 2";
    let mut all = Vec::new();
    for line in [
        EXPECTATION.to_owned(),
        EXPECTATION.to_owned(),
        "-L expect".to_owned(),
        "-L expect -o xml".to_owned(),
        "-L expect -o id,extended".to_owned(),
        "-L expect -o save".to_owned(),
        "-L expect -f ipv6".to_owned(),
        "-C expect".to_owned(),
        format!("-G {one}"),
        format!("-G {}", one.replace("400", "401")),
        format!("-D {}", one.replace("400", "401")),
        format!("-D {one}"),
        "-L expect".to_owned(),
        EXPECTATION.replace("--dport 69", "--dport 70"),
        format!("{EXPECTATION} -r 1.1.1.1 -q 2.2.2.2 -u ASSURED"),
        "-L expect -o xml".to_owned(),
        "-E expect -e NEW".to_owned(),
        "-F expect".to_owned(),
        "-L expect -o xml".to_owned(),
    ] {
        let words: Vec<&str> = line.split(' ').collect();
        let heard = run(program, &words);
        all.push((line, heard));
    }
    all.extend(followers.map(|(line, follower)| (line.to_owned(), follower.end())));
    all
}
