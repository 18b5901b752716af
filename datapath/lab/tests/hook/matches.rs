//! The matches, each with options whose answer is known.

use super::plan::{ANY, But, FWD, IN, Known, Line, OUT, POST, PRE, line};

const NAT: &[&str] = &["nat"];
const FIRST: &str = "nat sees the first packet of a connection";
const NAT_ALL: But = &[(ANY, NAT, Known::All, FIRST)];
const NAT_NONE: But = &[(ANY, NAT, Known::None, FIRST)];
const NAT_NONE_YET: But = &[(PRE | IN | OUT, NAT, Known::None, FIRST)];
/// What begins no connection nat does not see.
const NAT_SOME: But = &[(ANY, NAT, Known::Free, "only some of these begin a connection")];
const OWN_SOURCE: But = &[
    (OUT, &[], Known::All, "the machine sends from its own addresses"),
    (FWD, &[], Known::None, "what passes comes from others"),
    (PRE | IN, NAT, Known::None, "what comes back over loopback was new in OUTPUT"),
];
const NEVER_PASSES: But = &[(FWD, &[], Known::None, "what passes is not for the machine, nor from it")];
const ALWAYS_PASSES: But = &[(FWD, &[], Known::All, "what passes is for one host")];
const TO_ONE: But = &[(FWD | OUT | POST, &[], Known::All, "what leaves is for one host here")];
const TO_MANY: But = &[(FWD | OUT | POST, &[], Known::None, "what leaves is for one host here")];
const NOT_IN: But = &[(IN, &[], Known::None, "what is for the machine goes to no other host")];
const NOT_OUT: But = &[(OUT, &[], Known::None, "what the machine sends comes from no other host")];
const NAT_NOT_IN: But = &[(IN, NAT, Known::None, "a connection to the machine goes to no other host")];
const NAT_NOT_OUT: But = &[(OUT, NAT, Known::None, "a connection from the machine comes from no other host")];
const HAS_SOCKET: But = &[(OUT, &[], Known::All, "errors and resets of IPv4 have the kernel's own")];
const NAT_MINE: But = &[(OUT, NAT, Known::All, "the kernel's own sockets begin no connection")];
const FIRST_WORD: But =
    &[(OUT, &[], Known::Free, "of an IPv6 address the first word counts, which all of the machine's may share")];

/// Matches that need no connections, and all tables but nat's see every packet of.
pub(crate) const MATCHES: &[(&str, &[Line])] = &[
    (
        "addrtype",
        &[
            line("-m addrtype {!} --src-type LOCAL").but(OWN_SOURCE),
            line("-m addrtype {!} --dst-type LOCAL").but(NEVER_PASSES),
            line("-m addrtype {!} --dst-type UNICAST").v4().but(&[
                (FWD, &[], Known::All, "what passes is for one host"),
                (IN, &[], Known::None, "the machine's own addresses are of another type"),
            ]),
            line("-m addrtype {!} --dst-type UNICAST").v6().but(ALWAYS_PASSES),
            line("-m addrtype {!} --dst-type UNICAST --limit-iface-in").v4().at(PRE | IN | FWD).but(&[
                (FWD, &[], Known::All, "what passes is for one host"),
                (IN, NAT, Known::Free, "nobody begins a connection to the address of another device"),
            ]),
            line("-m addrtype {!} --dst-type UNICAST --limit-iface-in").v6().at(PRE | IN | FWD).but(ALWAYS_PASSES),
            line("-m addrtype {!} --src-type LOCAL --limit-iface-out").at(FWD | OUT | POST).but(NEVER_PASSES),
        ],
    ),
    (
        "ah",
        &[
            line("-p ah -m ah {!} --ahspi 7").v4(),
            line("-m ah {!} --ahspi 2:7").v6(),
            line("-m ah --ahspi 0:9 {!} --ahlen 24").v6(),
            line("-m ah --ahspi 0:9 --ahres").v6(),
        ],
    ),
    (
        "bpf",
        &[
            line("-m bpf --bytecode \"4,48 0 0 9,21 0 1 17,6 0 0 1,6 0 0 0\"").v4(),
            line("-m bpf --bytecode \"4,48 0 0 6,21 0 1 17,6 0 0 1,6 0 0 0\"").v6(),
        ],
    ),
    ("comment", &[line("-m comment --comment \"chain {c}\"").all()]),
    (
        "dccp",
        &[
            line("-p dccp -m dccp {!} --sport 20100:20110"),
            line("-p dccp -m dccp {!} --dport 80"),
            line("-p dccp -m dccp {!} --dccp-types REQUEST,RESPONSE"),
            line("-p dccp -m dccp {!} --dccp-option 44"),
        ],
    ),
    (
        "devgroup",
        &[
            line("-m devgroup {!} --src-group 1").at(PRE | IN | FWD),
            line("-m devgroup {!} --src-group 0x2/0x2").at(PRE | IN | FWD),
            line("-m devgroup {!} --dst-group 1").at(FWD | OUT | POST),
        ],
    ),
    ("dscp", &[line("-m dscp {!} --dscp 4"), line("-m dscp {!} --dscp-class EF")]),
    ("dst", &[line("-m dst {!} --dst-len 8").v6(), line("-m dst --dst-opts 30:1").v6()]),
    (
        "ecn",
        &[
            line("-m ecn {!} --ecn-ip-ect 2"),
            line("-p tcp -m ecn {!} --ecn-tcp-cwr"),
            line("-p tcp -m ecn {!} --ecn-tcp-ece"),
        ],
    ),
    ("esp", &[line("-p esp -m esp {!} --espspi 2:7")]),
    // It drops what has no Ethernet header, such as copies of what goes to a group.
    ("eui64", &[line("! -d ff05::2 -m eui64").v6().at(PRE | IN | FWD)]),
    (
        "frag",
        &[
            line("-m frag {!} --fragid 0:2147483647").v6().torn(),
            line("-m frag --fragfirst --fragmore").v6().torn(),
            line("-m frag --fraglast").v6().torn(),
            line("-m frag --fragres").v6().torn(),
        ],
    ),
    (
        "hashlimit",
        &[
            line("-m hashlimit {!} --hashlimit-upto 1/hour --hashlimit-burst 3 --hashlimit-htable-size 16 --hashlimit-name h{n}"),
            line("-m hashlimit {!} --hashlimit-above 2/hour --hashlimit-burst 2 --hashlimit-mode srcip,dstport --hashlimit-htable-size 16 --hashlimit-name h{n}"),
        ],
    ),
    ("hbh", &[line("-m hbh {!} --hbh-len 8").v6(), line("-m hbh --hbh-opts 1:4").v6()]),
    ("hl", &[line("-m hl {!} --hl-eq 40").v6(), line("-m hl --hl-lt 41").v6(), line("-m hl --hl-gt 41").v6()]),
    (
        "icmp",
        &[
            line("-p icmp -m icmp {!} --icmp-type 8").v4().but(NAT_SOME),
            line("-p icmp -m icmp {!} --icmp-type 3/3").v4().but(NAT_SOME),
            line("-p icmp -m icmp --icmp-type any").v4(),
        ],
    ),
    ("icmp6", &[line("-p icmpv6 -m icmp6 {!} --icmpv6-type 128").v6().but(NAT_SOME), line("-p icmpv6 -m icmp6 {!} --icmpv6-type 1/4").v6().but(NAT_SOME)]),
    ("ipcomp", &[line("-p 108 -m ipcomp {!} --ipcompspi 2:7")]),
    (
        "iprange",
        &[
            line("-m iprange {!} --src-range {inner}-{client}"),
            line("-m iprange {!} --dst-range {outer}-{server}"),
        ],
    ),
    (
        "ipv6header",
        &[
            line("-m ipv6header {!} --header prot").v6(),
            line("-m ipv6header {!} --header hop,prot").v6(),
            line("-m ipv6header {!} --header dst --soft").v6(),
        ],
    ),
    ("length", &[line("-m length {!} --length 0:60")]),
    ("limit", &[line("-m limit --limit 1/hour --limit-burst 3")]),
    ("mac", &[line("-m mac {!} --mac-source 02:00:00:00:01:02").at(PRE | IN | FWD)]),
    ("mark", &[line("-m mark {!} --mark 5/0xf"), line("-m mark {!} --mark 0x15")]),
    ("mh", &[line("-p 135 -m mh {!} --mh-type bu").v6()]),
    (
        "multiport",
        &[
            line("-p udp -m multiport {!} --sports 20000:20004"),
            line("-p tcp -m multiport {!} --dports 22,80"),
            line("-p udp -m multiport {!} --ports 53,1000:1010"),
        ],
    ),
    (
        "owner",
        &[
            line("-m owner {!} --socket-exists").v4().at(OUT | POST).but(HAS_SOCKET),
            line("-m owner {!} --socket-exists").v6().at(OUT | POST).but(NAT_MINE),
            line("-m owner {!} --uid-owner 0").at(OUT | POST).but(NAT_MINE),
            line("-m owner {!} --gid-owner 0").at(OUT | POST).but(NAT_MINE),
        ],
    ),
    (
        "physdev",
        &[
            line("-m physdev {!} --physdev-is-bridged").none(),
            line("-m physdev {!} --physdev-is-in").none(),
            line("-m physdev {!} --physdev-in lan0").none(),
        ],
    ),
    (
        "pkttype",
        &[
            line("-m pkttype {!} --pkt-type unicast").but(TO_ONE),
            line("-m pkttype {!} --pkt-type multicast").but(TO_MANY),
            line("-m pkttype {!} --pkt-type broadcast").v4().but(TO_MANY),
            line("-m pkttype {!} --pkt-type broadcast").v6().none(),
        ],
    ),
    (
        "policy",
        &[
            line("-m policy --dir in --pol none").at(PRE | IN | FWD).all(),
            line("-m policy --dir in --pol ipsec").at(PRE | IN | FWD).none(),
            line("-m policy --dir out --pol none").at(FWD | OUT | POST).all(),
            line("-m policy --dir out --pol ipsec --proto esp").at(FWD | OUT | POST).none(),
        ],
    ),
    ("quota", &[line("-m quota {!} --quota 300")]),
    (
        "rateest",
        &[
            line("-m rateest --rateest lab --rateest-lt --rateest-bps 10gbit").all(),
            line("-m rateest --rateest lab --rateest-gt --rateest-bps 10gbit").none(),
            line("-m rateest --rateest lab {!} --rateest-eq --rateest-pps 4000000000").none(),
        ],
    ),
    (
        "realm",
        &[
            line("-m realm {!} --realm 9/0xffff").v4().at(IN | FWD | OUT | POST).but(NOT_IN),
            line("-m realm {!} --realm 0x90000/0xffff0000").v4().at(IN | FWD | OUT | POST).but(NOT_OUT),
        ],
    ),
    (
        "recent",
        &[
            line("-m recent {!} --rcheck --name a{c} --rsource"),
            line("-m recent {!} --update --hitcount 4 --name a{c} --rsource"),
            line("-m recent {!} --set --name a{c} --rsource").all(),
            line("-m recent --remove --name b{c} --rdest"),
            line("-m recent --set --name b{c} --rdest").all(),
            line("-m recent ! --remove --name d{c} --rdest"),
            line("-m recent --set --name d{c} --rdest").all(),
        ],
    ),
    (
        "rpfilter",
        &[
            line("-m rpfilter").at(PRE).of(&["raw", "mangle"]),
            line("-m rpfilter --invert").at(PRE).of(&["raw", "mangle"]),
            line("-m rpfilter --loose").at(PRE).of(&["raw", "mangle"]),
            line("-m rpfilter --accept-local --validmark").at(PRE).of(&["raw", "mangle"]),
        ],
    ),
    (
        "rt",
        &[
            line("-m rt {!} --rt-type 0").v6(),
            line("-m rt {!} --rt-segsleft 1:2").v6(),
            line("-m rt {!} --rt-len 24").v6(),
            line("-m rt --rt-type 0 --rt-0-res --rt-0-addrs fd00::2").v6(),
        ],
    ),
    (
        "sctp",
        &[
            line("-p sctp -m sctp {!} --sport 20080:20090").but(NAT_SOME),
            line("-p sctp -m sctp {!} --dport 80").but(NAT_SOME),
            line("-p sctp -m sctp {!} --chunk-types any INIT,SACK").but(NAT_SOME),
            line("-p sctp -m sctp {!} --chunk-types all DATA,SACK").but(NAT_SOME),
            line("-p sctp -m sctp {!} --chunk-types only DATA:Be").but(NAT_SOME),
        ],
    ),
    (
        "set",
        &[
            line("-m set {!} --match-set {set}-ip src"),
            line("-m set {!} --match-set {set}-ip dst"),
            line("-m set {!} --match-set {set}-ipport dst,dst"),
            line("-m set {!} --match-set {set}-net src"),
            line("-m set --match-set {set}-net dst --return-nomatch").none(),
        ],
    ),
    (
        "socket",
        &[
            line("-m socket").at(PRE | IN).tracked(),
            line("-m socket --nowildcard").at(PRE | IN).tracked(),
            line("-m socket --transparent").at(PRE | IN).tracked().none(),
            line("-m socket --restore-skmark").at(PRE | IN).tracked(),
        ],
    ),
    (
        "srh",
        &[
            line("-m srh {!} --srh-next-hdr 17").v6(),
            line("-m srh {!} --srh-segs-left-eq 1").v6(),
            line("-m srh {!} --srh-hdr-len-gt 2").v6(),
            line("-m srh {!} --srh-last-entry-lt 1").v6(),
            line("-m srh {!} --srh-tag 256").v6(),
            line("-m srh {!} --srh-psid fd00::4").v6(),
            line("-m srh {!} --srh-nsid fd00::2").v6(),
            line("-m srh {!} --srh-lsid fd00::2").v6(),
        ],
    ),
    ("statistic", &[line("-m statistic --mode nth {!} --every 3 --packet 1")]),
    (
        "string",
        &[
            line("-m string --algo bm {!} --string needle"),
            line("-m string --algo kmp --icase {!} --string NEEDLE"),
            line("-m string --algo bm --from 20 --to 60 {!} --hex-string \"|6e65|edle\""),
        ],
    ),
    (
        "tcp",
        &[
            line("-p tcp -m tcp {!} --sport 20030:20034"),
            line("-p tcp -m tcp {!} --dport 80"),
            line("-p tcp -m tcp {!} --syn"),
            line("-p tcp -m tcp {!} --tcp-flags ACK,PSH ACK"),
            line("-p tcp -m tcp {!} --tcp-option 2"),
        ],
    ),
    ("tcpmss", &[line("-p tcp -m tcpmss {!} --mss 1000:1460")]),
    (
        "time",
        &[
            line("-m time --datestart 2020-01-01 --datestop 2037-12-31").all(),
            line("-m time --datestop 2001-01-01").none(),
            line("-m time {!} --weekdays 1,2,3,4,5,6,7").all(),
            line("-m time {!} --monthdays 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31 --kerneltz").all(),
        ],
    ),
    ("tos", &[line("-m tos {!} --tos 0x10/0xff"), line("-m tos {!} --tos 0x2/0x2")]),
    ("ttl", &[line("-m ttl {!} --ttl-eq 40").v4(), line("-m ttl --ttl-lt 41").v4(), line("-m ttl --ttl-gt 41").v4()]),
    (
        "u32",
        &[
            line("-m u32 {!} --u32 \"6&0xff=17&&0>>22&0x3c@0&0xffff=53\"").v4(),
            line("-m u32 {!} --u32 \"3&0xff=17&&40&0xffff=53\"").v6(),
        ],
    ),
    ("udp", &[line("-p udp -m udp {!} --sport 20000:20004"), line("-p udp -m udp {!} --dport 53")]),
    // What stands in the rule itself.
    (
        "",
        &[
            line("{!} -s {client}").but(NOT_OUT),
            line("{!} -d {server}").but(NOT_IN),
            line("{!} -p udp"),
            line("{!} -i lan0").at(PRE | IN | FWD),
            line("{!} -i wan+").at(PRE | IN | FWD),
            line("{!} -o wan0").at(FWD | OUT | POST),
            line("{!} -f").v4().torn().but(&[(IN, &[], Known::None, "fragments are put together before")]),
        ],
    ),
    (
        "connmark",
        &[line("-m connmark {!} --mark 5/0xf").tracked()],
    ),
    (
        "cluster",
        &[line("-m cluster --cluster-total-nodes 2 {!} --cluster-local-node 1 --cluster-hash-seed 0xdeadbeef").v4().tracked(), line("-m cluster --cluster-total-nodes 2 {!} --cluster-local-node 1 --cluster-hash-seed 0xdeadbeef").v6().tracked().but(FIRST_WORD)],
    ),
    (
        "connbytes",
        &[
            line("-m connbytes {!} --connbytes 2: --connbytes-dir both --connbytes-mode packets").tracked().but(NAT_NONE),
            line("-m connbytes {!} --connbytes 50:120 --connbytes-dir original --connbytes-mode bytes").tracked(),
            line("-m connbytes {!} --connbytes 40: --connbytes-dir reply --connbytes-mode avgpkt").tracked().but(NAT_NONE),
        ],
    ),
    (
        "connlabel",
        &[line("-m connlabel {!} --label 5").tracked(), line("-m connlabel --label 7 --set").tracked().but(NAT_ALL)],
    ),
    (
        "connlimit",
        &[
            line("-m connlimit --connlimit-upto 4 --connlimit-saddr").tracked(),
            line("-m connlimit --connlimit-above 4 --connlimit-daddr").tracked(),
        ],
    ),
    (
        "conntrack",
        &[
            line("-m conntrack {!} --ctstate INVALID").tracked().but(NAT_NONE),
            line("-m conntrack {!} --ctstate NEW").tracked(),
            line("-m conntrack {!} --ctstate ESTABLISHED").tracked().but(NAT_NONE),
            line("-m conntrack {!} --ctstate RELATED").tracked(),
            line("-m conntrack {!} --ctstate UNTRACKED").tracked().but(NAT_NONE),
            line("-m conntrack {!} --ctstate SNAT").tracked().but(NAT_NONE),
            line("-m conntrack {!} --ctstate DNAT").tracked().but(NAT_NONE_YET),
            line("-m conntrack {!} --ctproto udp").tracked(),
            line("-m conntrack {!} --ctorigsrc {client}").tracked().but(NAT_NOT_OUT),
            line("-m conntrack {!} --ctorigdst {server}").tracked().but(NAT_NOT_IN),
            line("-m conntrack {!} --ctreplsrc {server}").tracked().but(NAT_NOT_IN),
            line("-m conntrack {!} --ctrepldst {client}").tracked().but(NAT_NOT_OUT),
            line("-m conntrack {!} --ctorigsrcport 20000:20004").tracked(),
            line("-m conntrack {!} --ctorigdstport 53").tracked(),
            line("-m conntrack {!} --ctreplsrcport 53").tracked(),
            line("-m conntrack {!} --ctrepldstport 20000:20004").tracked(),
            line("-m conntrack {!} --ctstatus SEEN_REPLY").tracked().but(NAT_NONE),
            line("-m conntrack {!} --ctstatus ASSURED").tracked().but(NAT_NONE),
            line("-m conntrack {!} --ctstatus CONFIRMED").tracked().but(NAT_NONE),
            line("-m conntrack {!} --ctstatus EXPECTED").tracked(),
            line("-m conntrack --ctstatus NONE").tracked().none(), line("-m conntrack ! --ctstatus NONE").tracked().but(NAT_ALL),
            line("-m conntrack {!} --ctexpire 0").tracked().but(NAT_ALL),
            line("-m conntrack --ctdir ORIGINAL").tracked().but(NAT_ALL),
            line("-m conntrack --ctdir REPLY").tracked().but(NAT_NONE),
        ],
    ),
    ("helper", &[line("-m helper {!} --helper tftp").tracked()]),
    ("state", &[line("-m state {!} --state ESTABLISHED,RELATED").tracked(), line("-m state {!} --state UNTRACKED").tracked().but(NAT_NONE)]),
];
