//! What a packet causes beyond its verdict: packets to send, packets released, log lines, connection events.
//!
//! One value is reused for every batch; after warming up, filling it allocates nothing.

use std::ops::Range;

use libxt::family::Af;

use crate::notes::Standing;
use crate::packet::{PacketId, Tasks, Verdict};

/// Everything that must happen outside the engine, in order within each kind.
#[derive(Debug, Default)]
pub struct Effects {
    /// Bytes of all packets and texts below, one behind the other.
    pub bytes: Vec<u8>,
    /// Packets this machine sends (REJECT's answers); they pass OUTPUT like any local packet.
    pub sends: Vec<Send>,
    /// Packets that were held and now have their verdict.
    pub releases: Vec<Release>,
    /// Lines for the log.
    pub logs: Vec<Log>,
    /// Connection events; filled only while someone listens.
    pub events: Vec<Event>,
}

/// A packet to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Send {
    /// The family.
    pub af: Af,
    /// Its bytes from the network header on, in [`Effects::bytes`]; checksums are complete.
    pub bytes: Range<usize>,
    /// The mark it carries.
    pub mark: u32,
    /// The device it must leave by, if any.
    pub out_device: Option<u32>,
    /// How tracking is to take it.
    pub(crate) standing: Standing,
}

/// The verdict of a packet that was held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// Which packet.
    pub id: PacketId,
    /// Accept or Drop.
    pub verdict: Verdict,
    /// Its new bytes in [`Effects::bytes`], if they changed.
    pub bytes: Option<Range<usize>>,
    /// Its new mark, if that changed.
    pub mark: Option<u32>,
    /// Its new priority, if a rule gave it one.
    pub priority: Option<u32>,
    /// What the kernel's own targets are to do with it.
    pub tasks: Tasks,
}

impl Release {
    /// The packet is dropped as it is.
    pub(crate) fn drop(id: PacketId) -> Self {
        Self { id, verdict: Verdict::Drop, bytes: None, mark: None, priority: None, tasks: Tasks::default() }
    }
}

/// A line for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// The syslog level, 0 to 7.
    pub level: u8,
    /// The text in [`Effects::bytes`], without a line feed.
    pub text: Range<usize>,
}

/// What happened to a connection or an expectation. The entry is copied, since it may be gone when the event is read.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// New, update or destroy.
    pub kind: EventKind,
    /// The netlink port of the process that asked for it, 0 for a packet or a timeout.
    pub port: u32,
    /// What it happened to.
    pub subject: Subject,
}

/// A connection or an expectation, as it was.
#[derive(Clone, Debug, PartialEq)]
pub enum Subject {
    /// A connection.
    Connection {
        /// All of it.
        entry: crate::conntrack::Snapshot,
        /// Whether its mark was set: then 0 is told as well.
        marked: bool,
    },
    /// An expectation.
    Expectation(crate::conntrack::expect::Snapshot),
}

/// The three kinds of event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// `NFNLGRP_CONNTRACK_NEW`, `NFNLGRP_CONNTRACK_EXP_NEW`.
    New,
    /// `NFNLGRP_CONNTRACK_UPDATE`.
    Update,
    /// `NFNLGRP_CONNTRACK_DESTROY`, `NFNLGRP_CONNTRACK_EXP_DESTROY`.
    Destroy,
}

impl Effects {
    /// Empties it and keeps its memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.sends.clear();
        self.releases.clear();
        self.logs.clear();
        self.events.clear();
    }
}
