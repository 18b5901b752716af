//! What the NAT targets have alike: options, addresses with ports, texts, and the bytes by revision and family.

use std::fmt::{self, Write};

use crate::ext::{Given, Opt, Problem, Surroundings};
use crate::family::Af;
use crate::value::nat::{Ports, Range};

/// A target that maps to a range.
pub(super) trait Maps: 'static {
    /// The range, to be changed.
    fn range(&mut self) -> &mut Range;
}

/// `--random`.
pub(super) const fn random<E: Maps>() -> Opt<E> {
    Opt::flag("random", "take ports at random", |to: &mut E, _| {
        to.range().random = true;
        Ok(())
    })
}

/// `--random-fully`.
pub(super) const fn random_fully<E: Maps>() -> Opt<E> {
    Opt::flag("random-fully", "take ports at random, without the hash that --random begins at", |to: &mut E, _| {
        to.range().random_fully = true;
        Ok(())
    })
}

/// `--persistent`.
pub(super) const fn persistent<E: Maps>() -> Opt<E> {
    Opt::flag("persistent", "give one client the same address every time", |to: &mut E, _| {
        to.range().persistent = true;
        Ok(())
    })
}

/// Addresses and ports behind `word`, then the flags with `dashes` before each.
pub(super) fn write_target(range: &Range, w: &mut dyn Write, word: &str, dashes: &str) -> fmt::Result {
    w.write_str(word)?;
    range.write_target(w)?;
    range.write_flags(w, dashes)
}

/// Ports, if there are any, behind `word`, then the flags with `dashes` before each.
pub(super) fn write_ports(range: &Range, w: &mut dyn Write, word: &str, dashes: &str) -> fmt::Result {
    if let Some(ports) = range.ports {
        write!(w, "{word}{ports}")?;
    }
    range.write_flags(w, dashes)
}

/// `[address[-address]][:port[-port[/base]]]`, IPv6 addresses before a port in brackets.
pub(super) fn target(range: &mut Range, given: &Given<'_>) -> Result<(), Problem> {
    let (addresses, ports) = split(given)?;
    if let Some(text) = ports {
        range.ports = Some(self::ports(given, text)?);
    }
    let Some(addresses) = addresses else { return Ok(()) };
    let (first, last) = addresses.split_once('-').unwrap_or((addresses, addresses));
    range.addresses = Some((address(first, given.around.af)?, address(last, given.around.af)?));
    Ok(())
}

/// Ports, which only a protocol that has them (or identifiers, as ICMP) may be given.
pub(super) fn ports(given: &Given<'_>, text: &str) -> Result<Ports, Problem> {
    if !matches!(given.around.protocol, ICMP | TCP | UDP | DCCP | SCTP) {
        return Err(Problem::new("Need TCP, UDP, SCTP or DCCP with port specification"));
    }
    Ports::parse(text).map_err(Problem::new)
}

/// The range in the bytes of a revision of SNAT, DNAT, MASQUERADE, REDIRECT or NETMAP.
pub(super) fn decode(revision: u8, info: &[u8], around: &Surroundings) -> Option<Range> {
    match (revision, around.af) {
        (0, Af::V4) => Range::decode_v4(info),
        _ => Range::decode(info, around.af, revision >= 2),
    }
}

/// The reverse of [`decode`].
pub(super) fn encode(range: &Range, revision: u8, info: &mut [u8], around: &Surroundings) -> Option<()> {
    match (revision, around.af) {
        (0, Af::V4) => range.encode_v4(info),
        _ => range.encode(info, revision >= 2),
    }
}

/// The addresses, if there are any, and the ports. Without brackets one colon begins the ports, and several belong to an
/// address.
fn split<'a>(given: &Given<'a>) -> Result<(Option<&'a str>, Option<&'a str>), Problem> {
    let text = given.value;
    // The tools take the colon's place for a sign that nothing, or `[]', stands before it.
    let before = |ports: Option<&str>| text.len() - ports.map_or(0, str::len);
    let none = |ports: Option<&str>| ports.is_some() && matches!(before(ports), 1 | 3);
    // What stands before the bracket is passed over.
    if let Some((_, rest)) = text.split_once('[') {
        let closed = (given.around.af == Af::V6).then(|| rest.split_once(']')).flatten();
        let (addresses, rest) = closed.ok_or_else(|| Problem::new("Invalid address format"))?;
        let ports = rest.split_once(':').map(|(_, ports)| ports);
        return Ok(((!none(ports)).then_some(addresses), ports));
    }
    match text.split_once(':') {
        Some((addresses, ports)) if !ports.contains(':') => {
            Ok(((!none(Some(ports))).then_some(addresses), Some(ports)))
        }
        _ => Ok((Some(text), None)),
    }
}

fn address(text: &str, af: Af) -> Result<std::net::IpAddr, Problem> {
    let parsed = match af {
        Af::V4 => text.parse::<std::net::Ipv4Addr>().map(Into::into),
        Af::V6 => text.parse::<std::net::Ipv6Addr>().map(Into::into),
    };
    parsed.map_err(|_| Problem::new(format!("Bad IP address \"{text}\"")))
}

const ICMP: u16 = 1;
const TCP: u16 = 6;
const UDP: u16 = 17;
const DCCP: u16 = 33;
const SCTP: u16 = 132;
