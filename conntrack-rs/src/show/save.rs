//! `-o save`: an entry as the options that make it again.

use std::fmt::{self, Write};

use nfnl::conntrack::{Flow, ProtocolInfo};

use super::{Frame, Kind, state, status};
use crate::protocol;

pub(super) fn line(out: &mut String, flow: &Flow, frame: &Frame<'_>) -> fmt::Result {
    out.push_str(match frame.kind {
        Kind::Entry | Kind::New => "-A",
        Kind::Update => "-U",
        Kind::Destroy => "-D",
    });
    if let Some(timeout) = flow.timeout {
        write!(out, " -t {timeout}")?;
    }
    if let Some(bits) = flow.status {
        let named = NAMES.iter().filter(|(bit, _)| bits & bit != 0).map(|&(_, name)| name);
        let names: Vec<&str> = named.collect();
        write!(out, " -u {}", if names.is_empty() { "UNSET".into() } else { names.join(",") })?;
    }
    if let Some(secmark) = flow.secmark {
        write!(out, " -c {secmark}")?;
    }
    for (option, zone) in [("-w", flow.zone), ("--orig-zone", flow.original.zone), ("--reply-zone", flow.reply.zone)] {
        if let Some(zone) = zone {
            write!(out, " {option} {zone}")?;
        }
    }
    let translated = |bit: u32| flow.status.is_some_and(|bits| bits & bit != 0);
    let source = translated(status::SRC_NAT) && flow.original.source != flow.reply.destination;
    let destination = translated(status::DST_NAT) && flow.original.destination != flow.reply.source;
    for (option, address) in [
        ("-s", flow.original.source),
        ("-d", flow.original.destination),
        (if destination { "-g" } else { "-r" }, flow.reply.source),
        (if source { "-n" } else { "-q" }, flow.reply.destination),
    ] {
        if let Some(address) = address {
            write!(out, " {option} {address}")?;
        }
    }
    let Some(number) = flow.original.protocol else { return Ok(()) };
    match protocol::known_name(number) {
        Some(name) => write!(out, " -p {name}")?,
        None => write!(out, " -p {number}")?,
    }
    let (one, two) = (&flow.original, &flow.reply);
    let ports: &[&str] = match number {
        6 | 17 | 33 | 132 | 136 => &["--sport", "--dport", "--reply-port-src", "--reply-port-dst"],
        47 => &["--srckey", "--dstkey", "--reply-key-src", "--reply-key-dst"],
        _ => &[],
    };
    let values = [one.source_port, one.destination_port, two.source_port, two.destination_port];
    for (option, value) in ports.iter().zip(values) {
        if let Some(value) = value {
            write!(out, " {option} {value}")?;
        }
    }
    if matches!(number, 1 | 58) {
        let six = if number == 58 { "v6" } else { "" };
        let values =
            [("type", one.icmp_type.map(u16::from)), ("code", one.icmp_code.map(u16::from)), ("id", one.icmp_id)];
        for (option, value) in values {
            if let Some(value) = value {
                write!(out, " --icmp{six}-{option} {value}")?;
            }
        }
    }
    if let Some(state) = state(flow) {
        write!(out, " --state {state}")?;
    }
    match flow.protocol {
        Some(ProtocolInfo::Sctp { tags, .. }) => {
            for (option, tag) in ["--orig-vtag", "--reply-vtag"].iter().zip(tags) {
                if let Some(tag) = tag {
                    // In the bytes' own order, as the original reads and writes them.
                    write!(out, " {option} {}", tag.to_be())?;
                }
            }
        }
        Some(ProtocolInfo::Dccp { role: Some(role), .. }) => {
            write!(out, " --role {}", if role == 0 { "client" } else { "server" })?;
        }
        _ => {}
    }
    Ok(())
}

/// Bits in the order in which they are written.
const NAMES: [(u32, &str); 4] = [
    (status::EXPECTED, "EXPECTED"),
    (status::SEEN_REPLY, "SEEN_REPLY"),
    (status::ASSURED, "ASSURED"),
    (status::FIXED_TIMEOUT, "FIXED_TIMEOUT"),
];
