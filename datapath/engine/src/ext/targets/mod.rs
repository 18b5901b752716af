//! The targets, one file each, and their registry. The standard target is the walk's own.

use libxt::family::Af;

use super::handover;
use super::probe;
use super::stores::Stores;
use super::{Maker, Scene, Site};
use crate::nat;
use crate::packet::Verdict;
use crate::ruleset::{Refused, SetUse};

mod audit;
mod checksum;
mod classify;
mod connmark;
mod connsecmark;
mod ct;
mod dnat;
mod dnpt;
mod dscp;
mod ecn;
mod hl;
mod hmark;
mod idletimer;
mod log;
mod mark;
mod masquerade;
mod netmap;
mod nflog;
mod nfqueue;
pub mod rateest;
mod redirect;
mod reject;
mod secmark;
pub mod set;
mod snat;
pub mod snpt;
mod synproxy;
mod tcpmss;
mod tcpoptstrip;
mod tee;
mod tos;
pub mod tproxy;
mod trace;
mod ttl;

/// A compiled target that is not the standard one.
#[derive(Debug)]
pub enum Target {
    /// `-j CHECKSUM`.
    Checksum,
    /// `-j CLASSIFY`.
    Classify(libxt::ext::targets::classify::Classify),
    /// `-j CONNMARK`.
    Connmark(libxt::ext::targets::connmark::Connmark),
    /// `-j CONNSECMARK`, which without a security module finds no mark to copy.
    Connsecmark,
    /// `-j CT`.
    Ct(Box<Lay>),
    /// `-j DNAT`.
    Dnat(nat::Range),
    /// `-j DNPT`.
    Dnpt(Box<snpt::Mapping>),
    /// `-j DSCP`.
    Dscp(libxt::ext::targets::dscp::Dscp),
    /// `-j ECN`.
    Ecn(libxt::ext::targets::ecn::Ecn),
    /// `-j AUDIT`, `-j IDLETIMER`, `-j NFLOG`, `-j NFQUEUE`, `-j TEE`.
    Handover(handover::Rule),
    /// `-j HL`.
    Hl(libxt::ext::targets::hl::Hl),
    /// `-j HMARK`.
    Hmark(Box<libxt::ext::targets::hmark::Hmark>),
    /// A target in a mode that nobody knows: the kernel loads it, and it does nothing.
    Idle,
    /// `-j LOG`.
    Log(libxt::ext::targets::log::Log),
    /// `-j MARK`.
    Mark(libxt::ext::targets::mark::Mark),
    /// `-j MASQUERADE`.
    Masquerade(nat::Range),
    /// `-j NETMAP`.
    Netmap(libxt::ext::targets::netmap::Netmap),
    /// `-j RATEEST`.
    Rateest(rateest::Rule),
    /// `-j REDIRECT`.
    Redirect(nat::Range),
    /// `-j REJECT`.
    Reject(Option<libxt::ext::targets::reject::With>),
    /// `-j SET`.
    Set(Box<set::Rule>),
    /// `-j SNAT`.
    Snat(nat::Range),
    /// `-j SNPT`.
    Snpt(Box<snpt::Mapping>),
    /// `-j SYNPROXY`.
    Synproxy(libxt::ext::targets::synproxy::Synproxy),
    /// `-j TCPMSS`.
    Tcpmss(libxt::ext::targets::tcpmss::Tcpmss),
    /// `-j TCPOPTSTRIP`.
    Tcpoptstrip(Box<libxt::ext::targets::tcpoptstrip::Tcpoptstrip>),
    /// `-j TOS`.
    Tos(libxt::ext::targets::tos::Tos),
    /// `-j TPROXY`.
    Tproxy(Box<tproxy::Rule>),
    /// `-j TRACE`.
    Trace,
    /// `-j TTL`.
    Ttl(libxt::ext::targets::ttl::Ttl),
}

/// `-j CT`: the rule's value, and what its names stand for.
#[derive(Clone, Debug)]
pub struct Lay {
    value: libxt::ext::targets::ct::Ct,
    helper: Option<crate::helper::HelperId>,
    /// The protocol that the rule names, for which its helper and its timeout policy must be.
    protocol: u8,
    timeouts: Option<crate::conntrack::policy::PolicyId>,
}

impl Lay {
    /// The timeout policy that the rule names.
    pub(crate) fn named_timeouts(&self) -> Option<&[u8]> {
        let name = self.value.timeout.as_bytes();
        (!self.value.notrack && !name.is_empty()).then_some(name)
    }

    /// The helper that the rule names, and the protocol that it is for.
    pub(crate) fn named_helper(&self) -> Option<(&[u8], u8)> {
        let name = self.value.helper.as_bytes();
        (!self.value.notrack && !name.is_empty()).then_some((name, self.protocol))
    }

    /// The policy that it has found.
    pub(crate) fn timeouts(&self) -> Option<crate::conntrack::policy::PolicyId> {
        self.timeouts
    }

    /// The helper that it has found.
    pub(crate) fn helper(&self) -> Option<crate::helper::HelperId> {
        self.helper
    }

    /// Finds its helper and its timeout policy. As xt_ct_set_helper() and xt_ct_set_timeout().
    pub(crate) fn find_named(&mut self, tracker: &crate::conntrack::Tracker, af: Af) -> Result<(), Refused> {
        use crate::ruleset::refused::errno;
        if let Some((name, protocol)) = self.named_helper() {
            let found = tracker.find_helper(name, af, protocol);
            self.helper = Some(found.ok_or(Refused::new(errno::ENOENT, "CT: no such helper"))?);
        }
        let Some(name) = self.named_timeouts() else { return Ok(()) };
        let Some((id, policy)) = tracker.find_policy(name) else {
            return Err(Refused::new(errno::ENOENT, "CT: no such timeout policy"));
        };
        if policy.af != af || policy.protocol != crate::conntrack::policy::tracked_as(self.protocol) {
            return Err(Refused::invalid("CT: the timeout policy is for another family or protocol"));
        }
        self.timeouts = Some(id);
        Ok(())
    }
}

/// What a target makes of the walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// `XT_CONTINUE`: the next rule.
    Continue,
    /// The table's verdict.
    Verdict(Verdict),
}

/// Every target, in the order of the alphabet.
pub const MAKERS: &[Maker<Target>] = &[
    audit::MAKER,
    checksum::MAKER,
    classify::MAKER,
    connmark::MAKER,
    connsecmark::MAKER,
    ct::MAKER,
    dnat::MAKER,
    dnpt::MAKER,
    dscp::MAKER,
    ecn::MAKER,
    hl::MAKER,
    hmark::MAKER,
    idletimer::MAKER,
    log::MAKER,
    mark::MAKER,
    masquerade::MAKER,
    netmap::MAKER,
    nflog::MAKER,
    nfqueue::MAKER,
    rateest::MAKER,
    redirect::MAKER,
    reject::MAKER,
    secmark::MAKER,
    set::MAKER,
    snat::MAKER,
    snpt::MAKER,
    synproxy::MAKER,
    tcpmss::MAKER,
    tcpoptstrip::MAKER,
    tee::MAKER,
    tos::MAKER,
    tproxy::MAKER,
    trace::MAKER,
    ttl::MAKER,
];

/// The targets that the commands know and the datapath refuses to load, and why.
pub const REFUSED: &[(&str, &str)] = &[
    ("CLUSTERIP", "CLUSTERIP: the datapath does not share addresses in a cluster"),
    ("LED", "LED: the datapath does not drive lights"),
    ("ULOG", "ULOG: the kernel has no such target any more"),
];

impl Target {
    /// Does what the target does.
    pub fn act(&mut self, scene: &mut Scene<'_, '_>) -> Outcome {
        match self {
            Self::Checksum => checksum::act(scene),
            Self::Classify(value) => classify::act(value, scene),
            Self::Connmark(value) => connmark::act(value, scene),
            Self::Ct(value) => ct::act(value, scene),
            Self::Dnat(value) => dnat::act(value, scene),
            Self::Dnpt(value) => dnpt::act(value, scene),
            Self::Dscp(value) => dscp::act(value, scene),
            Self::Ecn(value) => ecn::act(value, scene),
            Self::Handover(rule) => handover::act(rule, scene),
            Self::Hl(value) => hl::act(value, scene),
            Self::Hmark(value) => hmark::act(value, scene),
            Self::Connsecmark | Self::Idle => Outcome::Continue,
            Self::Log(value) => log::act(value, scene),
            Self::Mark(value) => mark::act(value, scene),
            Self::Masquerade(value) => masquerade::act(value, scene),
            Self::Netmap(value) => netmap::act(value, scene),
            Self::Rateest(rule) => rateest::act(rule, scene),
            Self::Redirect(value) => redirect::act(value, scene),
            Self::Reject(with) => reject::act(*with, scene),
            Self::Set(rule) => set::act(rule, scene),
            Self::Snat(value) => snat::act(value, scene),
            Self::Snpt(value) => snpt::act(value, scene),
            Self::Synproxy(value) => synproxy::act(value, scene),
            Self::Tcpmss(value) => tcpmss::act(value, scene),
            Self::Tcpoptstrip(value) => tcpoptstrip::act(value, scene),
            Self::Tos(value) => tos::act(value, scene),
            Self::Tproxy(rule) => tproxy::act(rule, scene),
            Self::Trace => trace::act(scene),
            Self::Ttl(value) => ttl::act(value, scene),
        }
    }

    /// Whether the kernel's own target does the work.
    pub(crate) fn hands(&self) -> bool {
        matches!(self, Self::Handover(_) | Self::Tproxy(_))
    }

    /// Whether it keeps something beside its table, see [`open`](Self::open).
    pub(crate) fn keeps(&self) -> bool {
        matches!(self, Self::Handover(_) | Self::Rateest(_) | Self::Set(_) | Self::Tproxy(_))
    }

    /// Names what it keeps, or makes it.
    pub(crate) fn open(&mut self, stores: &mut Stores) -> Result<(), Refused> {
        match self {
            Self::Handover(rule) => rule.open(stores),
            Self::Rateest(rule) => rule.open(stores),
            Self::Set(rule) => rule.probe.open(stores),
            Self::Tproxy(rule) => rule.handover.open(stores),
            _ => Ok(()),
        }
    }

    /// The sets it changes or takes marks from.
    pub(crate) fn sets(&self) -> impl Iterator<Item = SetUse> {
        let rule = match self {
            Self::Set(rule) => Some(rule),
            _ => None,
        };
        rule.into_iter().flat_map(|rule| rule.sets())
    }

    /// What it can leave to the kernel, as packets stand.
    pub(crate) fn probe(&self) -> Option<&probe::Rule> {
        match self {
            Self::Set(rule) => Some(&rule.probe),
            _ => None,
        }
    }

    /// Leaves it to the kernel.
    pub(crate) fn leave(&mut self) {
        if let Self::Set(rule) = self {
            rule.probe.want();
        }
    }

    /// Whether it translates addresses, which starts NAT in its family.
    pub fn translates(&self) -> bool {
        matches!(self, Self::Dnat(_) | Self::Masquerade(_) | Self::Netmap(_) | Self::Redirect(_) | Self::Snat(_))
    }

    /// Whether it is the one form of CT that does not start tracking.
    pub fn untracks(&self) -> bool {
        matches!(self, Self::Ct(ct) if ct.value.notrack)
    }
}

impl From<&libxt::value::nat::Range> for nat::Range {
    fn from(range: &libxt::value::nat::Range) -> Self {
        let ports = range.ports.unwrap_or_default();
        let (min, max) = range.addresses.map_or_else(Default::default, |(min, max)| (min.into(), max.into()));
        let mut flags = 0;
        for (set, flag) in [
            (range.addresses.is_some(), nat::flags::MAP_IPS),
            (range.ports.is_some(), nat::flags::PROTO_SPECIFIED),
            (range.random, nat::flags::PROTO_RANDOM),
            (range.random_fully, nat::flags::PROTO_RANDOM_FULLY),
            (range.persistent, nat::flags::PERSISTENT),
            (ports.base.is_some(), nat::flags::PROTO_OFFSET),
            (range.netmap, nat::flags::NETMAP),
        ] {
            if set {
                flags |= flag;
            }
        }
        Self {
            flags,
            min_address: min,
            max_address: max,
            min_port: ports.min,
            max_port: ports.max,
            base_port: ports.base.unwrap_or(0),
        }
    }
}

/// The IPv4 structs of revision 0 say how many ranges follow: always one. As xt_nat_checkentry_v0().
fn check_single_range(revision: u8, info: &[u8], site: &Site<'_>) -> Result<(), Refused> {
    let one = info.first_chunk().is_some_and(|count| u32::from_ne_bytes(*count) == 1);
    if revision == 0 && site.af == Af::V4 && !one {
        return Err(Refused::invalid("only one NAT range is supported"));
    }
    Ok(())
}
