//! The matches, one file each, and their registry.

use super::{Entry, Families, instance};

pub mod addrtype;
pub mod ah;
pub mod bpf;
pub mod cgroup;
pub mod cluster;
pub mod comment;
pub mod connbytes;
pub mod connlabel;
pub mod connlimit;
pub mod connmark;
pub mod conntrack;
pub mod cpu;
pub mod dccp;
pub mod devgroup;
pub mod dscp;
pub mod ecn;
pub mod esp;
pub mod eui64;
pub mod frag;
pub mod hashlimit;
pub mod helper;
pub mod hl;
pub mod icmp;
pub mod icmp6;
pub mod ipcomp;
pub mod iprange;
pub mod ipv6header;
pub mod ipvs;
pub mod length;
pub mod limit;
pub mod mac;
pub mod mark;
pub mod mh;
pub mod multiport;
pub mod nfacct;
pub mod options_header;
pub mod osf;
pub mod owner;
pub mod physdev;
pub mod pkttype;
pub mod policy;
pub mod quota;
pub mod rateest;
pub mod realm;
pub mod recent;
pub mod rpfilter;
pub mod rt;
pub mod sctp;
pub mod set;
pub mod socket;
pub mod srh;
pub mod statistic;
pub mod string;
pub mod tcp;
pub mod tcpmss;
pub mod time;
pub mod tos;
pub mod ttl;
pub mod u32;
pub mod udp;

/// Every match name, in the order of the alphabet.
pub const ENTRIES: &[Entry] = &[
    Entry::of::<addrtype::Addrtype>(Families::Both),
    Entry::of::<ah::Ah4>(Families::V4).of_protocol(51),
    Entry::of::<ah::Ah6>(Families::V6),
    Entry::of::<bpf::Bpf>(Families::Both),
    Entry::of::<cgroup::Cgroup>(Families::Both),
    Entry::of::<cluster::Cluster>(Families::Both),
    Entry::of::<comment::Comment>(Families::Both),
    Entry::of::<connbytes::Connbytes>(Families::Both),
    Entry::of::<connlabel::Connlabel>(Families::Both),
    Entry::of::<connlimit::Connlimit>(Families::Both),
    Entry::of::<connmark::Connmark>(Families::Both),
    Entry::of::<conntrack::Conntrack>(Families::Both),
    Entry::of::<cpu::Cpu>(Families::Both),
    Entry::of::<dccp::Dccp>(Families::Both).of_protocol(33),
    Entry::of::<devgroup::Devgroup>(Families::Both),
    Entry::of::<dscp::Dscp>(Families::Both),
    Entry::of::<options_header::Dst>(Families::V6),
    Entry::of::<ecn::Ecn>(Families::Both),
    Entry::of::<esp::Esp>(Families::Both).of_protocol(50),
    Entry::of::<eui64::Eui64>(Families::V6),
    Entry::of::<frag::Frag>(Families::V6),
    Entry::of::<hashlimit::Hashlimit>(Families::Both),
    Entry::of::<options_header::Hbh>(Families::V6),
    Entry::of::<helper::Helper>(Families::Both),
    Entry::of::<hl::Hl>(Families::V6),
    Entry::of::<icmp::Icmp4>(Families::V4).of_protocol(1),
    Entry::of::<icmp6::Icmp6>(Families::V6).of_protocol(58),
    Entry::of::<ipcomp::Ipcomp>(Families::Both).of_protocol(108),
    Entry::of::<iprange::Iprange>(Families::Both),
    Entry::of::<ipv6header::Ipv6header>(Families::V6),
    Entry::of::<ipvs::Ipvs>(Families::Both),
    Entry::of::<length::Length>(Families::Both),
    Entry::of::<limit::Limit>(Families::Both),
    Entry::of::<mac::Mac>(Families::Both),
    Entry::of::<mark::Mark>(Families::Both),
    Entry::of::<mh::Mh>(Families::V6).of_protocol(135),
    Entry::of::<multiport::Multiport>(Families::Both),
    Entry::of::<nfacct::Nfacct>(Families::Both),
    Entry::of::<osf::Osf>(Families::V4),
    Entry::of::<owner::Owner>(Families::Both),
    Entry::of::<physdev::Physdev>(Families::Both),
    Entry::of::<pkttype::Pkttype>(Families::Both),
    Entry::of::<policy::Policy>(Families::Both),
    Entry::of::<quota::Quota>(Families::Both),
    Entry::of::<rateest::Rateest>(Families::Both),
    Entry::of::<realm::Realm>(Families::V4),
    Entry::of::<recent::Recent>(Families::Both),
    Entry::of::<rpfilter::Rpfilter>(Families::Both),
    Entry::of::<rt::Rt>(Families::V6),
    Entry::of::<sctp::Sctp>(Families::Both).of_protocol(132),
    Entry::of::<set::Set>(Families::Both),
    Entry::of::<socket::Socket>(Families::Both),
    Entry::of::<srh::Srh>(Families::V6),
    Entry::of::<conntrack::StateAlias>(Families::Both).alias("state", || instance(conntrack::StateAlias::default())),
    Entry::of::<statistic::Statistic>(Families::Both),
    Entry::of::<string::StringMatch>(Families::Both),
    Entry::of::<tcp::Tcp>(Families::Both).of_protocol(6),
    Entry::of::<tcpmss::Tcpmss>(Families::Both),
    Entry::of::<time::Time>(Families::Both),
    Entry::of::<tos::Tos>(Families::Both),
    Entry::of::<ttl::Ttl>(Families::V4),
    Entry::of::<u32::U32>(Families::Both),
    Entry::of::<udp::Udp>(Families::Both).of_protocol(17),
];
