//! How many connections clients and servers have (`-m connlimit`): by either end, under any mask, until they are over.

use std::{io, time::Duration};

use lab::{
    frame::{Ip, Tcp},
    suite::Test,
};

use super::{Stage, arrives, play_after};

/// The kernel looks for connections that are over once a jiffy.
const TICK: Duration = Duration::from_millis(20);

/// From a client to a server by their last numbers.
fn pair(six: bool, client: u8, server: u8) -> Ip {
    match six {
        false => Ip::between([10, 1, 0, client], [10, 2, 0, server]),
        true => Ip::between([0xfd01, 0, 0, 0, 0, 0, 0, client.into()], [0xfd02, 0, 0, 0, 0, 0, 0, server.into()]),
    }
}

fn back(ip: &Ip) -> Ip {
    Ip { source: ip.destination, destination: ip.source, ..ip.clone() }
}

fn counts(s: &mut Stage, wanted: &[(&str, u64)]) -> io::Result<()> {
    wanted.iter().try_for_each(|(name, count)| s.counted(&format!("--comment {name}"), *count))
}

/// A segment of a connection from a port, on either side.
fn says(s: &mut Stage, ip: &Ip, port: u16, flags: u8, numbers: [u32; 2]) -> io::Result<()> {
    arrives(&s.lan(ip.tcp(&Tcp::segment(port, 80, flags, numbers[0], numbers[1]), b""))?)?;
    s.pause(TICK);
    Ok(())
}

fn hears(s: &mut Stage, ip: &Ip, port: u16, flags: u8, numbers: [u32; 2]) -> io::Result<()> {
    arrives(&s.wan(back(ip).tcp(&Tcp::segment(80, port, flags, numbers[0], numbers[1]), b""))?)?;
    s.pause(TICK);
    Ok(())
}

/// A client asks for one more connection and is refused by the server, so that nothing of it stays.
fn asks(s: &mut Stage, ip: &Ip, port: u16) -> io::Result<()> {
    says(s, ip, port, Tcp::SYN, [1000, 0])?;
    hears(s, ip, port, Tcp::RST | Tcp::ACK, [0, 1001])
}

fn by_either_end(six: bool) -> io::Result<()> {
    let masks: [u8; 4] = if six { [128, 127, 64, 0] } else { [32, 31, 24, 0] };
    let mut rules = Vec::new();
    for (at, mask) in masks.iter().enumerate() {
        for end in ["saddr", "daddr"] {
            rules.push(format!(
                "-A FORWARD -p udp -m connlimit --connlimit-above 2 --connlimit-{end} --connlimit-mask {mask} \
                 -m comment --comment {end}{at}"
            ));
        }
    }
    rules.push(
        "-A FORWARD -p udp -m connlimit --connlimit-upto 2 --connlimit-daddr -m comment --comment upto".to_owned(),
    );
    let rules: Vec<&str> = rules.iter().map(String::as_str).collect();
    play_after(&[], &rules, six, |s| {
        // Clients 2, 3 and 4, of which 2 and 3 are of one pair, and servers alike.
        for (number, (client, server)) in [(2, 2), (3, 2), (2, 3), (4, 2), (2, 2), (4, 4)].into_iter().enumerate() {
            arrives(&s.lan(pair(six, client, server).udp(1000 + number as u16, 53, b""))?)?;
            s.pause(TICK);
        }
        // What is there already is counted with the others, by every packet of it.
        arrives(&s.lan(pair(six, 2, 2).udp(1000, 53, b""))?)?;
        s.pause(TICK);
        counts(s, &[("saddr0", 2), ("saddr1", 3), ("saddr2", 5), ("saddr3", 5)])?;
        counts(s, &[("daddr0", 3), ("daddr1", 4), ("daddr2", 5), ("daddr3", 5), ("upto", 4)])
    })
}

fn until_they_are_over(six: bool) -> io::Result<()> {
    let rules = ["-A FORWARD -p tcp --syn -m connlimit --connlimit-above 1 -m comment --comment above"];
    play_after(&[], &rules, six, |s| {
        let ip = pair(six, 2, 2);
        says(s, &ip, 1, Tcp::SYN, [1000, 0])?;
        asks(s, &ip, 10)?;
        counts(s, &[("above", 1)])?;
        hears(s, &ip, 1, Tcp::SYN | Tcp::ACK, [5000, 1001])?;
        says(s, &ip, 1, Tcp::ACK, [1001, 5001])?;
        asks(s, &ip, 11)?;
        counts(s, &[("above", 2)])?;
        // FIN_WAIT, CLOSE_WAIT and LAST_ACK are connections still.
        says(s, &ip, 1, Tcp::FIN | Tcp::ACK, [1001, 5001])?;
        asks(s, &ip, 12)?;
        hears(s, &ip, 1, Tcp::ACK, [5001, 1002])?;
        asks(s, &ip, 13)?;
        hears(s, &ip, 1, Tcp::FIN | Tcp::ACK, [5001, 1002])?;
        asks(s, &ip, 14)?;
        counts(s, &[("above", 5)])?;
        // TIME_WAIT is none.
        says(s, &ip, 1, Tcp::ACK, [1002, 5002])?;
        asks(s, &ip, 15)?;
        counts(s, &[("above", 5)])?;
        // One that is reset, and one that an administrator takes away.
        says(s, &ip, 2, Tcp::SYN, [1000, 0])?;
        hears(s, &ip, 2, Tcp::SYN | Tcp::ACK, [5000, 1001])?;
        says(s, &ip, 2, Tcp::ACK, [1001, 5001])?;
        asks(s, &ip, 16)?;
        counts(s, &[("above", 6)])?;
        hears(s, &ip, 2, Tcp::RST | Tcp::ACK, [5001, 1001])?;
        asks(s, &ip, 17)?;
        counts(s, &[("above", 6)])?;
        says(s, &ip, 3, Tcp::SYN, [1000, 0])?;
        asks(s, &ip, 18)?;
        counts(s, &[("above", 7)])?;
        s.command(&["conntrack", "-D", "-p", "tcp", "--sport", "3"])?;
        s.pause(TICK);
        asks(s, &ip, 19)?;
        counts(s, &[("above", 7)])
    })
}

/// A connection that is met again is the last that is looked at: what came behind it and is over counts still.
fn up_to_its_own(six: bool) -> io::Result<()> {
    let rules = [
        "-A FORWARD -p udp -m connlimit --connlimit-above 1 -m comment --comment two",
        "-A FORWARD -p udp -m connlimit --connlimit-above 2 -m comment --comment three",
    ];
    play_after(&[], &rules, six, |s| {
        let ip = pair(six, 2, 2);
        let asks = |s: &mut Stage, port: u16, wanted: [u64; 2]| -> io::Result<()> {
            arrives(&s.lan(ip.udp(port, 53, b""))?)?;
            s.pause(TICK);
            counts(s, &[("two", wanted[0]), ("three", wanted[1])])
        };
        asks(s, 1, [0, 0])?;
        asks(s, 2, [1, 0])?;
        let forgets = |s: &mut Stage, port| {
            s.command(&["conntrack", "-D", "-f", if six { "ipv6" } else { "ipv4" }, "-p", "udp", "--sport", port])?;
            s.pause(TICK);
            Ok::<(), io::Error>(())
        };
        forgets(s, "2")?;
        asks(s, 1, [2, 0])?;
        asks(s, 1, [3, 0])?;
        // A new one goes through all of them.
        asks(s, 3, [4, 0])?;
        forgets(s, "1")?;
        asks(s, 3, [4, 0])
    })
}

pub(crate) const TESTS: &[Test] = &[
    ("connections_are_counted_by_either_end_under_any_mask", || by_either_end(false)),
    ("connections_are_counted_by_either_end_under_any_mask_of_ipv6", || by_either_end(true)),
    ("connections_behind_one_that_is_met_again_are_not_looked_at", || up_to_its_own(false)),
    ("connections_behind_one_that_is_met_again_are_not_looked_at_with_ipv6", || up_to_its_own(true)),
    ("connections_count_until_they_are_over", || until_they_are_over(false)),
    ("connections_count_until_they_are_over_with_ipv6", || until_they_are_over(true)),
];
