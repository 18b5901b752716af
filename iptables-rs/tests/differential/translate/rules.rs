//! Parts that rules to translate are put together from.

pub(super) const TABLES: [&str; 3] = ["filter", "nat", "own"];

pub(super) const CHAINS: [&str; 3] = ["INPUT", "POSTROUTING", "web"];

pub(super) const HEADERS: &[&str] = &[
    "-s 1.0.0.0/8",
    "! -s 1.2.3.4",
    "! -s 0/0",
    "-d 10.1.2.3/255.0.255.0",
    "-d 10.0.0.1,10.0.0.2",
    "-s fe80::/10",
    "! -d ::1",
    "-d 1::2/ffff::ffff",
    "-i eth0",
    "! -i e+",
    "-i +",
    "! -o +",
    "-o a*",
    "! -o a*b+",
    "-f",
    "! -f",
    "-p tcp",
    "-p udp",
    "! -p icmp",
    "-p ipv6-icmp",
    "-p mh",
    "-p 89",
    "-p 250",
    "-c 1 2",
    "-m comment --comment \"a b\"",
    "-m comment --comment c",
    "-m recent --set",
];

pub(super) const JUMPS: &[&str] =
    &["-j ACCEPT", "-j DROP", "-j RETURN", "-j QUEUE", "-j web", "-g web", "-g LOG", "", "-j REJECT", "-j LOG"];

/// An extension, and alternatives for each of its options: all that can be combined are.
pub(super) const CROSSED: &[(&str, &[&[&str]])] = &[
    (
        "-m devgroup",
        &[&["--src-group 1", "! --src-group 1/3"], &["--dst-group 2", "! --dst-group 2", "--dst-group 2/3"]],
    ),
    (
        "-m addrtype",
        &[
            &["--src-type UNICAST", "! --src-type LOCAL,NAT", "--src-type THROW"],
            &["--dst-type LOCAL", "! --dst-type ANYCAST"],
            &["--limit-iface-in", "--limit-iface-out"],
        ],
    ),
    (
        "-p tcp",
        &[
            &["--sport 1", "! --sport 1:2"],
            &["--dport 2", "! --dport 2"],
            &["--tcp-option 5", "! --tcp-option 5"],
            &["--syn", "! --syn"],
        ],
    ),
    ("-p udp", &[&["--sport 1", "! --sport 1:2"], &["--dport 2", "! --dport 2:3"]]),
    (
        "-p sctp",
        &[
            &["--sport 1", "! --sport 1:2"],
            &["--dport 2", "! --dport 2:3"],
            &["--chunk-types all DATA:U,INIT", "! --chunk-types only ABORT:t", "--chunk-types any SACK"],
        ],
    ),
    (
        "-p dccp",
        &[
            &["--sport 1", "! --sport 1:2"],
            &["--dport 2", "! --dport 2:3"],
            &["--dccp-types ACK", "! --dccp-types ACK,CLOSE"],
        ],
    ),
    (
        "-p tcp -m ecn",
        &[
            &["--ecn-tcp-ece", "! --ecn-tcp-ece"],
            &["--ecn-tcp-cwr", "! --ecn-tcp-cwr"],
            &["--ecn-ip-ect 1", "! --ecn-ip-ect 2"],
        ],
    ),
    (
        "-m iprange",
        &[
            &["--src-range 1.1.1.1-1.1.1.2", "! --src-range ::1-::2"],
            &["--dst-range 1.1.1.1", "! --dst-range 1.1.1.1-1.1.1.3"],
        ],
    ),
    (
        "-m conntrack",
        &[
            &["--ctstate NEW", "! --ctstate SNAT"],
            &["--ctproto tcp"],
            &["--ctstatus NONE", "! --ctstatus SEEN_REPLY"],
            &["! --ctorigsrc 1.1.1.0/24"],
            &["! --ctexpire 5:7"],
            &["! --ctrepldstport 3:4"],
            &["--ctdir REPLY"],
        ],
    ),
    ("-m ah", &[&["--ahspi 5", "! --ahspi 5:6"], &["--ahlen 2", "! --ahlen 0"], &["--ahres"]]),
    ("-m frag", &[&["--fragid 5", "! --fragid 5:6"], &["--fragres"], &["--fragfirst"], &["--fragmore", "--fraglast"]]),
    (
        "-m rt",
        &[
            &["--rt-type 0", "! --rt-type 5"],
            &["--rt-segsleft 4", "! --rt-segsleft 4:5"],
            &["! --rt-len 4"],
            &["--rt-0-res"],
        ],
    ),
    (
        "-m owner",
        &[&["--uid-owner 5", "! --uid-owner 5-6"], &["! --gid-owner 4-7"], &["--socket-exists"], &["--suppl-groups"]],
    ),
    ("-m rpfilter", &[&["--loose"], &["--validmark"], &["--accept-local"], &["--invert"]]),
    (
        "-m cluster --cluster-hash-seed 7",
        &[
            &["--cluster-total-nodes 4"],
            &["--cluster-local-node 3", "! --cluster-local-nodemask 6", "--cluster-local-nodemask 4"],
        ],
    ),
    (
        "-m time",
        &[
            &["--timestart 5:00", "--timestop 6:00"],
            &["--datestart 2024-02-29", "--datestop 2030-1-1T10:11:12"],
            &["--weekdays Sat", "! --weekdays Mon,Fri", "! --weekdays 1,2,3,4,5,6,7"],
            &["--monthdays 1"],
            &["-m mark --mark 1"],
        ],
    ),
    (
        "-m hashlimit --hashlimit-name a",
        &[
            &["--hashlimit-upto 5/sec", "--hashlimit-above 90/min", "--hashlimit-upto 512kb/s"],
            &["--hashlimit-mode srcip", "--hashlimit-mode dstport,dstip,srcport"],
            &["--hashlimit-srcmask 9", "--hashlimit-dstmask 31"],
            &["--hashlimit-burst 6", "--hashlimit-burst 1mb"],
            &["--hashlimit-htable-expire 1000", "--hashlimit-htable-expire 1999"],
        ],
    ),
    (
        "-m connlimit",
        &[
            &["--connlimit-upto 1", "! --connlimit-upto 2"],
            &["--connlimit-mask 24", "--connlimit-mask 0"],
            &["--connlimit-daddr"],
        ],
    ),
    ("-m policy", &[&["--dir in", "--dir out"], &["--pol none", "--pol ipsec"], &["--strict"], &["--reqid 1"]]),
    (
        "-m multiport",
        &[&["-p tcp", "-p udplite", "-p 33"], &["--ports 5", "! --ports 5:6,7", "--sports 5", "! --dports 1:2,5"]],
    ),
    (
        "-j LOG",
        &[
            &["--log-level 0", "--log-level 5"],
            &["--log-prefix a"],
            &["--log-tcp-sequence"],
            &["--log-tcp-options"],
            &["--log-ip-options"],
            &["--log-uid"],
            &["--log-macdecode"],
        ],
    ),
    (
        "-j NFLOG",
        &[
            &["--nflog-group 5"],
            &["--nflog-prefix a"],
            &["--nflog-size 7"],
            &["--nflog-threshold 8"],
            &["-m comment --comment c"],
        ],
    ),
    (
        "-j NFQUEUE",
        &[
            &["--queue-num 5", "--queue-balance 5:6"],
            &["--queue-bypass"],
            &["--queue-cpu-fanout"],
            &["-m comment --comment c"],
        ],
    ),
    (
        "-p tcp -j SYNPROXY",
        &[
            &["--sack-perm"],
            &["--timestamp"],
            &["--wscale 7"],
            &["--mss 1460"],
            &["--ecn"],
            &["-m comment --comment c"],
        ],
    ),
    (
        "-j CONNMARK",
        &[
            &[
                "--set-xmark 0/0",
                "--set-mark 5/5",
                "--and-mark 5",
                "--xor-mark 0",
                "--set-mark 5",
                "--save-mark",
                "--restore-mark",
            ],
            &["--mask 5", "--ctmask 6", "--nfmask 5"],
            &["--left-shift-mark 5", "--right-shift-mark 0"],
            &["-m comment --comment c"],
        ],
    ),
    (
        "-j MARK",
        &[
            &["--set-mark 7/5", "--set-xmark 5/0", "--or-mark 0", "--and-mark 0", "--set-xmark 5/7"],
            &["-m comment --comment c"],
        ],
    ),
    (
        "-j TOS",
        &[&[
            "--set-tos 0",
            "--set-tos 0x1c/0xfc",
            "--set-tos 0x1c/0x3f",
            "--set-tos 5/5",
            "--and-tos 0xff",
            "--xor-tos 0xff",
            "--or-tos 0",
        ]],
    ),
    (
        "-p tcp -j DNAT",
        &[
            &[
                "--to-destination 1.1.1.1",
                "--to-destination :5-6",
                "--to-destination [::5-::1.2.3.4]:7",
                "--to-destination ::1.2.3.4",
            ],
            &["--random"],
            &["--persistent"],
        ],
    ),
    (
        "-p udp -j SNAT",
        &[
            &["--to-source 1.1.1.1-1.1.1.2:5", "--to-source ::ffff:1.2.3.4"],
            &["--random"],
            &["--random-fully"],
            &["--persistent"],
        ],
    ),
    ("-p udp -j MASQUERADE", &[&["--to-ports 5", "--to-ports 5-6"], &["--random"], &["--random-fully"]]),
];
