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
pub(crate) mod h323;
pub(crate) mod irc;
mod mangle;
pub(crate) mod netbios;
mod parameters;
pub(crate) mod pptp;
pub(crate) mod sane;
pub(crate) mod sequence;
pub(crate) mod sip;
pub(crate) mod snmp;
mod text;
pub(crate) mod tftp;
pub mod user;

pub(crate) use call::{Call, help};
pub use parameters::Parameters;

use libxt::family::Af;

use crate::conntrack::{ConnId, Tracker};
use crate::{Effects, Now, Verdict};

/// A helper: `struct nf_conntrack_helper`.
pub(crate) trait Helper: Sync {
    /// What it is.
    fn about(&self) -> &'static About;
    /// What holds of a class of its expectations.
    fn policy(&self, class: usize, _: &Parameters) -> Option<Policy> {
        self.about().policies.get(class).copied()
    }
    /// Whether it takes an ICMP error that goes the way of the first packet for one of its own protocol's, as the kernel's does
    /// where it does not ask how the packet stands to the connection.
    fn mistakes_errors(&self) -> bool {
        false
    }
    /// Looks at a packet. As `help`.
    fn help(&self, call: &mut Call<'_, '_>) -> Verdict;
    /// A connection of its leaves the table. As `destroy`.
    fn end(&self, tracker: &mut Tracker, id: ConnId, now: Now, out: &mut Effects) {
        let _ = (tracker, id, now, out);
    }
}

/// What a helper is, whatever a packet holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct About {
    /// Its name, as rules and listings have it.
    pub(crate) name: &'static str,
    /// The transport protocols that it reads.
    pub(crate) protocols: &'static [u8],
    /// The families whose connections it reads.
    pub(crate) families: &'static [Af],
    /// The classes of its expectations.
    pub(crate) policies: &'static [Policy],
}

/// What holds of a class of expectations: `struct nf_conntrack_expect_policy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Policy {
    /// How many a master may have at once, 0 for any number.
    pub(crate) most: u8,
    /// Seconds that one lives.
    pub(crate) timeout: u32,
}

/// Names a helper: its place in the list of all, or of programs.
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
    /// H.323: ports that either end knows.
    H323(Box<h323::Session>),
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
    &h323::Ras,
    &h323::Q931,
    &h323::H245,
];

/// The helper of ours of a name for a family and a transport protocol. As __nf_conntrack_helper_find().
pub(crate) fn find(name: &[u8], af: Af, protocol: u8) -> Option<HelperId> {
    let fits = |helper: &&dyn Helper| {
        let about = helper.about();
        about.name.as_bytes() == name && about.families.contains(&af) && about.protocols.contains(&protocol)
    };
    HELPERS.iter().position(fits).map(|at| HelperId(at as u8))
}

/// The helper of ours that an id names; `None` if that is a program.
pub(crate) fn built_in(id: HelperId) -> Option<&'static dyn Helper> {
    HELPERS.get(usize::from(id.0)).copied()
}

#[cfg(test)]
mod tests;
