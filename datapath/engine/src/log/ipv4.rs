//! An IPv4 packet in a log line. As dump_ipv4_packet().

use std::fmt::{self, Write};
use std::net::Ipv4Addr;

use super::{Hex, Text, flag, transport};
use crate::wire::icmp::{Icmp, kind};
use crate::wire::{ipv4, u16_at, u32_at};

/// `outer` is false for the packet that an ICMP error quotes.
pub(super) fn write(w: &mut Text<'_>, bytes: &[u8], flags: u8, outer: bool) -> fmt::Result {
    let Some(header) = bytes.first_chunk::<{ ipv4::HEADER }>() else { return w.write_str("TRUNCATED") };
    let word = |at: usize| u16_at(header, at).unwrap_or(0);
    let address = |at: usize| Ipv4Addr::from(u32_at(header, at).unwrap_or(0));
    write!(w, "SRC={} DST={} ", address(ipv4::SOURCE), address(ipv4::DESTINATION))?;
    let (tos, ttl) = (header[ipv4::TOS], header[ipv4::TTL]);
    let (length, id) = (word(ipv4::LENGTH), word(ipv4::ID));
    write!(w, "LEN={length} TOS=0x{:02X} PREC=0x{:02X} TTL={ttl} ID={id} ", tos & 0x1e, tos & 0xe0)?;
    let place = word(ipv4::FRAGMENT);
    for (bit, name) in [(0x8000, "CE "), (ipv4::DF, "DF "), (ipv4::MF, "MF ")] {
        if place & bit != 0 {
            w.write_str(name)?;
        }
    }
    let offset = place & 0x1fff;
    if offset != 0 {
        write!(w, "FRAG:{offset} ")?;
    }
    let end = usize::from(header[0] & 15) * 4;
    if flags & flag::IP_OPTIONS != 0 && end > ipv4::HEADER {
        let Some(options) = bytes.get(ipv4::HEADER..end) else { return w.write_str("TRUNCATED") };
        write!(w, "OPT ({}) ", Hex(options))?;
    }
    let segment = bytes.get(end..).unwrap_or_default();
    match header[ipv4::PROTOCOL] {
        transport::TCP => transport::tcp(w, segment, flags, offset != 0),
        protocol @ (transport::UDP | transport::UDPLITE) => transport::udp(w, segment, protocol, offset != 0),
        1 => icmp(w, segment, flags, offset != 0, outer),
        protocol @ (transport::ESP | transport::AH) => transport::security(w, segment, protocol, offset != 0),
        protocol => write!(w, "PROTO={protocol} "),
    }
}

fn icmp(w: &mut Text<'_>, segment: &[u8], flags: u8, fragment: bool, outer: bool) -> fmt::Result {
    w.write_str("PROTO=ICMP ")?;
    if fragment {
        return Ok(());
    }
    let incomplete = |w: &mut Text<'_>| write!(w, "INCOMPLETE [{} bytes] ", segment.len());
    let Some(icmp) = Icmp::parse(segment) else { return incomplete(w) };
    write!(w, "TYPE={} CODE={} ", icmp.kind, icmp.code)?;
    if segment.len() < required(icmp.kind) {
        return incomplete(w);
    }
    match icmp.kind {
        kind::ECHO | kind::ECHO_REPLY => write!(w, "ID={} SEQ={} ", icmp.id, icmp.sequence),
        kind::PARAMETER_PROBLEM => write!(w, "PARAMETER={} ", icmp.id >> 8),
        kind::REDIRECT | kind::UNREACHABLE | kind::SOURCE_QUENCH | kind::TIME_EXCEEDED => {
            if icmp.kind == kind::REDIRECT {
                write!(w, "GATEWAY={} ", Ipv4Addr::from(u32_at(segment, 4).unwrap_or(0)))?;
            }
            if outer {
                w.write_str("[")?;
                write(w, segment.get(8..).unwrap_or_default(), flags, false)?;
                w.write_str("] ")?;
            }
            if icmp.kind == kind::UNREACHABLE && icmp.code == FRAGMENTATION_NEEDED {
                write!(w, "MTU={} ", icmp.sequence)?;
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Bytes without which the kernel calls a message incomplete.
const fn required(icmp: u8) -> usize {
    match icmp {
        kind::ECHO | kind::ECHO_REPLY => 4,
        kind::UNREACHABLE | kind::SOURCE_QUENCH | kind::REDIRECT | kind::TIME_EXCEEDED | kind::PARAMETER_PROBLEM => 28,
        kind::TIMESTAMP | kind::TIMESTAMP_REPLY => 20,
        kind::ADDRESS | kind::ADDRESS_REPLY => 12,
        _ => 0,
    }
}

/// `ICMP_FRAG_NEEDED`.
const FRAGMENTATION_NEEDED: u8 = 4;
