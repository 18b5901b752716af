//! Addresses and masks as the tools read and print them, host and network names included.
//!
//! An address of either family stands in 16 bytes in network order; IPv4 uses the first four, the rest is zero.

use std::fmt;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, ToSocketAddrs};

use super::header::Range;
use super::number;
use crate::family::Af;
use crate::octets;

/// An address for `Display`, in the form of glibc's `inet_ntop()`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Text(pub IpAddr);

/// Why an address argument was refused: upstream's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bad(pub String);

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(f, self.0)
    }
}

/// Writes an address in the form of glibc's `inet_ntop()`.
pub fn write(w: &mut dyn fmt::Write, address: IpAddr) -> fmt::Result {
    match address {
        IpAddr::V4(address) => write_v4(w, address),
        IpAddr::V6(address) => {
            // glibc writes ::a.b.c.d where the first six words, and no more, are zero.
            let [a, b, c, d, e, g, high, low] = address.segments();
            if [a, b, c, d, e, g] == [0; 6] && high != 0 {
                write!(w, "::{}", Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)))
            } else {
                write!(w, "{address}")
            }
        }
    }
}

/// As `{}` writes it, in one piece.
fn write_v4(w: &mut dyn fmt::Write, address: Ipv4Addr) -> fmt::Result {
    let mut text = [b'.'; 15];
    let mut len = 0;
    for byte in address.octets() {
        for (least, unit) in [(100, 100), (10, 10), (0, 1)] {
            if byte >= least {
                text[len] = b'0' + byte / unit % 10;
                len += 1;
            }
        }
        len += 1;
    }
    w.write_str(std::str::from_utf8(&text[..len - 1]).map_err(|_| fmt::Error)?)
}

impl fmt::Display for Bad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The 16 bytes as an address of `af`.
pub fn to_ip(af: Af, bytes: &[u8; 16]) -> IpAddr {
    match af {
        Af::V4 => {
            let [a, b, c, d, ..] = *bytes;
            IpAddr::V4(Ipv4Addr::new(a, b, c, d))
        }
        Af::V6 => IpAddr::V6(Ipv6Addr::from(*bytes)),
    }
}

/// An address as 16 bytes.
pub fn to_bytes(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => {
            let mut bytes = [0; 16];
            for (byte, octet) in bytes.iter_mut().zip(address.octets()) {
                *byte = octet;
            }
            bytes
        }
        IpAddr::V6(address) => address.octets(),
    }
}

/// A numeric address. IPv4 may be short (`10.1` is 10.1.0.0) and its bytes octal or hexadecimal.
pub fn parse_numeric(af: Af, text: &str) -> Option<IpAddr> {
    match af {
        Af::V4 => parse_dotted(text, true).map(IpAddr::V4),
        Af::V6 => text.parse().ok().map(IpAddr::V6),
    }
}

/// A mask: as an address, or as a number of bits (`xtables_parse_mask`); `None` if it is neither.
pub fn parse_mask(af: Af, text: &str) -> Option<[u8; 16]> {
    let numeric = match af {
        Af::V4 => parse_dotted(text, false).map(IpAddr::V4),
        Af::V6 => text.parse().ok().map(IpAddr::V6),
    };
    if let Some(mask) = numeric {
        return Some(to_bytes(mask));
    }
    let bits = number::parse(text, 0, 8 * af.address_len() as u64)?;
    Some(mask_of(bits as usize))
}

/// The mask whose first `bits` bits are set.
pub fn mask_of(bits: usize) -> [u8; 16] {
    let bits = bits.min(128) as u32;
    u128::MAX.checked_shl(128 - bits).unwrap_or(0).to_be_bytes()
}

/// The length of a contiguous mask of `af`; `None` if it has holes.
pub fn mask_len(af: Af, mask: &[u8; 16]) -> Option<u32> {
    let bits = u128::from_be_bytes(*mask);
    let len = bits.leading_ones();
    (bits.count_ones() == len && len <= 8 * af.address_len() as u32).then_some(len)
}

/// The ranges that a `-s` or `-d` argument names: a list of `address[/mask]`, where a host name may stand for several
/// addresses (`xtables_ipparse_multiple`).
pub fn parse_ranges(af: Af, text: &str) -> Result<Vec<Range>, Bad> {
    let mut ranges = Vec::with_capacity(1);
    for one in text.split(',') {
        let one = one.trim_start_matches([' ', '\t', '\n', '\x0b', '\x0c', '\r']);
        if one.len() > MAX_HOST && octets::len(one) > MAX_HOST {
            return Err(Bad("Hostname too long".to_owned()));
        }
        parse_one(af, one, &mut ranges)?;
    }
    Ok(ranges)
}

/// Bytes of an address with its mask, as upstream has room for them.
const MAX_HOST: usize = 255;

/// Adds the ranges of one `address[/mask]`.
fn parse_one(af: Af, text: &str, ranges: &mut Vec<Range>) -> Result<(), Bad> {
    let (host, mask) = match text.rsplit_once('/') {
        Some((host, mask)) => {
            let parsed = parse_mask(af, mask).ok_or_else(|| Bad(format!("invalid mask `{mask}' specified")))?;
            (host, parsed)
        }
        None => (text, mask_of(8 * af.address_len())),
    };
    if mask == [0; 16] {
        // With no bit that counts, the name does not count either: "any/0".
        ranges.push(Range::default());
        return Ok(());
    }
    let masked = |address: IpAddr| {
        let mut address = to_bytes(address);
        for (byte, mask) in address.iter_mut().zip(mask) {
            *byte &= mask;
        }
        Range { address, mask }
    };
    match parse_numeric(af, host) {
        Some(address) => ranges.push(masked(address)),
        None => ranges.extend(hosts(af, host)?.into_iter().map(masked)),
    }
    Ok(())
}

/// Every address of a number, a network name (IPv4) or a host name.
pub fn hosts(af: Af, name: &str) -> Result<Vec<IpAddr>, Bad> {
    if let Some(address) = parse_numeric(af, name) {
        return Ok(vec![address]);
    }
    let missing = || Bad(format!("host/network `{name}' not found"));
    if af == Af::V4
        && let Some(network) = network_named(name)
    {
        return Ok(vec![IpAddr::V4(network)]);
    }
    if name.is_empty() || name.contains('\0') {
        return Err(missing());
    }
    let resolved = (name, 0).to_socket_addrs().map_err(|_| missing())?;
    let mut addresses: Vec<IpAddr> = Vec::new();
    for address in resolved.map(|socket| socket.ip()).filter(|ip| ip.is_ipv4() == (af == Af::V4)) {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    if addresses.is_empty() { Err(missing()) } else { Ok(addresses) }
}

/// The name of a network in `/etc/networks`.
pub fn network_name(address: Ipv4Addr) -> Option<String> {
    networks().find(|&(_, network)| network == address).map(|(name, _)| name)
}

fn network_named(name: &str) -> Option<Ipv4Addr> {
    networks().find(|(known, _)| known == name).map(|(_, network)| network)
}

/// The lines of `/etc/networks`: a name and a number whose missing bytes are zero.
fn networks() -> impl Iterator<Item = (String, Ipv4Addr)> {
    let text = fs::read_to_string("/etc/networks").unwrap_or_default();
    let lines: Vec<_> = text
        .lines()
        .filter_map(|line| {
            let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
            let name = words.next()?.to_owned();
            Some((name, parse_dotted(words.next()?, true)?))
        })
        .collect();
    lines.into_iter()
}

/// Four bytes between dots; fewer only where `short` allows it, and then at the front (`numeric_to_ipaddr`).
fn parse_dotted(text: &str, short: bool) -> Option<Ipv4Addr> {
    let mut bytes = [0; 4];
    let mut rest = Some(text);
    let mut count = 0;
    for byte in &mut bytes {
        let Some(text) = rest else { break };
        let (value, after) = number::parse_prefix(text)?;
        *byte = u8::try_from(value).ok()?;
        count += 1;
        rest = after.strip_prefix('.');
        if rest.is_none() && !after.is_empty() {
            return None;
        }
    }
    (rest.is_none() && (count == 4 || short)).then(|| bytes.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(af: Af, text: &str) -> String {
        match parse_ranges(af, text) {
            Ok(ranges) => ranges
                .iter()
                .map(|range| format!("{}/{}", Text(to_ip(af, &range.address)), Text(to_ip(af, &range.mask))))
                .collect::<Vec<_>>()
                .join(","),
            Err(bad) => bad.0,
        }
    }

    #[test]
    fn short_addresses_are_filled_at_the_end() {
        assert_eq!(range(Af::V4, "10/8"), "10.0.0.0/255.0.0.0");
        assert_eq!(range(Af::V4, "10.1"), "10.1.0.0/255.255.255.255");
        assert_eq!(range(Af::V4, "0x0a.010.1.2"), "10.8.1.2/255.255.255.255");
    }

    #[test]
    fn bits_outside_the_mask_are_dropped() {
        assert_eq!(range(Af::V4, "192.168.3.4/255.255.0.255"), "192.168.0.4/255.255.0.255");
        assert_eq!(range(Af::V6, "fe80::1/64"), "fe80::/ffff:ffff:ffff:ffff::");
        assert_eq!(range(Af::V4, "whatever/0"), "0.0.0.0/0.0.0.0");
    }

    #[test]
    fn what_is_no_address_or_mask_is_refused_in_upstreams_words() {
        assert_eq!(range(Af::V4, "1.1.1.300"), "host/network `1.1.1.300' not found");
        assert_eq!(range(Af::V4, "1.1.1.1/33"), "invalid mask `33' specified");
        assert_eq!(range(Af::V6, "::1/129"), "invalid mask `129' specified");
    }

    #[test]
    fn an_embedded_ipv4_address_is_written_as_glibc_does() {
        let text = |text: &str| Text(text.parse().unwrap()).to_string();
        assert_eq!(text("::1.2.3.4"), "::1.2.3.4");
        assert_eq!(text("::5"), "::5");
        assert_eq!(text("::ffff:1.2.3.4"), "::ffff:1.2.3.4");
        assert_eq!(text("1:0:0:2::3"), "1:0:0:2::3");
    }

    #[test]
    fn an_ipv4_address_is_written_as_display_writes_it() {
        for address in ["0.0.0.0", "1.22.100.255", "255.255.255.255", "10.0.9.99"] {
            assert_eq!(Text(address.parse().unwrap()).to_string(), address);
        }
    }

    #[test]
    fn a_mask_with_holes_has_no_length() {
        assert_eq!(mask_len(Af::V4, &mask_of(0)), Some(0));
        assert_eq!(mask_len(Af::V4, &mask_of(32)), Some(32));
        assert_eq!(mask_len(Af::V6, &mask_of(128)), Some(128));
        assert_eq!(mask_len(Af::V4, &parse_mask(Af::V4, "255.0.255.0").unwrap()), None);
    }
}
