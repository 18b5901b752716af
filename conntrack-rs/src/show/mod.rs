//! How an entry or an event is written: one line each, in the original's formats.

use std::fmt::{self, Write};

use nfnl::conntrack::{Flow, ProtocolInfo};

use crate::command::Output;
use crate::labels::Labels;
use crate::protocol::{DCCP_STATES, SCTP_STATES, TCP_STATES};

pub(crate) mod expect;
mod json;
mod plain;
mod save;
mod xml;

/// What a line is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An entry of the table.
    Entry,
    /// The event of a new one.
    New,
    /// The event of a change.
    Update,
    /// The event of an end.
    Destroy,
}

/// What is written around a flow.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame<'a> {
    /// What the line is about.
    pub(crate) kind: Kind,
    /// `-o`.
    pub(crate) output: Output,
    /// Names of label bits, if they are shown.
    pub(crate) labels: Option<&'a Labels>,
    /// Now, in nanoseconds since 1970.
    pub(crate) now: u64,
    /// The netlink port of who caused the event; 0 for the kernel.
    pub(crate) port: u32,
}

/// The header of XML output.
pub(crate) const XML_HEADER: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<conntrack>\n";
/// The footer of XML output.
pub(crate) const XML_FOOTER: &str = "</conntrack>\n";

/// Writes a line without its end.
pub(crate) fn line(out: &mut String, flow: &Flow, frame: &Frame<'_>) -> fmt::Result {
    if frame.output.save {
        save::line(out, flow, frame)?;
    } else if frame.output.xml {
        return xml::line(out, flow, frame);
    } else if frame.output.json {
        return json::line(out, flow, frame);
    } else {
        plain::line(out, flow, frame)?;
    }
    if frame.kind != Kind::Entry && frame.port != 0 {
        write!(out, " [USERSPACE] portid={}", frame.port)?;
        if let Ok(name) = std::fs::read_to_string(format!("/proc/{}/comm", frame.port)) {
            write!(out, " progname={}", name.trim_end())?;
        }
    }
    Ok(())
}

/// The name of the protocol's state, if it has one.
fn state(flow: &Flow) -> Option<&'static str> {
    let (names, state): (&[&str], _) = match flow.protocol? {
        ProtocolInfo::Tcp { state, .. } => (&TCP_STATES, state?),
        ProtocolInfo::Sctp { state, .. } => (&SCTP_STATES, state?),
        ProtocolInfo::Dccp { state, .. } => (&DCCP_STATES, state?),
    };
    Some(names.get(usize::from(state)).copied().unwrap_or("NONE"))
}

/// `IPS_*` bits that lines show.
mod status {
    pub(super) const EXPECTED: u32 = 1 << 0;
    pub(super) const SEEN_REPLY: u32 = 1 << 1;
    pub(super) const ASSURED: u32 = 1 << 2;
    pub(super) const SRC_NAT: u32 = 1 << 4;
    pub(super) const DST_NAT: u32 = 1 << 5;
    pub(super) const FIXED_TIMEOUT: u32 = 1 << 10;
    pub(super) const OFFLOAD: u32 = 1 << 14;
    pub(super) const HW_OFFLOAD: u32 = 1 << 15;
}
