//! Transport headers in a log line. As nf_log_dump_tcp_header() and its siblings.

use std::fmt::{self, Write};

use super::{Hex, Text, flag};
use crate::wire::tcp::{self, Tcp};
use crate::wire::u32_at;
use crate::wire::udp::Udp;

pub(super) const TCP: u8 = 6;
pub(super) const UDP: u8 = 17;
pub(super) const ESP: u8 = 50;
pub(super) const AH: u8 = 51;
pub(super) const UDPLITE: u8 = 136;

pub(super) fn tcp(w: &mut Text<'_>, segment: &[u8], flags: u8, fragment: bool) -> fmt::Result {
    w.write_str("PROTO=TCP ")?;
    if fragment {
        return Ok(());
    }
    let Some(tcp) = Tcp::parse(segment) else { return incomplete(w, segment) };
    write!(w, "SPT={} DPT={} ", tcp.source, tcp.destination)?;
    if flags & flag::TCP_SEQUENCE != 0 {
        write!(w, "SEQ={} ACK={} ", tcp.sequence, tcp.acknowledgement)?;
    }
    write!(w, "WINDOW={} RES=0x{:02x} ", tcp.window, (tcp.reserved & !ACCURATE_ECN) << 2)?;
    if tcp.reserved & ACCURATE_ECN != 0 {
        w.write_str("AE ")?;
    }
    for (bit, name) in FLAGS {
        if tcp.flags & bit != 0 {
            w.write_str(name)?;
        }
    }
    write!(w, "URGP={} ", tcp.urgent)?;
    if flags & flag::TCP_OPTIONS != 0 && tcp.header_len > tcp::HEADER {
        match tcp.options(segment) {
            Some(options) => write!(w, "OPT ({}) ", Hex(options))?,
            None => w.write_str("OPT (TRUNCATED)")?,
        }
    }
    Ok(())
}

pub(super) fn udp(w: &mut Text<'_>, segment: &[u8], protocol: u8, fragment: bool) -> fmt::Result {
    w.write_str(if protocol == UDP { "PROTO=UDP " } else { "PROTO=UDPLITE " })?;
    if fragment {
        return Ok(());
    }
    let Some(udp) = Udp::parse(segment) else { return incomplete(w, segment) };
    write!(w, "SPT={} DPT={} LEN={} ", udp.source, udp.destination, udp.length)
}

pub(super) fn security(w: &mut Text<'_>, segment: &[u8], protocol: u8, fragment: bool) -> fmt::Result {
    let (name, spi, header) = if protocol == AH { ("AH", 4, 12) } else { ("ESP", 0, 8) };
    write!(w, "PROTO={name} ")?;
    if fragment {
        return Ok(());
    }
    match u32_at(segment, spi).filter(|_| segment.len() >= header) {
        Some(spi) => write!(w, "SPI={spi:#x} "),
        None => incomplete(w, segment),
    }
}

fn incomplete(w: &mut Text<'_>, segment: &[u8]) -> fmt::Result {
    write!(w, "INCOMPLETE [{} bytes] ", segment.len())
}

/// The last of the four bits beside the data offset: a flag since RFC 9768.
const ACCURATE_ECN: u8 = 1;

const FLAGS: [(u8, &str); 8] = [
    (tcp::flag::CWR, "CWR "),
    (tcp::flag::ECE, "ECE "),
    (tcp::flag::URG, "URG "),
    (tcp::flag::ACK, "ACK "),
    (tcp::flag::PSH, "PSH "),
    (tcp::flag::RST, "RST "),
    (tcp::flag::SYN, "SYN "),
    (tcp::flag::FIN, "FIN "),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_reserved_bit_is_a_flag_and_the_others_are_a_number() {
        let mut segment = vec![0; 20];
        segment[12..14].copy_from_slice(&[0x5f, 0x82]);
        let mut bytes = Vec::new();
        tcp(&mut Text { bytes: &mut bytes, limit: 100 }, &segment, 0, false).unwrap();
        assert_eq!(bytes, b"PROTO=TCP SPT=0 DPT=0 WINDOW=0 RES=0x38 AE CWR SYN URGP=0 ");
    }
}
