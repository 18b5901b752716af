//! What rules change in a packet reaches the kernel: its mark, and its bytes.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use lab::port::Port;
use lab::traffic::{self, Server};

use crate::process::{Process, counts};
use crate::{chain, oracle};

pub(crate) fn mark() -> io::Result<()> {
    let chain = chain()?;
    let _datapath = Process::start(&chain.router, &[])?;
    oracle::load(&chain.router, "mangle", &["-A PREROUTING -d 10.2.0.3 -j MARK --set-mark 0x2a"])?;
    // Behind our hook the kernel routes by the mark: such packets get nowhere, others do.
    chain.router.ip("rule add fwmark 0x2a table 99\nroute add blackhole default table 99\n")?;
    chain.server.ip("addr add 10.2.0.3/24 dev eth0\n")?;
    let _marked = Server::udp_echo(&chain.server, "10.2.0.3:7")?;
    let _other = Server::udp_echo(&chain.server, "10.2.0.2:7")?;
    let ask = |to| traffic::ask(&chain.client, to, b"x", Duration::from_millis(700));
    assert!(ask("10.2.0.2:7")?.is_some());
    assert!(ask("10.2.0.3:7")?.is_none());
    chain.router.ip("rule del fwmark 0x2a table 99\n")?;
    assert!(ask("10.2.0.3:7")?.is_some());
    Ok(())
}

pub(crate) fn ttl() -> io::Result<()> {
    let chain = chain()?;
    let datapath = Process::start(&chain.router, &[])?;
    oracle::load(&chain.router, "mangle", &["-A POSTROUTING -j TTL --ttl-set 33"])?;
    let mut wire = Port::open(&chain.server, "eth0")?;
    // Sockets send these unfinished, as super-packets: what is written back must be complete.
    let body: Arc<Vec<u8>> = Arc::new((0..4_000_000u32).map(|at| ((at * 13) >> 4) as u8).collect());
    let _server = Server::http(&chain.client, "10.1.0.2:80", Arc::clone(&body))?;
    assert!(traffic::fetch(&chain.server, "10.1.0.2:80", "/")? == *body, "the bytes arrived changed");
    let mut seen = 0;
    while let Some(frame) = wire.receive(Instant::now() + Duration::from_millis(200))? {
        if frame.bytes[12..14] == [8, 0] {
            assert_eq!(frame.bytes[22], 33, "TTL as the server's device sees it");
            seen += 1;
        }
    }
    assert!(seen > 10, "{seen}");
    let (_, status) = datapath.status()?;
    assert!(!status.contains("FORWARD") && !status.contains("PREROUTING"), "these hooks are not needed\n{status}");
    assert!(status.contains("hooks IPv6  none\n"), "{status}");
    let (_, received, _) = counts(&status)[0];
    assert!(received < 4_000_000 / 1448, "super-packets came whole: {received} for 4 MB");
    Ok(())
}

pub(crate) fn kept() -> io::Result<()> {
    let chain = chain()?;
    let mut first = Process::start(&chain.router, &[])?;
    oracle::load(&chain.router, "mangle", &["-A FORWARD -s 10.9.9.9 -j DROP", "-A FORWARD -s 10.1.0.2 -j DROP"])?;
    let before = oracle::entries(&chain.router, "mangle")?;
    first.kill()?;
    let mut second = Process::start(&chain.router, &[])?;
    assert_eq!(oracle::entries(&chain.router, "mangle")?, before);
    let _echo = Server::udp_echo(&chain.server, "10.2.0.2:7")?;
    let ask = || traffic::ask(&chain.client, "10.2.0.2:7", b"x", Duration::from_millis(700));
    assert!(ask()?.is_none(), "the rule is in force again");
    assert!(second.stop()?.success());
    let _third = Process::start(&chain.router, &[])?;
    assert!(ask()?.is_some());
    Ok(())
}

pub(crate) fn fragments() -> io::Result<()> {
    let chain = chain()?;
    let datapath = Process::start(&chain.router, &[])?;
    oracle::load(&chain.router, "nat", &["-A POSTROUTING -o wan0 -j MASQUERADE"])?;
    let mut wire = Port::open(&chain.server, "eth0")?;
    let _echo = Server::udp_echo(&chain.server, "10.2.0.2:7")?;
    let answer = traffic::ask(&chain.client, "10.2.0.2:7", &[b'f'; 4000], Duration::from_secs(2))?;
    assert!(answer.is_some(), "the answer, in fragments itself, came back");
    let mut pieces = Vec::new();
    while let Some(frame) = wire.receive(Instant::now() + Duration::from_millis(200))? {
        if frame.bytes[12..14] == [8, 0] && frame.bytes[26..30] == [10, 2, 0, 1] {
            let length = u16::from_be_bytes([frame.bytes[16], frame.bytes[17]]);
            let offset = u16::from_be_bytes([frame.bytes[20], frame.bytes[21]]);
            pieces.push((length, offset & 0x2000 != 0, (offset & 0x1fff) * 8));
        }
    }
    assert_eq!(pieces, [(1500, true, 0), (1500, true, 1480), (1068, false, 2960)], "as they came, one after the other");
    let (_, status) = datapath.status()?;
    let held = status.lines().last().and_then(|row| row.split_ascii_whitespace().nth(4)?.parse::<u32>().ok());
    assert!(held >= Some(3), "all but the last of both datagrams waited\n{status}");
    Ok(())
}

pub(crate) fn connections() -> io::Result<()> {
    let chain = chain()?;
    let mut first = Process::start(&chain.router, &["--closed"])?;
    oracle::load(&chain.router, "nat", &["-A POSTROUTING -o wan0 -j MASQUERADE"])?;
    let echo = Server::tcp_echo(&chain.server, "10.2.0.2:7")?;
    let (_, _, stream) = traffic::connect(&chain.client, "10.2.0.2:7", Duration::from_secs(2))?;
    let mut stream = stream.ok_or_else(|| io::Error::other("not connected"))?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut say = |text: &[u8]| -> io::Result<()> {
        stream.write_all(text)?;
        let mut back = vec![0; text.len()];
        stream.read_exact(&mut back)?;
        assert_eq!(back, text);
        Ok(())
    };
    say(b"before")?;
    for _ in 0..3 {
        first.kill()?;
        let second = Process::start(&chain.router, &["--closed"])?;
        say(&[b'x'; 40_000])?;
        assert_eq!(
            second.status()?.1.lines().filter(|line| line.contains("connections 1 of")).count(),
            1,
            "{:?}",
            second.status()?
        );
        first = second;
    }
    let callers = echo.callers();
    assert!(callers.iter().all(|caller| caller.ip().to_string() == "10.2.0.1"), "{callers:?}");
    assert!(first.stop()?.success());
    Ok(())
}
