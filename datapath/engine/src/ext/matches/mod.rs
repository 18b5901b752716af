//! The matches, one file each, and their registry.

use libxt::family::Af;

use super::stores::Stores;
use super::{Maker, Scene};
use crate::ruleset::Refused;

mod addrtype;
mod ah;
mod comment;
mod connbytes;
mod connlabel;
pub mod connlimit;
mod connmark;
mod conntrack;
mod devgroup;
mod dscp;
mod ecn;
mod esp;
pub mod hashlimit;
mod helper;
mod hl;
mod icmp;
mod icmp6;
mod iprange;
mod length;
pub mod limit;
mod mac;
mod mark;
mod multiport;
mod owner;
mod pkttype;
pub mod quota;
pub mod rateest;
pub mod recent;
pub mod statistic;
mod string;
mod tcp;
mod tcpmss;
mod tos;
mod ttl;
mod u32;
mod udp;

/// A compiled match.
#[derive(Debug)]
pub enum Match {
    /// `-m addrtype`.
    Addrtype(libxt::ext::matches::addrtype::Addrtype),
    /// `-m ah`.
    Ah4(libxt::ext::matches::ah::Ah4),
    /// `-m ah`.
    Ah6(libxt::ext::matches::ah::Ah6),
    /// `-m comment`.
    Comment,
    /// `-m connbytes`.
    Connbytes(libxt::ext::matches::connbytes::Connbytes),
    /// `-m connlabel`.
    Connlabel(libxt::ext::matches::connlabel::Connlabel),
    /// `-m connlimit`.
    Connlimit(connlimit::Rule),
    /// `-m connmark`.
    Connmark(libxt::ext::matches::connmark::Connmark),
    /// `-m conntrack`.
    Conntrack(Box<libxt::ext::matches::conntrack::Conntrack>),
    /// `-m devgroup`.
    Devgroup(libxt::ext::matches::devgroup::Devgroup),
    /// `-m dscp`.
    Dscp(libxt::ext::matches::dscp::Dscp),
    /// `-m ecn`.
    Ecn(libxt::ext::matches::ecn::Ecn),
    /// `-m esp`.
    Esp(libxt::ext::matches::esp::Esp),
    /// `-m hashlimit`.
    Hashlimit(Box<hashlimit::Rule>),
    /// `-m helper`.
    Helper(libxt::ext::matches::helper::Helper),
    /// `-m hl`.
    Hl(libxt::ext::matches::hl::Hl),
    /// `-m icmp`.
    Icmp(libxt::ext::matches::icmp::Icmp4),
    /// `-m icmp6`.
    Icmp6(libxt::ext::matches::icmp6::Icmp6),
    /// `-m iprange`.
    Iprange(libxt::ext::matches::iprange::Iprange),
    /// `-m length`.
    Length(libxt::ext::matches::length::Length),
    /// `-m limit`.
    Limit(limit::Limit),
    /// `-m mac`.
    Mac(libxt::ext::matches::mac::Mac),
    /// `-m mark`.
    Mark(libxt::ext::matches::mark::Mark),
    /// `-m multiport`.
    Multiport(libxt::ext::matches::multiport::Multiport),
    /// `-m owner`.
    Owner(libxt::ext::matches::owner::Owner),
    /// `-m pkttype`.
    Pkttype(libxt::ext::matches::pkttype::Pkttype),
    /// `-m quota`.
    Quota(quota::Quota),
    /// `-m rateest`.
    Rateest(Box<rateest::Rule>),
    /// `-m recent`.
    Recent(Box<recent::Recent>),
    /// `-m statistic`.
    Statistic(statistic::Statistic),
    /// `-m string`.
    String(Box<libxt::ext::matches::string::StringMatch>),
    /// `-m tcp`.
    Tcp(libxt::ext::matches::tcp::Tcp),
    /// `-m tcpmss`.
    Tcpmss(libxt::ext::matches::tcpmss::Tcpmss),
    /// `-m tos`.
    Tos(libxt::ext::matches::tos::Tos),
    /// `-m ttl`.
    Ttl(libxt::ext::matches::ttl::Ttl),
    /// `-m u32`.
    U32(libxt::ext::matches::u32::U32),
    /// `-m udp`.
    Udp(libxt::ext::matches::udp::Udp),
}

/// Every match, in the order of the alphabet.
pub const MAKERS: &[Maker<Match>] = &[
    addrtype::MAKER,
    ah::MAKER4,
    ah::MAKER6,
    comment::MAKER,
    connbytes::MAKER,
    connlabel::MAKER,
    connlimit::MAKER,
    connmark::MAKER,
    conntrack::MAKER,
    devgroup::MAKER,
    dscp::MAKER,
    ecn::MAKER,
    esp::MAKER,
    hashlimit::MAKER,
    helper::MAKER,
    hl::MAKER,
    icmp6::MAKER,
    icmp::MAKER,
    iprange::MAKER,
    length::MAKER,
    limit::MAKER,
    mac::MAKER,
    mark::MAKER,
    multiport::MAKER,
    owner::MAKER,
    pkttype::MAKER,
    quota::MAKER,
    rateest::MAKER,
    recent::MAKER,
    statistic::MAKER,
    string::MAKER,
    tcp::MAKER,
    tcpmss::MAKER,
    tos::MAKER,
    ttl::MAKER,
    u32::MAKER,
    udp::MAKER,
];

/// The matches that the commands know and the datapath refuses to load, and why.
pub const REFUSED: &[(&str, &str)] = &[
    ("bpf", "bpf: the datapath does not run programs of the administrator's yet"),
    ("cgroup", "cgroup: the datapath does not know control groups yet"),
    ("cluster", "cluster: the datapath does not hash connections for clusters yet"),
    ("cpu", "cpu: the datapath does not tell CPUs apart yet"),
    ("dccp", "dccp: the datapath does not read DCCP headers yet"),
    ("dst", "dst: the datapath does not read destination options yet"),
    ("eui64", "eui64: the datapath does not compare interface identifiers yet"),
    ("frag", "frag: the datapath does not read IPv6 fragment headers yet"),
    ("hbh", "hbh: the datapath does not read hop-by-hop options yet"),
    ("ipcomp", "ipcomp: the datapath does not read IP compression headers yet"),
    ("ipv6header", "ipv6header: the datapath does not look for IPv6 extension headers yet"),
    ("ipvs", "ipvs: the datapath does not know the connections of IPVS"),
    ("mh", "mh: the datapath does not read mobility headers yet"),
    ("nfacct", "nfacct: the datapath keeps no counters by name yet"),
    ("osf", "osf: the datapath does not guess systems yet"),
    ("physdev", "physdev: the datapath does not know bridge ports yet"),
    ("policy", "policy: the datapath does not know IPsec policies yet"),
    ("realm", "realm: the datapath does not know routing realms yet"),
    ("rpfilter", "rpfilter: the datapath does not look ways back up yet"),
    ("rt", "rt: the datapath does not read routing headers yet"),
    ("sctp", "sctp: the datapath does not read SCTP headers yet"),
    ("set", "set: the datapath does not look sets of ipset up yet"),
    ("socket", "socket: the datapath does not look local sockets up yet"),
    ("srh", "srh: the datapath does not read segment routing headers yet"),
    ("time", "time: the datapath does not compare times yet"),
];

impl Match {
    /// Whether the packet matches; may set [`Scene::hotdrop`].
    pub fn matches(&mut self, scene: &mut Scene<'_, '_>) -> bool {
        match self {
            Self::Addrtype(value) => addrtype::matches(value, scene),
            Self::Ah4(value) => ah::matches4(value, scene),
            Self::Ah6(value) => ah::matches6(value, scene),
            Self::Comment => true,
            Self::Connbytes(value) => connbytes::matches(value, scene),
            Self::Connlabel(value) => connlabel::matches(value, scene),
            Self::Connlimit(rule) => connlimit::matches(rule, scene),
            Self::Connmark(value) => connmark::matches(value, scene),
            Self::Conntrack(value) => conntrack::matches(value, scene),
            Self::Devgroup(value) => devgroup::matches(value, scene),
            Self::Dscp(value) => dscp::matches(value, scene),
            Self::Ecn(value) => ecn::matches(value, scene),
            Self::Esp(value) => esp::matches(value, scene),
            Self::Hashlimit(rule) => hashlimit::matches(rule, scene),
            Self::Helper(value) => helper::matches(value, scene),
            Self::Hl(value) => hl::matches(value, scene),
            Self::Icmp(value) => icmp::matches(value, scene),
            Self::Icmp6(value) => icmp6::matches(value, scene),
            Self::Iprange(value) => iprange::matches(value, scene),
            Self::Length(value) => length::matches(value, scene),
            Self::Limit(value) => limit::matches(value, scene),
            Self::Mac(value) => mac::matches(value, scene),
            Self::Mark(value) => mark::matches(value, scene),
            Self::Multiport(value) => multiport::matches(value, scene),
            Self::Owner(value) => owner::matches(value, scene),
            Self::Pkttype(value) => pkttype::matches(value, scene),
            Self::Quota(value) => quota::matches(value, scene),
            Self::Rateest(rule) => rateest::matches(rule, scene),
            Self::Recent(value) => recent::matches(value, scene),
            Self::Statistic(value) => statistic::matches(value, scene),
            Self::String(value) => string::matches(value, scene),
            Self::Tcp(value) => tcp::matches(value, scene),
            Self::Tcpmss(value) => tcpmss::matches(value, scene),
            Self::Tos(value) => tos::matches(value, scene),
            Self::Ttl(value) => ttl::matches(value, scene),
            Self::U32(value) => u32::matches(value, scene),
            Self::Udp(value) => udp::matches(value, scene),
        }
    }

    /// Whether it keeps something beside its table, see [`open`](Self::open).
    pub(crate) fn keeps(&self) -> bool {
        matches!(self, Self::Connlimit(_) | Self::Hashlimit(_) | Self::Rateest(_) | Self::Recent(_))
    }

    /// Names what it keeps, or makes it.
    pub(crate) fn open(&mut self, stores: &mut Stores, af: Af) -> Result<(), Refused> {
        match self {
            Self::Connlimit(rule) => rule.open(stores),
            Self::Hashlimit(rule) => rule.open(stores, af),
            Self::Rateest(rule) => return rule.open(stores),
            Self::Recent(rule) => rule.open(&mut stores.recent),
            _ => {}
        }
        Ok(())
    }
}
