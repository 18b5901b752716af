//! The matches, one file each, and their registry.

use libxt::family::Af;

use super::asked::{self, Question};
use super::probe;
use super::stores::Stores;
use super::{Maker, Scene};
use crate::ruleset::{Refused, SetUse};
use crate::wire::ipv6;

mod addrtype;
mod ah;
pub mod bpf;
mod cgroup;
mod cluster;
mod comment;
mod connbytes;
mod connlabel;
pub mod connlimit;
mod connmark;
mod conntrack;
mod cpu;
mod dccp;
mod devgroup;
mod dscp;
mod dst;
mod ecn;
mod esp;
mod eui64;
mod frag;
pub mod hashlimit;
mod hbh;
mod helper;
mod hl;
mod icmp;
mod icmp6;
mod ipcomp;
mod iprange;
pub mod ipv6header;
mod length;
pub mod limit;
mod mac;
mod mark;
mod mh;
mod multiport;
pub mod nfacct;
mod osf;
mod owner;
mod physdev;
mod pkttype;
mod policy;
pub mod quota;
pub mod rateest;
mod realm;
pub mod recent;
mod rpfilter;
mod rt;
pub mod sctp;
pub mod set;
mod socket;
mod srh;
pub mod statistic;
mod string;
mod tcp;
mod tcpmss;
mod time;
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
    /// What the kernel judges: `-m cgroup`, `-m cpu`, some of `-m bpf`.
    Asked(asked::Rule),
    /// `-m bpf`.
    Bpf(bpf::Program),
    /// `-m cluster`.
    Cluster(libxt::ext::matches::cluster::Cluster),
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
    /// `-m dccp`.
    Dccp(libxt::ext::matches::dccp::Dccp),
    /// `-m devgroup`.
    Devgroup(libxt::ext::matches::devgroup::Devgroup),
    /// `-m dscp`.
    Dscp(libxt::ext::matches::dscp::Dscp),
    /// `-m dst`.
    Dst(Box<libxt::ext::matches::options_header::Header>),
    /// `-m ecn`.
    Ecn(libxt::ext::matches::ecn::Ecn),
    /// `-m esp`.
    Esp(libxt::ext::matches::esp::Esp),
    /// `-m eui64`.
    Eui64,
    /// `-m frag`.
    Frag(libxt::ext::matches::frag::Frag),
    /// `-m hashlimit`.
    Hashlimit(Box<hashlimit::Rule>),
    /// `-m hbh`.
    Hbh(Box<libxt::ext::matches::options_header::Header>),
    /// `-m helper`.
    Helper(libxt::ext::matches::helper::Helper),
    /// `-m hl`.
    Hl(libxt::ext::matches::hl::Hl),
    /// `-m icmp`.
    Icmp(libxt::ext::matches::icmp::Icmp4),
    /// `-m icmp6`.
    Icmp6(libxt::ext::matches::icmp6::Icmp6),
    /// `-m ipcomp`.
    Ipcomp(libxt::ext::matches::ipcomp::Ipcomp),
    /// `-m iprange`.
    Iprange(libxt::ext::matches::iprange::Iprange),
    /// `-m ipv6header`.
    Ipv6header(ipv6header::Judge),
    /// `-m length`.
    Length(libxt::ext::matches::length::Length),
    /// `-m limit`.
    Limit(limit::Limit),
    /// `-m mac`.
    Mac(libxt::ext::matches::mac::Mac),
    /// `-m mark`.
    Mark(libxt::ext::matches::mark::Mark),
    /// `-m mh`.
    Mh(libxt::ext::matches::mh::Mh),
    /// `-m multiport`.
    Multiport(libxt::ext::matches::multiport::Multiport),
    /// `-m nfacct`.
    Nfacct(Box<nfacct::Rule>),
    /// `-m osf`.
    Osf(Box<libxt::ext::matches::osf::Osf>),
    /// `-m owner`.
    Owner(libxt::ext::matches::owner::Owner),
    /// `-m physdev`.
    Physdev(Box<libxt::ext::matches::physdev::Physdev>),
    /// `-m pkttype`.
    Pkttype(libxt::ext::matches::pkttype::Pkttype),
    /// `-m policy`.
    Policy(bool),
    /// `-m quota`.
    Quota(quota::Quota),
    /// `-m rateest`.
    Rateest(Box<rateest::Rule>),
    /// `-m realm`.
    Realm(libxt::ext::matches::realm::Realm),
    /// `-m recent`.
    Recent(Box<recent::Recent>),
    /// `-m rpfilter`.
    Rpfilter(libxt::ext::matches::rpfilter::Rpfilter),
    /// `-m rt`.
    Rt(Box<libxt::ext::matches::rt::Rt>),
    /// `-m sctp`.
    Sctp(Box<sctp::Judge>),
    /// `-m set`.
    Set(Box<set::Rule>),
    /// `-m socket`.
    Socket(libxt::ext::matches::socket::Socket),
    /// `-m srh`.
    Srh(Box<libxt::ext::matches::srh::Srh>),
    /// `conntrack` or `state` that asks for the state alone.
    State(libxt::value::condition::Condition<libxt::ext::matches::conntrack::State>),
    /// `-m statistic`.
    Statistic(statistic::Statistic),
    /// `-m string`.
    String(Box<libxt::ext::matches::string::StringMatch>),
    /// `-m tcp`.
    Tcp(libxt::ext::matches::tcp::Tcp),
    /// `-m tcpmss`.
    Tcpmss(libxt::ext::matches::tcpmss::Tcpmss),
    /// `-m time`.
    Time(libxt::ext::matches::time::Time),
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
    bpf::MAKER,
    cgroup::MAKER,
    cluster::MAKER,
    comment::MAKER,
    connbytes::MAKER,
    connlabel::MAKER,
    connlimit::MAKER,
    connmark::MAKER,
    conntrack::MAKER,
    cpu::MAKER,
    dccp::MAKER,
    devgroup::MAKER,
    dscp::MAKER,
    dst::MAKER,
    ecn::MAKER,
    esp::MAKER,
    eui64::MAKER,
    frag::MAKER,
    hashlimit::MAKER,
    hbh::MAKER,
    helper::MAKER,
    hl::MAKER,
    icmp6::MAKER,
    icmp::MAKER,
    ipcomp::MAKER,
    iprange::MAKER,
    ipv6header::MAKER,
    length::MAKER,
    limit::MAKER,
    mac::MAKER,
    mark::MAKER,
    mh::MAKER,
    multiport::MAKER,
    nfacct::MAKER,
    osf::MAKER,
    owner::MAKER,
    physdev::MAKER,
    pkttype::MAKER,
    policy::MAKER,
    quota::MAKER,
    rateest::MAKER,
    realm::MAKER,
    recent::MAKER,
    rpfilter::MAKER,
    rt::MAKER,
    sctp::MAKER,
    set::MAKER,
    socket::MAKER,
    srh::MAKER,
    statistic::MAKER,
    string::MAKER,
    tcp::MAKER,
    tcpmss::MAKER,
    time::MAKER,
    tos::MAKER,
    ttl::MAKER,
    u32::MAKER,
    udp::MAKER,
];

/// The matches that the commands know and the datapath refuses to load, and why.
pub const REFUSED: &[(&str, &str)] = &[("ipvs", "ipvs: the datapath does not know the connections of IPVS")];

impl Match {
    /// Whether the packet matches; may set [`Scene::hotdrop`].
    pub fn matches(&mut self, scene: &mut Scene<'_, '_>) -> bool {
        match self {
            Self::Addrtype(value) => addrtype::matches(value, scene),
            Self::Ah4(value) => ah::matches4(value, scene),
            Self::Ah6(value) => ah::matches6(value, scene),
            Self::Asked(rule) => asked::matches(rule, scene),
            Self::Bpf(value) => bpf::matches(value, scene),
            Self::Cluster(value) => cluster::matches(value, scene),
            Self::Comment => true,
            Self::Connbytes(value) => connbytes::matches(value, scene),
            Self::Connlabel(value) => connlabel::matches(value, scene),
            Self::Connlimit(rule) => connlimit::matches(rule, scene),
            Self::Connmark(value) => connmark::matches(value, scene),
            Self::Conntrack(value) => conntrack::matches(value, scene),
            Self::Dccp(value) => dccp::matches(value, scene),
            Self::Devgroup(value) => devgroup::matches(value, scene),
            Self::Dscp(value) => dscp::matches(value, scene),
            Self::Dst(value) => hbh::matches(value, ipv6::DESTINATION_OPTIONS, scene),
            Self::Ecn(value) => ecn::matches(value, scene),
            Self::Esp(value) => esp::matches(value, scene),
            Self::Eui64 => eui64::matches(scene),
            Self::Frag(value) => frag::matches(value, scene),
            Self::Hashlimit(rule) => hashlimit::matches(rule, scene),
            Self::Hbh(value) => hbh::matches(value, ipv6::HOP_BY_HOP, scene),
            Self::Helper(value) => helper::matches(value, scene),
            Self::Hl(value) => hl::matches(value, scene),
            Self::Icmp(value) => icmp::matches(value, scene),
            Self::Icmp6(value) => icmp6::matches(value, scene),
            Self::Ipcomp(value) => ipcomp::matches(value, scene),
            Self::Iprange(value) => iprange::matches(value, scene),
            Self::Ipv6header(value) => ipv6header::matches(value, scene),
            Self::Length(value) => length::matches(value, scene),
            Self::Limit(value) => limit::matches(value, scene),
            Self::Mac(value) => mac::matches(value, scene),
            Self::Mark(value) => mark::matches(value, scene),
            Self::Mh(value) => mh::matches(value, scene),
            Self::Multiport(value) => multiport::matches(value, scene),
            Self::Nfacct(rule) => nfacct::matches(rule, scene),
            Self::Osf(value) => osf::matches(value, scene),
            Self::Owner(value) => owner::matches(value, scene),
            Self::Physdev(value) => physdev::matches(value, scene),
            Self::Pkttype(value) => pkttype::matches(value, scene),
            Self::Policy(value) => policy::matches(*value),
            Self::Quota(value) => quota::matches(value, scene),
            Self::Rateest(rule) => rateest::matches(rule, scene),
            Self::Realm(value) => realm::matches(value, scene),
            Self::Recent(value) => recent::matches(value, scene),
            Self::Rpfilter(value) => rpfilter::matches(value, scene),
            Self::Rt(value) => rt::matches(value, scene),
            Self::Sctp(value) => sctp::matches(value, scene),
            Self::Set(rule) => set::matches(rule, scene),
            Self::Socket(value) => socket::matches(value, scene),
            Self::Srh(value) => srh::matches(value, scene),
            Self::State(value) => conntrack::state_matches(value, scene),
            Self::Statistic(value) => statistic::matches(value, scene),
            Self::String(value) => string::matches(value, scene),
            Self::Tcp(value) => tcp::matches(value, scene),
            Self::Tcpmss(value) => tcpmss::matches(value, scene),
            Self::Time(value) => time::matches(value, scene),
            Self::Tos(value) => tos::matches(value, scene),
            Self::Ttl(value) => ttl::matches(value, scene),
            Self::U32(value) => u32::matches(value, scene),
            Self::Udp(value) => udp::matches(value, scene),
        }
    }

    /// Whether it keeps something beside its table, see [`open`](Self::open).
    pub(crate) fn keeps(&self) -> bool {
        matches!(
            self,
            Self::Asked(_)
                | Self::Nfacct(_)
                | Self::Set(_)
                | Self::Connlimit(_)
                | Self::Hashlimit(_)
                | Self::Rateest(_)
                | Self::Recent(_)
        )
    }

    /// Names what it keeps, or makes it.
    pub(crate) fn open(&mut self, stores: &mut Stores, af: Af) -> Result<(), Refused> {
        match self {
            Self::Asked(rule) => return rule.open(stores, af),
            Self::Nfacct(rule) => return rule.open(stores),
            Self::Set(rule) => return rule.open(stores),
            Self::Connlimit(rule) => rule.open(stores),
            Self::Hashlimit(rule) => rule.open(stores, af),
            Self::Rateest(rule) => return rule.open(stores),
            Self::Recent(rule) => rule.open(&mut stores.recent),
            _ => {}
        }
        Ok(())
    }

    /// The counter of the kernel's that it counts in.
    pub(crate) fn counter(&self) -> Option<&[u8]> {
        match self {
            Self::Nfacct(rule) => Some(rule.name()),
            _ => None,
        }
    }

    /// Whether it notes packets for what the kernel does behind all tables.
    pub(crate) fn hands(&self) -> bool {
        matches!(self, Self::Nfacct(rule) if !rule.judging.is_wanted())
    }

    /// What it can leave to the kernel, as packets stand.
    pub(crate) fn probe(&self) -> Option<&probe::Rule> {
        match self {
            Self::Nfacct(rule) => Some(&rule.judging),
            Self::Set(rule) => Some(&rule.probe),
            _ => None,
        }
    }

    /// Leaves it to the kernel.
    pub(crate) fn leave(&mut self) {
        match self {
            Self::Nfacct(rule) => rule.judging.want(),
            Self::Set(rule) => rule.probe.want(),
            _ => {}
        }
    }

    /// What it asks the kernel.
    pub(crate) fn question(&self) -> Option<&Question> {
        match self {
            Self::Asked(rule) => Some(rule.question()),
            _ => None,
        }
    }

    /// The set it looks packets up in.
    pub(crate) fn set(&self) -> Option<SetUse> {
        match self {
            Self::Set(rule) => Some(rule.set()),
            _ => None,
        }
    }
}
