//! `-o xml`: a `<flow>` a line.

use std::fmt::{self, Write};

use nfnl::conntrack::flow::Traffic;
use nfnl::conntrack::{Flow, ProtocolInfo, Tuple};

use super::{Frame, Kind, status};
use crate::protocol::{self, TCP_STATES};

pub(super) fn line(out: &mut String, flow: &Flow, frame: &Frame<'_>) -> fmt::Result {
    out.push_str(match frame.kind {
        Kind::Entry => "<flow>",
        Kind::New => "<flow type=\"new\">",
        Kind::Update => "<flow type=\"update\">",
        Kind::Destroy => "<flow type=\"destroy\">",
    });
    if frame.output.timestamp && frame.kind != Kind::Entry {
        let seconds = flow.event_time.unwrap_or(frame.now) / 1_000_000_000;
        write!(out, "<when>{seconds}</when>")?;
    }
    meta(out, "original", flow, &flow.original, flow.counters[0])?;
    meta(out, "reply", flow, &flow.reply, flow.counters[1])?;
    out.push_str("<meta direction=\"independent\">");
    if let Some(state) = state(flow) {
        write!(out, "<state>{state}</state>")?;
    }
    element(out, "timeout", flow.timeout)?;
    element(out, "mark", flow.mark)?;
    if let (Some(names), Some(bits)) = (frame.labels, flow.labels) {
        let names = names.of(bits);
        if !names.is_empty() {
            out.push_str("<labels>");
            for name in names {
                write!(out, "<label>{}</label>", escaped(name))?;
            }
            out.push_str("</labels>");
        }
    }
    element(out, "secmark", flow.secmark)?;
    if let Some(context) = &flow.security_context {
        write!(out, "<secctx>{}</secctx>", escaped(&String::from_utf8_lossy(context)))?;
    }
    element(out, "zone", flow.zone.map(u32::from))?;
    element(out, "use", flow.uses)?;
    element(out, "id", flow.id)?;
    let has = |bit: u32| flow.status.is_some_and(|bits| bits & bit != 0);
    if has(status::ASSURED) {
        out.push_str("<assured/>");
    }
    if flow.status.is_some() && !has(status::SEEN_REPLY) {
        out.push_str("<unreplied/>");
    }
    times(out, flow, frame)?;
    out.push_str("</meta>");
    // Here the original has it.
    if let Some(helper) = &flow.helper {
        write!(out, "<helper>{}</helper>", escaped(&String::from_utf8_lossy(helper)))?;
    }
    out.push_str("</flow>");
    Ok(())
}

/// The state by TCP's names, whatever the protocol: so the original has it.
fn state(flow: &Flow) -> Option<&'static str> {
    let (ProtocolInfo::Tcp { state, .. } | ProtocolInfo::Sctp { state, .. } | ProtocolInfo::Dccp { state, .. }) =
        flow.protocol?;
    Some(TCP_STATES.get(usize::from(state?)).copied().unwrap_or("NONE"))
}

fn times(out: &mut String, flow: &Flow, frame: &Frame<'_>) -> fmt::Result {
    const SECOND: u64 = 1_000_000_000;
    let Some(start) = flow.start else { return Ok(()) };
    let stop = flow.stop.filter(|&stop| stop != 0);
    if frame.output.ktimestamp {
        write!(out, "<timestamp><start>{start}</start>")?;
        if let Some(stop) = stop {
            write!(out, "<stop>{stop}</stop>")?;
        }
        out.push_str("</timestamp>");
    }
    let lived = (stop.unwrap_or(frame.now) / SECOND).saturating_sub(start / SECOND);
    write!(out, "<deltatime>{lived}</deltatime>")
}

fn meta(out: &mut String, direction: &str, flow: &Flow, tuple: &Tuple, traffic: Option<Traffic>) -> fmt::Result {
    let number = flow.original.protocol.unwrap_or(0);
    let name = if flow.family == 10 { "ipv6" } else { "ipv4" };
    write!(out, "<meta direction=\"{direction}\"><layer3 protonum=\"{}\" protoname=\"{name}\">", flow.family)?;
    if let Some(source) = tuple.source {
        write!(out, "<src>{source}</src>")?;
    }
    if let Some(destination) = tuple.destination {
        write!(out, "<dst>{destination}</dst>")?;
    }
    write!(out, "</layer3><layer4 protonum=\"{number}\" protoname=\"{}\">", protocol::name(number))?;
    let (source, destination) = (tuple.source_port.unwrap_or(0), tuple.destination_port.unwrap_or(0));
    match number {
        6 | 17 | 33 | 132 | 136 => write!(out, "<sport>{source}</sport><dport>{destination}</dport>")?,
        47 => write!(out, "<srckey>{source:#x}</srckey><dstkey>{destination:#x}</dstkey>")?,
        _ => {}
    }
    out.push_str("</layer4>");
    element(out, "zone", tuple.zone.map(u32::from))?;
    if let Some(Traffic { packets, bytes }) = traffic {
        write!(out, "<counters><packets>{packets}</packets><bytes>{bytes}</bytes></counters>")?;
    }
    out.push_str("</meta>");
    Ok(())
}

fn element(out: &mut String, name: &str, value: Option<u32>) -> fmt::Result {
    match value {
        Some(value) => write!(out, "<{name}>{value}</{name}>"),
        None => Ok(()),
    }
}

pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
