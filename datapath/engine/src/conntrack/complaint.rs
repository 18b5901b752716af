//! Why a packet does not fit, in the words that `nf_conntrack_log_invalid` has the kernel log.

use std::cell::Cell;
use std::fmt;

use libxt::family::Af;

use super::text::TCP_STATES;
use super::{Address, Direction};
use crate::log;
use crate::{Effects, Packet};

/// A reason. As the callers of nf_ct_l4proto_log_invalid() and nf_l4proto_log_invalid().
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Complaint {
    /// Fixed words.
    Plain(&'static str),
    /// Words, a sequence number, and more words.
    Bound(&'static str, u32, &'static str),
    /// TCP data beyond what the window allows, which the receiver may take.
    Overshot(u32),
    /// A TCP segment that means nothing in a state: its `enum tcp_bit_set`, and whether it passes nevertheless.
    Kind { index: u8, direction: Direction, ignored: bool, state: u8 },
    /// An SCTP chunk that may not stand where it does.
    Chunk { number: u32, kind: u8, length: u16 },
    /// An SCTP packet with another verification tag than the direction's.
    Tag { got: u32, known: u32, direction: Direction },
    /// An ICMP error that goes elsewhere than the packet it quotes came from.
    Elsewhere { af: Af, outer: Address, inner: Address },
}

/// Where a packet's protocol lays down a reason, if anybody reads it.
#[derive(Clone, Debug)]
pub(super) struct Complaints {
    wanted: bool,
    said: Cell<Option<Complaint>>,
}

impl Complaints {
    /// For a protocol, by `nf_conntrack_log_invalid`. As nf_ct_log_invalid's test in nf_l4proto_log_invalid().
    pub(super) fn of(protocol: u8, log_invalid: u8) -> Self {
        let wanted = log_invalid != 0 && (log_invalid == ALL || log_invalid == protocol);
        Self { wanted, said: Cell::new(None) }
    }

    /// Lays a reason down; the last one counts.
    pub(super) fn say(&self, complaint: Complaint) {
        if self.wanted {
            self.said.set(Some(complaint));
        }
    }

    /// Fixed words.
    pub(super) fn plain(&self, words: &'static str) {
        self.say(Complaint::Plain(words));
    }

    /// Makes a line of what was laid down.
    pub(super) fn log(&self, protocol: u8, packet: &Packet<'_>, out: &mut Effects) {
        if let Some(complaint) = self.said.take() {
            log::before_rules(packet, out, NOTICE, format_args!("nf_ct_proto_{protocol}: {complaint} "));
        }
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Plain(words) => f.write_str(words),
            Self::Bound(words, bound, more) => write!(f, "{words} {bound} ({more})"),
            Self::Overshot(by) => write!(f, "{by} bytes more than expected"),
            Self::Kind { index, direction, ignored, state } => {
                let verdict = if ignored { "ignored" } else { "invalid" };
                let state = TCP_STATES.get(usize::from(state)).unwrap_or(&"NONE");
                write!(f, "packet (index {index}) in dir {} {verdict}, state {state}", direction as u8)
            }
            // The kernel prints the field as it stands in the packet, and ends the line.
            Self::Chunk { number, kind, length } => {
                let length = length.to_be();
                writeln!(f, "do_basic_checks failed. chunk num {number}, type {kind}, len {length} flag 1")
            }
            Self::Tag { got, known, direction } => {
                let (got, known) = (got.to_be(), known.to_be());
                write!(f, "verification tag check failed {got:x} vs {known:x} for dir {}", direction as u8)
            }
            Self::Elsewhere { af: Af::V4, outer, inner } => {
                write!(f, "outer daddr {} != inner {}", outer.ip(Af::V4), inner.ip(Af::V4))
            }
            Self::Elsewhere { af: Af::V6, outer, inner } => {
                f.write_str("outer daddr ")?;
                super::text::write_digits(outer, f)?;
                f.write_str(" != inner ")?;
                super::text::write_digits(inner, f)
            }
        }
    }
}

/// `IPPROTO_RAW`: all protocols.
const ALL: u8 = 255;
/// `LOGLEVEL_NOTICE`.
const NOTICE: u8 = 5;
