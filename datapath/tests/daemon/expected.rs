//! What is expected outlives a crash.

use std::io;
use std::time::Duration;

use lab::frame::{Ip, ethernet};
use lab::router::{Daemon, Judge, built};
use lab::topology::{Bench, CLIENT, LAN, SERVER, WAN};

use crate::helpers::arrives;
use crate::process::eventually;

/// A TFTP question is asked and translated; before the answer, which comes from another port, the datapath is killed twice.
pub(crate) fn crash() -> io::Result<()> {
    let mut bench = Bench::new(Judge::Datapath, &built())?;
    for rule in [
        "-t raw -A PREROUTING -p udp --dport 69 -j CT --helper tftp",
        "-t nat -A POSTROUTING -o wan0 -j MASQUERADE",
        "-t mangle -A PREROUTING -m conntrack --ctstatus EXPECTED -j MARK --set-mark 5",
        "-t mangle -A POSTROUTING -m mark --mark 5 -m conntrack --ctstate RELATED -m comment --comment related",
    ] {
        let words: Vec<&str> = ["iptables"].into_iter().chain(rule.split(' ')).collect();
        bench.router.must(&words)?;
    }
    let question = Ip::between([10, 1, 0, 2], [10, 2, 0, 2]).udp(4000, 69, b"\0\x01name\0octet\0");
    bench.lan.send(&ethernet(LAN, CLIENT, &question))?;
    let expectation = |bench: &Bench| -> io::Result<String> {
        let listed = bench.router.must(&["conntrack", "-L", "expect"])?;
        // Without the seconds left.
        Ok(listed.lines().map(|line| line.trim_start_matches(|c: char| c.is_ascii_digit())).collect())
    };
    eventually("the answer is expected", Duration::from_secs(15), || Ok(!expectation(&bench)?.is_empty()))?;
    let before = expectation(&bench)?;
    assert!(before.contains("dst=10.2.0.1") && before.contains("helper=tftp"), "{before}");
    for _ in 0..2 {
        if let Some(daemon) = &mut bench.daemon {
            daemon.crash()?;
        }
        bench.daemon = Some(Daemon::start(&bench.router)?);
        assert_eq!(expectation(&bench)?, before);
    }
    let answer = Ip::between([10, 2, 0, 2], [10, 2, 0, 1]).udp(5000, 4000, b"\0\x03\0\x01data");
    bench.wan.send(&ethernet(WAN, SERVER, &answer))?;
    assert_eq!(arrives(&mut bench.lan, b"data")?, (5000, 4000));
    assert!(expectation(&bench)?.is_empty(), "it came");
    let saved = bench.router.must(&["iptables-save", "-c", "-t", "mangle"])?;
    assert!(saved.lines().any(|line| line.starts_with("[1:") && line.contains("related")), "{saved}");
    Ok(())
}
