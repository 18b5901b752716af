//! The texts of `/proc/net/nf_conntrack`, `nf_conntrack_expect` and `stat/nf_conntrack`, a piece at a time.

use std::fmt::{self, Write};

use libxt::family::Af;

use super::expect::flag;
use super::tuple::{Ports, protocol};
use super::{Address, ProtocolState, Snapshot, Tracker, Tuple, status};
use crate::Now;

/// Lines of one piece.
const PIECE: u32 = 256;

pub(super) const TCP_STATES: [&str; 10] = [
    "NONE",
    "SYN_SENT",
    "SYN_RECV",
    "ESTABLISHED",
    "FIN_WAIT",
    "CLOSE_WAIT",
    "LAST_ACK",
    "TIME_WAIT",
    "CLOSE",
    "SYN_SENT2",
];
const SCTP_STATES: [&str; 9] = [
    "NONE",
    "CLOSED",
    "COOKIE_WAIT",
    "COOKIE_ECHOED",
    "ESTABLISHED",
    "SHUTDOWN_SENT",
    "SHUTDOWN_RECD",
    "SHUTDOWN_ACK_SENT",
    "HEARTBEAT_SENT",
];

impl Tracker {
    /// Appends lines of connections from a place on; where to go on, if there may be more. As ct_seq_show().
    pub fn write_connections(&self, from: u32, now: Now, to: &mut String) -> Option<u32> {
        let mut place = from;
        for _ in 0..PIECE {
            let id = self.from_place(place)?;
            place = id.index.saturating_add(1);
            if let Some(entry) = self.snapshot(id, now) {
                // A string takes everything.
                let _ = self.write_connection(&entry, now, to);
            }
        }
        Some(place)
    }

    /// Appends lines of expectations likewise. As exp_seq_show().
    pub fn write_expectations(&self, from: u32, now: Now, to: &mut String) -> Option<u32> {
        let end = self.expectation_places().min(from.saturating_add(PIECE));
        for found in (from..end).filter_map(|place| self.expectation(place, now)) {
            let tuple = &found.expected.tuple;
            let _ = write!(to, "{} l3proto = {} proto={} ", found.timeout, tuple.af.number(), tuple.protocol);
            let _ = write_tuple(tuple, to);
            let flags = found.expected.flags;
            let named = [(flag::PERMANENT, "PERMANENT"), (flag::INACTIVE, "INACTIVE"), (flag::USERSPACE, "USERSPACE")];
            let named: Vec<&str> =
                named.into_iter().filter(|(bit, _)| flags & bit != 0).map(|(_, name)| name).collect();
            to.push_str(&named.join(","));
            if let Some(helper) = found.helper {
                let _ = write!(to, "{}{helper}", if flags == 0 { "" } else { " " });
            }
            to.push('\n');
        }
        (end < self.expectation_places()).then_some(end)
    }

    /// Appends what each worker counted. As ct_cpu_seq_show(): what this kernel counts no more is zero.
    pub fn write_statistics(&self, to: &mut String) {
        to.push_str(
            "entries  clashres found new invalid ignore delete chainlength insert insert_failed drop early_drop icmp_error  \
             expect_new expect_create expect_delete search_restart\n",
        );
        let entries = u32::try_from(self.len()).unwrap_or(u32::MAX);
        for one in self.statistics_of_workers() {
            let _ = write!(to, "{entries:08x}  {:08x} {:08x} ", one.clash_resolve, one.found);
            let _ = write!(to, "{:08x} {:08x} {:08x} {:08x} {:08x} ", 0, one.invalid, 0, 0, one.chain_too_long);
            let _ = write!(to, "{:08x} {:08x} {:08x} ", one.insert, one.insert_failed, one.drop);
            let _ = write!(to, "{:08x} {:08x}  {:08x} ", one.early_drop, one.error, one.expect_new);
            let _ = writeln!(to, "{:08x} {:08x} {:08x}", one.expect_create, one.expect_delete, 0);
        }
    }

    fn write_connection(&self, entry: &Snapshot, now: Now, to: &mut String) -> fmt::Result {
        let [original, reply] = &entry.tuples;
        let (family, name) = match original.af {
            Af::V4 => ("ipv4", l4_name(original.protocol)),
            Af::V6 => ("ipv6", l4_name(original.protocol)),
        };
        write!(to, "{family:<8} {} {name:<8} {} ", original.af.number(), original.protocol)?;
        write!(to, "{} ", entry.timeout.unwrap_or(0))?;
        match entry.protocol {
            ProtocolState::Tcp { state, .. } => {
                write!(to, "{} ", TCP_STATES.get(usize::from(state)).unwrap_or(&"NONE"))?
            }
            ProtocolState::Sctp { state, .. } => {
                write!(to, "{} ", SCTP_STATES.get(usize::from(state)).unwrap_or(&"NONE"))?;
            }
            ProtocolState::Stateless if original.protocol == protocol::GRE => {
                let settings = self.settings();
                write!(to, "timeout={}, stream_timeout={} ", settings.gre, settings.gre_stream)?;
            }
            ProtocolState::Stateless => {}
        }
        let [here, there] = entry.zones;
        let counted = |at: usize, to: &mut String| match entry.counters {
            Some(counters) => write!(to, "packets={} bytes={} ", counters[at].packets, counters[at].bytes),
            None => Ok(()),
        };
        write_tuple(original, to)?;
        if here != there && here != 0 {
            write!(to, "zone-orig={here} ")?;
        }
        counted(0, to)?;
        if entry.status & status::SEEN_REPLY == 0 {
            to.push_str("[UNREPLIED] ");
        }
        write_tuple(reply, to)?;
        if here != there && there != 0 {
            write!(to, "zone-reply={there} ")?;
        }
        counted(1, to)?;
        if entry.status & status::ASSURED != 0 {
            to.push_str("[ASSURED] ");
        }
        write!(to, "mark={} ", entry.mark)?;
        if here == there {
            write!(to, "zone={here} ")?;
        }
        if let Some([start, _]) = entry.times {
            write!(to, "delta-time={} ", now.wall.saturating_sub(start) / 1_000_000_000)?;
        }
        // Whoever lists it holds it.
        writeln!(to, "use={}", entry.uses.saturating_add(1))
    }
}

/// As print_tuple().
fn write_tuple(tuple: &Tuple, to: &mut String) -> fmt::Result {
    write_address("src", tuple.af, tuple.source, to)?;
    write_address("dst", tuple.af, tuple.destination, to)?;
    match tuple.ports {
        Ports::Ports { source, destination } => write!(to, "sport={source} dport={destination} "),
        Ports::Keys { source, destination } => write!(to, "srckey={source:#x} dstkey={destination:#x} "),
        Ports::Icmp { kind, code, id } => write!(to, "type={kind} code={code} id={id} "),
        Ports::None => Ok(()),
    }
}

/// As `%pI4` and `%pI6`: of IPv6 every digit.
fn write_address(name: &str, af: Af, address: Address, to: &mut String) -> fmt::Result {
    match af {
        Af::V4 => write!(to, "{name}={} ", address.ip(af)),
        Af::V6 => {
            write!(to, "{name}=")?;
            write_digits(address, to)?;
            write!(to, " ")
        }
    }
}

/// As `%pI6`.
pub(super) fn write_digits(address: Address, to: &mut dyn Write) -> fmt::Result {
    for (at, [high, low]) in address.0.as_chunks::<2>().0.iter().enumerate() {
        write!(to, "{}{high:02x}{low:02x}", if at == 0 { "" } else { ":" })?;
    }
    Ok(())
}

/// As l4proto_name().
const fn l4_name(number: u8) -> &'static str {
    match number {
        protocol::ICMP => "icmp",
        protocol::TCP => "tcp",
        protocol::UDP => "udp",
        protocol::GRE => "gre",
        protocol::SCTP => "sctp",
        protocol::UDPLITE => "udplite",
        protocol::ICMPV6 => "icmpv6",
        _ => "unknown",
    }
}
