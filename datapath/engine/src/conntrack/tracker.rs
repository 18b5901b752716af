//! The tracker: what happens to a packet at the tracking stages.

use super::{ConnId, Connection, Settings, Tracked};
use crate::wire::Headers;
use crate::{Effects, Now, Packet, Verdict};

/// All connections and what decides about them.
#[derive(Debug)]
pub struct Tracker {
    settings: Settings,
}

/// What `-j CT` lays down for a packet that has no connection yet (`struct nf_conn` with `IPS_TEMPLATE`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Template {
    /// The zone of each direction; a direction that the rule's zone does not cover has 0.
    pub zones: [u16; 2],
    /// `--ctevents`: bits of `IPCT_*`, if it was given.
    pub events: Option<u16>,
    /// `--helper`, NUL-filled; empty for none.
    pub helper: [u8; 16],
}

/// The table is full: the packet must be dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// `struct ip_conntrack_stat`, summed since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Packets of no connection although tracking looked at them.
    pub invalid: u32,
    /// Connections that could not enter the table.
    pub insert_failed: u32,
    /// Packets dropped since the table was full or a tuple was taken.
    pub drop: u32,
    /// Connections that made room for new ones.
    pub early_drop: u32,
    /// ICMP errors that made no sense.
    pub error: u32,
    /// Connections found when an entry was looked for.
    pub found: u32,
    /// Clashes that were resolved.
    pub clash_resolve: u32,
    /// Connections that met too long a chain.
    pub chain_too_long: u32,
}

impl Tracker {
    /// An empty table; the key is random, so that nobody outside can make tuples that collide.
    pub fn new(settings: Settings, hash_key: [u8; 16]) -> Self {
        let _ = hash_key;
        Self { settings }
    }

    /// Takes new settings; `max` and `buckets` resize the table.
    pub fn set_settings(&mut self, settings: Settings) {
        self.settings = settings;
    }

    /// Whether somebody listens to events; while nobody does, none are made.
    pub fn set_listening(&mut self, listening: bool) {
        let _ = listening;
        todo!()
    }

    /// A packet in PREROUTING or OUTPUT finds its connection or makes one, and moves its state. As nf_conntrack_in().
    ///
    /// A packet that comes back over a loopback device is found again, not tracked twice.
    pub fn track(
        &mut self,
        packet: &Packet<'_>,
        headers: &Headers,
        template: Option<&Template>,
        now: Now,
        out: &mut Effects,
    ) -> Result<Tracked, Full> {
        let _ = (packet, headers, template, now, out);
        todo!()
    }

    /// Finds a packet's connection again at a later hook, from the header as it now stands; also for ICMP errors, by
    /// their quote. It cannot know that tracking found the packet INVALID or that a rule said NOTRACK.
    pub fn recall(&self, packet: &Packet<'_>, headers: &Headers, now: Now) -> Tracked {
        let _ = (packet, headers, now);
        todo!()
    }

    /// How a packet that this machine made in answer to another stands to that one's connection (`nf_ct_attach`): RELATED,
    /// in the opposite direction.
    pub fn attach(&self, answered: Tracked) -> Tracked {
        let _ = answered;
        todo!()
    }

    /// The last stage at POSTROUTING and INPUT, for every packet of a connection: a new connection enters the table; the
    /// events that piled up are made. As nf_conntrack_confirm().
    pub fn confirm(&mut self, tracked: Tracked, now: Now, out: &mut Effects) -> Verdict {
        let _ = (tracked, now, out);
        todo!()
    }

    /// Ages the table; bounded work per call, so call it every 250 ms or so. Returns whether more is due at once.
    pub fn expire(&mut self, now: Now, out: &mut Effects) -> bool {
        let _ = (now, out);
        todo!()
    }

    /// Sets `ct->mark`; a change makes an event at the packet's last stage.
    pub fn set_mark(&mut self, id: ConnId, mark: u32) {
        let _ = (id, mark);
        todo!()
    }

    /// Sets label bits (`-m connlabel --set`); `false` if the connection has no room for them.
    pub fn set_label(&mut self, id: ConnId, bit: u8) -> bool {
        let _ = (id, bit);
        todo!()
    }

    /// Whether new connections get room for labels (a rule with `-m connlabel` is loaded).
    pub fn set_labelling(&mut self, labelling: bool) {
        let _ = labelling;
        todo!()
    }

    /// The settings in force.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// A connection, as long as it or a packet of it lives.
    pub fn get(&self, id: ConnId) -> Option<&Connection> {
        let _ = id;
        todo!()
    }

    /// The counts of `conntrack -S`.
    pub fn statistics(&self) -> Statistics {
        todo!()
    }
}
