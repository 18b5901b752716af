//! SANE: the port of scanned data, which an answer names.

use lab::{
    frame::{Ip, Tcp},
    suite::Test,
    twin::Side,
};

use super::dialogue::Dialogue;
use super::{arrives, client, play, play6};

const SANE: &str = "-t raw -A PREROUTING -p tcp --dport 6566 -j CT --helper sane";
const RELATED: &str = "-A FORWARD -m conntrack --ctstate RELATED -m comment --comment related";
const SNAT: &str = "-t nat -A POSTROUTING -o wan0 -j SNAT --to-source 10.2.0.1";

const START: &[u8] = b"\0\0\0\x07\0\0\0\x01";
/// Port 5001, little-endian data.
const STARTED: &[u8] = b"\0\0\0\0\0\0\x13\x89\0\0\x12\x34\0\0\0\0";

pub(crate) const TESTS: &[Test] = &[
    ("sane_expects_the_port_that_the_answer_to_start_names", || {
        play(&[SANE, RELATED, "-A FORWARD -m helper --helper sane"], |s| {
            let mut sane = Dialogue::open(s, Side::Lan, &client(), 1234, 6566)?;
            sane.says(s, START)?;
            sane.answers(s, STARTED)?;
            s.expects(&["src=10.1.0.2 dst=10.2.0.2 sport=0 dport=5001", "mask-src=255.255.255.255", "helper=sane"])?;
            s.list()?;
            arrives(&s.lan(client().tcp(&Tcp::segment(7777, 5001, Tcp::SYN, 1, 0), b""))?)?;
            s.counted("related", 1)?;
            s.counted("--helper sane", 1)
        })
    }),
    ("sane_looks_at_one_answer_to_start_alone", || {
        play(&[SANE], |s| {
            let mut sane = Dialogue::open(s, Side::Lan, &client(), 1234, 6566)?;
            let port = |port: u8| [&STARTED[..7], &[port], &STARTED[8..]].concat();
            // Without a question.
            sane.answers(s, &port(1))?;
            s.list()?;
            // To another question.
            sane.says(s, b"\0\0\0\x06\0\0\0\x01")?;
            sane.answers(s, &port(2))?;
            s.list()?;
            // Refused, then late.
            sane.says(s, START)?;
            sane.answers(s, b"\0\0\0\x01\0\0\x13\x03\0\0\x12\x34\0\0\0\0")?;
            sane.answers(s, &port(4))?;
            s.list()?;
            // Too short, whole and in pieces.
            sane.says(s, START)?;
            sane.answers(s, &port(5)[..7])?;
            sane.answers(s, &port(6))?;
            s.list()?;
            sane.says(s, &START[..4])?;
            sane.says(s, &START[4..])?;
            sane.answers(s, &port(7))?;
            s.list()?;
            // The high half of the port is not zero.
            sane.says(s, START)?;
            sane.answers(s, b"\0\0\0\0\0\x01\x13\x08\0\0\x12\x34\0\0\0\0")?;
            s.list()?;
            // Something short does not take a question back, nor is something longer one.
            sane.says(s, START)?;
            sane.says(s, b"\0\0\0")?;
            sane.answers(s, &port(9))?;
            s.list()?;
            sane.says(s, &[START, b"more"].concat())?;
            sane.answers(s, &port(10)[..8])?;
            s.list()?;
            sane.says(s, START)?;
            sane.says(s, b"\0\0\0\x01\0\0\0\0")?;
            sane.answers(s, &port(11))?;
            s.list()?;
            // A port of zero.
            sane.says(s, START)?;
            sane.answers(s, b"\0\0\0\0\0\0\0\0\0\0\x12\x34\0\0\0\0")?;
            s.list()
        })
    }),
    ("a_second_scan_of_sane_takes_the_place_of_the_first", || {
        play(&[SANE, SNAT], |s| {
            let mut sane = Dialogue::open(s, Side::Lan, &client(), 1234, 6566)?;
            sane.says(s, START)?;
            sane.answers(s, STARTED)?;
            s.list()?;
            sane.says(s, START)?;
            sane.answers(s, b"\0\0\0\0\0\0\x13\x8a\0\0\x12\x34")?;
            s.expects(&["dport=5002"])?;
            s.list()?;
            arrives(&s.lan(client().tcp(&Tcp::segment(7777, 5002, Tcp::SYN, 1, 0), b""))?)?;
            Ok(())
        })
    }),
    ("sane_speaks_ipv6_as_well", || {
        play6(&[SANE, RELATED], |s| {
            let there = Ip::between([0xfd01, 0, 0, 0, 0, 0, 0, 2], [0xfd02, 0, 0, 0, 0, 0, 0, 2]);
            let mut sane = Dialogue::open(s, Side::Lan, &there, 1234, 6566)?;
            sane.says(s, START)?;
            sane.answers(s, STARTED)?;
            s.command(&["conntrack", "-L", "expect", "-f", "ipv6"])?;
            arrives(&s.lan(there.tcp(&Tcp::segment(7777, 5001, Tcp::SYN, 1, 0), b""))?)?;
            s.counted("related", 1)
        })
    }),
];
