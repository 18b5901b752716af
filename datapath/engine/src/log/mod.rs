//! Lines for the kernel's log: what LOG and TRACE write, byte for byte as nf_log_syslog.c does.
//!
//! Every line ends with a space, as the kernel's do; the line feed is the reader's.

mod ipv4;
mod ipv6;
mod transport;

use std::fmt::{self, Write};

use libxt::family::Af;

use crate::effects;
use crate::effects::Effects;
use crate::ext::Scene;
use crate::packet::{Device, Hook, LinkHeader, Packet};

/// What a line says besides the usual: `NF_LOG_*`.
pub(crate) mod flag {
    /// TCP sequence and acknowledgement numbers.
    pub(crate) const TCP_SEQUENCE: u8 = 0x01;
    /// TCP options.
    pub(crate) const TCP_OPTIONS: u8 = 0x02;
    /// IP options or extension headers.
    pub(crate) const IP_OPTIONS: u8 = 0x04;
    /// The owner of the socket.
    pub(crate) const UID: u8 = 0x08;
    /// The link-layer header in words.
    pub(crate) const MAC_DECODE: u8 = 0x20;
    /// What TRACE's lines have (`NF_LOG_DEFAULT_MASK`).
    pub(crate) const DEFAULT: u8 = 0x0f;
}

/// The line TRACE writes when a rule matched. As trace_packet().
pub(crate) fn trace(scene: &mut Scene<'_, '_>, chain: &str, comment: &str, number: u32) {
    let table = scene.table;
    line(scene, WARNING, flag::DEFAULT, format_args!("TRACE: {table}:{chain}:{comment}:{number} "));
}

/// A line about the packet. As nf_log_ip_packet() and nf_log_ip6_packet().
pub(crate) fn line(scene: &mut Scene<'_, '_>, level: u8, flags: u8, prefix: fmt::Arguments<'_>) {
    push(scene.packet, scene.out, level, flags, prefix);
}

/// A line about a packet ahead of its rules, which knows only the device of its hook.
pub(crate) fn before_rules(packet: &Packet<'_>, out: &mut Effects, level: u8, prefix: fmt::Arguments<'_>) {
    push(packet, out, level, flag::DEFAULT, prefix);
}

fn push(packet: &Packet<'_>, out: &mut Effects, level: u8, flags: u8, prefix: fmt::Arguments<'_>) {
    let start = out.bytes.len();
    let mut w = Text { bytes: &mut out.bytes, limit: start + LONGEST };
    // A line that is too long is cut, as the kernel's buffer cuts it.
    let _ = write_line(&mut w, packet, flags, prefix);
    let text = start..out.bytes.len();
    out.logs.push(effects::Log { level, text });
}

fn write_line(w: &mut Text<'_>, packet: &Packet<'_>, flags: u8, prefix: fmt::Arguments<'_>) -> fmt::Result {
    w.write_fmt(prefix)?;
    // Where it was taken later than it is judged, the device it leaves by is known too early.
    let out_device = packet.out_device.filter(|_| packet.hook != Hook::Prerouting);
    write!(w, "IN={} OUT={} ", Name(packet.in_device), Name(out_device))?;
    if let Some(port) = packet.in_port {
        write!(w, "PHYSIN={} ", Name(Some(port)))?;
    }
    if let Some(port) = packet.out_port {
        write!(w, "PHYSOUT={} ", Name(Some(port)))?;
    }
    if let Some(device) = packet.in_device {
        link(w, device, &packet.link, flags)?;
    }
    let bytes = packet.data.bytes();
    match packet.af {
        Af::V4 => ipv4::write(w, bytes, flags, true)?,
        Af::V6 => ipv6::write(w, bytes, flags, true)?,
    }
    if flags & flag::UID != 0
        && let Some(owner) = packet.owner
    {
        write!(w, "UID={} GID={} ", owner.uid, owner.gid)?;
    }
    if packet.mark != 0 {
        write!(w, "MARK={:#x} ", packet.mark)?;
    }
    Ok(())
}

/// As dump_mac_header().
fn link(w: &mut Text<'_>, device: &Device, link: &LinkHeader, flags: u8) -> fmt::Result {
    let header = link.bytes.get(..link.len.into()).unwrap_or_default();
    if flags & flag::MAC_DECODE != 0
        && device.hardware == ETHERNET
        && let Some(&[ref destination @ .., s0, s1, s2, s3, s4, s5, t0, t1]) = header.first_chunk::<14>()
    {
        write!(w, "MACSRC={} ", Mac(&[s0, s1, s2, s3, s4, s5]))?;
        return write!(w, "MACDST={} MACPROTO={:04x} ", Mac(destination), u16::from_be_bytes([t0, t1]));
    }
    write!(w, "MAC={} ", Mac(header))
}

/// Text at the end of bytes, up to a limit.
pub(crate) struct Text<'a> {
    bytes: &'a mut Vec<u8>,
    limit: usize,
}

impl Write for Text<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = self.limit.saturating_sub(self.bytes.len());
        self.bytes.extend_from_slice(text.as_bytes().get(..room).unwrap_or(text.as_bytes()));
        if room < text.len() { Err(fmt::Error) } else { Ok(()) }
    }
}

struct Name<'a>(Option<&'a Device>);

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0.iter().flat_map(|device| device.name).take_while(|byte| *byte != 0) {
            f.write_char(byte.into())?;
        }
        Ok(())
    }
}

struct Mac<'a>(&'a [u8]);

impl fmt::Display for Mac<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            let colon = if index == 0 { "" } else { ":" };
            write!(f, "{colon}{byte:02x}")?;
        }
        Ok(())
    }
}

/// Bytes as `OPT (…)` shows them.
pub(crate) struct Hex<'a>(pub(crate) &'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02X}"))
    }
}

/// `LOGLEVEL_WARNING`, TRACE's.
const WARNING: u8 = 4;
/// `ARPHRD_ETHER`.
const ETHERNET: u16 = 1;
/// `S_SIZE` of nf_log_syslog.c: bytes of the longest line.
const LONGEST: usize = 1020;
