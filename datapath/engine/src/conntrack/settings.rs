//! What `net.netfilter.nf_conntrack_*` sets, with the kernel's defaults. Times are in seconds.

use crate::helper::Parameters;

/// All settings of connection tracking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `nf_conntrack_max`: entries at most; 0 is no limit.
    pub max: u32,
    /// `nf_conntrack_buckets`: the width of the hash, which early drop looks at.
    pub buckets: u32,
    /// `nf_conntrack_expect_max`: expectations at most.
    pub expect_max: u32,
    /// `nf_conntrack_acct`: packets and bytes are counted for new connections.
    pub acct: bool,
    /// `nf_conntrack_timestamp`: start and stop are kept for new connections.
    pub timestamp: bool,
    /// `nf_conntrack_checksum`: bad checksums make a packet INVALID.
    pub checksum: bool,
    /// `nf_conntrack_events`: 0 none, 1 all, 2 while someone listens.
    pub events: u8,
    /// `nf_conntrack_log_invalid`: 0 off, 255 all, else a protocol number.
    pub log_invalid: u8,
    /// `nf_conntrack_generic_timeout`.
    pub generic: u32,
    /// `nf_conntrack_icmp_timeout`.
    pub icmp: u32,
    /// `nf_conntrack_icmpv6_timeout`.
    pub icmpv6: u32,
    /// `nf_conntrack_udp_timeout`.
    pub udp: u32,
    /// `nf_conntrack_udp_timeout_stream`.
    pub udp_stream: u32,
    /// `nf_conntrack_gre_timeout`.
    pub gre: u32,
    /// `nf_conntrack_gre_timeout_stream`.
    pub gre_stream: u32,
    /// `net.ipv4.ipfrag_time` and `nf_conntrack_frag6_timeout`.
    pub fragment: [u32; 2],
    /// `net.ipv4.icmp_ratelimit` and `net.ipv6.icmp.ratelimit`: milliseconds between two errors for one receiver, 0 for none.
    pub icmp_ratelimit: [u32; 2],
    /// `net.ipv4.icmp_msgs_per_sec` and `net.ipv4.icmp_msgs_burst`: errors for all receivers.
    pub icmp_messages: [u32; 2],
    /// TCP.
    pub tcp: TcpSettings,
    /// SCTP timeouts, indexed by `SCTP_CONNTRACK_*`.
    pub sctp: [u32; 10],
    /// Parameters of helpers' modules.
    pub helpers: Parameters,
}

/// `nf_conntrack_tcp_*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TcpSettings {
    /// Timeouts, indexed by `TCP_CONNTRACK_*` (NONE, SYN_SENT, SYN_RECV, ESTABLISHED, FIN_WAIT, CLOSE_WAIT, LAST_ACK,
    /// TIME_WAIT, CLOSE, SYN_SENT2).
    pub timeouts: [u32; 10],
    /// `nf_conntrack_tcp_timeout_max_retrans`.
    pub timeout_max_retrans: u32,
    /// `nf_conntrack_tcp_timeout_unacknowledged`.
    pub timeout_unacknowledged: u32,
    /// `nf_conntrack_tcp_loose`: connections are picked up in the middle.
    pub loose: bool,
    /// `nf_conntrack_tcp_be_liberal`: out-of-window data is not INVALID.
    pub be_liberal: bool,
    /// `nf_conntrack_tcp_ignore_invalid_rst`.
    pub ignore_invalid_rst: bool,
    /// `nf_conntrack_tcp_max_retrans`.
    pub max_retrans: u8,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max: 262_144,
            buckets: 262_144,
            expect_max: 4096,
            acct: false,
            timestamp: false,
            checksum: true,
            events: 2,
            log_invalid: 0,
            generic: 600,
            icmp: 30,
            icmpv6: 30,
            udp: 30,
            udp_stream: 120,
            gre: 30,
            gre_stream: 180,
            fragment: [30, 60],
            icmp_ratelimit: [1000, 100],
            icmp_messages: [1000, 50],
            tcp: TcpSettings::default(),
            sctp: [0, 10, 3, 3, 210_000, 3, 3, 3, 30, 0],
            helpers: Parameters::default(),
        }
    }
}

impl Default for TcpSettings {
    fn default() -> Self {
        Self {
            timeouts: [0, 120, 60, 432_000, 120, 60, 30, 120, 10, 120],
            timeout_max_retrans: 300,
            timeout_unacknowledged: 300,
            loose: true,
            be_liberal: false,
            ignore_invalid_rst: false,
            max_retrans: 3,
        }
    }
}
