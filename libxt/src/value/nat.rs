//! The range of addresses and ports that a NAT target chooses from, in the kernel's four encodings of it.

use std::fmt;
use std::net::IpAddr;

use zerocopy::byteorder::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::address::{self, Text};
use super::{number, service};
use crate::family::Af;

/// What a NAT target maps to (`struct nf_nat_range2`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Range {
    /// First and last address; the order is not checked. `None` keeps the address or leaves it to the target.
    pub addresses: Option<(IpAddr, IpAddr)>,
    /// The ports, or `None` to keep the port if possible.
    pub ports: Option<Ports>,
    /// `--random`: `NF_NAT_RANGE_PROTO_RANDOM`.
    pub random: bool,
    /// `--random-fully`: `NF_NAT_RANGE_PROTO_RANDOM_FULLY`.
    pub random_fully: bool,
    /// `--persistent`: `NF_NAT_RANGE_PERSISTENT`.
    pub persistent: bool,
    /// `NF_NAT_RANGE_NETMAP`, which only NETMAP sets.
    pub netmap: bool,
}

/// Ports `min` to `max`, both included; for ICMP, identifiers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ports {
    /// The first.
    pub min: u16,
    /// The last.
    pub max: u16,
    /// The port that is mapped to `min`, the others shifted alike: `NF_NAT_RANGE_PROTO_OFFSET`. Encodings before
    /// revision 2 have no field for it, and then it reads as 0.
    pub base: Option<u16>,
}

impl Range {
    /// Whether the encodings before revision 2 can say it.
    pub fn is_unshifted(&self) -> bool {
        self.ports.is_none_or(|ports| ports.base.is_none_or(|base| base == 0))
    }

    /// `[address[-address]][:port[-port[/base]]]`, with brackets around IPv6 addresses that a port follows.
    pub fn write_target(&self, w: &mut dyn fmt::Write) -> fmt::Result {
        if let Some((min, max)) = self.addresses {
            let bracketed = min.is_ipv6() && self.ports.is_some();
            w.write_str(if bracketed { "[" } else { "" })?;
            write!(w, "{}", Text(min))?;
            if max != min {
                write!(w, "-{}", Text(max))?;
            }
            w.write_str(if bracketed { "]" } else { "" })?;
        }
        if let Some(ports) = self.ports {
            write!(w, ":{ports}")?;
        }
        Ok(())
    }

    /// ` random random-fully persistent`, each with `prefix` before it.
    pub fn write_flags(&self, w: &mut dyn fmt::Write, prefix: &str) -> fmt::Result {
        for (set, name) in
            [(self.random, "random"), (self.random_fully, "random-fully"), (self.persistent, "persistent")]
        {
            if set {
                write!(w, " {prefix}{name}")?;
            }
        }
        Ok(())
    }

    /// `struct nf_nat_ipv4_multi_range_compat` with its one range: revision 0 for IPv4.
    pub fn decode_v4(info: &[u8]) -> Option<Self> {
        let (info, _) = Compat::read_from_prefix(info).ok()?;
        let address = |bytes: [u8; 4]| IpAddr::from(bytes);
        Some(Self::from_parts(
            info.flags,
            address(info.min_ip),
            address(info.max_ip),
            info.min.get(),
            info.max.get(),
            0,
        ))
    }

    /// The reverse of [`Self::decode_v4`]; `None` without room.
    pub fn encode_v4(&self, info: &mut [u8]) -> Option<()> {
        let (min, max) = self.fields();
        let first = |[a, b, c, d, ..]: [u8; 16]| [a, b, c, d];
        let ports = self.ports.unwrap_or_default();
        let bytes = Compat {
            size: 1,
            flags: self.flags(),
            min_ip: first(min),
            max_ip: first(max),
            min: ports.min.into(),
            max: ports.max.into(),
        };
        bytes.write_to_prefix(info).ok()
    }

    /// `struct nf_nat_range`, and with `base` `struct nf_nat_range2`.
    pub fn decode(info: &[u8], af: Af, base: bool) -> Option<Self> {
        let (fixed, rest) = Fixed::read_from_prefix(info).ok()?;
        let base = if base { U16::read_from_prefix(rest).ok()?.0.get() } else { 0 };
        let (min, max) = (address::to_ip(af, &fixed.min_addr), address::to_ip(af, &fixed.max_addr));
        Some(Self::from_parts(fixed.flags, min, max, fixed.min.get(), fixed.max.get(), base))
    }

    /// The reverse of [`Self::decode`]; `None` without room.
    pub fn encode(&self, info: &mut [u8], base: bool) -> Option<()> {
        let (min_addr, max_addr) = self.fields();
        let ports = self.ports.unwrap_or_default();
        let fixed = Fixed { flags: self.flags(), min_addr, max_addr, min: ports.min.into(), max: ports.max.into() };
        fixed.write_to_prefix(info).ok()?;
        if base {
            U16::new(ports.base.unwrap_or(0)).write_to_prefix(info.get_mut(size_of::<Fixed>()..)?).ok()?;
        }
        Some(())
    }

    fn from_parts(flags: u32, first: IpAddr, last: IpAddr, min: u16, max: u16, base: u16) -> Self {
        let ports = Ports { min, max, base: (flags & PROTO_OFFSET != 0).then_some(base) };
        Self {
            addresses: (flags & MAP_IPS != 0).then_some((first, last)),
            ports: (flags & PROTO_SPECIFIED != 0).then_some(ports),
            random: flags & PROTO_RANDOM != 0,
            random_fully: flags & PROTO_RANDOM_FULLY != 0,
            persistent: flags & PERSISTENT != 0,
            netmap: flags & NETMAP != 0,
        }
    }

    fn fields(&self) -> ([u8; 16], [u8; 16]) {
        self.addresses.map_or(([0; 16], [0; 16]), |(min, max)| (address::to_bytes(min), address::to_bytes(max)))
    }

    fn flags(&self) -> u32 {
        let mut flags = 0;
        for (set, bit) in [
            (self.addresses.is_some(), MAP_IPS),
            (self.ports.is_some(), PROTO_SPECIFIED),
            (self.ports.is_some_and(|ports| ports.base.is_some()), PROTO_OFFSET),
            (self.random, PROTO_RANDOM),
            (self.random_fully, PROTO_RANDOM_FULLY),
            (self.persistent, PERSISTENT),
            (self.netmap, NETMAP),
        ] {
            flags |= if set { bit } else { 0 };
        }
        flags
    }
}

impl Ports {
    /// `port`, `port-port` or `port-port/base`, the first by number or name. The error is the tools' text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let invalid = |text: &str| format!("Port `{text}' not valid");
        let Some((min, rest)) = port(text) else {
            let min = service::port(text, None).ok_or_else(|| invalid(text))?;
            return Ok(Self { min, max: min, base: None });
        };
        let Some(range) = rest.strip_prefix('-') else {
            return match rest.bytes().next() {
                None => Ok(Self { min, max: min, base: None }),
                Some(b':') => Err("Invalid port:port syntax - use dash".to_owned()),
                Some(_) => Err(format!("Garbage after port value: `{rest}'")),
            };
        };
        let (max, rest) = port(range).ok_or_else(|| invalid(range))?;
        if max < min {
            return Err(format!("Port range `{range}' funky"));
        }
        if rest.is_empty() {
            return Ok(Self { min, max, base: None });
        }
        let shift = rest.strip_prefix('/').ok_or_else(|| format!("Garbage after port range: `{rest}'"))?;
        let base = match port(shift) {
            Some((0, _)) => return Err(invalid(shift)),
            Some((base, _)) => base,
            None => service::port(shift, None).ok_or_else(|| invalid(shift))?,
        };
        Ok(Self { min, max, base: Some(base) })
    }
}

/// `port`, `port-port` or `port-port/base`.
impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.min)?;
        if self.max != self.min {
            write!(f, "-{}", self.max)?;
        }
        match self.base {
            Some(base) => write!(f, "/{base}"),
            None => Ok(()),
        }
    }
}

fn port(text: &str) -> Option<(u16, &str)> {
    let (value, rest) = number::parse_prefix(text)?;
    Some((u16::try_from(value).ok()?, rest))
}

const MAP_IPS: u32 = 1;
const PROTO_SPECIFIED: u32 = 2;
const PROTO_RANDOM: u32 = 4;
const PERSISTENT: u32 = 8;
const PROTO_RANDOM_FULLY: u32 = 16;
const PROTO_OFFSET: u32 = 32;
const NETMAP: u32 = 64;

/// Bytes of `struct nf_nat_ipv4_multi_range_compat`.
pub const SIZE_V4: usize = size_of::<Compat>();
/// Bytes of `struct nf_nat_range`.
pub const SIZE: usize = size_of::<Fixed>();
/// Bytes of `struct nf_nat_range2`.
pub const SIZE_2: usize = size_of::<Fixed>() + 4;

const _: () = assert!(SIZE_V4 == 20 && SIZE == 40 && SIZE_2 == 44);

/// struct nf_nat_ipv4_multi_range_compat.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Compat {
    size: u32,
    flags: u32,
    min_ip: [u8; 4],
    max_ip: [u8; 4],
    min: U16,
    max: U16,
}

/// struct nf_nat_range, the beginning of struct nf_nat_range2.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Fixed {
    flags: u32,
    min_addr: [u8; 16],
    max_addr: [u8; 16],
    min: U16,
    max: U16,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_one_or_a_range_or_a_shifted_range() {
        let parse = |text| Ports::parse(text).map(|ports| (ports.min, ports.max, ports.base));
        assert_eq!(parse("80"), Ok((80, 80, None)));
        assert_eq!(parse("80-90"), Ok((80, 90, None)));
        assert_eq!(parse("80-90/5x"), Ok((80, 90, Some(5))));
        assert_eq!(parse("80/5"), Err("Garbage after port value: `/5'".into()));
        assert_eq!(parse("90-80"), Err("Port range `80' funky".into()));
        assert_eq!(parse("80-65536"), Err("Port `65536' not valid".into()));
        assert_eq!(parse("80:90"), Err("Invalid port:port syntax - use dash".into()));
        assert_eq!(parse(""), Err("Port `' not valid".into()));
    }

    #[test]
    fn a_truncated_range_is_not_decoded() {
        for len in 0..SIZE_2 {
            let bytes = vec![0xff; len];
            assert_eq!(Range::decode(&bytes, Af::V6, true).is_some(), len >= SIZE + 2);
            assert_eq!(Range::decode_v4(&bytes).is_some(), len >= SIZE_V4);
        }
    }
}
