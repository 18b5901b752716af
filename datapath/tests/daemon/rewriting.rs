//! What rules change in a packet reaches the kernel: its mark, and its bytes.

use std::io;
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
