//! `host[/mask]` as extension options take it (`XTTYPE_HOSTMASK`), in the 16-byte fields of `union nf_inet_addr`.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::family::Af;

use super::address::{Text, mask_of, to_bytes, to_ip};
use super::{number, resolve};

/// An address field and its mask; IPv4 uses the first four bytes of each. The address is kept as typed, unmasked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Network {
    /// The address, in network order.
    pub address: [u8; 16],
    /// The bits of it that count.
    pub mask: [u8; 16],
}

/// Why a host or its mask was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The mask is neither a length nor dotted.
    Mask,
    /// What `getaddrinfo` says of the host.
    Host(String),
    /// The name has several addresses.
    Ambiguous,
}

impl Network {
    /// `host`, `host/length` or `host/mask`.
    ///
    /// As the tools have it, a mask with holes and an IPv4 length above 32 count as all ones.
    pub fn parse(text: &str, af: Af) -> Result<Self, Refused> {
        let (host, mask) = text.split_once('/').map_or((text, None), |(host, mask)| (host, Some(mask)));
        let address = to_bytes(resolve(host, af)?);
        let mask = match mask {
            Some(mask) => parse_mask(mask, af).ok_or(Refused::Mask)?,
            None => [0xff; 16],
        };
        Ok(Self { address, mask })
    }

    /// The address in a family.
    pub fn address(&self, af: Af) -> IpAddr {
        to_ip(af, &self.address)
    }

    /// Whether an address of a family lies in this network.
    pub fn contains(&self, packet: &[u8], af: Af) -> bool {
        let len = af.address_len();
        packet.len() >= len
            && packet
                .iter()
                .zip(&self.address)
                .zip(&self.mask)
                .take(len)
                .all(|((packet, own), mask)| (packet ^ own) & mask == 0)
    }

    /// The prefix length, unless the mask has holes.
    pub fn prefix_len(&self, af: Af) -> Option<u32> {
        prefix_len(&self.mask[..af.address_len()])
    }

    /// How a listing shows it: `anywhere` for the unspecified address unless numbers are wanted.
    pub fn listed(&self, w: &mut dyn fmt::Write, af: Af, numeric: bool) -> fmt::Result {
        if !numeric && self.address(af).is_unspecified() {
            return w.write_str("anywhere");
        }
        write!(w, "{}", self.shown(af))
    }

    /// With its mask as a length (or in full), which is left out when it is all ones.
    pub const fn shown(&self, af: Af) -> Shown<'_> {
        Shown { network: self, af }
    }
}

/// A network with its family, to print.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a> {
    network: &'a Network,
    af: Af,
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { network, af } = *self;
        write!(f, "{}", Text(network.address(af)))?;
        match network.prefix_len(af) {
            Some(len) if len as usize == af.address_len() * 8 => Ok(()),
            Some(len) => write!(f, "/{len}"),
            None => write!(f, "/{}", Text(to_ip(af, &network.mask))),
        }
    }
}

/// One address of a host, by number or name; as `getaddrinfo` with the family given.
pub fn resolve(host: &str, af: Af) -> Result<IpAddr, Refused> {
    if let Ok(address) = host.parse::<IpAddr>() {
        // A mapped address is the IPv4 one that it holds.
        let address = if af == Af::V4 { address.to_canonical() } else { address };
        let fits = address.is_ipv4() == (af == Af::V4);
        return if fits { Ok(address) } else { Err(Refused::Host(OTHER_FAMILY.to_owned())) };
    }
    let mut found = resolve::addresses(host, af).map_err(Refused::Host)?;
    found.dedup();
    match found[..] {
        [address] => Ok(address),
        _ => Err(Refused::Ambiguous),
    }
}

/// A mask as a length or dotted, as 16 bytes; oddities as in [`Network::parse`].
pub fn parse_mask(text: &str, af: Af) -> Option<[u8; 16]> {
    Some(parse_mask_len(text, af)?.map_or([0xff; 16], |len| mask_of(len as usize)))
}

/// The length of a mask given as such or dotted, in any form that `inet_aton` knows; `Some(None)` if it has holes.
pub fn parse_mask_len(text: &str, af: Af) -> Option<Option<u32>> {
    if let Some(len) = number::parse(text, 0, af.address_len() as u64 * 8) {
        return Some(Some(len as u32));
    }
    let dotted = match af {
        Af::V4 => aton(text)?.into(),
        Af::V6 => text.parse::<Ipv6Addr>().ok()?.into(),
    };
    Some(prefix_len(&to_bytes(dotted)[..af.address_len()]))
}

/// An IPv4 address of one to four numbers, each decimal, octal or hexadecimal, the last of which fills what is left; as
/// `inet_aton`, without the white space that may follow there.
fn aton(text: &str) -> Option<Ipv4Addr> {
    let mut parts: Vec<&str> = text.split('.').collect();
    let last = parts.pop()?;
    let part = |part: &str, max: u64| {
        part.starts_with(|c: char| c.is_ascii_digit()).then(|| number::parse(part, 0, max)).flatten()
    };
    let room = u64::from(u32::MAX).checked_shr(8 * u32::try_from(parts.len()).ok()?).filter(|room| *room >= 255)?;
    let mut address = part(last, room)?;
    for (place, text) in parts.iter().enumerate() {
        address |= part(text, 255)? << (24 - 8 * place);
    }
    Some(Ipv4Addr::from_bits(address as u32))
}

/// How many ones lead, if only zeros follow them.
pub fn prefix_len(mask: &[u8]) -> Option<u32> {
    let ones: u32 = mask.iter().map(|byte| byte.count_ones()).sum();
    let mut leading = 0;
    for byte in mask {
        leading += byte.leading_ones();
        if *byte != 0xff {
            break;
        }
    }
    (ones == leading).then_some(ones)
}

const OTHER_FAMILY: &str = "Address family for hostname not supported";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mask_is_a_length_or_dotted() {
        let parse = |text| Network::parse(text, Af::V4).map(|network| network.shown(Af::V4).to_string());
        assert_eq!(parse("1.2.3.4/24"), Ok("1.2.3.4/24".into()));
        assert_eq!(parse("1.2.3.4/255.255.0.0"), Ok("1.2.3.4/16".into()));
        assert_eq!(parse("1.2.3.4/255.0.255.0"), Ok("1.2.3.4".into()));
        assert_eq!(parse("1.2.3.4/0"), Ok("1.2.3.4/0".into()));
        assert_eq!(parse("1.2.3.4/x"), Err(Refused::Mask));
        assert_eq!(parse("1.2.3.4/2147483648"), Ok("1.2.3.4/1".into()));
        assert_eq!(parse("1.2.3.4/0377.0xc00000"), Ok("1.2.3.4/10".into()));
        assert_eq!(parse("1.2.3.4/33"), Ok("1.2.3.4".into()));
        assert_eq!(parse("1.2.3.4/255.256.0.0"), Err(Refused::Mask));
        assert_eq!(parse("1.2.3.4/1.2.3.4.5"), Err(Refused::Mask));
    }

    #[test]
    fn an_address_of_the_other_family_is_refused() {
        assert_eq!(Network::parse("::1", Af::V4), Err(Refused::Host(OTHER_FAMILY.to_owned())));
    }

    #[test]
    fn a_network_contains_what_its_mask_lets_through() {
        let network = Network::parse("10.0.0.0/8", Af::V4).unwrap();
        assert!(network.contains(&[10, 1, 2, 3], Af::V4));
        assert!(!network.contains(&[11, 1, 2, 3], Af::V4));
        assert!(!network.contains(&[10, 1], Af::V4));
    }

    #[test]
    fn prefix_lengths_cover_both_ends() {
        assert_eq!(mask_of(0), [0; 16]);
        assert_eq!(mask_of(128), [0xff; 16]);
        assert_eq!(prefix_len(&mask_of(10)), Some(10));
        assert_eq!(prefix_len(&[0xff, 0, 0xff, 0]), None);
    }
}
