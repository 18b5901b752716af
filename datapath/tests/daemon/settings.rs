//! Settings from the file and from sysctls, also those that change while the datapath runs.

use std::fs;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::time::Duration;

use lab::namespace::Namespace;
use lab::router::{Judge, built};
use lab::topology::Chain;
use lab::traffic::{self, Server};
use nix::fcntl::{FcntlArg, OFlag, fcntl};

use crate::process::{Process, eventually};
use crate::{chain, oracle};

pub(crate) fn hangup() -> io::Result<()> {
    let chain = chain()?;
    let folder = tempfile::tempdir()?;
    let config = folder.path().join("conf");
    fs::write(&config, "nf_conntrack_max = 77\n")?;
    let mut datapath = Process::start(&chain.router, &["--config", &config.to_string_lossy()])?;
    assert!(datapath.status()?.1.contains("connections 0 of 77\n"));
    let says = |datapath: &Process<'_>, words: &str| Ok(datapath.status()?.1.contains(words));
    fs::write(&config, "nf_conntrack_max = 88\nall-hooks = yes\n")?;
    datapath.hang_up()?;
    eventually("the file is in force", Duration::from_secs(3), || says(&datapath, "connections 0 of 88\n"))?;
    eventually("hooks are attached", Duration::from_secs(3), || says(&datapath, "FORWARD"))?;
    // A file that is wrong changes nothing and ends nothing.
    fs::write(&config, "all-hooks = perhaps\n")?;
    datapath.hang_up()?;
    std::thread::sleep(Duration::from_millis(300));
    assert!(says(&datapath, "connections 0 of 88\n")? && says(&datapath, "FORWARD")?);
    assert!(datapath.stop()?.success());
    Ok(())
}

pub(crate) fn unheard() -> io::Result<()> {
    let namespace = Namespace::new("unheard")?;
    let folder = tempfile::tempdir()?;
    let config = folder.path().join("conf");
    fs::write(&config, "nf_conntrack_max = 77\n")?;
    // A pipe that nobody reads, full to the last byte.
    let (_reader, writer) = io::pipe()?;
    let full = fs::File::from(OwnedFd::from(writer));
    let flags = |flags| fcntl(&full, FcntlArg::F_SETFL(flags));
    flags(OFlag::O_NONBLOCK)?;
    while (&full).write(&[b'x'; 4096]).is_ok() {}
    flags(OFlag::empty())?;
    let mut datapath = Process::start_to(&namespace, &["--config", &config.to_string_lossy()], full.into())?;
    // It has something to say of each of these.
    fs::write(&config, "all-hooks = perhaps\n")?;
    for _ in 0..3 {
        datapath.hang_up()?;
        std::thread::sleep(Duration::from_millis(50));
    }
    fs::write(&config, "nf_conntrack_max = 88\n")?;
    datapath.hang_up()?;
    eventually("the file is in force", Duration::from_secs(20), || {
        Ok(datapath.status()?.1.contains("connections 0 of 88\n"))
    })?;
    assert!(datapath.stop()?.success());
    Ok(())
}

pub(crate) fn followed() -> io::Result<()> {
    let chain = Chain::new(Judge::Kernel, &built())?;
    let _datapath = Process::start(&chain.router, &[])?;
    // Translation alone makes the answers come back.
    oracle::load(&chain.router, "nat", &["-A POSTROUTING -o wan0 -j MASQUERADE"])?;
    let echo = Server::udp_echo(&chain.server, "10.2.0.2:7")?;
    let longest = |port: u16| -> io::Result<u32> {
        let answer = traffic::ask(&chain.client, &format!("10.2.0.2:{port}"), b"x", Duration::from_secs(2))?;
        assert!(answer.is_some(), "nothing came back to port {port}");
        let conntrack = built().join("conntrack").to_string_lossy().into_owned();
        // The lab's routers of the kernel's choose the other backend.
        let flows = chain.router.must(&["env", "XT_BACKEND=datapath", &conntrack, "-L", "-p", "udp"])?;
        let seconds = flows.lines().filter(|line| line.contains(&format!("dport={port} ")));
        let longest = seconds.filter_map(|line| line.split_ascii_whitespace().nth(2)?.parse().ok()).max();
        longest.ok_or_else(|| io::Error::other(format!("no flow to port {port} in\n{flows}")))
    };
    assert!((20..=30).contains(&longest(7)?));
    assert_eq!(echo.callers()[0].ip().to_string(), "10.2.0.1");
    chain.router.sysctl(&[("net.netfilter.nf_conntrack_udp_timeout", "5")])?;
    let _other = Server::udp_echo(&chain.server, "10.2.0.2:9")?;
    // The word of it comes by inotify, or within a few seconds without.
    std::thread::sleep(Duration::from_millis(500));
    assert!(longest(9)? <= 5);
    Ok(())
}

pub(crate) fn kernel_tables() -> io::Result<()> {
    let chain = chain()?;
    chain.router.must(&["iptables-legacy", "-A", "FORWARD", "-j", "ACCEPT"])?;
    let (mut datapath, said) = Process::start_heard(&chain.router)?;
    assert!(datapath.stop()?.success());
    let said = said.join().expect("a text");
    assert!(said.contains("tables of its own here (filter)") && said.contains("iptables-legacy -S"), "{said}");
    Ok(())
}
