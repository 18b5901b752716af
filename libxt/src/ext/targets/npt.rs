//! `-j SNPT` and `-j DNPT`: rewrite the prefix of an IPv6 address, without state.

use std::fmt::{self, Write};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::ext::{Extension, Families, Given, Kind, Malformed, Opt, Problem, Revision, Surroundings};
use crate::value::address::{self, Text};
use crate::value::network::Network;

/// Rewrites the source address, or the destination's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Npt<const SOURCE: bool>(pub Prefixes);

/// Rewrites the source address.
pub type Snpt = Npt<true>;

/// Rewrites the destination address.
pub type Dnpt = Npt<false>;

/// What becomes what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prefixes {
    /// The prefix inside.
    pub from: Prefix,
    /// The prefix it becomes.
    pub to: Prefix,
}

/// An address of which the first bits count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Prefix {
    /// The address.
    pub address: [u8; 16],
    /// How many bits count, 0 to 64 in the kernel.
    pub len: u8,
}

impl<const SOURCE: bool> Extension for Npt<SOURCE> {
    const NAME: &'static str = if SOURCE { "SNPT" } else { "DNPT" };
    const KIND: Kind = Kind::Target;
    const REVISIONS: &'static [Revision] = &[REVISION];
    const OPTIONS: &'static [Opt<Self>] = &[
        Opt::new("src-pfx", " prefix/length", "the prefix that is rewritten", |to: &mut Self, given| {
            set(&mut to.0.from, given)
        })
        .mandatory(),
        Opt::new("dst-pfx", " prefix/length", "the prefix it becomes", |to: &mut Self, given| set(&mut to.0.to, given))
            .mandatory(),
    ];

    fn decode(_revision: u8, info: &[u8], _around: &Surroundings) -> Result<Self, Malformed> {
        Prefixes::decode(info).map(Self).ok_or(Malformed(Self::NAME))
    }

    fn encode(&self, _revision: u8, info: &mut [u8], _around: &Surroundings) -> Result<(), Malformed> {
        self.0.encode(info).ok_or(Malformed(Self::NAME))
    }

    fn save(&self, w: &mut dyn Write, around: &Surroundings) -> fmt::Result {
        self.0.write(w, around, "--")
    }

    fn print(&self, w: &mut dyn Write, around: &Surroundings, _numeric: bool) -> fmt::Result {
        write!(w, " {}", Self::NAME)?;
        self.0.write(w, around, "")
    }
}

impl Prefixes {
    fn decode(info: &[u8]) -> Option<Self> {
        let (info, _) = Info::read_from_prefix(info).ok()?;
        Some(Self {
            from: Prefix { address: info.from, len: info.from_len },
            to: Prefix { address: info.to, len: info.to_len },
        })
    }

    fn encode(&self, info: &mut [u8]) -> Option<()> {
        let Self { from, to } = self;
        let bytes = Info { from: from.address, to: to.address, from_len: from.len, to_len: to.len, adjustment: [0; 2] };
        bytes.write_to_prefix(info).ok()
    }

    fn write(&self, w: &mut dyn Write, around: &Surroundings, dashes: &str) -> fmt::Result {
        for (name, Prefix { address, len }) in [("src", self.from), ("dst", self.to)] {
            write!(w, " {dashes}{name}-pfx {}/{len}", Text(address::to_ip(around.af, &address)))?;
        }
        Ok(())
    }
}

fn set(to: &mut Prefix, given: &Given<'_>) -> Result<(), Problem> {
    let network: Network = given.network()?;
    *to = Prefix { address: network.address, len: network.prefix_len(given.around.af).unwrap_or(0) as u8 };
    Ok(())
}

/// The checksum's adjustment is the kernel's own.
const REVISION: Revision = Revision::new(0, size_of::<Info>()).user_size(34).only(Families::V6);

/// struct ip6t_npt_tginfo.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Info {
    from: [u8; 16],
    to: [u8; 16],
    from_len: u8,
    to_len: u8,
    adjustment: [u8; 2],
}
