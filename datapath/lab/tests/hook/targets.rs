//! The targets, each with what a later rule sees of it.

use super::plan::{But, FWD, IN, Known, Line, OUT, POST, PRE, line};

/// A target and how a rule behind it sees what it did.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Change {
    pub(crate) line: Line,
    /// What packets it gets.
    pub(crate) tcp: bool,
    /// Options that match what it changed; none if nothing is left to be seen by rules, or if the packet's way ends there.
    pub(crate) seen: &'static str,
}

const fn udp(options: &'static str, seen: &'static str) -> Change {
    Change { line: line(options), tcp: false, seen }
}

const fn tcp(options: &'static str, seen: &'static str) -> Change {
    Change { line: line(options), tcp: true, seen }
}

impl Change {
    const fn v4(self) -> Self {
        Self { line: self.line.v4(), ..self }
    }

    const fn v6(self) -> Self {
        Self { line: self.line.v6(), ..self }
    }

    const fn at(self, hooks: u8) -> Self {
        Self { line: self.line.at(hooks), ..self }
    }

    const fn of(self, tables: &'static [&'static str]) -> Self {
        Self { line: self.line.of(tables), ..self }
    }

    const fn but(self, but: But) -> Self {
        Self { line: self.line.but(but), ..self }
    }
}

const MANGLE: &[&str] = &["mangle"];
const NAT: &[&str] = &["nat"];
const RAW: &[&str] = &["raw"];
const FILTER: &[&str] = &["filter"];
/// In raw a packet has no connection yet.
const UNTRACKED: But = &[(PRE | OUT, RAW, Known::None, "raw comes before tracking")];

/// The mark that all packets have in front of the plan.
pub(crate) const MARK: &str = "0x130";
/// The first of the plan's ports.
pub(crate) const PORT: u16 = 10_000;

pub(crate) const TARGETS: &[(&str, &[Change])] = &[
    ("AUDIT", &[udp("-j AUDIT --type accept", "")]),
    ("CHECKSUM", &[udp("-j CHECKSUM --checksum-fill", "").of(MANGLE)]),
    ("CLASSIFY", &[udp("-j CLASSIFY --set-class 1:{hex}", "").at(FWD | OUT | POST)]),
    (
        "CONNMARK",
        &[
            udp("-j CONNMARK --set-xmark 0x51/0xff", "-m connmark --mark 0x51").but(UNTRACKED),
            udp("-j CONNMARK --or-mark 0x14", "-m connmark --mark 0x14").but(UNTRACKED),
            udp("-j CONNMARK --save-mark --nfmask 0xf0 --ctmask 0xff", "-m connmark --mark 0x30").but(UNTRACKED),
            udp("-j CONNMARK --restore-mark --nfmask 0xf0 --ctmask 0xf", "-m mark --mark 0x100").but(UNTRACKED),
        ],
    ),
    ("CONNSECMARK", &[udp("-j CONNSECMARK --save", "").of(&["mangle", "security"])]),
    (
        "CT",
        &[
            udp("-j CT --notrack", "-m conntrack --ctstate UNTRACKED").of(RAW),
            udp("-j CT --zone 5", "").of(RAW),
            udp("-j CT --zone-orig 6 --ctevents destroy", "").of(RAW),
            udp("-j CT --helper tftp", "").of(RAW),
        ],
    ),
    ("NOTRACK", &[udp("-j NOTRACK", "-m state --state UNTRACKED").of(RAW)]),
    ("DNAT", &[udp("-j DNAT --to-destination {server}", "").of(NAT).at(PRE | OUT)]),
    (
        "DNPT",
        &[udp("-j DNPT --src-pfx fd02::/64 --dst-pfx fd88:2::/64", "-d fd88:2::/64").v6().of(MANGLE).at(PRE | OUT)],
    ),
    (
        "DSCP",
        &[
            udp("-j DSCP --set-dscp 10", "-m dscp --dscp 10").of(MANGLE),
            udp("-j DSCP --set-dscp-class EF", "-m dscp --dscp-class EF").of(MANGLE),
        ],
    ),
    ("ECN", &[tcp("-j ECN --ecn-tcp-remove", "-m ecn ! --ecn-tcp-cwr ! --ecn-tcp-ece").v4().of(MANGLE)]),
    (
        "HL",
        &[
            udp("-j HL --hl-set 33", "-m hl --hl-eq 33").v6().of(MANGLE),
            udp("-j HL --hl-dec 9", "-m hl --hl-lt 56").v6().of(MANGLE),
            udp("-j HL --hl-inc 9", "-m hl --hl-gt 71").v6().of(MANGLE),
        ],
    ),
    (
        "HMARK",
        &[udp(
            "-j HMARK --hmark-tuple src,dst,sport,dport --hmark-rnd 7 --hmark-mod 5 --hmark-offset 0x1000",
            "-m mark --mark 0x1000/0xfffffff8",
        )],
    ),
    ("IDLETIMER", &[udp("-j IDLETIMER --timeout 600 --label xt-lab-1", "")]),
    ("LOG", &[udp("-j LOG --log-prefix \"hook-{n}: \" --log-level 7", "")]),
    (
        "MARK",
        &[
            udp("-j MARK --set-xmark 0x21/0xff", "-m mark --mark 0x121"),
            udp("-j MARK --or-mark 0x41", "-m mark --mark 0x171"),
            udp("-j MARK --and-mark 0x110", "-m mark --mark 0x110"),
            udp("-j MARK --xor-mark 0x11", "-m mark --mark 0x121"),
            udp("-j MARK --set-mark 0x7", "-m mark --mark 0x7"),
        ],
    ),
    ("MASQUERADE", &[udp("-j MASQUERADE", "").of(NAT).at(POST)]),
    ("NETMAP", &[udp("-j NETMAP --to 10.2.0.0/24", "").v4().of(NAT), udp("-j NETMAP --to fd02::/64", "").v6().of(NAT)]),
    // A match, but what it counts in is to be seen behind it.
    ("nfacct", &[udp("-m nfacct --nfacct-name hooks", "")]),
    ("NFLOG", &[udp("-j NFLOG --nflog-group 9 --nflog-prefix hook", "")]),
    ("NFQUEUE", &[udp("-j NFQUEUE --queue-num 4711 --queue-bypass", "")]),
    ("RATEEST", &[udp("-j RATEEST --rateest-name hook --rateest-interval 250ms --rateest-ewmalog 500ms", "")]),
    ("REDIRECT", &[udp("-j REDIRECT --to-ports 7777", "").of(NAT).at(PRE | OUT)]),
    (
        "REJECT",
        &[
            udp("-j REJECT", "").of(FILTER).at(IN | FWD | OUT),
            tcp("-j REJECT --reject-with tcp-reset", "").of(FILTER).at(IN | FWD | OUT),
        ],
    ),
    (
        "SET",
        &[
            udp("-j SET --add-set {set}-seen dst,dst", "-m set --match-set {set}-seen dst,dst"),
            udp("-j SET --del-set {set}-gone dst,dst", "-m set ! --match-set {set}-gone dst,dst"),
        ],
    ),
    ("SNAT", &[udp("-j SNAT --to-source {outer}", "").of(NAT).at(IN | POST)]),
    ("SNPT", &[udp("-j SNPT --src-pfx fd01::/64 --dst-pfx fd88:1::/64", "").v6().of(MANGLE).at(IN | POST)]),
    (
        "TCPMSS",
        &[
            tcp("-j TCPMSS --set-mss 900", "-m tcpmss --mss 900"),
            tcp("-j TCPMSS --clamp-mss-to-pmtu", "-m tcpmss --mss 1340:1360").at(FWD | OUT | POST),
        ],
    ),
    ("TCPOPTSTRIP", &[tcp("-j TCPOPTSTRIP --strip-options wscale,sack-permitted", "! --tcp-option 3").of(MANGLE)]),
    (
        "TOS",
        &[
            udp("-j TOS --set-tos 0x28/0xff", "-m tos --tos 0x28/0xff").of(MANGLE),
            udp("-j TOS --or-tos 0x60", "-m tos --tos 0x74/0xff").of(MANGLE),
            udp("-j TOS --and-tos 0x10", "-m tos --tos 0x10/0xff").of(MANGLE),
            udp("-j TOS --xor-tos 0x18", "-m tos --tos 0x0c/0xff").of(MANGLE),
        ],
    ),
    ("TEE", &[udp("-j TEE --gateway {server}", "")]),
    ("TRACE", &[udp("-j TRACE", "").of(RAW)]),
    (
        "TTL",
        &[
            udp("-j TTL --ttl-set 33", "-m ttl --ttl-eq 33").v4().of(MANGLE),
            udp("-j TTL --ttl-dec 9", "-m ttl --ttl-lt 56").v4().of(MANGLE),
            udp("-j TTL --ttl-inc 9", "-m ttl --ttl-gt 71").v4().of(MANGLE),
        ],
    ),
];
