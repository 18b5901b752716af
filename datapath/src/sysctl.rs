//! `net.netfilter.nf_conntrack_*` and the limits of ICMP: read at the start, followed while the datapath runs.

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use engine::Engine;
use engine::conntrack::Settings;
use inotify::{Inotify, WatchMask};

/// The settings this network namespace has now.
pub(crate) fn read() -> Settings {
    let mut settings = Settings::default();
    for (path, apply) in files() {
        if let Some(value) = fs::read_to_string(path).ok().and_then(|text| value(&text)) {
            apply(&mut settings, value);
        }
    }
    settings
}

/// All files that set something; those of modules are the whole machine's.
fn files() -> impl Iterator<Item = (PathBuf, Apply)> {
    let own = SETTINGS.iter().map(|(name, apply)| (Path::new(FOLDER).join(name), *apply));
    own.chain(PARAMETERS.iter().filter_map(|(name, apply)| {
        let (module, parameter) = name.split_once('.')?;
        Some((Path::new(MODULES).join(module).join("parameters").join(parameter), *apply))
    }))
}

/// A number, or what the kernel says of a parameter that is one of two.
fn value(text: &str) -> Option<u64> {
    match text.trim() {
        "Y" => Some(1),
        "N" => Some(0),
        number => number.parse().ok(),
    }
}

/// Sets what a sysctl or a module's parameter (`nf_conntrack_ftp.loose`) of this name sets; `false` if there is no such name.
pub(crate) fn set(settings: &mut Settings, name: &str, value: u64) -> bool {
    let mut all = SETTINGS.iter().chain(PARAMETERS);
    let Some((_, apply)) = all.find(|(known, _)| *known == name) else { return false };
    apply(settings, value);
    true
}

/// Writes a sysctl of this network namespace.
pub(crate) fn write(name: &str, value: u32) -> io::Result<()> {
    fs::write(Path::new(FOLDER).join(name), value.to_string())
}

/// Switches `nf_conntrack_acct` on where a rule needs it, as connbytes_mt_check(). Where that cannot be written the engine counts
/// all the same.
pub(crate) fn switch_accounting(engine: &mut Engine) {
    if engine.wants_accounting() && write("nf_conntrack_acct", 1).is_ok() {
        engine.follow_accounting();
    }
}

/// The sysctls of a protocol's timeouts in the order of its attributes of a policy; one that has none is empty. `None` for a
/// protocol without a tracker of its own.
pub(crate) fn timeouts(protocol: u8) -> Option<&'static [&'static str]> {
    TIMEOUTS.iter().find(|(number, _)| *number == protocol).map(|(_, names)| *names)
}

/// Tells when somebody wrote to one of the files.
#[derive(Debug)]
pub(crate) struct Watch {
    inotify: Inotify,
}

impl Watch {
    /// Watches all files that exist; a kernel without connection tracking has none.
    pub(crate) fn new() -> io::Result<Self> {
        let inotify = Inotify::init()?;
        for (path, _) in files() {
            let _ = inotify.watches().add(path, WatchMask::MODIFY | WatchMask::CLOSE_WRITE);
        }
        Ok(Self { inotify })
    }

    /// Forgets what was written so far.
    pub(crate) fn drain(&mut self) {
        let mut buffer = [0; 4096];
        while self.inotify.read_events(&mut buffer).is_ok_and(|mut events| events.next().is_some()) {}
    }
}

impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inotify.as_fd()
    }
}

const FOLDER: &str = "/proc/sys/net/netfilter";
/// Where modules show their parameters.
const MODULES: &str = "/sys/module";

/// By protocol.
const TIMEOUTS: &[(u8, &[&str])] = &[
    (1, &["nf_conntrack_icmp_timeout"]),
    (
        6,
        &[
            "nf_conntrack_tcp_timeout_syn_sent",
            "nf_conntrack_tcp_timeout_syn_recv",
            "nf_conntrack_tcp_timeout_established",
            "nf_conntrack_tcp_timeout_fin_wait",
            "nf_conntrack_tcp_timeout_close_wait",
            "nf_conntrack_tcp_timeout_last_ack",
            "nf_conntrack_tcp_timeout_time_wait",
            "nf_conntrack_tcp_timeout_close",
            "",
            "nf_conntrack_tcp_timeout_max_retrans",
            "nf_conntrack_tcp_timeout_unacknowledged",
        ],
    ),
    (17, &["nf_conntrack_udp_timeout", "nf_conntrack_udp_timeout_stream"]),
    (47, &["nf_conntrack_gre_timeout", "nf_conntrack_gre_timeout_stream"]),
    (58, &["nf_conntrack_icmpv6_timeout"]),
    (
        132,
        &[
            "nf_conntrack_sctp_timeout_closed",
            "nf_conntrack_sctp_timeout_cookie_wait",
            "nf_conntrack_sctp_timeout_cookie_echoed",
            "nf_conntrack_sctp_timeout_established",
            "nf_conntrack_sctp_timeout_shutdown_sent",
            "nf_conntrack_sctp_timeout_shutdown_recd",
            "nf_conntrack_sctp_timeout_shutdown_ack_sent",
            "nf_conntrack_sctp_timeout_heartbeat_sent",
        ],
    ),
    (136, &["nf_conntrack_udp_timeout", "nf_conntrack_udp_timeout_stream"]),
    (255, &["nf_conntrack_generic_timeout"]),
];

type Apply = fn(&mut Settings, u64);

/// Each file and what it sets.
const SETTINGS: &[(&str, Apply)] = &[
    ("/proc/sys/net/ipv4/icmp_ratelimit", |s, v| s.icmp_ratelimit[0] = seconds(v)),
    ("/proc/sys/net/ipv6/icmp/ratelimit", |s, v| s.icmp_ratelimit[1] = seconds(v)),
    ("/proc/sys/net/ipv4/icmp_msgs_per_sec", |s, v| s.icmp_messages[0] = seconds(v)),
    ("/proc/sys/net/ipv4/icmp_msgs_burst", |s, v| s.icmp_messages[1] = seconds(v)),
    ("nf_conntrack_max", |s, v| s.max = seconds(v)),
    ("nf_conntrack_buckets", |s, v| s.buckets = seconds(v)),
    ("nf_conntrack_expect_max", |s, v| s.expect_max = seconds(v)),
    ("nf_conntrack_acct", |s, v| s.acct = v != 0),
    ("nf_conntrack_timestamp", |s, v| s.timestamp = v != 0),
    ("nf_conntrack_checksum", |s, v| s.checksum = v != 0),
    ("nf_conntrack_events", |s, v| s.events = byte(v)),
    ("nf_conntrack_log_invalid", |s, v| s.log_invalid = byte(v)),
    ("nf_conntrack_generic_timeout", |s, v| s.generic = seconds(v)),
    ("nf_conntrack_icmp_timeout", |s, v| s.icmp = seconds(v)),
    ("nf_conntrack_icmpv6_timeout", |s, v| s.icmpv6 = seconds(v)),
    ("nf_conntrack_udp_timeout", |s, v| s.udp = seconds(v)),
    ("nf_conntrack_udp_timeout_stream", |s, v| s.udp_stream = seconds(v)),
    ("nf_conntrack_gre_timeout", |s, v| s.gre = seconds(v)),
    ("nf_conntrack_gre_timeout_stream", |s, v| s.gre_stream = seconds(v)),
    ("/proc/sys/net/ipv4/ipfrag_time", |s, v| s.fragment[0] = seconds(v)),
    ("nf_conntrack_frag6_timeout", |s, v| s.fragment[1] = seconds(v)),
    ("nf_conntrack_tcp_timeout_syn_sent", |s, v| s.tcp.timeouts[1] = seconds(v)),
    ("nf_conntrack_tcp_timeout_syn_recv", |s, v| s.tcp.timeouts[2] = seconds(v)),
    ("nf_conntrack_tcp_timeout_established", |s, v| s.tcp.timeouts[3] = seconds(v)),
    ("nf_conntrack_tcp_timeout_fin_wait", |s, v| s.tcp.timeouts[4] = seconds(v)),
    ("nf_conntrack_tcp_timeout_close_wait", |s, v| s.tcp.timeouts[5] = seconds(v)),
    ("nf_conntrack_tcp_timeout_last_ack", |s, v| s.tcp.timeouts[6] = seconds(v)),
    ("nf_conntrack_tcp_timeout_time_wait", |s, v| s.tcp.timeouts[7] = seconds(v)),
    ("nf_conntrack_tcp_timeout_close", |s, v| s.tcp.timeouts[8] = seconds(v)),
    ("nf_conntrack_tcp_timeout_max_retrans", |s, v| s.tcp.timeout_max_retrans = seconds(v)),
    ("nf_conntrack_tcp_timeout_unacknowledged", |s, v| s.tcp.timeout_unacknowledged = seconds(v)),
    ("nf_conntrack_tcp_loose", |s, v| s.tcp.loose = v != 0),
    ("nf_conntrack_tcp_be_liberal", |s, v| s.tcp.be_liberal = v != 0),
    ("nf_conntrack_tcp_ignore_invalid_rst", |s, v| s.tcp.ignore_invalid_rst = v != 0),
    ("nf_conntrack_tcp_max_retrans", |s, v| s.tcp.max_retrans = byte(v)),
    ("nf_conntrack_sctp_timeout_closed", |s, v| s.sctp[1] = seconds(v)),
    ("nf_conntrack_sctp_timeout_cookie_wait", |s, v| s.sctp[2] = seconds(v)),
    ("nf_conntrack_sctp_timeout_cookie_echoed", |s, v| s.sctp[3] = seconds(v)),
    ("nf_conntrack_sctp_timeout_established", |s, v| s.sctp[4] = seconds(v)),
    ("nf_conntrack_sctp_timeout_shutdown_sent", |s, v| s.sctp[5] = seconds(v)),
    ("nf_conntrack_sctp_timeout_shutdown_recd", |s, v| s.sctp[6] = seconds(v)),
    ("nf_conntrack_sctp_timeout_shutdown_ack_sent", |s, v| s.sctp[7] = seconds(v)),
    ("nf_conntrack_sctp_timeout_heartbeat_sent", |s, v| s.sctp[8] = seconds(v)),
];

/// Parameters of helpers' modules, by the names that the kernel's command line has for them.
const PARAMETERS: &[(&str, Apply)] = &[
    ("nf_conntrack_amanda.master_timeout", |s, v| s.helpers.amanda_master = seconds(v)),
    ("nf_conntrack_ftp.loose", |s, v| s.helpers.ftp_loose = v != 0),
    ("nf_conntrack_h323.callforward_filter", |s, v| s.helpers.h323_filter_forwarding = v != 0),
    ("nf_conntrack_h323.default_rrq_ttl", |s, v| s.helpers.h323_registration = seconds(v)),
    ("nf_conntrack_h323.gkrouted_only", |s, v| s.helpers.h323_gatekeeper_only = v != 0),
    ("nf_conntrack_irc.dcc_timeout", |s, v| s.helpers.irc_timeout = seconds(v)),
    ("nf_conntrack_irc.max_dcc_channels", |s, v| s.helpers.irc_channels = byte(v).max(1)),
    ("nf_conntrack_netbios_ns.timeout", |s, v| s.helpers.netbios = seconds(v)),
    ("nf_conntrack_sip.sip_direct_media", |s, v| s.helpers.sip_direct_media = v != 0),
    ("nf_conntrack_sip.sip_direct_signalling", |s, v| s.helpers.sip_registrar_only = v != 0),
    ("nf_conntrack_sip.sip_external_media", |s, v| s.helpers.sip_external_media = v != 0),
    ("nf_conntrack_sip.sip_timeout", |s, v| s.helpers.sip = seconds(v)),
    ("nf_conntrack_snmp.timeout", |s, v| s.helpers.snmp = seconds(v)),
];

fn seconds(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

fn byte(value: u64) -> u8 {
    u8::try_from(value).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_that_this_kernel_has_for_tracking_is_known() {
        let Ok(folder) = fs::read_dir(FOLDER) else { return };
        let unused = ["count", "frag6_high_thresh", "frag6_low_thresh"];
        for file in folder.flatten() {
            let name = file.file_name().into_string().unwrap();
            let Some(rest) = name.strip_prefix("nf_conntrack_") else { continue };
            assert!(unused.contains(&rest) || set(&mut Settings::default(), &name, 1), "{name}");
        }
    }

    #[test]
    fn every_parameter_of_the_helpers_modules_is_known() {
        let Ok(modules) = fs::read_dir(MODULES) else { return };
        for module in modules.flatten() {
            let module = module.file_name().into_string().unwrap();
            let parameters = fs::read_dir(Path::new(MODULES).join(&module).join("parameters"));
            let Some(parameters) = parameters.ok().filter(|_| module.starts_with("nf_conntrack_")) else { continue };
            for parameter in parameters.flatten() {
                let name = format!("{module}.{}", parameter.file_name().into_string().unwrap());
                // Helpers are given by rules, and however a text is searched, the same is found.
                let of_no_use = name.ends_with(".ports") || name.ends_with(".ts_algo");
                assert!(of_no_use || set(&mut Settings::default(), &name, 1), "{name}");
            }
        }
    }

    #[test]
    fn a_parameter_is_a_number_or_one_of_two() {
        assert_eq!(["Y\n", "N\n", "300\n", "kmp\n"].map(value), [Some(1), Some(0), Some(300), None]);
        let mut settings = Settings::default();
        assert!(set(&mut settings, "nf_conntrack_ftp.loose", 1) && settings.helpers.ftp_loose);
        assert!(set(&mut settings, "nf_conntrack_irc.max_dcc_channels", 1000) && settings.helpers.irc_channels == 255);
    }

    #[test]
    fn the_kernels_values_are_read() {
        let Ok(text) = fs::read_to_string(Path::new(FOLDER).join("nf_conntrack_udp_timeout")) else { return };
        assert_eq!(read().udp, text.trim().parse::<u32>().unwrap());
    }

    #[test]
    fn a_value_beyond_its_field_is_the_most_the_field_holds() {
        let mut settings = Settings::default();
        assert!(set(&mut settings, "nf_conntrack_log_invalid", 1000));
        assert_eq!(settings.log_invalid, 255);
        assert!(!set(&mut settings, "nf_conntrack_nonsense", 1));
    }
}
