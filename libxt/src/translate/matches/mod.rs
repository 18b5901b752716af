//! The matches that nft can say, one file each.

use super::{Try, of};
use crate::ext::matches as ext;

mod addrtype;
mod ah;
mod cgroup;
mod cluster;
mod comment;
mod connbytes;
mod connlabel;
mod connlimit;
mod connmark;
mod conntrack;
mod cpu;
mod dccp;
mod devgroup;
mod dscp;
mod ecn;
mod esp;
mod frag;
mod hashlimit;
mod hbh;
mod helper;
mod hl;
mod icmp;
mod icmp6;
mod ipcomp;
mod iprange;
mod length;
mod limit;
mod mac;
mod mark;
mod mh;
mod multiport;
mod owner;
mod pkttype;
mod policy;
mod quota;
mod realm;
mod rpfilter;
mod rt;
mod sctp;
mod statistic;
mod tcp;
mod tcpmss;
mod time;
mod ttl;
mod udp;

/// In the order of the alphabet.
pub(super) const ALL: &[Try] = &[
    of::<ext::addrtype::Addrtype>(),
    of::<ext::ah::Ah4>(),
    of::<ext::ah::Ah6>(),
    of::<ext::cgroup::Cgroup>(),
    of::<ext::cluster::Cluster>(),
    of::<ext::comment::Comment>(),
    of::<ext::connbytes::Connbytes>(),
    of::<ext::connlabel::Connlabel>(),
    of::<ext::connlimit::Connlimit>(),
    of::<ext::connmark::Connmark>(),
    of::<ext::conntrack::Conntrack>(),
    of::<ext::conntrack::StateAlias>(),
    of::<ext::cpu::Cpu>(),
    of::<ext::dccp::Dccp>(),
    of::<ext::devgroup::Devgroup>(),
    of::<ext::dscp::Dscp>(),
    of::<ext::ecn::Ecn>(),
    of::<ext::esp::Esp>(),
    of::<ext::frag::Frag>(),
    of::<ext::hashlimit::Hashlimit>(),
    of::<ext::options_header::Hbh>(),
    of::<ext::helper::Helper>(),
    of::<ext::hl::Hl>(),
    of::<ext::icmp::Icmp4>(),
    of::<ext::icmp6::Icmp6>(),
    of::<ext::ipcomp::Ipcomp>(),
    of::<ext::iprange::Iprange>(),
    of::<ext::length::Length>(),
    of::<ext::limit::Limit>(),
    of::<ext::mac::Mac>(),
    of::<ext::mark::Mark>(),
    of::<ext::mh::Mh>(),
    of::<ext::multiport::Multiport>(),
    of::<ext::owner::Owner>(),
    of::<ext::pkttype::Pkttype>(),
    of::<ext::policy::Policy>(),
    of::<ext::quota::Quota>(),
    of::<ext::realm::Realm>(),
    of::<ext::rpfilter::Rpfilter>(),
    of::<ext::rt::Rt>(),
    of::<ext::sctp::Sctp>(),
    of::<ext::statistic::Statistic>(),
    of::<ext::tcp::Tcp>(),
    of::<ext::tcpmss::Tcpmss>(),
    of::<ext::time::Time>(),
    of::<ext::ttl::Ttl>(),
    of::<ext::udp::Udp>(),
];
