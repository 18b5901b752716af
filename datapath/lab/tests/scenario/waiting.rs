//! Fragments whose others never come: who is told that their time is over.

use std::{
    io,
    time::{Duration, Instant},
};

use lab::{
    frame::{Ip, Part, View, ethernet, fragment4, fragment6},
    suite::Test,
    topology::{CLIENT, LAN},
};

use super::{Stage, claim_after, client, fail};

/// A second for every datagram, where tracking waits and where the machine itself does.
const SHORT: &[&str] = &[
    "sysctl -qw net.ipv4.ipfrag_time=1",
    "sysctl -qw net.netfilter.nf_conntrack_frag6_timeout=1",
    "sysctl -qw net.ipv6.ip6frag_time=1",
];
const TRACKED: &[&str] = &["-A FORWARD -m state --state NEW", "-A INPUT -m state --state NEW"];

/// Time exceeded, in reassembly.
const FOUR: (u8, u8) = (11, 1);
const SIX: (u8, u8) = (3, 1);

fn own() -> Ip {
    Ip::between([10, 1, 0, 2], [10, 1, 0, 1])
}

fn client6() -> Ip {
    Ip::between([0xfd01, 0, 0, 0, 0, 0, 0, 2], [0xfd02, 0, 0, 0, 0, 0, 0, 2])
}

fn own6() -> Ip {
    Ip::between([0xfd01, 0, 0, 0, 0, 0, 0, 2], [0xfd01, 0, 0, 0, 0, 0, 0, 1])
}

/// One of the two fragments of a datagram with this number.
fn half(ip: &Ip, id: u16, first: bool) -> Vec<u8> {
    let ip = Ip { id, ..ip.clone() };
    let whole = ip.udp(1, 53, &[7; 100]);
    let part = match first {
        true => Part { offset: 0, length: 64, more: true },
        false => Part { offset: 64, length: 44, more: false },
    };
    match ip.source.is_ipv4() {
        true => fragment4(&whole, &part),
        false => fragment6(&whole, 40, id.into(), &part),
    }
}

/// Sends fragments, each of a datagram of its own, until their sender hears of those with a mark, by an error of this type and
/// code; all that it hears. What a datapath has not heard of yet is that it need not wait for long.
fn heard(s: &mut Stage, pieces: &[(&Ip, bool, bool)], told: (u8, u8)) -> io::Result<Vec<Vec<u8>>> {
    let port = &mut s.oracle.bench().lan;
    let deadline = Instant::now() + Duration::from_secs(40);
    let mut heard = Vec::new();
    for round in 0u16.. {
        let mut wanted = Vec::new();
        for (number, (ip, first, marked)) in (round * 100 + 1..).zip(pieces) {
            let piece = half(ip, number, *first);
            port.send(&ethernet(LAN, CLIENT, &piece))?;
            if *marked {
                wanted.push(piece);
            }
        }
        loop {
            // When all have come, none may come behind.
            let patience = if wanted.is_empty() { 500 } else { 3_000 };
            let Some(frame) = port.receive(Instant::now() + Duration::from_millis(patience))? else { break };
            let Some(view) = frame.bytes.get(14..).and_then(View::of) else { continue };
            if view.icmp() == Some(told) {
                wanted.retain(|piece| view.payload.get(8..) != Some(piece));
                heard.push(frame.bytes[14..].to_vec());
            }
        }
        if wanted.is_empty() {
            return Ok(heard);
        }
        if Instant::now() > deadline {
            break;
        }
    }
    fail(format!("not all hear that the time is over, only {heard:02x?}"))
}

/// The senders of all errors, each about the destination that it quotes.
fn pairs(heard: &[Vec<u8>]) -> Vec<(String, String)> {
    let told = heard.iter().filter_map(|packet| View::of(packet));
    let mut pairs: Vec<_> =
        told.filter_map(|view| Some((view.source.to_string(), view.quoted()?.destination.to_string()))).collect();
    pairs.sort();
    pairs.dedup();
    pairs
}

fn are(heard: &[Vec<u8>], wanted: &[(&str, &str)]) -> io::Result<()> {
    let wanted: Vec<_> = wanted.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
    let pairs = pairs(heard);
    if pairs == wanted { Ok(()) } else { fail(format!("{pairs:?}, not {wanted:?}")) }
}

pub(crate) const TESTS: &[Test] = &[
    ("of_an_ipv4_datagram_that_never_became_whole_its_destination_alone_tells", || {
        claim_after(SHORT, TRACKED, false, |s| {
            // A router does not, nobody tells of what was for many, and without the first fragment nobody knows what to say.
            let other = Ip::between([10, 1, 0, 2], [10, 2, 0, 1]);
            let many = Ip::between([10, 1, 0, 2], [10, 1, 0, 255]);
            let (through, own) = (client(), own());
            let silent = [(&through, true, false), (&own, false, false), (&many, true, false)];
            let pieces = [&silent[..], &[(&other, true, true), (&own, true, true)]].concat();
            let heard = heard(s, &pieces, FOUR)?;
            are(&heard, &[("10.1.0.1", "10.1.0.1"), ("10.2.0.1", "10.2.0.1")])?;
            let header = &heard[0][..20];
            // As all that the stack says of itself.
            assert_eq!((header[1], header[8], &header[6..8]), (0xc0, 64, &[0, 0][..]));
            Ok(())
        })
    }),
    ("of_an_ipv6_datagram_that_never_became_whole_a_router_that_tracks_tells_too", || {
        claim_after(SHORT, TRACKED, true, |s| {
            let heard = heard(s, &[(&client6(), false, false), (&client6(), true, true), (&own6(), true, true)], SIX)?;
            are(&heard, &[("fd01::1", "fd01::1"), ("fd01::1", "fd02::2")])
        })
    }),
    ("that_the_time_of_a_datagram_is_over_is_said_in_output_and_belongs_to_no_connection", || {
        let rules = [
            TRACKED[0],
            TRACKED[1],
            "-A OUTPUT -p icmp --icmp-type 11/1 -m comment --comment all",
            "-A OUTPUT -p icmp --icmp-type 11/1 -m conntrack --ctstate INVALID -m comment --comment invalid",
            "-A OUTPUT -p icmp --icmp-type 11/1 -m conntrack --ctstate RELATED -m comment --comment related",
            "-A OUTPUT -p icmp --icmp-type 11/1 -m conntrack --ctstate UNTRACKED -m comment --comment untracked",
        ];
        claim_after(SHORT, &rules, false, |s| {
            let heard = heard(s, &[(&own(), true, true)], FOUR)?.len() as u64;
            let counts = ["all", "invalid", "related", "untracked"]
                .map(|name| s.count(&format!("--comment {name}")).unwrap_or(u64::MAX));
            if counts == [heard, heard, 0, 0] { Ok(()) } else { fail(format!("{counts:?} of {heard}")) }
        })
    }),
];
