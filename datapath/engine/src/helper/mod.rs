//! Helpers: what reads the payload of a connection for the connections that it announces. As nf_conntrack_helper.c.
//!
//! A helper is given to a connection by `-j CT --helper` or by ctnetlink, never by its port. It sees every packet of its
//! connection at the last hook, behind all tables and ahead of the confirmation, says what it expects, and may rewrite the
//! payload where the connection is translated. Helpers read whatever strangers send: they are total, look at each byte a
//! bounded number of times and keep a few numbers a connection in mind, see `Memory`.

pub(crate) mod amanda;
mod broadcast;
mod call;
pub(crate) mod ftp;
pub(crate) mod irc;
mod mangle;
pub(crate) mod netbios;
pub(crate) mod pptp;
pub(crate) mod sane;
pub(crate) mod sequence;
pub(crate) mod sip;
pub(crate) mod snmp;
mod text;
pub(crate) mod tftp;

pub(crate) use call::Call;

use libxt::family::Af;

use crate::conntrack::{ConnId, Direction, Tracked, Tracker, status};
use crate::host::Host;
use crate::wire::Headers;
use crate::{Effects, Hook, Now, Packet, Verdict};

/// A helper: `struct nf_conntrack_helper`.
pub(crate) trait Helper: Sync {
    /// Its name, as rules and listings have it.
    fn name(&self) -> &'static str;
    /// The transport protocols that it reads.
    fn protocols(&self) -> &'static [u8];
    /// Whether it reads connections of a family.
    fn reads(&self, af: Af) -> bool;
    /// The classes of its expectations.
    fn policies(&self) -> &'static [Policy];
    /// Looks at a packet. As `help`.
    fn help(&self, call: &mut Call<'_, '_>) -> Verdict;
    /// A connection of its leaves the table. As `destroy`.
    fn end(&self, tracker: &mut Tracker, id: ConnId, now: Now, out: &mut Effects) {
        let _ = (tracker, id, now, out);
    }
}

/// What holds of a class of expectations: `struct nf_conntrack_expect_policy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Policy {
    /// How many a master may have at once, 0 for any number.
    pub(crate) most: u8,
    /// Seconds that one lives.
    pub(crate) timeout: u32,
}

/// Names a helper: its place in the list of all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HelperId(u8);

/// What a helper keeps in mind of a connection.
#[derive(Clone, Debug, Default)]
pub(crate) enum Memory {
    /// Nothing yet.
    #[default]
    Nothing,
    /// FTP: where lines begin.
    Ftp(ftp::Lines),
    /// PPTP: how far session and call are.
    Pptp(pptp::Session),
    /// SIP: what was asked last.
    Sip(sip::Asked),
    /// SANE: the next answer is that to NET_START.
    Sane,
}

/// All helpers. A crash is outlived by numbers, so new ones go behind the others.
const HELPERS: &[&dyn Helper] = &[
    &ftp::Ftp,
    &tftp::Tftp,
    &irc::Irc,
    &amanda::Amanda,
    &sane::Sane,
    &netbios::NetBios,
    &snmp::Snmp,
    &snmp::Traps,
    &pptp::Pptp,
    &sip::Sip,
];

/// The helper of a name for a family and a transport protocol. As __nf_conntrack_helper_find().
pub fn find(name: &[u8], af: Af, protocol: u8) -> Option<HelperId> {
    let fits = |helper: &&dyn Helper| {
        helper.name().as_bytes() == name && helper.reads(af) && helper.protocols().contains(&protocol)
    };
    HELPERS.iter().position(fits).map(|at| HelperId(at as u8))
}

impl HelperId {
    /// The helper.
    pub(crate) fn helper(self) -> &'static dyn Helper {
        HELPERS.get(usize::from(self.0)).copied().unwrap_or(HELPERS[0])
    }

    /// As a number that outlives a crash; 0 is none.
    pub(crate) fn number(id: Option<Self>) -> u8 {
        id.map_or(0, |id| id.0.saturating_add(1))
    }

    /// The helper of such a number.
    pub(crate) fn from_number(number: u8) -> Option<Self> {
        let id = number.checked_sub(1)?;
        (usize::from(id) < HELPERS.len()).then_some(Self(id))
    }
}

/// Helpers and moved sequence numbers, for every packet of a connection. As the first half of nf_confirm().
pub(crate) fn help(
    tracker: &mut Tracker,
    tracked: Tracked,
    packet: &mut Packet<'_>,
    headers: &mut Headers,
    host: &dyn Host,
    now: Now,
    out: &mut Effects,
) -> Verdict {
    let Tracked::Of { id, direction, relation } = tracked else { return Verdict::Accept };
    let Some(connection) = tracker.get(id) else { return Verdict::Accept };
    // An ICMP error of the connection is no payload of it.
    if connection.is_plain() || connection.tuple(Direction::Original).protocol != headers.protocol {
        return Verdict::Accept;
    }
    let looped = packet.hook == Hook::Input && packet.in_device.is_some_and(|device| device.loopback);
    let moved = connection.status() & status::SEQ_ADJUST != 0 && !looped;
    if let Some(helper) = tracker.helper(id) {
        let mut call = Call { tracker: &mut *tracker, id, direction, relation, packet, headers, host, now, out };
        let verdict = helper.help(&mut call);
        if verdict != Verdict::Accept {
            return verdict;
        }
    }
    // What this packet itself has made longer begins behind it.
    if moved && !sequence::adjust(tracker, id, direction, packet, headers) {
        tracker.count_drop();
        return Verdict::Drop;
    }
    Verdict::Accept
}

#[cfg(test)]
mod tests;
