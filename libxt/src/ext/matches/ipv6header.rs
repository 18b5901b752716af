//! `-m ipv6header`: asks which extension headers an IPv6 packet has.

use std::fmt::{self, Write};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::ext::{Extension, Families, Given, Kind, Malformed, Opt, Problem, Revision, Surroundings};
use crate::value::condition::Condition;
use crate::value::{number, protocol};

/// These headers, and unless `soft` no others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ipv6header {
    /// `MASK_*` of ip6t_ipv6header.h.
    pub headers: Condition<u8>,
    /// Other headers may be there, too.
    pub soft: bool,
}

/// A header: its bit, its protocol number (255 for what is no extension header), the names for it.
const HEADERS: [(u8, u8, &str, &str); 8] = [
    (0x80, 0, "hop-by-hop", "hop"),
    (0x40, 60, "ipv6-opts", "dst"),
    (0x20, 43, "ipv6-route", "route"),
    (0x10, 44, "ipv6-frag", "frag"),
    (0x08, 51, "ah", "auth"),
    (0x04, 50, "esp", "esp"),
    (0x02, 59, "ipv6-nonxt", "none"),
    (0x01, 255, "protocol", "prot"),
];

impl Extension for Ipv6header {
    const NAME: &'static str = "ipv6header";
    const KIND: Kind = Kind::Match;
    const REVISIONS: &'static [Revision] = &[Revision::new(0, size_of::<Info>()).only(Families::V6)];
    const OPTIONS: &'static [Opt<Self>] = &[
        Opt::new("header", " header[,header...]", "hop, dst, route, frag, auth, esp, none or prot", set_headers)
            .invertible()
            .mandatory(),
        Opt::flag("soft", "other headers may be there, too", set_soft),
    ];

    fn decode(_revision: u8, info: &[u8], _around: &Surroundings) -> Result<Self, Malformed> {
        let (info, _) = Info::read_from_prefix(info).map_err(|_| Malformed("ipv6header"))?;
        Ok(Self { headers: Condition::new(info.headers, info.invert != 0), soft: info.soft != 0 })
    }

    fn encode(&self, _revision: u8, info: &mut [u8], _around: &Surroundings) -> Result<(), Malformed> {
        let all = |set| if set { u8::MAX } else { 0 };
        let bytes = Info { headers: self.headers.value, invert: all(self.headers.inverted), soft: all(self.soft) };
        bytes.write_to_prefix(info).map_err(|_| Malformed("ipv6header"))
    }

    fn save(&self, w: &mut dyn Write, _around: &Surroundings) -> fmt::Result {
        write!(w, "{} --header ", self.headers.not())?;
        self.names(w)?;
        if self.soft { w.write_str(" --soft") } else { Ok(()) }
    }

    fn print(&self, w: &mut dyn Write, _around: &Surroundings, numeric: bool) -> fmt::Result {
        write!(w, " ipv6header flags:{}", if self.headers.inverted { "!" } else { "" })?;
        if numeric {
            write!(w, "0x{:02X}", self.headers.value)?;
        } else {
            self.names(w)?;
        }
        if self.soft { w.write_str(" soft") } else { Ok(()) }
    }
}

impl Ipv6header {
    fn names(&self, w: &mut dyn Write) -> fmt::Result {
        let mut comma = "";
        for (bit, _, name, _) in HEADERS {
            if self.headers.value & bit != 0 {
                write!(w, "{comma}{name}")?;
                comma = ",";
            }
        }
        Ok(())
    }
}

fn set_headers(to: &mut Ipv6header, given: &Given<'_>) -> Result<(), Problem> {
    let mut headers = 0;
    for part in given.value.split(',').filter(|part| !part.is_empty()) {
        headers |= header(part)?;
    }
    if headers == 0 {
        return Err(Problem::new("ip6t_ipv6header: cannot parse header names"));
    }
    to.headers = Condition::new(headers, given.inverted);
    Ok(())
}

/// A header by its names here, in `/etc/protocols` (lower case), or by its number in decimal.
fn header(text: &str) -> Result<u8, Problem> {
    let unknown = |text: &dyn fmt::Display| Problem::new(format!("unknown header `{text}' specified"));
    if let Some((bit, ..)) = HEADERS.iter().find(|(_, _, long, short)| text == *long || text == *short) {
        return Ok(*bit);
    }
    // A zero before other digits makes a name of it.
    let decimal = text.bytes().all(|byte| byte.is_ascii_digit()) && (text.len() == 1 || !text.starts_with('0'));
    let parsed = match number::parse(text, 0, u8::MAX.into()) {
        Some(number) if decimal => u16::try_from(number).ok(),
        Some(_) => None,
        None if !OWN_NAMES.contains(&text) => protocol::parse_exact(text),
        None => None,
    };
    let parsed = parsed.ok_or_else(|| unknown(&text))?;
    let found = HEADERS.iter().find(|(_, number, ..)| u16::from(*number) == parsed);
    found.map(|(bit, ..)| *bit).ok_or_else(|| unknown(&parsed))
}

fn set_soft(to: &mut Ipv6header, _given: &Given<'_>) -> Result<(), Problem> {
    to.soft = true;
    Ok(())
}

/// Names of `-p` that are no protocol's in `/etc/protocols`.
const OWN_NAMES: [&str; 4] = ["all", "mh", "ipv6-mh", "icmpv6"];

/// struct ip6t_ipv6header_info.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Info {
    headers: u8,
    invert: u8,
    soft: u8,
}
