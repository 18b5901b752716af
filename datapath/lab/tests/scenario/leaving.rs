//! Connections of MASQUERADE and the addresses that they go by: which end when an address or a device goes.

use std::{
    io, thread,
    time::{Duration, Instant},
};

use lab::{frame::Ip, suite::Test};

use super::{Stage, arrives, claim_after, fail, view};

const MASQUERADE: &str = "-t nat -A POSTROUTING -o wan0 -j MASQUERADE";
/// Far more than any of it takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// Waits until there are just the connections with these ports.
fn stay(stage: &mut Stage, ports: &[u16]) -> io::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    let mut wanted: Vec<String> = ports.iter().map(|port| format!("sport={port} ")).collect();
    wanted.sort_unstable();
    loop {
        let entries = stage.entries()?;
        let named = |entry: &String| {
            entry.split("sport=").nth(1).map(|rest| rest.split(' ').next().unwrap_or_default().to_owned())
        };
        let mut there: Vec<String> = entries.iter().filter_map(named).map(|port| format!("sport={port} ")).collect();
        there.sort_unstable();
        if there == wanted {
            return Ok(());
        }
        if Instant::now() > deadline {
            return fail(format!("{ports:?} should be there: {entries:#?}"));
        }
        thread::sleep(Duration::from_millis(50));
    }
}

/// Acts of an administrator, one after the other.
fn ip(stage: &mut Stage, lines: &[&str]) -> io::Result<()> {
    stage.must_with(&["ip", "-batch", "-"], &lines.join("\n")).map(drop)
}

/// A datagram from the client, which leaves with this source once the router has heard of the address.
fn leaves(stage: &mut Stage, to: [u8; 4], port: u16, source: &str) -> io::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let left = stage.lan(Ip::between([10, 1, 0, 2], to).udp(port, 53, b"x"))?;
        let seen = view(arrives(&left)?).source.to_string();
        if seen == source {
            return Ok(());
        }
        if Instant::now() > deadline {
            return fail(format!("{port} leaves as {seen}"));
        }
        stage.must_with(&["conntrack", "-D", "-p", "udp", "--sport", &port.to_string()], "")?;
        thread::sleep(Duration::from_millis(50));
    }
}

pub(crate) const TESTS: &[Test] = &[
    ("masqueraded_connections_end_with_their_own_address_and_all_with_the_device", || {
        let rules = ["-t nat -A POSTROUTING -p udp --sport 3000 -j SNAT --to-source 10.9.0.1", MASQUERADE];
        claim_after(&[], &rules, false, |s| {
            ip(
                s,
                &[
                    "addr add 10.9.0.1/24 dev wan0",
                    "addr add 10.9.0.7/24 dev wan0",
                    "neigh add 10.9.0.2 lladdr 02:00:00:00:02:02 dev wan0",
                ],
            )?;
            leaves(s, [10, 2, 0, 2], 1000, "10.2.0.1")?;
            leaves(s, [10, 9, 0, 2], 2000, "10.9.0.1")?;
            leaves(s, [10, 9, 0, 2], 3000, "10.9.0.1")?;
            ip(
                s,
                &["addr del 10.9.0.7/24 dev wan0", "addr add 10.1.0.9/24 dev lan0", "addr del 10.1.0.9/24 dev lan0"],
            )?;
            stay(s, &[1000, 2000, 3000])?;
            ip(s, &["addr del 10.9.0.1/24 dev wan0"])?;
            stay(s, &[1000, 3000])?;
            ip(s, &["link set wan0 down"])?;
            stay(s, &[3000])
        })
    }),
    ("a_masqueraded_connection_ends_with_an_address_that_comes_back_at_once", || {
        claim_after(&[], &[MASQUERADE], false, |s| {
            leaves(s, [10, 2, 0, 2], 1000, "10.2.0.1")?;
            ip(
                s,
                &["addr add 10.9.0.1/24 dev wan0", "addr del 10.2.0.1/24 dev wan0", "addr add 10.2.0.1/24 dev wan0"],
            )?;
            stay(s, &[])
        })
    }),
    ("masqueraded_connections_end_with_a_device_that_is_up_again_at_once", || {
        claim_after(&[], &[MASQUERADE], false, |s| {
            leaves(s, [10, 2, 0, 2], 1000, "10.2.0.1")?;
            ip(s, &["link set wan0 down", "link set wan0 up"])?;
            stay(s, &[])
        })
    }),
    ("a_masqueraded_connection_outlives_its_address_on_a_link_with_a_peer", || {
        claim_after(&[], &[MASQUERADE], false, |s| {
            ip(
                s,
                &["addr add 10.8.0.1 peer 10.8.0.2 dev wan0", "neigh add 10.8.0.2 lladdr 02:00:00:00:02:02 dev wan0"],
            )?;
            leaves(s, [10, 8, 0, 2], 1000, "10.8.0.1")?;
            leaves(s, [10, 2, 0, 2], 2000, "10.2.0.1")?;
            ip(s, &["addr del 10.8.0.1 peer 10.8.0.2 dev wan0"])?;
            ip(s, &["addr del 10.2.0.1/24 dev wan0"])?;
            stay(s, &[1000])
        })
    }),
    ("a_masqueraded_connection_with_a_borrowed_address_ends_with_its_device_alone", || {
        claim_after(&[], &[MASQUERADE], false, |s| {
            ip(
                s,
                &[
                    "addr flush dev wan0",
                    "route add 10.2.0.2 dev wan0",
                    "route add default via 10.2.0.2 dev wan0 onlink",
                    "neigh replace 10.2.0.2 lladdr 02:00:00:00:02:02 dev wan0",
                    "addr add 10.1.0.9/32 dev lan0",
                ],
            )?;
            leaves(s, [10, 2, 0, 2], 1000, "10.1.0.1")?;
            ip(
                s,
                &["addr add 10.7.0.1/32 dev wan0", "addr del 10.7.0.1/32 dev wan0", "addr del 10.1.0.1/24 dev lan0"],
            )?;
            thread::sleep(Duration::from_millis(500));
            stay(s, &[1000])?;
            ip(s, &["link set wan0 down"])?;
            stay(s, &[])
        })
    }),
    ("ipv6_masqueraded_connections_end_with_their_own_address_and_all_with_the_device", || {
        claim_after(&[], &[MASQUERADE], true, |s| {
            let client = Ip::between([0xfd01, 0, 0, 0, 0, 0, 0, 2], [0xfd02, 0, 0, 0, 0, 0, 0, 2]);
            ip(s, &["addr add fd02::7/64 dev wan0 nodad", "addr add fd02::9/64 dev wan0 nodad"])?;
            let left = s.lan(client.udp(1000, 53, b"x"))?;
            let source = view(arrives(&left)?).source.to_string();
            for other in ["fd02::1", "fd02::7", "fd02::9"].iter().filter(|other| **other != source) {
                ip(s, &[&format!("addr del {other}/64 dev wan0")])?;
            }
            thread::sleep(Duration::from_millis(500));
            stay(s, &[1000])?;
            ip(s, &[&format!("addr del {source}/64 dev wan0")])?;
            stay(s, &[])
        })
    }),
];
