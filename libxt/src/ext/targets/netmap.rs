//! `-j NETMAP`: moves a whole network of addresses onto another, host part kept.

use std::fmt::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::ext::{Extension, Families, Given, Kind, Malformed, Opt, Problem, Revision, Surroundings};
use crate::family::Af;
use crate::value::address::{self, Text};

/// The network that addresses are moved to: its first and last address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Netmap {
    /// The first.
    pub first: IpAddr,
    /// The last.
    pub last: IpAddr,
}

impl Default for Netmap {
    fn default() -> Self {
        Self { first: Ipv4Addr::UNSPECIFIED.into(), last: Ipv4Addr::UNSPECIFIED.into() }
    }
}

impl Extension for Netmap {
    const NAME: &'static str = "NETMAP";
    const KIND: Kind = Kind::Target;
    const REVISIONS: &'static [Revision] = &[
        Revision::new(0, size_of::<Info4>()).only(Families::V4),
        Revision::new(0, size_of::<Info6>()).only(Families::V6),
    ];
    const OPTIONS: &'static [Opt<Self>] =
        &[Opt::new("to", " address[/mask]", "the network to map onto", set_to).mandatory()];

    fn decode(_revision: u8, info: &[u8], around: &Surroundings) -> Result<Self, Malformed> {
        const WRONG: Malformed = Malformed("NETMAP");
        match around.af {
            Af::V4 => {
                let (info, _) = Info4::read_from_prefix(info).map_err(|_| WRONG)?;
                Ok(Self { first: Ipv4Addr::from(info.first).into(), last: Ipv4Addr::from(info.last).into() })
            }
            Af::V6 => {
                let (info, _) = Info6::read_from_prefix(info).map_err(|_| WRONG)?;
                Ok(Self { first: Ipv6Addr::from(info.first).into(), last: Ipv6Addr::from(info.last).into() })
            }
        }
    }

    fn encode(&self, _revision: u8, info: &mut [u8], _around: &Surroundings) -> Result<(), Malformed> {
        match (self.first, self.last) {
            (IpAddr::V4(first), IpAddr::V4(last)) => {
                let (first, last) = (first.octets(), last.octets());
                Info4 { ranges: 1, flags: MAP_IPS, first, last, ports: [0; 4] }.write_to_prefix(info).ok()
            }
            (IpAddr::V6(first), IpAddr::V6(last)) => {
                let (first, last) = (first.octets(), last.octets());
                Info6 { flags: MAP_IPS, first, last, ports: [0; 4] }.write_to_prefix(info).ok()
            }
            _ => None,
        }
        .ok_or(Malformed("NETMAP"))
    }

    fn save(&self, w: &mut dyn Write, _around: &Surroundings) -> fmt::Result {
        write!(w, " --to {}", self.network())
    }

    fn print(&self, w: &mut dyn Write, _around: &Surroundings, _numeric: bool) -> fmt::Result {
        write!(w, " to:{}", self.network())
    }
}

impl Netmap {
    /// `first/length`, or `first/mask` where the range is not a network.
    fn network(&self) -> String {
        let af = if self.first.is_ipv4() { Af::V4 } else { Af::V6 };
        let (first, last) = (address::to_bytes(self.first), address::to_bytes(self.last));
        let mut mask = [0; 16];
        for (mask, (first, last)) in mask.iter_mut().zip(first.iter().zip(last)).take(af.address_len()) {
            *mask = !(first ^ last);
        }
        match address::mask_len(af, &mask) {
            Some(len) => format!("{}/{len}", Text(self.first)),
            None => format!("{}/{}", Text(self.first), Text(address::to_ip(af, &mask))),
        }
    }
}

fn set_to(to: &mut Netmap, given: &Given<'_>) -> Result<(), Problem> {
    let network = given.network()?;
    let bound = |wanted: fn(u8, u8) -> u8| {
        let mut bytes = network.address;
        for (byte, mask) in bytes.iter_mut().zip(network.mask) {
            *byte = wanted(*byte, mask);
        }
        address::to_ip(given.around.af, &bytes)
    };
    *to = Netmap { first: bound(|byte, mask| byte & mask), last: bound(|byte, mask| byte | !mask) };
    Ok(())
}

/// `NF_NAT_RANGE_MAP_IPS`.
const MAP_IPS: u32 = 1;

/// struct nf_nat_ipv4_multi_range_compat with its one range.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Info4 {
    ranges: u32,
    flags: u32,
    first: [u8; 4],
    last: [u8; 4],
    ports: [u8; 4],
}

/// struct nf_nat_range.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Info6 {
    flags: u32,
    first: [u8; 16],
    last: [u8; 16],
    ports: [u8; 4],
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_kept_as_its_first_and_last_address() {
        // As installed by `-j NETMAP --to 1.2.3.0/24`.
        let bytes: [u8; 24] = [1, 0, 0, 0, 1, 0, 0, 0, 1, 2, 3, 0, 1, 2, 3, 255, 0, 0, 0, 0, 0, 0, 0, 0];
        let around = Surroundings::new(Af::V4);
        let value = Netmap::decode(0, &bytes, &around).unwrap();
        let mut again = [0; 24];
        value.encode(0, &mut again, &around).unwrap();
        assert_eq!(again, bytes);
        assert_eq!(value.network(), "1.2.3.0/24");
    }

    #[test]
    fn the_host_part_of_the_network_is_dropped() {
        let given = |value, af| Given::new(value, false, Surroundings::new(af));
        let network = |value, af| {
            let mut netmap = Netmap::default();
            set_to(&mut netmap, &given(value, af)).map(|()| netmap.network())
        };
        assert_eq!(network("1.2.3.4/255.255.0.0", Af::V4).unwrap(), "1.2.0.0/16");
        assert_eq!(network("1.2.3.4/255.255.0.255", Af::V4).unwrap(), "1.2.3.4/32");
        assert_eq!(network("1.2.3.4/0", Af::V4).unwrap(), "0.0.0.0/0");
        assert_eq!(network("fe80::1/ffff::", Af::V6).unwrap(), "fe80::/16");
        assert!(network("fe80::1/129", Af::V6).is_err());
    }
}
