//! Named counters of the kernel's, in which `-m nfacct` counts.

use std::{
    io::{self, Read, Write},
    time::Duration,
};

use lab::{frame::Ip, suite::Test};
use socket2::{Domain, Protocol, Socket, Type};

use super::{Stage, alone, claim, client, fail, outside::counted};

/// A request about a counter: `NFNL_MSG_ACCT_NEW` (0) makes it, `NFNL_MSG_ACCT_GET` (1) reads it. The kernel's answer.
fn ask(message: u8, flags: u16, name: &str, more: &[u8]) -> io::Result<Vec<u8>> {
    let mut body = vec![0; 4];
    let length = (4 + name.len() + 1) as u16;
    body.extend([length.to_ne_bytes(), 1u16.to_ne_bytes()].concat());
    body.extend(name.as_bytes());
    body.resize((body.len() + 1).next_multiple_of(4), 0);
    body.extend(more);
    let mut request = (16 + body.len() as u32).to_ne_bytes().to_vec();
    request.extend([(7u16 << 8 | u16::from(message)).to_ne_bytes(), (flags | REQUEST).to_ne_bytes()].concat());
    request.extend([0; 8]);
    request.extend(body);
    let mut socket = Socket::new(Domain::from(libc::AF_NETLINK), Type::RAW, Some(Protocol::from(NETFILTER)))?;
    socket.set_read_timeout(Some(Duration::from_secs(20)))?;
    socket.write_all(&request)?;
    let mut answer = vec![0; 4096];
    let length = socket.read(&mut answer)?;
    answer.truncate(length);
    Ok(answer)
}

/// Makes counters in the router.
fn make(stage: &mut Stage, names: &[&str], more: &[u8]) -> io::Result<()> {
    for name in names {
        let answer = stage.within(|| ask(0, CREATE | ACK, name, more))?;
        let errno = answer.get(16..20).and_then(|errno| errno.try_into().ok()).map(i32::from_ne_bytes);
        if errno != Some(0) {
            return fail(format!("no counter {name}: {errno:?}"));
        }
    }
    Ok(())
}

/// A counter has these packets and bytes.
fn holds(stage: &mut Stage, name: &str, wanted: (u64, u64)) -> io::Result<()> {
    let answer = stage.within(|| ask(1, 0, name, &[]))?;
    let (mut packets, mut bytes, mut at) = (0, 0, 20);
    while let Some(&[a, b, c, d]) = answer.get(at..at + 4) {
        let (length, kind) = (usize::from(u16::from_ne_bytes([a, b])), u16::from_ne_bytes([c, d]) & 0x3fff);
        let number = answer.get(at + 4..at + 12).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_be_bytes);
        match kind {
            2 => packets = number,
            3 => bytes = number,
            _ => {}
        }
        at += length.max(4).next_multiple_of(4);
    }
    if (packets, bytes) == wanted { Ok(()) } else { fail(format!("{name} holds {packets}, {bytes}, not {wanted:?}")) }
}

pub(crate) const TESTS: &[Test] = &[
    ("packets_are_counted_in_the_kernels_counters_whatever_becomes_of_them", || {
        claim(&[], |s| {
            make(s, &["web", "all", "lost"], &[])?;
            for rule in [
                "iptables -A FORWARD -p udp -m nfacct --nfacct-name all -m comment --comment all",
                "iptables -A FORWARD -p udp --dport 53 -m nfacct --nfacct-name web -m comment --comment web",
                "iptables -A FORWARD -p udp --dport 54 -m nfacct --nfacct-name lost -j DROP",
                "iptables -t mangle -A POSTROUTING -p udp -m nfacct --nfacct-name all",
                "iptables -A OUTPUT -p udp -m nfacct --nfacct-name all -m nfacct --nfacct-name all",
            ] {
                if !s.succeeds(&rule.split(' ').collect::<Vec<_>>())? {
                    return fail(format!("refused: {rule}"));
                }
            }
            for port in [53, 54, 53, 55] {
                s.lan(client().udp(1, port, b"data"))?;
            }
            counted(s, &[("all", 4), ("web", 2)])?;
            holds(s, "web", (2, 64))?;
            holds(s, "lost", (1, 32))?;
            // One was dropped in between.
            holds(s, "all", (7, 7 * 32))?;
            s.own(Ip::between([10, 2, 0, 1], [10, 2, 0, 2]).udp(9, 53, b"data"))?;
            holds(s, "all", (10, 10 * 32))
        })
    }),
    ("a_counter_with_a_quota_is_refused_by_the_datapath", || {
        alone(&[], |s| {
            // NFACCT_FLAGS with NFACCT_F_QUOTA_PKTS, NFACCT_QUOTA of 10.
            let quota = [[8, 0, 5, 0], [0, 0, 0, 1], [12, 0, 6, 0], [0; 4], [0, 0, 0, 10]].concat();
            make(s, &["some"], &quota)?;
            match s.succeeds(&["iptables", "-A", "FORWARD", "-m", "nfacct", "--nfacct-name", "some"])? {
                true => fail("taken"),
                false => Ok(()),
            }
        })
    }),
    ("a_counter_that_is_not_there_is_refused", || super::rules::refused("-A FORWARD -m nfacct --nfacct-name missing")),
];

/// `NETLINK_NETFILTER`.
const NETFILTER: i32 = 12;
/// `NLM_F_*`.
const REQUEST: u16 = 1;
const ACK: u16 = 4;
const CREATE: u16 = 0x400;
