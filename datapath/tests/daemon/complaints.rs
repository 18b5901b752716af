//! `nf_conntrack_log_invalid`: the kernel's words, which a listener of its log messages hears, and the datapath's.

use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use lab::frame::{Ip, Tcp, ethernet, set16};
use lab::router::{Judge, built};
use lab::topology::{Bench, CLIENT, LAN, SERVER, WAN};
use nfnl::message::{Builder, Header, Messages, Nfgen, flag, netfilter, subsystem};
use nfnl::transport::{Kernel, Transport};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// Packets from either side, and what is logged of each.
pub(crate) fn invalid() -> io::Result<()> {
    let mut heard = Vec::new();
    for judge in [Judge::Kernel, Judge::Datapath] {
        let bench = Bench::new(judge, &built())?;
        bench.router.must(&["iptables", "-A", "FORWARD", "-m", "state", "--state", "INVALID", "-j", "ACCEPT"])?;
        bench.router.must(&["ip6tables", "-A", "FORWARD", "-m", "state", "--state", "INVALID", "-j", "ACCEPT"])?;
        bench.router.sysctl(&[("net.netfilter.nf_conntrack_log_invalid", "255")])?;
        let mut log = match judge {
            Judge::Kernel => Log::Kernel(bench.router.within(listen)??),
            _ => Log::Datapath(0),
        };
        // Until the setting is heard of.
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            bench.lan.send(&ethernet(LAN, CLIENT, &last()))?;
            match log.next(&bench, Instant::now() + Duration::from_secs(1))? {
                Some(_) => break,
                None if Instant::now() < deadline => {}
                None => return Err(io::Error::other(format!("{} logs nothing", judge.name()))),
            }
        }
        let mut words: Vec<String> = Vec::new();
        let mut next = |bench: &Bench, words: &mut Vec<String>| -> io::Result<bool> {
            let line = log.next(bench, Instant::now() + Duration::from_secs(20))?;
            let line = line.ok_or_else(|| io::Error::other(format!("{}: silence behind {words:#?}", judge.name())))?;
            let is_last = line.starts_with("nf_ct_proto_136:");
            words.extend(Some(line.trim_end().to_owned()).filter(|_| !is_last));
            Ok(is_last)
        };
        for (from_server, packet) in packets() {
            let (port, to, from) = if from_server { (&bench.wan, WAN, SERVER) } else { (&bench.lan, LAN, CLIENT) };
            port.send(&ethernet(to, from, &packet))?;
            // From the same side, so that it is behind it.
            port.send(&ethernet(to, from, &last()))?;
            while !next(&bench, &mut words)? {}
        }
        // The first lines may have been more than one.
        while !words.iter().any(|line| line.contains("do_basic_checks")) {
            next(&bench, &mut words)?;
        }
        heard.push(words);
    }
    assert_eq!(heard[0], heard[1]);
    assert!(heard[0].len() > 20, "{:#?}", heard[0]);
    Ok(())
}

enum Log {
    Kernel(Kernel),
    /// Lines that were read.
    Datapath(usize),
}

impl Log {
    /// The words before the packet itself is told.
    fn next(&mut self, bench: &Bench, deadline: Instant) -> io::Result<Option<String>> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            match self {
                Self::Kernel(socket) => {
                    let mut polled = [PollFd::new(socket.as_fd(), PollFlags::POLLIN)];
                    if poll(&mut polled, PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX))? == 0 {
                        return Ok(None);
                    }
                    let mut datagram = Vec::new();
                    socket.recv(&mut datagram)?;
                    if let Some(prefix) = prefix(&datagram) {
                        return Ok(Some(prefix));
                    }
                }
                Self::Datapath(read) => {
                    let said = bench.daemon.as_ref().map(|daemon| daemon.said()).unwrap_or_default();
                    let lines = said.split_inclusive('\n').filter(|line| line.contains("nf_ct_proto_"));
                    if let Some(line) = lines.skip(*read).find(|line| line.ends_with('\n')) {
                        *read += 1;
                        let words = line.get(line.find("nf_ct_proto_").unwrap_or(0)..).unwrap_or_default();
                        return Ok(words.split("IN=").next().map(str::to_owned));
                    }
                    std::thread::sleep(Duration::from_millis(10));
                }
            }
        }
    }
}

/// A socket that is given what this thread's network namespace logs.
fn listen() -> io::Result<Kernel> {
    const CONFIG: u8 = 1;
    const COMMAND: u16 = 1;
    const BIND: u8 = 1;
    const FAMILY_BIND: u8 = 3;
    let mut socket = Kernel::open()?;
    for (family, command) in [(2, FAMILY_BIND), (10, FAMILY_BIND), (0, BIND)] {
        let header =
            Header { kind: netfilter(subsystem::ULOG, CONFIG), flags: flag::REQUEST | flag::ACK, ..Header::default() };
        let mut message = Vec::new();
        let mut builder = Builder::netfilter(header, Nfgen::of(family), &mut message);
        builder.put(COMMAND, &[command]);
        builder.finish().map_err(io::Error::other)?;
        socket.send(&message)?;
        let mut answer = Vec::new();
        socket.recv(&mut answer)?;
    }
    Ok(socket)
}

/// `NFULA_PREFIX` of a logged packet.
fn prefix(datagram: &[u8]) -> Option<String> {
    const PREFIX: u16 = 10;
    let message = Messages::new(datagram).next()?.ok()?;
    let (_, attributes) = message.netfilter().ok()?;
    let prefix = attributes.filter_map(Result::ok).find(|attribute| attribute.kind == PREFIX)?;
    let text = prefix.payload.split(|byte| *byte == 0).next()?;
    Some(String::from_utf8_lossy(text).into_owned())
}

/// A UDPLite packet that covers less than its header, the last word behind another packet.
fn last() -> Vec<u8> {
    Ip::between([10, 1, 0, 5], [10, 2, 0, 5]).packet(136, &[0, 1, 0, 2, 0, 3, 0, 0])
}

/// Whether a packet comes from the server, and its bytes: most do not fit.
fn packets() -> Vec<(bool, Vec<u8>)> {
    let (up, down) = (Ip::between([10, 1, 0, 2], [10, 2, 0, 2]), Ip::between([10, 2, 0, 2], [10, 1, 0, 2]));
    let six = Ip::between([0xfd01, 0, 0, 0, 0, 0, 0, 2], [0xfd02, 0, 0, 0, 0, 0, 0, 2]);
    let with = |mut packet: Vec<u8>, at: usize, value: u16| {
        set16(&mut packet, at, value);
        packet
    };
    let there = |flags, seq, ack, data: &[u8]| up.tcp(&Tcp::segment(1000, 80, flags, seq, ack), data);
    let back = |flags, seq, ack| down.tcp(&Tcp::segment(80, 1000, flags, seq, ack), b"");
    let init = [0, 0, 0, 7, 0, 0, 16, 0, 0, 1, 0, 1, 0, 0, 0, 9];
    let quote = up.udp(4000, 53, b"question");
    vec![
        // Datagrams.
        (false, with(up.udp(1, 2, b"x"), 24, 200)),
        (false, with(up.udp(1, 2, b"x"), 24, 5)),
        (false, with(up.udp(1, 2, b"x"), 26, 0x1234)),
        (false, up.packet(17, &[0, 1, 0, 2, 0])),
        (false, with(six.udp(1, 2, b"x"), 46, 0)),
        // Segments.
        (false, up.packet(6, &[0, 1, 0, 2, 0, 0])),
        (false, with(there(Tcp::SYN, 1, 0, b""), 36, 0x1234)),
        (false, there(Tcp::SYN | Tcp::FIN, 1, 0, b"")),
        (false, with(there(Tcp::SYN, 1, 0, b""), 32, 0x2002)),
        (false, there(Tcp::SYN | Tcp::ACK, 1, 1, b"")),
        // A connection, and what does not fit its windows.
        (false, there(Tcp::SYN, 1000, 0, b"")),
        (true, back(Tcp::SYN | Tcp::ACK, 5000, 1001)),
        (false, there(Tcp::ACK, 1001, 5001, b"")),
        (false, there(Tcp::ACK, 900_000, 5001, b"far")),
        (false, there(Tcp::ACK, 1001, 900_000, b"")),
        (false, there(Tcp::ACK, 1001_u32.wrapping_sub(400_000), 5001, b"")),
        (false, there(Tcp::ACK, 1001, 5001_u32.wrapping_sub(400_000), b"")),
        (true, back(Tcp::RST, 900_000, 0)),
        (true, back(Tcp::SYN | Tcp::ACK, 5000, 1001)),
        (false, there(Tcp::SYN, 77, 0, b"")),
        // Control messages.
        (false, up.icmp(99, 0, 0, b"")),
        (false, up.packet(1, &[8, 0])),
        (false, with(up.icmp(8, 0, 1, b"x"), 22, 0x1234)),
        (false, up.udp(4000, 53, b"question")),
        (true, Ip::between([10, 2, 0, 2], [10, 1, 0, 3]).icmp(3, 1, 0, &quote)),
        (true, down.icmp(3, 1, 0, &quote[..20])),
        // Associations.
        (false, up.sctp(1, 2, 0, &[(1, 0, &init)])),
        (false, up.sctp(1, 2, 5, &[(0, 0, &[0; 12])])),
        (false, with(up.sctp(1, 3, 0, &[(1, 0, &init)]), 28, 0x1234)),
        (false, up.sctp(1, 2, 0, &[(1, 0, &init), (1, 0, &init)])),
    ]
}
