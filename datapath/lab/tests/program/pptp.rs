//! pptp and pptpd: calls that a control connection makes, and their GRE both ways. Instead of PPP, which needs the kernel's
//! help, a program behind pptpd says a greeting and then all that it hears.

use std::{
    io::{self, Read, Write},
    os::{fd::OwnedFd, unix::net::UnixStream},
    process::Stdio,
};

use lab::suite::Test;

use super::{
    LONG,
    Place::{self, Client, Server},
    Site, fail, play,
};

pub(crate) const TESTS: &[Test] = &[
    ("a_call_of_pptp_through_source_nat", || {
        play(&rules("-t nat -A POSTROUTING -o wan0 -j MASQUERADE", "lan0"), |s| {
            pptpd(s, Server)?;
            call(s, Client, "10.1.0.2", "10.2.0.2")
        })
    }),
    ("a_call_of_pptp_through_destination_nat", || {
        let there = "-t nat -A PREROUTING -i wan0 -p tcp --dport 1723 -j DNAT --to-destination 10.1.0.2";
        play(&rules(there, "wan0"), |s| {
            pptpd(s, Client)?;
            call(s, Server, "10.2.0.2", "10.2.0.1")
        })
    }),
    ("three_tunnels_of_pptp_at_once_behind_one_address", || {
        play(&rules("-t nat -A POSTROUTING -o wan0 -j MASQUERADE", "lan0"), |s| {
            s.chain.client.ip("addr add 10.1.0.3/24 dev eth0\naddr add 10.1.0.4/24 dev eth0\n")?;
            for host in 3..=4 {
                let mac = lab::link::text(lab::topology::CLIENT);
                s.chain.router.ip(&format!("neigh replace 10.1.0.{host} lladdr {mac} dev lan0 nud permanent\n"))?;
            }
            pptpd(s, Server)?;
            ["10.1.0.2", "10.1.0.3", "10.1.0.4"].iter().try_for_each(|own| call(s, Client, own, "10.2.0.2"))
        })
    }),
];

fn rules(translation: &str, from: &str) -> Vec<String> {
    [
        "-t raw -A PREROUTING -p tcp --dport 1723 -j CT --helper pptp",
        translation,
        "-P FORWARD DROP",
        "-A FORWARD -p gre -m conntrack --ctstate RELATED",
        "-A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT",
        &format!("-A FORWARD -i {from} -p tcp --dport 1723 -m conntrack --ctstate NEW -j ACCEPT"),
    ]
    .map(|rule| format!("iptables {rule}"))
    .to_vec()
}

/// A server whose calls are greeted and echoed.
fn pptpd(s: &mut Site, place: Place) -> io::Result<()> {
    // Where pptp meets its own control process.
    std::fs::create_dir_all("/run/pptp")?;
    s.write("greeting", frame(b"greeting"))?;
    let folder = s.name("");
    let echo = s.write("echo", format!("#!/bin/sh\nstty raw -echo\nexec cat {folder}greeting -\n"))?;
    s.must(place, &["chmod", "755", &echo])?;
    let options = s.write("options", "")?;
    let settings = format!("localip 10.77.0.1\nremoteip 10.77.0.2-20\noption {options}\nppp {echo}\n");
    let settings = s.write("pptpd.conf", settings)?;
    s.serve(place, &["pptpd", "-f", "-c", &settings, "-p", &format!("{folder}pptpd.pid")])?;
    s.listens(place, &[("tcp", 1723)])
}

/// Makes a call that stays, hears the greeting, asks, and hears its question again. The call lasts to the end:
/// what the two say last depends on who is faster.
fn call(s: &mut Site, place: Place, own: &str, server: &str) -> io::Result<()> {
    let (mut line, theirs) = UnixStream::pair()?;
    line.set_read_timeout(Some(LONG))?;
    let words = ["pptp", server, "--nolaunchpppd", "--localbind", own, "--loglevel", "0"];
    s.serve_on(Stdio::from(OwnedFd::from(theirs)), place, &words)?;
    let mut got = Vec::new();
    for (asked, wanted) in [(None, &b"greeting"[..]), (Some(frame(b"question")), b"question")] {
        if let Some(question) = asked {
            line.write_all(&question)?;
        }
        while !got.windows(wanted.len()).any(|window| window == wanted) {
            let mut buffer = [0; 2048];
            let length =
                line.read(&mut buffer).map_err(|e| io::Error::other(format!("{own}: {e}, after {got:02x?}")))?;
            if length == 0 {
                return fail(format!("{own} heard {got:02x?}"));
            }
            got.extend_from_slice(buffer.get(..length).unwrap_or_default());
        }
    }
    s.keep(line);
    Ok(())
}

/// A PPP frame as a serial line carries it (RFC 1662), of a protocol that nobody knows.
fn frame(data: &[u8]) -> Vec<u8> {
    let mut plain = [&[0xff, 0x03, 0x40, 0x21][..], data].concat();
    let sum = plain.iter().fold(0xffff_u16, |sum, byte| {
        (0..8).fold(sum ^ u16::from(*byte), |sum, _| if sum & 1 == 1 { sum >> 1 ^ 0x8408 } else { sum >> 1 })
    });
    plain.extend((!sum).to_le_bytes());
    let mut line = vec![0x7e];
    for byte in plain {
        match byte {
            0x7d | 0x7e | ..0x20 => line.extend([0x7d, byte ^ 0x20]),
            _ => line.push(byte),
        }
    }
    line.push(0x7e);
    line
}
