//! `-o json`: an object a line for entries, expectations and their events, members named as the plain line and the XML name
//! them.

use std::fmt::{self, Display, Write};

use nfnl::conntrack::flow::Traffic;
use nfnl::conntrack::{Flow, Tuple};
use nfnl::expect::Expectation;

use super::expect::FLAGS;
use super::{Frame, Kind, state, status};
use crate::protocol;

pub(super) fn line(out: &mut String, flow: &Flow, frame: &Frame<'_>) -> fmt::Result {
    let number = flow.original.protocol.unwrap_or(0);
    let mut object = head(out, frame, flow.event_time, flow.family, number)?;
    object.number("timeout", flow.timeout)?;
    if let Some(state) = state(flow) {
        object.text("state", state)?;
    }
    tuple(object.key("original")?, &flow.original, number, flow.counters[0])?;
    tuple(object.key("reply")?, &flow.reply, number, flow.counters[1])?;
    if let Some(bits) = flow.status {
        let set = STATUSES.iter().filter(|(bit, _)| bits & bit != 0).map(|&(_, name)| name);
        list(object.key("status")?, set)?;
    }
    object.number("mark", flow.mark)?;
    object.number("secmark", flow.secmark)?;
    if let Some(context) = &flow.security_context {
        object.text("secctx", &String::from_utf8_lossy(context))?;
    }
    object.number("zone", flow.zone)?;
    if let Some(helper) = &flow.helper {
        object.text("helper", &String::from_utf8_lossy(helper))?;
    }
    // Nanoseconds since 1970, as the table has them.
    object.number("start", flow.start)?;
    object.number("stop", flow.stop.filter(|&stop| stop != 0))?;
    object.number("use", flow.uses)?;
    object.number("id", flow.id)?;
    if let (Some(names), Some(bits)) = (frame.labels, flow.labels) {
        list(object.key("labels")?, names.of(bits).into_iter())?;
    }
    if frame.kind != Kind::Entry && frame.port != 0 {
        object.number("portid", Some(frame.port))?;
    }
    object.end();
    Ok(())
}

/// Writes an expectation without its line's end.
pub(super) fn expectation(out: &mut String, expectation: &Expectation, frame: &Frame<'_>) -> fmt::Result {
    let Expectation { tuple: expected, mask, master, .. } = expectation;
    let number = expected.protocol.unwrap_or(0);
    let mut object = head(out, frame, None, expectation.family, number)?;
    object.number("timeout", expectation.timeout)?;
    tuple(object.key("expected")?, expected, number, None)?;
    tuple(object.key("mask")?, mask, number, None)?;
    tuple(object.key("master")?, master, master.protocol.unwrap_or(number), None)?;
    object.number("zone", expectation.zone)?;
    if let Some(bits) = expectation.flags {
        list(object.key("flags")?, FLAGS.iter().filter(|(bit, _)| bits & bit != 0).map(|&(_, name)| name))?;
    }
    object.number("class", expectation.class)?;
    if let Some(helper) = &expectation.helper {
        object.text("helper", &String::from_utf8_lossy(helper))?;
    }
    object.number("id", expectation.id)?;
    if frame.kind != Kind::Entry && frame.port != 0 {
        object.number("portid", Some(frame.port))?;
    }
    object.end();
    Ok(())
}

/// What entries and expectations begin with. The kernel's time of an event goes before ours.
fn head<'a>(
    out: &'a mut String,
    frame: &Frame<'_>,
    time: Option<u64>,
    family: u8,
    protocol: u8,
) -> Result<Object<'a>, fmt::Error> {
    let mut object = Object::begin(out);
    match frame.kind {
        Kind::Entry => {}
        Kind::New => object.text("type", "new")?,
        Kind::Update => object.text("type", "update")?,
        Kind::Destroy => object.text("type", "destroy")?,
    }
    if frame.kind != Kind::Entry && frame.output.timestamp {
        object.number("when", Some(time.unwrap_or(frame.now)))?;
    }
    object.text("family", if family == 10 { "ipv6" } else { "ipv4" })?;
    object.text("protoname", protocol::name(protocol))?;
    object.number("protonum", Some(protocol))?;
    Ok(object)
}

fn tuple(out: &mut String, tuple: &Tuple, protocol: u8, traffic: Option<Traffic>) -> fmt::Result {
    let mut object = Object::begin(out);
    if let Some(source) = tuple.source {
        object.text("src", &source.to_string())?;
    }
    if let Some(destination) = tuple.destination {
        object.text("dst", &destination.to_string())?;
    }
    let (near, far) = if protocol == 47 { ("srckey", "dstkey") } else { ("sport", "dport") };
    object.number(near, tuple.source_port)?;
    object.number(far, tuple.destination_port)?;
    object.number("type", tuple.icmp_type)?;
    object.number("code", tuple.icmp_code)?;
    object.number("id", tuple.icmp_id)?;
    object.number("zone", tuple.zone)?;
    object.number("packets", traffic.map(|traffic| traffic.packets))?;
    object.number("bytes", traffic.map(|traffic| traffic.bytes))?;
    object.end();
    Ok(())
}

fn list<'a>(out: &mut String, names: impl Iterator<Item = &'a str>) -> fmt::Result {
    out.push('[');
    for (index, name) in names.enumerate() {
        if index > 0 {
            out.push(',');
        }
        text(out, name)?;
    }
    out.push(']');
    Ok(())
}

/// A string with what JSON wants escaped.
fn text(out: &mut String, text: &str) -> fmt::Result {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c < ' ' => write!(out, "\\u{:04x}", u32::from(c))?,
            c => out.push(c),
        }
    }
    out.push('"');
    Ok(())
}

/// An object being written.
struct Object<'a> {
    out: &'a mut String,
    empty: bool,
}

impl<'a> Object<'a> {
    fn begin(out: &'a mut String) -> Self {
        out.push('{');
        Self { out, empty: true }
    }

    /// A member's name; its value is to follow.
    fn key(&mut self, name: &str) -> Result<&mut String, fmt::Error> {
        if !std::mem::replace(&mut self.empty, false) {
            self.out.push(',');
        }
        text(self.out, name)?;
        self.out.push(':');
        Ok(self.out)
    }

    fn text(&mut self, name: &str, value: &str) -> fmt::Result {
        text(self.key(name)?, value)
    }

    /// A number, unless nothing is known of it.
    fn number(&mut self, name: &str, value: Option<impl Display>) -> fmt::Result {
        match value {
            Some(value) => write!(self.key(name)?, "{value}"),
            None => Ok(()),
        }
    }

    fn end(self) {
        self.out.push('}');
    }
}

const STATUSES: [(u32, &str); 8] = [
    (status::EXPECTED, "EXPECTED"),
    (status::SEEN_REPLY, "SEEN_REPLY"),
    (status::ASSURED, "ASSURED"),
    (status::SRC_NAT, "SRC_NAT"),
    (status::DST_NAT, "DST_NAT"),
    (status::FIXED_TIMEOUT, "FIXED_TIMEOUT"),
    (status::OFFLOAD, "OFFLOAD"),
    (status::HW_OFFLOAD, "HW_OFFLOAD"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::Output;

    #[test]
    fn an_entry_is_one_object() {
        let mut flow = Flow { family: 2, timeout: Some(30), mark: Some(5), status: Some(6), ..Flow::default() };
        flow.original.protocol = Some(17);
        flow.original.source = Some("1.1.1.1".parse().unwrap());
        flow.original.source_port = Some(53);
        flow.counters[0] = Some(Traffic { packets: 1, bytes: 28 });
        flow.helper = Some(b"a\"b\n".to_vec());
        let mut out = String::new();
        let frame = Frame { kind: Kind::New, output: Output::default(), labels: None, now: 0, port: 7 };
        line(&mut out, &flow, &frame).unwrap();
        assert_eq!(
            out,
            "{\"type\":\"new\",\"family\":\"ipv4\",\"protoname\":\"udp\",\"protonum\":17,\"timeout\":30,\
             \"original\":{\"src\":\"1.1.1.1\",\"sport\":53,\"packets\":1,\"bytes\":28},\"reply\":{},\
             \"status\":[\"SEEN_REPLY\",\"ASSURED\"],\"mark\":5,\"helper\":\"a\\\"b\\u000a\",\"portid\":7}"
        );
    }
}
