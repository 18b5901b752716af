//! An IPv6 packet in a log line. As dump_ipv6_packet().

use std::fmt::{self, Write};

use super::{Text, flag, transport};
use crate::wire::icmpv6::{self, kind};
use crate::wire::{ipv6, u16_at, u32_at};

/// `outer` is false for the packet that an ICMPv6 error quotes.
pub(super) fn write(w: &mut Text<'_>, bytes: &[u8], flags: u8, outer: bool) -> fmt::Result {
    let Some(header) = bytes.first_chunk::<{ ipv6::HEADER }>() else { return w.write_str("TRUNCATED") };
    write!(w, "SRC={} DST={} ", Full(header, ipv6::SOURCE), Full(header, ipv6::DESTINATION))?;
    let flow = u32_at(header, 0).unwrap_or(0);
    let length = usize::from(u16_at(header, ipv6::LENGTH).unwrap_or(0)) + ipv6::HEADER;
    let class = flow >> 20 & 0xff;
    write!(w, "LEN={length} TC={class} HOPLIMIT={} FLOWLBL={} ", header[ipv6::HOP_LIMIT], flow & 0xf_ffff)?;
    let options = flags & flag::IP_OPTIONS != 0;
    let (mut number, mut at, mut fragment) = (header[ipv6::NEXT], ipv6::HEADER, false);
    while ipv6::is_extension(number) || number == transport::ESP {
        let Some(&[next, size]) = bytes.get(at..).and_then(|rest| rest.first_chunk()) else {
            return w.write_str("TRUNCATED");
        };
        let rest = bytes.get(at..).unwrap_or_default();
        if options {
            w.write_str("OPT ( ")?;
        }
        let length = match number {
            ipv6::FRAGMENT => {
                w.write_str("FRAG:")?;
                let (Some(place), Some(id)) = (u16_at(rest, 2), u32_at(rest, 4)) else {
                    return w.write_str("TRUNCATED ");
                };
                write!(w, "{} ", place & 0xfff8)?;
                if place & 1 != 0 {
                    w.write_str("INCOMPLETE ")?;
                }
                write!(w, "ID:{id:08x} ")?;
                fragment |= place & 0xfff8 != 0;
                ipv6::FRAGMENT_HEADER
            }
            transport::AH | transport::ESP => {
                if options {
                    w.write_str(if number == transport::AH { "AH " } else { "ESP " })?;
                    if fragment {
                        return w.write_str(")");
                    }
                    let spi = u32_at(rest, if number == transport::AH { 4 } else { 0 });
                    let Some(spi) = spi else { return w.write_str("TRUNCATED ") };
                    write!(w, "SPI={spi:#x} ")?;
                    if number == transport::ESP {
                        w.write_str(")")?;
                    }
                }
                if number == transport::ESP {
                    return Ok(());
                }
                (usize::from(size) + 2) * 4
            }
            _ if fragment => return if options { w.write_str(")") } else { Ok(()) },
            _ => (usize::from(size) + 1) * 8,
        };
        if options {
            w.write_str(") ")?;
        }
        number = next;
        at += length;
    }
    let segment = bytes.get(at..).unwrap_or_default();
    match number {
        transport::TCP => transport::tcp(w, segment, flags, fragment),
        transport::UDP | transport::UDPLITE => transport::udp(w, segment, number, fragment),
        58 => icmp(w, segment, flags, fragment, outer),
        _ => write!(w, "PROTO={number} "),
    }
}

fn icmp(w: &mut Text<'_>, segment: &[u8], flags: u8, fragment: bool, outer: bool) -> fmt::Result {
    w.write_str("PROTO=ICMPv6 ")?;
    if fragment {
        return Ok(());
    }
    let Some(icmp) = icmpv6::parse(segment) else { return write!(w, "INCOMPLETE [{} bytes] ", segment.len()) };
    write!(w, "TYPE={} CODE={} ", icmp.kind, icmp.code)?;
    match icmp.kind {
        kind::ECHO | kind::ECHO_REPLY => write!(w, "ID={} SEQ={} ", icmp.id, icmp.sequence),
        kind::UNREACHABLE | kind::TOO_BIG | kind::TIME_EXCEEDED | kind::PARAMETER_PROBLEM => {
            let word = u32_at(segment, 4).unwrap_or(0);
            if icmp.kind == kind::PARAMETER_PROBLEM {
                write!(w, "POINTER={word:08x} ")?;
            }
            if outer {
                w.write_str("[")?;
                write(w, segment.get(8..).unwrap_or_default(), flags, false)?;
                w.write_str("] ")?;
            }
            if icmp.kind == kind::TOO_BIG {
                write!(w, "MTU={word} ")?;
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

/// An address with all its digits (`%pI6`).
struct Full<'a>(&'a [u8], usize);

impl fmt::Display for Full<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for word in 0..8 {
            let colon = if word == 0 { "" } else { ":" };
            write!(f, "{colon}{:04x}", u16_at(self.0, self.1 + word * 2).unwrap_or(0))?;
        }
        Ok(())
    }
}
