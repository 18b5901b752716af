//! `-j REJECT`: drops the packet and tells its sender.

use std::fmt::{self, Write};

use crate::ext::option::{self, notice};
use crate::ext::{Extension, Families, Given, Kind, Malformed, Opt, Problem, Revision, Surroundings};
use crate::family::Af;

/// How to tell the sender; without an option, that the port is unreachable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reject {
    /// The answer, or `None` for the family's default.
    pub with: Option<With>,
}

/// An answer. Each exists in one family, [`With::TcpReset`] in both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum With {
    /// ICMP destination unreachable, code 0.
    NetUnreachable,
    /// ICMP destination unreachable, code 1.
    HostUnreachable,
    /// ICMP destination unreachable, code 2.
    ProtoUnreachable,
    /// ICMP destination unreachable, code 3.
    PortUnreachable,
    /// ICMP destination unreachable, code 9.
    NetProhibited,
    /// ICMP destination unreachable, code 10.
    HostProhibited,
    /// ICMP destination unreachable, code 13.
    AdminProhibited,
    /// A TCP segment with RST.
    TcpReset,
    /// ICMPv6 destination unreachable, code 0.
    NoRoute,
    /// ICMPv6 destination unreachable, code 1.
    AdmProhibited,
    /// ICMPv6 destination unreachable, code 2.
    NotNeighbour,
    /// ICMPv6 destination unreachable, code 3.
    AddrUnreachable,
    /// ICMPv6 destination unreachable, code 4.
    PortUnreachable6,
    /// ICMPv6 destination unreachable, code 5.
    PolicyFail,
    /// ICMPv6 destination unreachable, code 6.
    RejectRoute,
    /// `IPT_ICMP_ECHOREPLY` or `IP6T_ICMP6_ECHOREPLY`, which no tool writes any more and the kernel refuses.
    EchoReply,
}

/// Name, other name, meaning and number of an answer in one family.
type Row = (&'static str, &'static str, With, u32);

/// enum ipt_reject_with, in the order in which beginnings of names are tried.
const V4: [Row; 8] = [
    ("icmp-net-unreachable", "net-unreach", With::NetUnreachable, 0),
    ("icmp-host-unreachable", "host-unreach", With::HostUnreachable, 1),
    ("icmp-proto-unreachable", "proto-unreach", With::ProtoUnreachable, 2),
    ("icmp-port-unreachable", "port-unreach", With::PortUnreachable, 3),
    ("icmp-net-prohibited", "net-prohib", With::NetProhibited, 5),
    ("icmp-host-prohibited", "host-prohib", With::HostProhibited, 6),
    ("tcp-reset", "tcp-rst", With::TcpReset, 7),
    ("icmp-admin-prohibited", "admin-prohib", With::AdminProhibited, 8),
];

/// enum ip6t_reject_with, likewise.
const V6: [Row; 7] = [
    ("icmp6-no-route", "no-route", With::NoRoute, 0),
    ("icmp6-adm-prohibited", "adm-prohibited", With::AdmProhibited, 1),
    ("icmp6-addr-unreachable", "addr-unreach", With::AddrUnreachable, 3),
    ("icmp6-port-unreachable", "port-unreach", With::PortUnreachable6, 4),
    ("tcp-reset", "tcp-reset", With::TcpReset, 6),
    ("icmp6-policy-fail", "policy-fail", With::PolicyFail, 7),
    ("icmp6-reject-route", "reject-route", With::RejectRoute, 8),
];

/// Numbers that are decoded though no name stands for them.
const NAMELESS_V4: [(With, u32); 1] = [(With::EchoReply, 4)];
const NAMELESS_V6: [(With, u32); 2] = [(With::NotNeighbour, 2), (With::EchoReply, 5)];

impl Reject {
    /// The answer, with the family's default put in.
    pub fn with(&self, af: Af) -> With {
        self.with.unwrap_or(match af {
            Af::V4 => With::PortUnreachable,
            Af::V6 => With::PortUnreachable6,
        })
    }
}

impl With {
    /// The name that a family knows it by.
    pub fn name(self, af: Af) -> Option<&'static str> {
        rows(af).iter().find(|(_, _, with, _)| *with == self).map(|(name, ..)| *name)
    }

    fn number(self, af: Af) -> Option<u32> {
        let named = rows(af).iter().find(|(_, _, with, _)| *with == self).map(|(.., number)| *number);
        named.or_else(|| nameless(af).iter().find(|(with, _)| *with == self).map(|(_, number)| *number))
    }

    fn from_number(number: u32, af: Af) -> Option<Self> {
        let named = rows(af).iter().find(|(.., own)| *own == number).map(|(_, _, with, _)| *with);
        named.or_else(|| nameless(af).iter().find(|(_, own)| *own == number).map(|(with, _)| *with))
    }
}

impl Extension for Reject {
    const NAME: &'static str = "REJECT";
    const KIND: Kind = Kind::Target;
    const REVISIONS: &'static [Revision] =
        &[Revision::new(0, 4).only(Families::V4), Revision::new(0, 4).only(Families::V6)];
    const OPTIONS: &'static [Opt<Self>] = &[Opt::new(
        "reject-with",
        " type",
        "the answer: IPv4 icmp-net-unreachable, icmp-host-unreachable, icmp-proto-unreachable, \
         icmp-port-unreachable (default), icmp-net-prohibited, icmp-host-prohibited, icmp-admin-prohibited; \
         IPv6 icmp6-no-route, icmp6-adm-prohibited, icmp6-addr-unreachable, icmp6-port-unreachable (default), \
         icmp6-policy-fail, icmp6-reject-route; TCP tcp-reset",
        set_with,
    )];

    fn decode(_revision: u8, info: &[u8], around: &Surroundings) -> Result<Self, Malformed> {
        let number = info.first_chunk().map(|bytes| u32::from_ne_bytes(*bytes));
        let with = number.and_then(|number| With::from_number(number, around.af)).ok_or(Malformed("REJECT"))?;
        Ok(Self { with: Some(with) })
    }

    fn encode(&self, _revision: u8, info: &mut [u8], around: &Surroundings) -> Result<(), Malformed> {
        let number = self.with(around.af).number(around.af).ok_or(Malformed("REJECT"))?;
        *info.first_chunk_mut().ok_or(Malformed("REJECT"))? = number.to_ne_bytes();
        Ok(())
    }

    fn list_names(w: &mut dyn Write, af: Af) -> fmt::Result {
        let names = rows(af).iter().flat_map(|&(name, other, with, _)| [(name, with), (other, with)]);
        option::list_names(w, names, |_| false)
    }

    fn save(&self, w: &mut dyn Write, around: &Surroundings) -> fmt::Result {
        match self.with(around.af).name(around.af) {
            Some(name) => write!(w, " --reject-with {name}"),
            None => Ok(()),
        }
    }

    fn print(&self, w: &mut dyn Write, around: &Surroundings, _numeric: bool) -> fmt::Result {
        match self.with(around.af).name(around.af) {
            Some(name) => write!(w, " reject-with {name}"),
            None => Ok(()),
        }
    }
}

fn set_with(to: &mut Reject, given: &Given<'_>) -> Result<(), Problem> {
    let text = given.value;
    let begins = |name: &str| name.get(..text.len()).is_some_and(|head| head.eq_ignore_ascii_case(text));
    let row = rows(given.around.af).iter().find(|(name, other, ..)| begins(name) || begins(other));
    let (_, _, with, _) = row.ok_or_else(|| {
        if given.around.af == Af::V4 && (begins("echo-reply") || begins("echoreply")) {
            notice("--reject-with echo-reply no longer supported");
        }
        Problem::new(format!("unknown reject type \"{text}\""))
    })?;
    to.with = Some(*with);
    Ok(())
}

fn rows(af: Af) -> &'static [Row] {
    match af {
        Af::V4 => &V4,
        Af::V6 => &V6,
    }
}

fn nameless(af: Af) -> &'static [(With, u32)] {
    match af {
        Af::V4 => &NAMELESS_V4,
        Af::V6 => &NAMELESS_V6,
    }
}
