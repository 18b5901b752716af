//! The plain line: what `-L` and `-E` write unless told otherwise.

use std::fmt::{self, Write};

use nfnl::conntrack::flow::Traffic;
use nfnl::conntrack::{Flow, Tuple};

use super::{Frame, Kind, state, status};
use crate::local_time::calendar;
use crate::protocol;

pub(super) fn line(out: &mut String, flow: &Flow, frame: &Frame<'_>) -> fmt::Result {
    let output = frame.output;
    if frame.kind != Kind::Entry && output.timestamp {
        let micros = flow.event_time.unwrap_or(frame.now) / 1000;
        write!(out, "[{}.{:06}]\t", micros / 1_000_000, micros % 1_000_000)?;
    }
    out.push_str(match frame.kind {
        Kind::Entry => "",
        Kind::New => "    [NEW] ",
        Kind::Update => " [UPDATE] ",
        Kind::Destroy => "[DESTROY] ",
    });
    if output.extended {
        out.push_str(if flow.family == 10 { "ipv6     10 " } else { "ipv4     2 " });
    }
    let number = flow.original.protocol.unwrap_or(0);
    write!(out, "{:<8} {number} ", protocol::name(number))?;
    if let Some(timeout) = flow.timeout {
        write!(out, "{timeout} ")?;
    }
    if let Some(state) = state(flow) {
        write!(out, "{state} ")?;
    }
    tuple(out, &flow.original, number, "zone-orig")?;
    traffic(out, flow.counters[0])?;
    if flow.status.is_some_and(|bits| bits & status::SEEN_REPLY == 0) {
        out.push_str("[UNREPLIED] ");
    }
    tuple(out, &flow.reply, number, "zone-reply")?;
    traffic(out, flow.counters[1])?;
    let has = |bit: u32| flow.status.is_some_and(|bits| bits & bit != 0);
    out.push_str(if has(status::HW_OFFLOAD) {
        "[HW_OFFLOAD] "
    } else if has(status::OFFLOAD) {
        "[OFFLOAD] "
    } else if has(status::ASSURED) {
        "[ASSURED] "
    } else {
        ""
    });
    if let Some(mark) = flow.mark {
        write!(out, "mark={mark} ")?;
    }
    if let Some(secmark) = flow.secmark {
        write!(out, "secmark={secmark} ")?;
    }
    if let Some(context) = &flow.security_context {
        write!(out, "secctx={} ", String::from_utf8_lossy(context))?;
    }
    if let Some(zone) = flow.zone {
        write!(out, "zone={zone} ")?;
    }
    times(out, flow, frame)?;
    if let Some(helper) = &flow.helper {
        write!(out, "helper={} ", String::from_utf8_lossy(helper))?;
    }
    if let Some(uses) = flow.uses {
        write!(out, "use={uses} ")?;
    }
    if let (true, Some(id)) = (output.id, flow.id) {
        write!(out, "id={id} ")?;
    }
    if let (Some(names), Some(bits)) = (frame.labels, flow.labels) {
        let names = names.of(bits);
        if !names.is_empty() {
            write!(out, "labels={} ", names.join(","))?;
        }
    }
    // Every part ends in a blank; the line does not.
    out.truncate(out.trim_end_matches(' ').len());
    Ok(())
}

fn tuple(out: &mut String, tuple: &Tuple, protocol: u8, zone: &str) -> fmt::Result {
    if let Some(source) = tuple.source {
        write!(out, "src={source} ")?;
    }
    if let Some(destination) = tuple.destination {
        write!(out, "dst={destination} ")?;
    }
    let (source, destination) = (tuple.source_port.unwrap_or(0), tuple.destination_port.unwrap_or(0));
    match protocol {
        6 | 17 | 33 | 132 | 136 => write!(out, "sport={source} dport={destination} ")?,
        47 => write!(out, "srckey={source:#x} dstkey={destination:#x} ")?,
        1 | 58 => write!(
            out,
            "type={} code={} id={} ",
            tuple.icmp_type.unwrap_or(0),
            tuple.icmp_code.unwrap_or(0),
            tuple.icmp_id.unwrap_or(0)
        )?,
        _ => {}
    }
    match tuple.zone {
        Some(number) => write!(out, "{zone}={number} "),
        None => Ok(()),
    }
}

fn traffic(out: &mut String, traffic: Option<Traffic>) -> fmt::Result {
    match traffic {
        Some(Traffic { packets, bytes }) => write!(out, "packets={packets} bytes={bytes} "),
        None => Ok(()),
    }
}

fn times(out: &mut String, flow: &Flow, frame: &Frame<'_>) -> fmt::Result {
    const SECOND: u64 = 1_000_000_000;
    let Some(start) = flow.start else { return Ok(()) };
    let stop = flow.stop.filter(|&stop| stop != 0);
    // In whole seconds, each end cut before they are subtracted.
    let lived = (stop.unwrap_or(frame.now) / SECOND).saturating_sub(start / SECOND);
    write!(out, "delta-time={lived} ")?;
    if frame.output.ktimestamp {
        write!(out, "[start={}] ", calendar(start / SECOND))?;
        if let Some(stop) = stop {
            write!(out, "[stop={}] ", calendar(stop / SECOND))?;
        }
    }
    Ok(())
}
