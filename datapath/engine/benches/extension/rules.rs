//! A rule of each extension, with a packet that it looks at to the end: what the bench measures and a test holds to the registry.

use engine::ext::{matches, targets};
use libxt::family::Af;

/// What a rule is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// A TCP segment with options and 128 bytes of data, of an established connection if anything is tracked.
    Tcp,
    /// A datagram with 128 bytes.
    Udp,
    /// A TCP SYN of a new connection each time.
    Syn,
    /// A datagram that opens a connection each time.
    New,
    /// A packet of this protocol with these bytes, in IPv6 behind no header or this extension header.
    Other(u8, &'static [u8]),
}

/// An extension's rule.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measured {
    /// The extension, as the kernel names it.
    pub(crate) name: &'static str,
    /// The rule behind `iptables` or `ip6tables`, words between blanks; `_` is a blank.
    pub(crate) line: &'static str,
    /// Its family.
    pub(crate) af: Af,
    /// The packet.
    pub(crate) sent: Sent,
}

impl Measured {
    /// The rule in its words.
    pub(crate) fn words(&self) -> Vec<String> {
        self.line.split(' ').map(|word| word.replace('_', " ")).collect()
    }
}

/// Names of the registries that no rule here has; empty. The rules about sets are left out: they name sets of the kernel's, and it
/// is the kernel that is asked for each packet; and so is SECMARK, which is always refused.
pub(crate) fn forgotten() -> Vec<&'static str> {
    let judged = matches::MAKERS.iter().map(|maker| maker.name).chain(targets::MAKERS.iter().map(|maker| maker.name));
    judged
        .filter(|name| !["set", "SET", "SECMARK"].contains(name))
        .filter(|name| !MATCHES.iter().chain(TARGETS).any(|rule| rule.name == *name))
        .collect()
}

const fn four(name: &'static str, sent: Sent, line: &'static str) -> Measured {
    Measured { name, line, af: Af::V4, sent }
}

const fn six(name: &'static str, sent: Sent, line: &'static str) -> Measured {
    Measured { name, line, af: Af::V6, sent }
}

use Sent::{New, Other, Syn, Tcp, Udp};

/// Rules that count: each is met by every packet, many times.
pub(crate) const MATCHES: &[Measured] = &[
    four("addrtype", Udp, "-A PREROUTING -t raw -m addrtype --src-type UNICAST --dst-type UNICAST"),
    four("ah", Other(51, AH), "-A PREROUTING -t raw -p 51 -m ah --ahspi 0:7"),
    four("bpf", Tcp, "-A PREROUTING -t raw -m bpf --bytecode 4,48_0_0_9,21_0_1_6,6_0_0_1,6_0_0_0"),
    four("cgroup", Udp, "-A OUTPUT -t raw -m cgroup --cgroup 1"),
    four("cluster", Tcp, "-A FORWARD -m cluster --cluster-total-nodes 4 --cluster-local-node 1 --cluster-hash-seed 7"),
    four("comment", Udp, "-A PREROUTING -t raw -m comment --comment word"),
    four("connbytes", Tcp, "-A FORWARD -m connbytes --connbytes 0: --connbytes-dir both --connbytes-mode packets"),
    four("connlabel", Tcp, "-A FORWARD -m connlabel --label 5"),
    four("connlimit", Tcp, "-A FORWARD -m connlimit --connlimit-upto 100"),
    four("connmark", Tcp, "-A FORWARD -m connmark --mark 0/7"),
    four(
        "conntrack",
        Tcp,
        "-A FORWARD -m conntrack --ctstate ESTABLISHED --ctproto tcp --ctorigsrc 10.0.0.0/8 --ctdir ORIGINAL",
    ),
    four("cpu", Udp, "-A PREROUTING -t raw -m cpu --cpu 0"),
    four("dccp", Other(33, DCCP), "-A PREROUTING -t raw -p 33 -m dccp --dccp-option 99"),
    four("devgroup", Udp, "-A PREROUTING -t raw -m devgroup --src-group 0"),
    four("dscp", Udp, "-A PREROUTING -t raw -m dscp --dscp 0"),
    six("dst", Other(60, OPTIONS), "-A PREROUTING -t raw -m dst --dst-opts 5:2,1"),
    four("ecn", Tcp, "-A PREROUTING -t raw -p tcp -m ecn ! --ecn-tcp-cwr --ecn-ip-ect 0"),
    four("esp", Other(50, ESP), "-A PREROUTING -t raw -p 50 -m esp --espspi 0:7"),
    six("eui64", Udp, "-A PREROUTING -t raw -m eui64"),
    six("frag", Other(44, FRAGMENT), "-A PREROUTING -t raw -m frag --fragid 0:7"),
    four(
        "hashlimit",
        Udp,
        "-A PREROUTING -t raw -m hashlimit --hashlimit-upto 100/sec --hashlimit-mode srcip,dstip --hashlimit-name a",
    ),
    six("hbh", Other(0, OPTIONS), "-A PREROUTING -t raw -m hbh --hbh-opts 5:2,1"),
    four("helper", Tcp, "-A FORWARD -m helper --helper ftp"),
    six("hl", Udp, "-A PREROUTING -t raw -m hl --hl-gt 5"),
    four("icmp", Other(1, ECHO), "-A PREROUTING -t raw -p 1 -m icmp --icmp-type 8"),
    six("icmp6", Other(58, ECHO), "-A PREROUTING -t raw -p 58 -m icmp6 --icmpv6-type 8"),
    four("ipcomp", Other(108, IPCOMP), "-A PREROUTING -t raw -p 108 -m ipcomp --ipcompspi 0:7"),
    four(
        "iprange",
        Udp,
        "-A PREROUTING -t raw -m iprange --src-range 10.0.0.0-10.0.0.9 --dst-range 192.0.2.0-192.0.2.99",
    ),
    six("ipv6header", Other(60, OPTIONS), "-A PREROUTING -t raw -m ipv6header --header dst,prot --soft"),
    four("length", Udp, "-A PREROUTING -t raw -m length --length 1:1500"),
    four("limit", Udp, "-A PREROUTING -t raw -m limit --limit 100/sec"),
    four("mac", Udp, "-A PREROUTING -t raw -m mac --mac-source 02:00:00:00:00:01"),
    four("mark", Udp, "-A PREROUTING -t raw -m mark --mark 0/7"),
    six("mh", Other(135, MOBILITY), "-A PREROUTING -t raw -p 135 -m mh --mh-type 0:7"),
    four("multiport", Tcp, "-A PREROUTING -t raw -p tcp -m multiport --ports 1,2,3,4,5,6,7,8,9,10:20,21:30"),
    four("nfacct", Udp, "-A FORWARD -m nfacct --nfacct-name a"),
    four("osf", Syn, "-A PREROUTING -t raw -p tcp -m osf --genre Linux"),
    four("owner", Udp, "-A OUTPUT -t raw -m owner --uid-owner 0-1000"),
    four("physdev", Udp, "-A FORWARD -m physdev --physdev-in eth7"),
    four("pkttype", Udp, "-A PREROUTING -t raw -m pkttype --pkt-type unicast"),
    four("policy", Udp, "-A FORWARD -m policy --dir in --pol none"),
    four("quota", Udp, "-A PREROUTING -t raw -m quota --quota 1000000000000"),
    four("rateest", Udp, "-A FORWARD -m rateest --rateest a --rateest-lt --rateest-bps 1mbit"),
    four("realm", Udp, "-A FORWARD -m realm --realm 0"),
    four("recent", Udp, "-A PREROUTING -t raw -m recent --name a --update --seconds 60 --hitcount 4"),
    four("rpfilter", Udp, "-A PREROUTING -t raw -m rpfilter"),
    six("rt", Other(43, ROUTING), "-A PREROUTING -t raw -m rt --rt-type 0 --rt-segsleft 0:2"),
    four("sctp", Other(132, SCTP), "-A PREROUTING -t raw -p 132 -m sctp --chunk-types any INIT"),
    four("socket", Tcp, "-A PREROUTING -t mangle -m socket --nowildcard"),
    six("srh", Other(43, SEGMENTS), "-A PREROUTING -t raw -m srh --srh-segs-left-eq 0 --srh-tag 0"),
    four("state", Tcp, "-A FORWARD -m state --state ESTABLISHED"),
    four("statistic", Udp, "-A PREROUTING -t raw -m statistic --mode random --probability 0.5"),
    four("string", Tcp, "-A PREROUTING -t raw -m string --algo bm --string needle"),
    four("tcp", Tcp, "-A PREROUTING -t raw -p tcp -m tcp --sport 1:65535 --dport 80 --tcp-option 99"),
    four("tcpmss", Tcp, "-A PREROUTING -t raw -p tcp -m tcpmss --mss 1:1460"),
    four("time", Udp, "-A PREROUTING -t raw -m time --timestart 01:00 --timestop 23:00 --weekdays Mon,Tue,Wed,Thu,Fri"),
    four("tos", Udp, "-A PREROUTING -t raw -m tos --tos 0/0xff"),
    four("ttl", Udp, "-A PREROUTING -t raw -m ttl --ttl-gt 5"),
    four("u32", Tcp, "-A PREROUTING -t raw -m u32 --u32 6&0xff=6&&4&0x1fff=0&&0>>22&0x3c@0>>16=1:65535"),
    four("udp", Udp, "-A PREROUTING -t raw -p udp -m udp --sport 1:65535 --dport 53"),
];

/// Rules that do something: one packet meets one of them.
pub(crate) const TARGETS: &[Measured] = &[
    four("AUDIT", Udp, "-A FORWARD -j AUDIT --type accept"),
    four("CHECKSUM", Udp, "-A POSTROUTING -t mangle -j CHECKSUM --checksum-fill"),
    four("CLASSIFY", Udp, "-A POSTROUTING -t mangle -j CLASSIFY --set-class 1:1"),
    four("CONNMARK", Tcp, "-A FORWARD -t mangle -j CONNMARK --restore-mark"),
    four("CONNSECMARK", Tcp, "-A FORWARD -t security -j CONNSECMARK --restore"),
    four("CT", Udp, "-A PREROUTING -t raw -j CT --zone 1"),
    four("DNAT", New, "-A PREROUTING -t nat -j DNAT --to-destination 192.0.2.9"),
    six("DNPT", Udp, "-A PREROUTING -t mangle -j DNPT --src-pfx 2001:db8::/64 --dst-pfx 2001:db9::/64"),
    four("DSCP", Udp, "-A FORWARD -t mangle -j DSCP --set-dscp 9"),
    four("ECN", Tcp, "-A FORWARD -t mangle -p tcp -j ECN --ecn-tcp-remove"),
    six("HL", Udp, "-A FORWARD -t mangle -j HL --hl-set 9"),
    four("HMARK", Udp, "-A FORWARD -t mangle -j HMARK --hmark-tuple src,dst,sport,dport --hmark-rnd 1 --hmark-mod 7"),
    four("IDLETIMER", Udp, "-A FORWARD -j IDLETIMER --timeout 9 --label a"),
    four("LOG", Udp, "-A FORWARD -j LOG --log-prefix x"),
    four("MARK", Udp, "-A FORWARD -t mangle -j MARK --set-mark 9"),
    four("MASQUERADE", New, "-A POSTROUTING -t nat -j MASQUERADE"),
    four("NETMAP", New, "-A PREROUTING -t nat -j NETMAP --to 192.0.2.0/24"),
    four("NFLOG", Udp, "-A FORWARD -j NFLOG --nflog-group 9"),
    four("NFQUEUE", Udp, "-A FORWARD -j NFQUEUE --queue-num 9"),
    four("RATEEST", Udp, "-A FORWARD -t mangle -j RATEEST --rateest-name b --rateest-interval 1s --rateest-ewmalog 8s"),
    four("REDIRECT", New, "-A PREROUTING -t nat -p udp -j REDIRECT --to-ports 9"),
    four("REJECT", Udp, "-A FORWARD -j REJECT"),
    four("SNAT", New, "-A POSTROUTING -t nat -j SNAT --to-source 192.0.2.7"),
    six("SNPT", Udp, "-A POSTROUTING -t mangle -j SNPT --src-pfx 2001:db8::/64 --dst-pfx 2001:db9::/64"),
    four("SYNPROXY", Syn, "-A FORWARD -p tcp -j SYNPROXY --mss 1460 --wscale 7 --sack-perm --timestamp"),
    four("TCPMSS", Syn, "-A FORWARD -t mangle -p tcp -m tcp --syn -j TCPMSS --set-mss 1000"),
    four("TCPOPTSTRIP", Tcp, "-A FORWARD -t mangle -p tcp -j TCPOPTSTRIP --strip-options timestamp"),
    four("TEE", Udp, "-A FORWARD -t mangle -j TEE --gateway 192.0.2.8"),
    four("TOS", Udp, "-A FORWARD -t mangle -j TOS --set-tos 8"),
    four("TPROXY", Tcp, "-A PREROUTING -t mangle -p tcp -j TPROXY --on-port 9"),
    four("TRACE", Udp, "-A PREROUTING -t raw -j TRACE"),
    four("TTL", Udp, "-A FORWARD -t mangle -j TTL --ttl-set 9"),
];

const AH: &[u8] = &[17, 4, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
const DCCP: &[u8] = &[0, 9, 0, 8, 6, 0, 0, 0, 4, 0, 0, 1, 1, 32, 3, 7, 1, 32, 3, 7, 1, 32, 3, 7];
const ESP: &[u8] = &[0, 0, 0, 1, 0, 0, 0, 1, 9, 9, 9, 9];
const FRAGMENT: &[u8] = &[17, 0, 0, 1, 0, 0, 0, 1, 0, 9, 0, 8, 0, 30, 0, 0];
const ECHO: &[u8] = &[8, 0, 0, 0, 0, 1, 0, 1, 1, 2, 3, 4];
const IPCOMP: &[u8] = &[6, 0, 0, 2, 0x4b, 4];
const MOBILITY: &[u8] = &[59, 0, 5, 0, 0, 0, 0, 0];
const OPTIONS: &[u8] = &[17, 0, 5, 2, 0, 0, 1, 0, 0, 9, 0, 8, 0, 8, 0, 0];
const ROUTING: &[u8] = &[17, 2, 0, 1, 0, 0, 0, 0, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
const SCTP: &[u8] = &[0, 9, 0, 8, 0, 0, 0, 1, 0, 0, 0, 0, 0, 3, 0, 17, 1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3, 4, 0, 0, 0];
const SEGMENTS: &[u8] = &[17, 2, 4, 0, 0, 0, 0, 0, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
